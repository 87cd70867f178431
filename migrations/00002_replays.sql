-- +goose Up

-- What a user may do besides using the API for themselves: admin opens /v1/admin.
ALTER TABLE users ADD COLUMN role text NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin'));

-- Each command that ran past work again. It names nobody's evaluation, so it stays when those are deleted.
CREATE TABLE replays (
    id         text PRIMARY KEY,                     -- replay_<ulid>; objects it makes are under replays/<id>/
    created_at timestamptz NOT NULL DEFAULT now(),
    actor      text NOT NULL,                        -- who
    why        text NOT NULL CHECK (why <> ''),
    stage      text NOT NULL,                        -- where it began
    filter     jsonb NOT NULL,                       -- how the entries were chosen, without identifiers and texts
    selected   integer NOT NULL,                     -- entries that were run again
    provider   text NOT NULL DEFAULT '',             -- empty: as configured, as are model and prompt
    model      text NOT NULL DEFAULT '',
    prompt     text NOT NULL DEFAULT '',
    chain      boolean NOT NULL DEFAULT false,       -- the following stages run too
    apply      boolean NOT NULL DEFAULT false        -- the result takes the place of the original's
);

-- jobs.replay_of is the job whose work a replay's job does again.
ALTER TABLE jobs
    ADD COLUMN replay_id       text,                 -- the replay it belongs to
    ADD COLUMN replay_parent   text,                 -- the job of the same replay whose result it works on
    ADD COLUMN applied_version bigint,               -- version of the evaluation that has its result
    ADD COLUMN erase_replays   text[];               -- erase jobs: replays that may have objects of the evaluation

-- For choosing among millions, newest first. None has a column that begin changes.
CREATE INDEX jobs_stage ON jobs (stage, created_at);
CREATE INDEX jobs_user ON jobs (user_id, stage, created_at);
CREATE INDEX jobs_dead ON jobs (stage, created_at) WHERE state = 'dead';
CREATE INDEX jobs_replay ON jobs (replay_id) WHERE replay_id IS NOT NULL;
-- The entry of a run that ended. Jobs keep that of the run under way, without an index: begin must not touch one.
CREATE INDEX stage_runs_entry ON stage_runs (entry_id);
CREATE INDEX audit_at ON audit (at);

-- For searching texts and errors. Without the extension, which PostgreSQL brings along and a database's owner may make, a search
-- reads everything: seconds instead of a tenth of one among a million runs.
-- +goose StatementBegin
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX evaluations_grep ON evaluations USING gin (target_text gin_trgm_ops);
    CREATE INDEX artifacts_grep ON artifacts USING gin (text gin_trgm_ops) WHERE kind = 'feedback_text';
    CREATE INDEX stage_runs_grep ON stage_runs USING gin (error gin_trgm_ops) WHERE error <> '';
EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported THEN
    RAISE NOTICE 'extension pg_trgm cannot be made (%): searches will be slow', SQLERRM;
END $$;
-- +goose StatementEnd

-- +goose Down

DROP INDEX IF EXISTS evaluations_grep, artifacts_grep, stage_runs_grep; -- the extension may serve others too
DROP INDEX audit_at, stage_runs_entry, jobs_replay, jobs_dead, jobs_user, jobs_stage;
ALTER TABLE jobs DROP COLUMN erase_replays, DROP COLUMN applied_version, DROP COLUMN replay_parent, DROP COLUMN replay_id;
DROP TABLE replays;
ALTER TABLE users DROP COLUMN role;
