package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// loadReplay fills in what a job of a replay that was begun is about: what it overrides, and the input that the work had. The stage
// that replays began with takes the overrides. What it works on is what its parent made; without one, what the original
// run worked on, or, if it is to be applied, what is there now.
func loadReplay(ctx context.Context, c *pgx.Conn, j *pipeline.Job) error {
	stage, _ := evaluation.StageByName(j.Stage)
	var r pipeline.Replay
	var began evaluation.StageName
	var input []byte
	err := c.QueryRow(ctx, `
		SELECT r.id, j.replay_of, coalesce(j.replay_parent, ''), r.provider, r.model, r.prompt, r.chain, r.apply, r.stage, (
			SELECT output FROM stage_runs
			WHERE job_id = coalesce(j.replay_parent, (
					SELECT o.id FROM jobs o WHERE o.evaluation_id = j.evaluation_id AND o.stage = $2 AND o.replay_of IS NULL AND NOT r.apply))
				AND output ->> 'state' IN ('ready', 'fallback')
			ORDER BY started_at DESC LIMIT 1)
		FROM jobs j JOIN replays r ON r.id = j.replay_id WHERE j.id = $1`, j.ID, inputStage(stage)).
		Scan(&r.ID, &r.Of, &r.Parent, &r.Provider, &r.Model, &r.Prompt, &r.Chain, &r.Apply, &began, &input)
	if err != nil {
		return err
	}
	if began != j.Stage {
		r.Provider, r.Model, r.Prompt = "", "", ""
	}
	j.Replay = &r
	if input == nil {
		return nil
	}
	var row artifactRow
	if err := json.Unmarshal(input, &row); err != nil {
		return fmt.Errorf("read the input of job %s: %w", j.ID, err)
	}
	for i, a := range j.Evaluation.Artifacts {
		if a.Kind == stage.After {
			j.Evaluation.Artifacts[i] = evaluation.Artifact(row)
		}
	}
	return nil
}

// inputStage is the stage whose result a stage works on; empty if none.
func inputStage(s evaluation.Stage) evaluation.StageName {
	if s.After == "" {
		return ""
	}
	return s.After.Stage()
}

func replayOf(j pipeline.Job) *string {
	if j.Replay == nil {
		return nil
	}
	return &j.Replay.Of
}

// queueReplayed queues what follows from a replay's result: the next stage's job, or, after the last one, its application. The
// evaluation is locked. It reports whether the outbox has something to send.
func queueReplayed(b *pgx.Batch, l lockedJob, j pipeline.Job, made evaluation.Artifact) bool {
	if (j.Replay.Chain || j.Replay.Apply) && made.State.Available() {
		started := false
		for _, s := range evaluation.Stages() {
			if s.Artifact != "" && s.After == made.Kind {
				queueNextReplay(b, j, s.Name)
				started = true
			}
		}
		if started {
			return true
		}
	}
	if !j.Replay.Apply {
		return false
	}
	return queueApplied(b, l.evaluation, j, made)
}

// queueNextReplay adds a replay's job of a following stage. Where the original never got that far, it is a replay of the same job
// as its parent.
func queueNextReplay(b *pgx.Batch, j pipeline.Job, next evaluation.StageName) {
	b.Queue(`
		WITH job AS (
			INSERT INTO jobs (id, stage, evaluation_id, user_id, replay_id, replay_parent, replay_of)
			SELECT $1, $2, $3, $4, $5, $6, coalesce((SELECT id FROM jobs WHERE evaluation_id = $3 AND stage = $2 AND replay_of IS NULL), $7)
			RETURNING id, stage)
		INSERT INTO outbox (kind, destination, job_id, evaluation_id) SELECT 'enqueue', stage, id, $3 FROM job`,
		newID("job"), next, j.EvaluationID, j.UserID, j.Replay.ID, j.ID, j.Replay.Of)
}

// queueApplied puts what a replay made in the place of what is there, its text and audio together, unless that would be worse or
// not fit together; then it notes why not.
func queueApplied(b *pgx.Batch, e *evaluation.Evaluation, j pipeline.Job, made evaluation.Artifact) bool {
	if !made.State.Available() && j.Replay.Parent == "" {
		queueNote(b, j, "not applied: nothing was made")
		return false
	}
	artifacts := []evaluation.Artifact{made}
	stage, _ := evaluation.StageByName(j.Stage)
	if stage.After != "" {
		input := j.Evaluation.Artifacts.Get(stage.After)
		switch {
		case j.Replay.Parent != "":
			artifacts = []evaluation.Artifact{input, made}
		case input.Text != e.Artifacts.Get(stage.After).Text:
			queueNote(b, j, "not applied: the text was changed while it was spoken")
			return false
		}
	}
	if !e.Replace(artifacts...) {
		queueNote(b, j, "not applied: the result is worse than what is there")
		return false
	}
	var stages []evaluation.StageName
	for _, a := range artifacts {
		if a.State.Available() {
			stages = append(stages, a.Kind.Stage())
		}
		queueArtifacts(b, artifactChange{e.ID, fromArtifact(e.Artifacts.Get(a.Kind))})
	}
	b.Queue(`UPDATE evaluations SET version = version + 1, updated_at = now() WHERE id = $1`, e.ID)
	b.Queue(`UPDATE jobs SET applied_version = $2 WHERE id = ANY($1)`, []string{j.ID, j.Replay.Parent}, e.Version+1)
	b.Queue(`UPDATE jobs SET state = 'done', updated_at = now() WHERE evaluation_id = $1 AND stage = ANY($2) AND replay_of IS NULL AND state = 'dead'`,
		e.ID, stages)
	queueProgress(b, e.ID)
	return true
}

func queueNote(b *pgx.Batch, j pipeline.Job, note string) {
	b.Queue(`UPDATE jobs SET last_error = concat_ws('; ', nullif(last_error, ''), $2::text) WHERE id = $1`, j.ID, note)
}
