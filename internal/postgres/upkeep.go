package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"oktalk/internal/evaluation"
	"oktalk/internal/pause"
	"oktalk/internal/pipeline"
)

// Upkeep is what housekeeping asks of the database. It is safe for concurrent use.
type Upkeep struct{ db *DB }

// NewUpkeep makes it over a pool.
func NewUpkeep(db *DB) *Upkeep { return &Upkeep{db: db} }

// leadLock is the advisory lock of housekeeping.
const leadLock = 0x6f6b_484b

const (
	leadEvery    = 2 * time.Second // how often a process asks for the lock
	leadPing     = time.Second     // how often the one that has it makes sure that it has it
	leadPatience = 2 * time.Second
	// leadIdle is after how long the server ends the session of a leader that fell silent, and frees the lock. It must be well above
	// leadPing; longer leaves the house unkept after a machine is lost.
	leadIdle = "5s"
)

// Lead runs fn in one process at a time, as long as ctx lasts: it asks for an advisory lock every two seconds and runs fn while it
// holds it. The context of fn ends at once when the connection that holds the lock breaks; another process takes over within
// about five seconds. An error of fn is logged, and fn runs again after a pause. Lead returns nil when ctx ends.
func (s *Upkeep) Lead(ctx context.Context, fn func(ctx context.Context) error) error {
	away := false
	for ctx.Err() == nil {
		err := s.lead(ctx, fn)
		if err != nil && !away && ctx.Err() == nil {
			s.db.log.Warn("housekeeping pauses", "err", err)
		}
		away = err != nil
		pause.For(ctx, leadEvery)
	}
	return nil
}

// lead opens a connection of its own, waits for the lock and runs fn once.
func (s *Upkeep) lead(ctx context.Context, fn func(ctx context.Context) error) error {
	cc := s.db.pool.Config().ConnConfig.Copy()
	cc.RuntimeParams["application_name"] = "oktalk housekeeping"
	cc.RuntimeParams["idle_session_timeout"] = leadIdle
	conn, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return translate("connect for housekeeping", err)
	}
	defer closeConn(ctx, conn)
	for {
		ok, err := ask(ctx, conn, `SELECT pg_try_advisory_lock($1)`, int64(leadLock))
		if err != nil {
			return err
		}
		if ok {
			return s.hold(ctx, conn, fn)
		}
		if !pause.For(ctx, leadEvery) {
			return nil
		}
	}
}

// hold runs fn and ends it when the connection does not answer any more.
func (s *Upkeep) hold(ctx context.Context, conn *pgx.Conn, fn func(ctx context.Context) error) error {
	leading, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	watch := make(chan struct{})
	go func() {
		defer close(watch)
		for pause.For(leading, leadPing) {
			if _, err := ask(leading, conn, `SELECT true`); err != nil {
				stop(err)
			}
		}
	}()
	err := fn(leading)
	lost := context.Cause(leading)
	stop(nil)
	<-watch
	if lost != nil && ctx.Err() == nil {
		return fmt.Errorf("lost the housekeeping lock: %w", lost)
	}
	return err
}

func ask(ctx context.Context, conn *pgx.Conn, sql string, args ...any) (yes bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, leadPatience)
	defer cancel()
	err = conn.QueryRow(ctx, sql, args...).Scan(&yes)
	return yes, translate("ask for the housekeeping lock", err)
}

func closeConn(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leadPatience)
	defer cancel()
	_ = conn.Close(ctx) // the server frees the lock when the connection is gone, however it went
}

