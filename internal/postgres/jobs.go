package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// Jobs is the ledger of jobs. It is safe for concurrent use, and every method may be repeated when its answer was lost. What is
// begun or settled at the same time goes together in one transaction.
type Jobs struct {
	db      *DB
	begins  together[beginning]
	settles together[settling]
}

var _ pipeline.Ledger = (*Jobs)(nil)

// NewJobs makes a ledger over a pool.
func NewJobs(db *DB) *Jobs {
	s := &Jobs{db: db}
	s.begins.do, s.begins.alone = s.beginTogether, s.beginAlone
	s.settles.do, s.settles.alone = s.settleTogether, s.settleAlone
	return s
}

// takeJob begins an open job that nobody has, that this consumer had (its freeing was lost; whoever is in flight in a process is
// its runner's business), or whose owner $5 was seen dead at run $6.
const takeJob = `
	UPDATE jobs SET run = run + 1, owner = $3, entry_id = $4, updated_at = now(), begun_at = coalesce(begun_at, now()),
		crashes = crashes + CASE WHEN owner IN ('', $3) THEN 0 ELSE 1 END
	WHERE id = $1 AND stage = $2 AND ` + isOpen + ` AND (owner IN ('', $3) OR (owner = $5 AND run = $6))
	RETURNING ` + takenColumns

// maxID is longer than any identifier of ours.
const maxID = 200

// takeTries bounds how often Begin starts anew because somebody else changed the job in between.
const takeTries = 10

// Begin takes the job of an entry for owner, as [pipeline.Ledger] describes. A job that is not due yet is taken all the same: when
// to deliver is the source's decision.
func (s *Jobs) Begin(
	ctx context.Context, e pipeline.Entry, owner string, alive func(ctx context.Context, consumer string) (bool, error),
) (pipeline.Job, error) {
	if e.JobID != storable(e.JobID, maxID) { // PostgreSQL would refuse the question
		return pipeline.Job{}, fmt.Errorf("begin job %q: %w", e.JobID, pipeline.ErrSettled)
	}
	e.ID = storable(e.ID, maxID)
	b := &beginning{entry: e, owner: owner, alive: alive}
	if err := s.begins.join(ctx, b); err != nil {
		return pipeline.Job{}, err // b may still be written to, when ctx ended first
	}
	return b.job, nil
}

// beginAlone begins a job that was not there for the taking: somebody has it, had it or ended it.
func (s *Jobs) beginAlone(ctx context.Context, b *beginning) error {
	j, err := s.begin(ctx, b.entry, b.owner, b.alive)
	b.job = j
	return err
}

func (s *Jobs) begin(
	ctx context.Context, e pipeline.Entry, owner string, alive func(ctx context.Context, consumer string) (bool, error),
) (pipeline.Job, error) {
	var dead seenJob
	for range takeTries {
		j, taken, err := s.take(ctx, e, owner, dead)
		if taken || err != nil {
			return j, err
		}
		seen, err := s.look(ctx, e)
		if err != nil {
			return pipeline.Job{}, err
		}
		if seen.state != "open" {
			return pipeline.Job{}, fmt.Errorf("begin job %s: %w", e.JobID, pipeline.ErrSettled)
		}
		if seen.owner == "" || seen.owner == owner {
			continue // freed in between
		}
		lives, err := alive(ctx, seen.owner)
		if err != nil {
			return pipeline.Job{}, fmt.Errorf("begin job %s: is %s alive: %w", e.JobID, seen.owner, err)
		}
		if lives {
			break
		}
		dead = seen
	}
	return pipeline.Job{}, fmt.Errorf("begin job %s: %w", e.JobID, pipeline.ErrBusy)
}

// seenJob is a job as it was seen without a lock.
type seenJob struct {
	state, owner string
	run          int64
}

func (s *Jobs) look(ctx context.Context, e pipeline.Entry) (seen seenJob, err error) {
	err = s.db.with(ctx, "look at job "+e.JobID, func(ctx context.Context, c *pgx.Conn) error {
		err := c.QueryRow(ctx, `SELECT state, owner, run FROM jobs WHERE id = $1 AND stage = $2`, e.JobID, e.Stage).
			Scan(&seen.state, &seen.owner, &seen.run)
		if isNoRows(err) {
			return nil
		}
		return err
	})
	return seen, err
}

