package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"oktalk/internal/evaluation"
	"oktalk/internal/replay"
)

// History reads everything that is recorded of an evaluation's course, in one round trip. An evaluation that was deleted is found until
// it is erased.
func (s *Replays) History(ctx context.Context, evaluationID string) (h replay.History, err error) {
	err = s.db.with(ctx, "explain evaluation "+evaluationID, func(ctx context.Context, c *pgx.Conn) error {
		var found bool
		b := &pgx.Batch{}
		b.Queue(`SELECT id, user_id, status, version, created_at, updated_at, deleted_at, waiting_for FROM evaluations WHERE id = $1`, evaluationID).
			QueryRow(optional(&found, &h.EvaluationID, &h.UserID, &h.Status, &h.Version, &h.CreatedAt, &h.UpdatedAt, &h.DeletedAt, &h.WaitingFor))
		collect(b, &h.Artifacts, toArtifactState, `
			SELECT kind, state, provider, object_key, reason, EXISTS (SELECT FROM object_spool o WHERE o.key = object_key), updated_at
			FROM artifacts WHERE evaluation_id = $1
			ORDER BY array_position(ARRAY['feedback_text', 'feedback_audio', 'demo_audio'], kind)`, evaluationID)
		collect(b, &h.Jobs, toHistoryJob, `
			SELECT j.id, j.stage, `+jobStatus+`, j.run, j.owner, j.attempts, j.crashes, j.waits, j.entry_id, j.not_before, j.created_at,
				j.updated_at, j.last_error, coalesce(j.replay_id, ''), coalesce(j.replay_of, ''), coalesce(j.applied_version, 0)
			FROM jobs j WHERE j.evaluation_id = $1 ORDER BY j.created_at, j.id`, evaluationID)
		collect(b, &h.Runs, toHistoryRun, `
			SELECT job_id, run, stage, started_at, entry_id, owner, attempt, outcome, provider, model, prompt_version, latency_ms, error,
				coalesce(replay_of, '')
			FROM stage_runs WHERE evaluation_id = $1 ORDER BY started_at, run`, evaluationID)
		collect(b, &h.Outbox, toOutboxRow, `SELECT kind, job_id, created_at FROM outbox WHERE evaluation_id = $1 ORDER BY id`, evaluationID)
		if err := send(ctx, c, b); err != nil {
			return err
		}
		if !found {
			return evaluation.ErrNotFound
		}
		h.CreatedAt, h.UpdatedAt = h.CreatedAt.UTC(), h.UpdatedAt.UTC()
		h.Entries = []replay.EntryState{}
		return nil
	})
	return h, err
}

// collect queues a query whose rows become a list that is never nil.
func collect[T any](b *pgx.Batch, into *[]T, to pgx.RowToFunc[T], sql string, args ...any) {
	b.Queue(sql, args...).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, to)
		return err
	})
}

func toArtifactState(row pgx.CollectableRow) (a replay.ArtifactState, err error) {
	err = row.Scan(&a.Kind, &a.State, &a.Provider, &a.ObjectKey, &a.Reason, &a.Spooled, &a.UpdatedAt)
	a.UpdatedAt = a.UpdatedAt.UTC()
	return a, err
}

func toHistoryJob(row pgx.CollectableRow) (j replay.Job, err error) {
	err = row.Scan(&j.ID, &j.Stage, &j.Status, &j.Run, &j.Owner, &j.Attempts, &j.Crashes, &j.Waits, &j.EntryID, &j.NotBefore, &j.CreatedAt,
		&j.UpdatedAt, &j.LastError, &j.ReplayID, &j.ReplayOf, &j.Applied)
	j.NotBefore, j.CreatedAt, j.UpdatedAt = j.NotBefore.UTC(), j.CreatedAt.UTC(), j.UpdatedAt.UTC()
	return j, err
}

func toHistoryRun(row pgx.CollectableRow) (r replay.Run, err error) {
	err = row.Scan(&r.JobID, &r.Run, &r.Stage, &r.StartedAt, &r.EntryID, &r.Owner, &r.Attempt, &r.Outcome, &r.Provider, &r.Model,
		&r.PromptVersion, &r.LatencyMS, &r.Error, &r.ReplayOf)
	r.StartedAt = r.StartedAt.UTC()
	return r, err
}

func toOutboxRow(row pgx.CollectableRow) (o replay.OutboxRow, err error) {
	err = row.Scan(&o.Kind, &o.JobID, &o.CreatedAt)
	o.CreatedAt = o.CreatedAt.UTC()
	return o, err
}
