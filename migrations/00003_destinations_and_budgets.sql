-- +goose Up

-- Where a row goes: to a stage, or to 'snapshots'. Each can be away on its own. Rows of a program that does
-- not know it have none. The key serves the oldest rows for each, however many there are for another.
ALTER TABLE outbox ADD COLUMN destination text NOT NULL DEFAULT '';
ALTER TABLE outbox DROP CONSTRAINT outbox_pkey, ADD PRIMARY KEY (destination, id);

-- When the job was first begun, later by as long as it waited for the environment: what a stage's budget counts from.
ALTER TABLE jobs ADD COLUMN begun_at timestamptz;

-- +goose Down

ALTER TABLE jobs DROP COLUMN begun_at;
ALTER TABLE outbox DROP CONSTRAINT outbox_pkey, DROP COLUMN destination, ADD PRIMARY KEY (id);