// Generations returns the generation of each stage that has a stream: what the marker in Redis must equal. Stages that are new get
// one.
func (s *Upkeep) Generations(ctx context.Context) (map[evaluation.StageName]string, error) {
	generations := map[evaluation.StageName]string{}
	err := s.db.with(ctx, "read stage generations", func(ctx context.Context, c *pgx.Conn) error {
		if err := readGenerations(ctx, c, generations); err != nil {
			return err
		}
		missing := false
		for _, stage := range evaluation.Stages() {
			if generations[stage.Name] != "" {
				continue
			}
			missing = true
			if _, err := c.Exec(ctx, `INSERT INTO stages (name) VALUES ($1) ON CONFLICT (name) DO NOTHING`, stage.Name); err != nil {
				return err
			}
		}
		if missing {
			return readGenerations(ctx, c, generations)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return generations, nil
}

func readGenerations(ctx context.Context, c *pgx.Conn, into map[evaluation.StageName]string) error {
	rows, err := c.Query(ctx, `SELECT name, generation FROM stages`)
	if err != nil {
		return err
	}
	var name, generation string
	_, err = pgx.ForEachRow(rows, []any{&name, &generation}, func() error {
		if _, ok := evaluation.StageByName(evaluation.StageName(name)); ok {
			into[evaluation.StageName(name)] = generation
		}
		return nil
	})
	return err
}

// PausedStages tells which stages are paused.
func (s *Upkeep) PausedStages(ctx context.Context) (map[evaluation.StageName]bool, error) {
	paused := map[evaluation.StageName]bool{}
	err := s.db.with(ctx, "read paused stages", func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, `SELECT name FROM stages WHERE paused`)
		if err != nil {
			return err
		}
		var name evaluation.StageName
		_, err = pgx.ForEachRow(rows, []any{&name}, func() error {
			paused[name] = true
			return nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return paused, nil
}

// OpenJobs reads a stage's open jobs as entries, by rising id, at most limit of them, starting after afterID ("" from the first).
func (s *Upkeep) OpenJobs(ctx context.Context, stage evaluation.StageName, afterID string, limit int) (entries []pipeline.Entry, err error) {
	err = s.db.with(ctx, "read open jobs of "+string(stage), func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, selectEntries+`WHERE stage = $1 AND state = 'open' AND id > $2 ORDER BY id LIMIT $3`, stage, afterID, limit)
		if err != nil {
			return err
		}
		entries, err = pgx.CollectRows(rows, toEntry)
		return err
	})
	return entries, err
}

// Stale lists a stage's open jobs that should have an entry in Redis: due and untouched for longer than olderThan, and not
// waiting in the outbox. They come by rising id, at most limit of them, starting after afterID ("" from the first).
func (s *Upkeep) Stale(
	ctx context.Context, stage evaluation.StageName, olderThan time.Duration, afterID string, limit int,
) (jobIDs []string, err error) {
	err = s.db.with(ctx, "look for stale jobs of "+string(stage), func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, `
			SELECT id FROM jobs
			WHERE stage = $1 AND state = 'open' AND id > $3 AND greatest(not_before, updated_at) < now() - $2::interval
				AND NOT EXISTS (SELECT FROM outbox WHERE outbox.job_id = jobs.id AND outbox.kind = 'enqueue')
			ORDER BY id LIMIT $4`, stage, olderThan, afterID, limit)
		if err != nil {
			return err
		}
		jobIDs, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return jobIDs, err
}

// NotDead returns those of the jobs that are not dead, or no more there.
func (s *Upkeep) NotDead(ctx context.Context, jobIDs []string) (ids []string, err error) {
	err = s.db.with(ctx, "look for jobs that are not dead", func(ctx context.Context, c *pgx.Conn) error {
		rows, _ := c.Query(ctx, `SELECT id FROM unnest($1::text[]) id EXCEPT SELECT id FROM jobs WHERE id = ANY($1) AND state = 'dead'`, jobIDs)
		ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return ids, err
}

// Requeue has the relay enqueue jobs again: those that are still open and not waiting in the outbox already.
func (s *Upkeep) Requeue(ctx context.Context, jobIDs []string) error {
	err := s.db.exec(ctx, fmt.Sprintf("requeue %d jobs", len(jobIDs)), `
		INSERT INTO outbox (kind, destination, job_id, evaluation_id)
		SELECT 'enqueue', stage, id, evaluation_id FROM jobs
		WHERE id = ANY($1) AND state = 'open'
			AND NOT EXISTS (SELECT FROM outbox WHERE outbox.job_id = jobs.id AND outbox.kind = 'enqueue')`, jobIDs)
	if err == nil {
		s.db.nudge()
	}
	return err
}

// ExpireIdempotency forgets keys that are older, and so frees them.
func (s *Upkeep) ExpireIdempotency(ctx context.Context, olderThan time.Duration) error {
	return s.db.planned(ctx, "expire idempotency keys", func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, `DELETE FROM idempotency_keys WHERE created_at < now() - $1::interval`, olderThan)
		return err
	})
}

// monthsAhead is how many monthly partitions exist beyond the present one: how long housekeeping may fail unnoticed before rows go to
// the default partition.
const (
	monthsAhead    = 3
	duplicateTable = "42P07"
)

// EnsurePartitions makes the monthly partitions of stage_runs for the month of now and three months ahead. Rows of theirs that went
// to the default partition move over.
func (s *Upkeep) EnsurePartitions(ctx context.Context, now time.Time) error {
	first := time.Date(now.UTC().Year(), now.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
	var errs []error
	for i := range monthsAhead + 1 {
		month := first.AddDate(0, i, 0)
		errs = append(errs, s.db.with(ctx, "make partition "+partitionName(month), func(ctx context.Context, c *pgx.Conn) error {
			var exists bool
			if err := c.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, partitionName(month)).Scan(&exists); err != nil || exists {
				return err
			}
			return makePartition(ctx, c, month)
		}))
	}
	return errors.Join(errs...)
}

// partitionLayout makes the name of a month's partition.
const partitionLayout = "stage_runs_200601"

func partitionName(month time.Time) string { return month.Format(partitionLayout) }

// makePartition attaches a table that was made apart: making it as a partition would stop all reading and writing of stage_runs. The
// default partition is locked first, so that no row of the month comes in while its rows move; whoever holds it is not waited for
// long, since others would queue behind us.
func makePartition(ctx context.Context, c *pgx.Conn, month time.Time) error {
	name := pgx.Identifier{partitionName(month)}.Sanitize()
	from, to := month.Format("'2006-01-02+00'"), month.AddDate(0, 1, 0).Format("'2006-01-02+00'")
	for _, sql := range []string{
		`begin`,
		`SET LOCAL lock_timeout = '2s'`,
		`SELECT pg_advisory_xact_lock(` + fmt.Sprint(leadLock+1) + `)`,
		`LOCK TABLE stage_runs_default IN ACCESS EXCLUSIVE MODE`,
		`CREATE TABLE ` + name + ` (LIKE stage_runs INCLUDING DEFAULTS INCLUDING CONSTRAINTS)`,
		`WITH moved AS (DELETE FROM stage_runs_default WHERE started_at >= ` + from + ` AND started_at < ` + to + ` RETURNING *)
			INSERT INTO ` + name + ` SELECT * FROM moved`,
		`ALTER TABLE stage_runs ATTACH PARTITION ` + name + ` FOR VALUES FROM (` + from + `) TO (` + to + `)`,
		`commit`,
	} {
		if _, err := c.Exec(ctx, sql, pgx.QueryExecModeExec); err != nil {
			if hasCode(err, duplicateTable) { // somebody was faster
				return nil
			}
			return err
		}
	}
	return nil
}
