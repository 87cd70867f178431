package postgres

import (
	"encoding/json"
	"strings"
	"time"

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

// runRow is a run as it is stored.
type runRow struct {
	StartedAt     time.Time            `json:"started_at"`
	JobID         string               `json:"job_id"`
	Run           int64                `json:"run"`
	Stage         evaluation.StageName `json:"stage"`
	EvaluationID  string               `json:"evaluation_id"`
	UserID        string               `json:"user_id"`
	EntryID       string               `json:"entry_id"`
	Owner         string               `json:"owner"`
	Attempt       int                  `json:"attempt"`
	Outcome       pipeline.Outcome     `json:"outcome"`
	InputHash     string               `json:"input_hash"`
	Provider      string               `json:"provider"`
	Model         string               `json:"model"`
	PromptVersion string               `json:"prompt_version"`
	Output        json.RawMessage      `json:"output,omitempty"`
	Usage         json.RawMessage      `json:"usage,omitempty"`
	Error         string               `json:"error"`
	LatencyMS     int64                `json:"latency_ms"`
	ReplayOf      *string              `json:"replay_of"`
}

func toRunRow(j pipeline.Job, r run) runRow {
	const limit = 500
	return runRow{
		StartedAt: j.StartedAt.Truncate(time.Microsecond), JobID: j.ID, Run: j.Run, Stage: j.Stage, EvaluationID: j.EvaluationID, UserID: j.UserID,
		EntryID: j.EntryID, Owner: j.Owner, Attempt: j.Attempt, Outcome: r.outcome, InputHash: storable(r.result.InputHash, limit),
		Provider: storable(r.result.Provider, limit), Model: storable(r.result.Model, limit),
		PromptVersion: storable(r.result.PromptVersion, limit), Output: r.output, Usage: storableJSON(r.result.Usage), Error: errorText(r.cause),
		LatencyMS: max(0, time.Since(j.StartedAt).Milliseconds()), ReplayOf: replayOf(j),
	}
}

// insertRun records runs, each a [runRow]. It must run under the locks of their evaluations, so that no record outlives its own.
const insertRun = `
	INSERT INTO stage_runs (started_at, job_id, run, stage, evaluation_id, user_id, entry_id, owner, attempt, outcome, input_hash, provider,
		model, prompt_version, output, usage, error, latency_ms, replay_of)
	SELECT started_at, job_id, run, stage, evaluation_id, user_id, entry_id, owner, attempt, outcome, input_hash, provider,
		model, prompt_version, output, usage, error, latency_ms, replay_of
	FROM json_populate_recordset(NULL::stage_runs, $1) r`

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
