package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// Outbox is the store of the relay (package outbox). It is safe for concurrent use.
type Outbox struct{ db *DB }

// NewOutbox makes a store over a pool.
func NewOutbox(db *DB) *Outbox { return &Outbox{db: db} }

// claimRows takes rows of the kinds that this program knows. Until the transaction commits, they are invisible to other relays,
// which skip them; a crash or an error brings them back.
const claimRows = `
	DELETE FROM outbox WHERE id = ANY (ARRAY(
		SELECT id FROM outbox WHERE kind IN ('enqueue', 'progress') ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED))
	RETURNING kind, job_id, evaluation_id`

// sendError is an error of the caller's send function. It passes through unchanged, so that Redis being away is not taken for the
// database being away.
type sendError struct{ error }

func (e *sendError) Unwrap() error { return e.error }

// Claim takes up to limit rows that no other relay holds, calls send with what they ask for as it is now, and deletes them if
// it succeeds; otherwise they stay for another claim. It returns how many rows it took. With nothing to send, send is not called;
// it is called a second time for evaluations that were deleted while the first call ran. Its error comes back as it is.
func (s *Outbox) Claim(
	ctx context.Context, limit int,
	send func(ctx context.Context, jobs []pipeline.Entry, changed []*evaluation.Evaluation, deleted []string) error,
) (n int, err error) {
	err = s.db.with(ctx, "claim outbox rows", func(ctx context.Context, c *pgx.Conn) error {
		claimed, err := claim(ctx, c, limit)
		n = claimed.rows
		if err != nil || n == 0 {
			return err
		}
		b, err := claimed.load(ctx, c)
		if err != nil {
			return err
		}
		if len(b.jobs)+len(b.changed)+len(b.deleted) > 0 {
			if err := send(ctx, b.jobs, b.changed, b.deleted); err != nil {
				return &sendError{err}
			}
		}
		late, err := deletedSince(ctx, c, b.changed)
		if err != nil {
			return err
		}
		if len(late) > 0 {
			if err := send(ctx, nil, nil, late); err != nil {
				return &sendError{err}
			}
		}
		return commit(ctx, c, &pgx.Batch{})
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// batch is what a set of claimed rows asks to send.
type batch struct {
	jobs    []pipeline.Entry
	changed []*evaluation.Evaluation
	deleted []string
}

// claimedRows is what claimed rows name, each once.
type claimedRows struct {
	rows        int
	jobs        []string
	evaluations []string
}

func claim(ctx context.Context, c *pgx.Conn, limit int) (claimed claimedRows, err error) {
	jobs, evaluations := map[string]bool{}, map[string]bool{}
	b := beginBatch()
	b.Queue(claimRows, limit).Query(func(rows pgx.Rows) error {
		var kind, job, id string
		_, err := pgx.ForEachRow(rows, []any{&kind, &job, &id}, func() error {
			claimed.rows++
			switch {
			case kind == "enqueue" && !jobs[job]:
				jobs[job] = true
				claimed.jobs = append(claimed.jobs, job)
			case kind == "progress" && !evaluations[id]:
				evaluations[id] = true
				claimed.evaluations = append(claimed.evaluations, id)
			}
			return nil
		})
		return err
	})
	err = send(ctx, c, b)
	return claimed, err
}

// load reads what claimed rows name as it is now. A job that is no longer open is dropped, an evaluation that is not there is
// deleted.
func (claimed claimedRows) load(ctx context.Context, c *pgx.Conn) (out batch, err error) {
	b := &pgx.Batch{}
	if len(claimed.jobs) > 0 {
		b.Queue(selectEntries+`WHERE id = ANY($1) AND state = 'open' ORDER BY id`, claimed.jobs).Query(func(rows pgx.Rows) (err error) {
			out.jobs, err = pgx.CollectRows(rows, toEntry)
			return err
		})
	}
	if len(claimed.evaluations) > 0 {
		b.Queue(withoutWords+`WHERE e.id = ANY($1) AND e.deleted_at IS NULL`, claimed.evaluations).Query(func(rows pgx.Rows) (err error) {
			out.changed, err = collectEvaluations(rows)
			return err
		})
	}
	if err := send(ctx, c, b); err != nil {
		return batch{}, err
	}
	out.deleted = missing(claimed.evaluations, out.changed)
	return out, nil
}

// deletedSince finds evaluations that were deleted after they were read. Their removal may have been sent before their state was, and
// the state would stay behind.
func deletedSince(ctx context.Context, c *pgx.Conn, sent []*evaluation.Evaluation) ([]string, error) {
	if len(sent) == 0 {
		return nil, nil
	}
	ids := make([]string, len(sent))
	for i, e := range sent {
		ids[i] = e.ID
	}
	rows, err := c.Query(ctx, `
		SELECT id FROM unnest($1::text[]) AS id
		WHERE NOT EXISTS (SELECT FROM evaluations e WHERE e.id = id.id AND e.deleted_at IS NULL)`, ids)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func missing(ids []string, found []*evaluation.Evaluation) []string {
	have := make(map[string]bool, len(found))
	for _, e := range found {
		have[e.ID] = true
	}
	var absent []string
	for _, id := range ids {
		if !have[id] {
			absent = append(absent, id)
		}
	}
	return absent
}

// selectEntries reads jobs as entries; due is null when it has passed, by the database's clock. Replays go to the low lane and are
// counted for no user: they must not make a learner's own work wait.
const selectEntries = `
	SELECT id, stage, evaluation_id, CASE WHEN replay_of IS NULL THEN user_id ELSE '' END, attempts + 1, created_at,
		CASE WHEN not_before > now() THEN not_before END, traceparent, replay_of IS NOT NULL
	FROM jobs `

func toEntry(row pgx.CollectableRow) (e pipeline.Entry, err error) {
	var due *time.Time
	err = row.Scan(&e.JobID, &e.Stage, &e.EvaluationID, &e.UserID, &e.Attempt, &e.EnqueuedAt, &due, &e.Traceparent, &e.Low)
	e.EnqueuedAt, e.Due = e.EnqueuedAt.UTC(), value(due).UTC()
	return e, err
}

// OutboxStats says how the outbox is doing.
type OutboxStats struct {
	Rows     int64         // waiting to be sent
	Oldest   time.Duration // age of the oldest; 0 if there is none
	DeadRows int64         // row versions that vacuum has not removed, as PostgreSQL estimates: they make claims slow
}

// Stats measures the outbox.
func (s *Outbox) Stats(ctx context.Context) (st OutboxStats, err error) {
	err = s.db.with(ctx, "measure outbox", func(ctx context.Context, c *pgx.Conn) error {
		var oldest float64
		err := c.QueryRow(ctx, `
			SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8,
				coalesce((SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = 'outbox'::regclass), 0)
			FROM outbox`).Scan(&st.Rows, &oldest, &st.DeadRows)
		st.Oldest = time.Duration(oldest * float64(time.Second))
		return err
	})
	return st, err
}
