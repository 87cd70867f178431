-- +goose Up

-- The second track of a model reading: a word as it was heard and as it is meant.
ALTER TABLE artifacts ADD COLUMN contrast_key text NOT NULL DEFAULT '';

-- +goose Down

ALTER TABLE artifacts DROP COLUMN contrast_key;
