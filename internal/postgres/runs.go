package postgres

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// run is what is recorded of a run when it ends.
type run struct {
	outcome pipeline.Outcome
	result  pipeline.Result
	output  json.RawMessage // nil: none
	cause   error
}

// queueRun records a run, once: a call that is repeated because its answer was lost finds the record. It must run under the
// evaluation's lock, so that no record outlives its evaluation.
func queueRun(b *pgx.Batch, j pipeline.Job, r run) {
	const limit = 500
	b.Queue(`
		INSERT INTO stage_runs (started_at, job_id, run, stage, evaluation_id, user_id, entry_id, owner, attempt, outcome, input_hash,
			provider, model, prompt_version, output, usage, error, latency_ms, replay_of)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19
		WHERE NOT EXISTS (SELECT FROM stage_runs WHERE job_id = $2 AND run = $3 AND started_at = $1)`,
		j.StartedAt.Truncate(time.Microsecond), j.ID, j.Run, j.Stage, j.EvaluationID, j.UserID, j.EntryID, j.Owner, j.Attempt, r.outcome,
		storable(r.result.InputHash, limit), storable(r.result.Provider, limit), storable(r.result.Model, limit),
		storable(r.result.PromptVersion, limit), r.output, storableJSON(r.result.Usage), errorText(r.cause),
		max(0, time.Since(j.StartedAt).Milliseconds()), replayOf(j))
}

// outputOf is what a run made, for QA to compare; nil when it made nothing.
func outputOf(a evaluation.Artifact) json.RawMessage {
	if a.Kind == "" {
		return nil
	}
	body, err := json.Marshal(fromArtifact(a))
	if err != nil {
		return nil // strings only: cannot happen
	}
	return body
}

// maxUsage is how many bytes of what a provider reports are kept.
const maxUsage = 8 << 10

// storableJSON makes jsonb that PostgreSQL takes of what a provider reports, or nothing: it must not keep a result from being settled.
// Decoding and encoding replace invalid UTF-8 and lone surrogates and refuse numbers out of range; NUL has no form in jsonb.
func storableJSON(raw json.RawMessage) json.RawMessage {
	var v any
	if len(raw) == 0 || len(raw) > maxUsage || json.Unmarshal(raw, &v) != nil {
		return nil
	}
	body, err := json.Marshal(v)
	if err != nil || strings.Contains(string(body), `\u0000`) {
		return nil
	}
	return body
}
