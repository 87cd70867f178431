-- +goose Up

CREATE TABLE users (
    id         text PRIMARY KEY,                     -- user_<ulid>
    name       text NOT NULL UNIQUE CHECK (name <> ''),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
    id           text PRIMARY KEY,                   -- key_<ulid>
    user_id      text NOT NULL REFERENCES users ON DELETE CASCADE,
    hash         bytea NOT NULL UNIQUE,              -- SHA-256 of the key: keys are 256 random bits, so no slow hash is needed
    hint         text NOT NULL,                      -- its first characters, to recognize it in a list
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    revoked_at   timestamptz
);
CREATE INDEX api_keys_user ON api_keys (user_id);

-- Secrets that all processes share, such as the one that signs tickets; made by the first process that needs one.
CREATE TABLE secrets (
    name       text PRIMARY KEY,
    value      bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE evaluations (
    id                text PRIMARY KEY,              -- eval_<ulid>: sorts by creation time
    user_id           text NOT NULL REFERENCES users ON DELETE CASCADE,
    status            text NOT NULL CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
    version           bigint NOT NULL CHECK (version >= 1),
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    target_text       text NOT NULL,
    language          text NOT NULL,
    category          text NOT NULL CHECK (category IN ('word', 'sentence', 'paragraph')),
    feedback_language text NOT NULL,
    demo_mode         text NOT NULL CHECK (demo_mode IN ('auto', 'always', 'never')),
    recording_key     text NOT NULL,
    audio_format      text NOT NULL,
    audio_type        text NOT NULL,
    audio_bytes       bigint NOT NULL,
    audio_sha256      bytea NOT NULL,
    audio_duration_ms bigint NOT NULL,
    assessor          text,                          -- NULL until scored, as all scores
    overall           smallint CHECK (overall BETWEEN 0 AND 100),
    accuracy          smallint CHECK (accuracy BETWEEN 0 AND 100),
    fluency           smallint CHECK (fluency BETWEEN 0 AND 100),
    integrity         smallint CHECK (integrity BETWEEN 0 AND 100),
    prosody           smallint CHECK (prosody BETWEEN 0 AND 100),
    level             text CHECK (level IN ('S', 'A', 'B', 'C')),
    words             jsonb,
    waiting_for       text NOT NULL DEFAULT '',
    failure           jsonb,                         -- {"problem","message"} when status is failed
    deleted_at        timestamptz                    -- set by DELETE; the row goes with the erase job
) WITH (fillfactor = 80);                            -- room for the next version on the same page
CREATE INDEX evaluations_user ON evaluations (user_id, id DESC) WHERE deleted_at IS NULL;

CREATE TABLE artifacts (
    evaluation_id text NOT NULL REFERENCES evaluations ON DELETE CASCADE,
    kind          text NOT NULL CHECK (kind IN ('feedback_text', 'feedback_audio', 'demo_audio')),
    state         text NOT NULL CHECK (state IN ('pending', 'ready', 'fallback', 'failed', 'skipped')),
    text          text NOT NULL DEFAULT '',
    demo_type     text NOT NULL DEFAULT '' CHECK (demo_type IN ('', 'word', 'sentence')),
    object_key    text NOT NULL DEFAULT '',
    content_type  text NOT NULL DEFAULT '',
    provider      text NOT NULL DEFAULT '',
    reason        text NOT NULL DEFAULT '',
    message       text NOT NULL DEFAULT '',
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (evaluation_id, kind)
);

CREATE TABLE stages (
    name       text PRIMARY KEY,
    paused     boolean NOT NULL DEFAULT false,
    generation text NOT NULL DEFAULT gen_random_uuid()::text  -- equals the marker in Redis while the stage's keys are whole
);

CREATE TABLE jobs (
    id            text PRIMARY KEY,                  -- job_<ulid>
    stage         text NOT NULL,
    evaluation_id text NOT NULL,                     -- no reference: an erase job outlives its evaluation
    user_id       text NOT NULL,
    state         text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'dead', 'cancelled')),
    run           bigint NOT NULL DEFAULT 0,         -- rises with every begin; fences everything a delivery writes
    owner         text NOT NULL DEFAULT '',          -- consumer that works on it; empty between runs
    attempts      integer NOT NULL DEFAULT 0,        -- tries of the work itself that failed
    crashes       integer NOT NULL DEFAULT 0,        -- runs whose owner died without a word
    waits         integer NOT NULL DEFAULT 0,        -- times in a row that the environment was away: sets the next pause
    not_before    timestamptz NOT NULL DEFAULT now(),
    entry_id      text NOT NULL DEFAULT '',          -- stream entry of the last begin
    last_error    text NOT NULL DEFAULT '',
    replay_of     text,
    traceparent   text NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX jobs_once ON jobs (evaluation_id, stage) WHERE replay_of IS NULL AND stage <> 'erase';