// take begins a job that nobody else has, or that belonged to a dead owner.
func (s *Jobs) take(ctx context.Context, e pipeline.Entry, owner string, dead seenJob) (j pipeline.Job, taken bool, err error) {
	started := time.Now().UTC()
	err = s.db.with(ctx, "begin job "+e.JobID, func(ctx context.Context, c *pgx.Conn) error {
		var found []takenJob
		var of *evaluation.Evaluation
		b := &pgx.Batch{}
		b.Queue(takeJob, e.JobID, e.Stage, owner, e.ID, dead.owner, dead.run).Query(func(rows pgx.Rows) (err error) {
			found, err = pgx.CollectRows(rows, toTakenJob)
			return err
		})
		b.Queue(withWords+`WHERE e.id = (SELECT evaluation_id FROM jobs WHERE id = $1) AND `+isKept, e.JobID).Query(oneEvaluation(&of))
		if err := send(ctx, c, b); err != nil || len(found) == 0 {
			return err
		}
		taken = true
		j, err = found[0].finish(ctx, c, &beginning{entry: e, owner: owner}, started, of)
		return err
	})
	return j, taken, err
}

// cancelJob ends a job whose evaluation is gone.
func cancelJob(ctx context.Context, c *pgx.Conn, j pipeline.Job) error {
	_, err := c.Exec(ctx, `UPDATE jobs SET state = 'cancelled', updated_at = now() WHERE id = $1 AND run = $2 AND `+isOpen, j.ID, j.Run)
	if err != nil {
		return err
	}
	return pipeline.ErrSettled
}

func settlesArtifact(stage evaluation.StageName) bool {
	s, ok := evaluation.StageByName(stage)
	return ok && s.Artifact != ""
}

// lockedJob is a job and its evaluation as read under their locks.
type lockedJob struct {
	evaluation  *evaluation.Evaluation // nil when deleted or gone, or when the stage settles no artifact
	state       string                 // empty when there is no such job
	owner       string
	run         int64
	attempts    int
	traceparent string
}

// lockJob begins a transaction and locks the evaluation, then the job, in this order.
func lockJob(ctx context.Context, c *pgx.Conn, j pipeline.Job) (l lockedJob, err error) {
	var found bool
	b := beginBatch()
	if settlesArtifact(j.Stage) {
		b.Queue(`SELECT FROM evaluations WHERE id = $1 FOR NO KEY UPDATE`, j.EvaluationID)
		// A statement of its own: it sees what was committed while the lock was waited for.
		b.Queue(withoutWords+`WHERE e.id = $1 AND `+isKept, j.EvaluationID).Query(oneEvaluation(&l.evaluation))
	}
	b.Queue(`SELECT state, owner, run, attempts, traceparent FROM jobs WHERE id = $1 FOR NO KEY UPDATE`, j.ID).
		QueryRow(optional(&found, &l.state, &l.owner, &l.run, &l.attempts, &l.traceparent))
	err = send(ctx, c, b)
	return l, err
}

// standing says what a delivery may still write.
type standing int

const (
	current    standing = iota // the job is this delivery's
	repeated                   // this delivery wrote before, and the answer was lost
	superseded                 // the job was taken over or cancelled
	gone                       // the evaluation or the job is gone: nothing may be written
)

func (l lockedJob) standing(j pipeline.Job) standing {
	switch {
	case l.state == "" || settlesArtifact(j.Stage) && l.evaluation == nil:
		return gone
	case l.run != j.Run || l.state == "cancelled":
		return superseded
	case l.state == "open" && l.owner == j.Owner:
		return current
	default: // of this run, but done, dead or freed
		return repeated
	}
}

