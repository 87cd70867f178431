package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// Outbox is the store of the relay (package outbox). It is safe for concurrent use.
type Outbox struct{ db *DB }

// NewOutbox makes a store over a pool.
func NewOutbox(db *DB) *Outbox { return &Outbox{db: db} }

// claimRows takes the oldest rows for each destination, of the kinds that this program knows and that nobody is about to send. Until the transaction ends other
// relays skip them, and nobody moves them.
const claimRows = `
	SELECT o.ctid, o.destination, o.kind, o.job_id, o.evaluation_id
	FROM unnest($1::text[]) AS d(name), LATERAL (
		SELECT ctid, destination, kind, job_id, evaluation_id FROM outbox
		WHERE destination = d.name AND kind IN ('enqueue', 'progress') AND held_until < clock_timestamp() ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED) o`

// deleteSent removes rows that were sent. Those of evaluations that were sent as they were and are deleted by now stay and are sent
// again, as removals: the removal that the deletion left may have been sent before.
const deleteSent = `DELETE FROM outbox WHERE ctid = ANY ($1::tid[])` + asSent

const asSent = `
	AND (outbox.kind <> 'progress' OR outbox.evaluation_id <> ALL ($2)
		OR outbox.evaluation_id = ANY (ARRAY(SELECT id FROM evaluations WHERE id = ANY ($2) AND ` + isKept + `)))`

// deleteHeld is the same for rows that were sent by whoever wrote them. The LIMIT has each looked up by its key, whatever the planner
// believes of the size of the outbox. Rows that a relay is sending are its to delete.
const deleteHeld = `
	DELETE FROM outbox WHERE ctid = ANY (ARRAY(
		SELECT o.ctid FROM unnest($1::text[], $3::bigint[]) AS sent(destination, id), LATERAL (
			SELECT ctid FROM outbox WHERE outbox.destination = sent.destination AND outbox.id = sent.id LIMIT 1
			FOR UPDATE SKIP LOCKED) o))` + asSent

// forgetful lets the transaction end without waiting for the disk: rows that come back after a crash of the server are sent again.
const forgetful = `SET LOCAL synchronous_commit = off`

// unnamed is that of rows which a program wrote that did not name it.
const unnamed pipeline.Destination = ""

// Claim takes up to limit rows for each of the destinations that no other relay holds, calls send with what they ask for as it is now, and
// deletes them, except those for destinations that send returns: those stay for another claim, as all do after an error. It returns how many
// rows it took.
func (s *Outbox) Claim(
	ctx context.Context, to []pipeline.Destination, limit int, send func(ctx context.Context, b pipeline.Outgoing) (failed []pipeline.Destination),
) (n int, err error) {
	err = s.db.with(ctx, "claim outbox rows", func(ctx context.Context, c *pgx.Conn) error {
		rows, err := claim(ctx, c, to, limit)
		if err != nil || len(rows) == 0 {
			return err
		}
		b, err := load(ctx, c, rows)
		if err != nil {
			return err
		}
		var failed []pipeline.Destination
		if len(b.Jobs)+len(b.Changed)+len(b.Deleted) > 0 {
			failed = send(ctx, b)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		n = len(rows)
		return commit(ctx, c, queueDelete(rows, b, failed))
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Delete deletes rows that were sent by whoever was given them ([DB.OnLeft]). changed are the evaluations whose states were sent: a row of
// one that is deleted by now stays, and is sent again as a removal.
func (s *Outbox) Delete(ctx context.Context, rows []pipeline.Row, changed []string) error {
	to, ids := make([]string, len(rows)), make([]int64, len(rows))
	for i, r := range rows {
		to[i], ids[i] = string(r.To), r.ID
	}
	return s.db.with(ctx, "delete sent rows", func(ctx context.Context, c *pgx.Conn) error {
		b := beginBatch()
		b.Queue(forgetful)
		b.Queue(deleteHeld, to, changed, ids)
		return commit(ctx, c, b)
	})
}

// claimedRow is a row that this relay holds.
type claimedRow struct {
	at                      pgtype.TID
	to                      pipeline.Destination
	kind, job, evaluationID string
}

func claim(ctx context.Context, c *pgx.Conn, to []pipeline.Destination, limit int) (claimed []claimedRow, err error) {
	if slices.Contains(to, pipeline.ToSnapshots) {
		to = append(slices.Clip(to), unnamed)
	}
	b := beginBatch()
	b.Queue(forgetful)
	b.Queue(claimRows, to, limit).Query(func(rows pgx.Rows) (err error) {
		claimed, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (r claimedRow, err error) {
			err = row.Scan(&r.at, &r.to, &r.kind, &r.job, &r.evaluationID)
			return r, err
		})
		return err
	})
	err = send(ctx, c, b)
	return claimed, err
}

// names lists what rows of a kind name, each once.
func names(rows []claimedRow, kind string, name func(claimedRow) string) []string {
	seen := map[string]bool{}
	var list []string
	for _, r := range rows {
		if id := name(r); r.kind == kind && !seen[id] {
			seen[id] = true
			list = append(list, id)
		}
	}
	return list
}

// load reads what claimed rows name as it is now. A job that is no longer open is dropped, an evaluation that is not there is
// deleted.
func load(ctx context.Context, c *pgx.Conn, rows []claimedRow) (out pipeline.Outgoing, err error) {
	jobs := names(rows, "enqueue", func(r claimedRow) string { return r.job })
	evaluations := names(rows, "progress", func(r claimedRow) string { return r.evaluationID })
	b := &pgx.Batch{}
	if len(jobs) > 0 {
		b.Queue(selectEntries+`WHERE id = ANY($1) AND `+isOpen+` ORDER BY id`, jobs).Query(func(rows pgx.Rows) (err error) {
			out.Jobs, err = pgx.CollectRows(rows, toEntry)
			return err
		})
	}
	if len(evaluations) > 0 {
		b.Queue(withoutWords+`WHERE e.id = ANY($1) AND `+isKept, evaluations).Query(func(rows pgx.Rows) (err error) {
			out.Changed, err = collectEvaluations(rows)
			return err
		})
	}
	if err := send(ctx, c, b); err != nil {
		return pipeline.Outgoing{}, err
	}
	out.Deleted = missing(evaluations, out.Changed)
	return out, nil
}

// queueDelete queues the end of rows that were sent.
func queueDelete(rows []claimedRow, sent pipeline.Outgoing, failed []pipeline.Destination) *pgx.Batch {
	stages := map[string]pipeline.Destination{}
	for _, e := range sent.Jobs {
		stages[e.JobID] = pipeline.ToStage(e.Stage)
	}
	changed := make([]string, len(sent.Changed))
	for i, e := range sent.Changed {
		changed[i] = e.ID
	}
	var done []pgtype.TID
	for _, r := range rows {
		to := pipeline.ToSnapshots // by its contents: the row may not name it
		if r.kind == "enqueue" {
			to = stages[r.job]
		}
		if !slices.Contains(failed, to) {
			done = append(done, r.at)
		}
	}
	b := &pgx.Batch{}
	b.Queue(deleteSent, done, changed)
	return b
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