CREATE INDEX jobs_evaluation ON jobs (evaluation_id);
CREATE INDEX jobs_open ON jobs (stage, id) WHERE state = 'open'; -- by id: to be read page by page, and begin and retry change no index

-- Every run of every job. Inputs are kept as hashes; outputs are cleared with the evaluation.
CREATE TABLE stage_runs (
    started_at     timestamptz NOT NULL,
    job_id         text NOT NULL,
    run            bigint NOT NULL,
    stage          text NOT NULL,
    evaluation_id  text NOT NULL,
    user_id        text NOT NULL,
    entry_id       text NOT NULL DEFAULT '',
    owner          text NOT NULL DEFAULT '',
    attempt        integer NOT NULL,
    outcome        text NOT NULL CHECK (outcome IN ('done', 'retried', 'fallback', 'failed', 'dead', 'superseded', 'cancelled')),
    input_hash     text NOT NULL DEFAULT '',
    provider       text NOT NULL DEFAULT '',
    model          text NOT NULL DEFAULT '',
    prompt_version text NOT NULL DEFAULT '',
    output         jsonb,
    usage          jsonb,
    error          text NOT NULL DEFAULT '',
    latency_ms     bigint NOT NULL DEFAULT 0,
    replay_of      text
) PARTITION BY RANGE (started_at);
CREATE INDEX stage_runs_evaluation ON stage_runs (evaluation_id);
CREATE INDEX stage_runs_job ON stage_runs (job_id, run);
CREATE TABLE stage_runs_default PARTITION OF stage_runs DEFAULT;

-- What is to be sent to Redis, written in the transaction that makes it true. A row names what to send, never a payload.
CREATE TABLE outbox (
    id            bigserial PRIMARY KEY,
    kind          text NOT NULL,                     -- enqueue (job_id) or progress (evaluation_id)
    job_id        text NOT NULL DEFAULT '',
    evaluation_id text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

-- Objects that the object store did not take yet. Readers are served from here.
CREATE TABLE object_spool (
    key           text PRIMARY KEY,
    evaluation_id text NOT NULL,
    content_type  text NOT NULL,
    bytes         bytea NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX object_spool_evaluation ON object_spool (evaluation_id);

-- Recordings that are on their way into the object store while no evaluation names them. A row is written before the recording is put
-- and goes in the transaction that makes the evaluation; what stays is removed, and then its row.
CREATE TABLE unclaimed_recordings (
    evaluation_id text PRIMARY KEY,                  -- no reference: there is no such evaluation yet, and often never
    created_at    timestamptz NOT NULL DEFAULT now(),
    given_up      boolean NOT NULL DEFAULT false     -- being removed: the evaluation cannot be made any more
);

CREATE TABLE idempotency_keys (
    user_id       text NOT NULL REFERENCES users ON DELETE CASCADE,
    key           text NOT NULL,
    fingerprint   bytea NOT NULL,                    -- SHA-256 over the fields and the audio's content hash
    evaluation_id text,                              -- NULL while the first request runs
    created_at    timestamptz NOT NULL DEFAULT now(), -- while the first request runs: when it last said so
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_evaluation ON idempotency_keys (evaluation_id);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);

CREATE TABLE audit (
    id      bigserial PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    actor   text NOT NULL,
    action  text NOT NULL,
    subject text NOT NULL,
    detail  jsonb
);

-- +goose Down

DROP TABLE audit, idempotency_keys, unclaimed_recordings, object_spool, outbox, stage_runs, jobs, stages, artifacts, evaluations, secrets, api_keys, users;