// finish runs one transaction of a delivery: it locks, and if the job is still the delivery's, commits what write queues; write
// reports whether it left rows in the outbox. A superseded delivery is recorded in stage_runs if record asks for it.
func (s *Jobs) finish(
	ctx context.Context, op string, j pipeline.Job, record *run, write func(b *pgx.Batch, l lockedJob) (outbox bool),
) error {
	var outbox bool
	err := s.db.with(ctx, op, func(ctx context.Context, c *pgx.Conn) error {
		l, err := lockJob(ctx, c, j)
		if err != nil {
			return err
		}
		b := &pgx.Batch{}
		switch l.standing(j) {
		case repeated:
			return nil
		case gone:
			return pipeline.ErrSuperseded
		case superseded:
			if record == nil || l.evaluation == nil {
				return pipeline.ErrSuperseded
			}
			record.outcome, record.output = pipeline.OutcomeSuperseded, nil
			b.Queue(insertRun+`
				WHERE NOT EXISTS (SELECT FROM stage_runs WHERE job_id = $2 AND run = $3 AND started_at = $4)`, // the answer may have been lost
				[]runRow{toRunRow(j, *record)}, j.ID, j.Run, j.StartedAt.Truncate(time.Microsecond))
			if err := commit(ctx, c, b); err != nil {
				return err
			}
			return pipeline.ErrSuperseded
		default:
			outbox = write(b, l)
			return commit(ctx, c, b)
		}
	})
	if err == nil && outbox {
		s.db.nudge()
	}
	return err
}

// Retry records a failed attempt and frees the job until due.
func (s *Jobs) Retry(ctx context.Context, j pipeline.Job, cause error, due time.Time) error {
	record := &run{outcome: pipeline.OutcomeRetried, cause: cause}
	return s.finish(ctx, "retry job "+j.ID, j, record, func(b *pgx.Batch, l lockedJob) bool {
		b.Queue(`
			UPDATE jobs SET owner = '', attempts = attempts + 1, waits = 0, not_before = $3, last_error = $4, updated_at = now()
			WHERE id = $1 AND run = $2 AND `+isOpen, j.ID, j.Run, due, errorText(cause))
		if l.evaluation == nil {
			return false
		}
		b.Queue(insertRun, []runRow{toRunRow(j, *record)})
		return j.Replay == nil && queueWaitingFor(b, l.evaluation, "")
	})
}

// Wait records what the job waits for and frees it until due; no attempt is counted, and no run is recorded: an outage would leave
// thousands.
func (s *Jobs) Wait(ctx context.Context, j pipeline.Job, what string, cause error, due time.Time) error {
	return s.finish(ctx, "let job "+j.ID+" wait", j, nil, func(b *pgx.Batch, l lockedJob) bool {
		b.Queue(`
			UPDATE jobs SET owner = '', waits = waits + 1, not_before = $3, last_error = $4, updated_at = now(), begun_at = begun_at + $5::interval
			WHERE id = $1 AND run = $2 AND `+isOpen, j.ID, j.Run, due, errorText(cause), due.Sub(j.StartedAt))
		if l.evaluation == nil || l.evaluation.Status.Final() || j.Replay != nil {
			return false
		}
		return queueWaitingFor(b, l.evaluation, storable(what, 40))
	})
}

// queueWaitingFor changes what the evaluation waits for, if that is a change.
func queueWaitingFor(b *pgx.Batch, e *evaluation.Evaluation, what string) bool {
	if e.WaitingFor == what {
		return false
	}
	b.Queue(`UPDATE evaluations SET waiting_for = $2, version = version + 1, updated_at = now() WHERE id = $1`, e.ID, what)
	queueProgress(b, e.ID)
	return true
}

// Release frees the job as if it had not been begun. The run number stays used: it fences whatever is still under way.
func (s *Jobs) Release(ctx context.Context, j pipeline.Job) error {
	return s.db.with(ctx, "release job "+j.ID, func(ctx context.Context, c *pgx.Conn) error {
		var ct pgconn.CommandTag
		ct, err := c.Exec(ctx, `
			UPDATE jobs SET owner = '', updated_at = now()
			WHERE id = $1 AND run = $2 AND owner IN ('', $3) AND `+isOpen, j.ID, j.Run, j.Owner)
		if err == nil && ct.RowsAffected() == 0 {
			return pipeline.ErrSuperseded
		}
		return err
	})
}
