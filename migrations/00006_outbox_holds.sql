-- +goose Up

-- Until when the process that wrote a row means to send it itself: relays leave it alone so long. Rows of a program that does not know
-- this are held by nobody; a program that does not know it claims held rows too, and they are sent twice.
ALTER TABLE outbox ADD COLUMN held_until timestamptz NOT NULL DEFAULT '-infinity';

-- Room for what stages make on the page of the row that waits for it, so that most changes touch no index. A row grows about threefold.
ALTER TABLE artifacts SET (fillfactor = 40);

-- +goose Down

ALTER TABLE artifacts RESET (fillfactor);
ALTER TABLE outbox DROP COLUMN held_until;
