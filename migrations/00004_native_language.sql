-- +goose Up

-- The language that the learner grew up with, as a BCP 47 tag; empty: not said. Programs that do not know it leave it empty.
ALTER TABLE evaluations ADD COLUMN native_language text NOT NULL DEFAULT '';

-- +goose Down

ALTER TABLE evaluations DROP COLUMN native_language;
