-- +goose Up

-- Until when the process that wrote a row means to send it itself: relays leave it alone so long. Rows of a program that does not know
-- this are held by nobody; a program that does not know it claims held rows too, and they are sent twice.
ALTER TABLE outbox ADD COLUMN held_until timestamptz NOT NULL DEFAULT '-infinity';

-- +goose Down

ALTER TABLE outbox DROP COLUMN held_until;
