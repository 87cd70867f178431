package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// beginning is a call of [Jobs.Begin].
type beginning struct {
	entry pipeline.Entry
	owner string
	alive func(ctx context.Context, consumer string) (bool, error)
	job   pipeline.Job
}

// takeJobs begins open jobs that nobody has, or that this consumer had. It waits for no lock.
const takeJobs = `
	WITH d AS (
		SELECT j.id, w.owner, w.entry
		FROM jobs j JOIN unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS w(id, stage, owner, entry)
			ON j.id = w.id AND j.stage = w.stage AND j.owner IN ('', w.owner)
		WHERE j.id = ANY ($1) AND ` + isOpen + `
		FOR NO KEY UPDATE OF j SKIP LOCKED)
	UPDATE jobs SET run = run + 1, owner = d.owner, entry_id = d.entry, updated_at = now(), begun_at = coalesce(begun_at, now())
	FROM d WHERE jobs.id = d.id
	RETURNING ` + takenColumns

const takenColumns = `jobs.id, evaluation_id, user_id, run, attempts, crashes, waits, replay_id IS NOT NULL,
	(extract(epoch FROM now() - begun_at) * 1e6)::bigint`

// beginTogether begins all jobs that are there for the taking, in one round trip. The others are to be begun alone.
func (s *Jobs) beginTogether(ctx context.Context, calls []*call[beginning]) error {
	jobs := make(map[string]*call[beginning], len(calls))
	var ids, stages, owners, entries, ofEvaluations []string
	for _, c := range calls {
		c.err = errAlone
		if e := c.arg.entry; jobs[e.JobID] == nil {
			jobs[e.JobID] = c
			ids, stages, owners, entries = append(ids, e.JobID), append(stages, string(e.Stage)), append(owners, c.arg.owner), append(entries, e.ID)
			ofEvaluations = append(ofEvaluations, storable(e.EvaluationID, maxID))
		}
	}
	evaluations := map[string]*evaluation.Evaluation{}
	started := time.Now().UTC()
	return s.db.with(ctx, fmt.Sprintf("begin %d jobs", len(ids)), func(ctx context.Context, c *pgx.Conn) error {
		var taken []takenJob
		b := &pgx.Batch{} // one transaction
		b.Queue(takeJobs, ids, stages, owners, entries).Query(func(rows pgx.Rows) (err error) {
			taken, err = pgx.CollectRows(rows, toTakenJob)
			return err
		})
		b.Queue(withWords+`WHERE e.id = ANY($1) AND `+isKept, ofEvaluations).
			Query(func(rows pgx.Rows) error {
				es, err := collectEvaluations(rows)
				for _, e := range es {
					evaluations[e.ID] = e
				}
				return err
			})
		if err := send(ctx, c, b); err != nil {
			return err
		}
		for _, t := range taken {
			of := jobs[t.id]
			if t.evaluationID != of.arg.entry.EvaluationID { // its evaluation was not read; beginning it alone does
				continue
			}
			of.arg.job, of.err = t.finish(ctx, c, of.arg, started, evaluations[t.evaluationID])
		}
		return nil
	})
}

// takenJob is a row of [takenColumns].
type takenJob struct {
	id, evaluationID, userID string
	run                      int64
	attempts, crashes, waits int
	replay                   bool
	elapsed                  int64 // us since the first begin, by the database's clock
}

func toTakenJob(row pgx.CollectableRow) (t takenJob, err error) {
	err = row.Scan(&t.id, &t.evaluationID, &t.userID, &t.run, &t.attempts, &t.crashes, &t.waits, &t.replay, &t.elapsed)
	return t, err
}

// finish makes the job of a row. A job whose evaluation is gone is cancelled, one of a replay gets what it is about.
func (t takenJob) finish(ctx context.Context, c *pgx.Conn, b *beginning, started time.Time, e *evaluation.Evaluation) (pipeline.Job, error) {
	j := pipeline.Job{
		ID: t.id, Stage: b.entry.Stage, EvaluationID: t.evaluationID, UserID: t.userID, Owner: b.owner, Run: t.run,
		Attempt: t.attempts + 1, // the row counts those that failed
		Crashes: t.crashes, Waits: t.waits, EntryID: b.entry.ID, StartedAt: started,
		Since: started.Add(-time.Duration(t.elapsed) * time.Microsecond),
	}
	if settlesArtifact(j.Stage) {
		j.Evaluation = e
		if e == nil {
			return j, cancelJob(ctx, c, j)
		}
	}
	if t.replay {
		return j, loadReplay(ctx, c, &j)
	}
	return j, nil
}
