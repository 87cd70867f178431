package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/oklog/ulid/v2"
)

// ForgetJobs removes at most limit jobs that were settled longer ago and reports how many. Jobs of replays stay until their evaluation is
// erased: they tell where its objects are. So do erasures that were set aside: nothing else tells that there is something left to erase.
func (s *Upkeep) ForgetJobs(ctx context.Context, olderThan time.Duration, limit int) (n int, err error) {
	err = s.db.planned(ctx, "forget old jobs", func(ctx context.Context, c *pgx.Conn) error {
		ct, err := c.Exec(ctx, `
			DELETE FROM jobs WHERE id = ANY (ARRAY(
				SELECT id FROM jobs WHERE id < $1 AND state <> 'open' AND replay_id IS NULL
					AND NOT (stage = 'erase' AND state = 'dead') AND updated_at < now() - $2::interval
				ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED))`,
			firstID("job", time.Now().Add(-olderThan)), olderThan, limit)
		n = int(ct.RowsAffected())
		return err
	})
	return n, err
}

// firstID is below all identifiers that are made after t, and above those that were made before: so the primary key finds the old ones.
func firstID(prefix string, t time.Time) string {
	var id ulid.ULID
	_ = id.SetTime(ulid.Timestamp(t)) // fails after the year 10889
	return prefix + "_" + strings.ToLower(id.String())
}

// DropPartitions removes the monthly partitions of stage_runs that end before a time, and what is older in the default one.
func (s *Upkeep) DropPartitions(ctx context.Context, before time.Time) error {
	old, err := s.oldPartitions(ctx, before.UTC())
	if err != nil {
		return err
	}
	for _, name := range old {
		if err := s.dropPartition(ctx, name); err != nil {
			return err
		}
		s.db.log.Info("removed old records of runs", "partition", name)
	}
	return s.db.exec(ctx, "remove old records of runs", `
		DELETE FROM stage_runs_default WHERE ctid = ANY (ARRAY(SELECT ctid FROM stage_runs_default WHERE started_at < $1 LIMIT 10000))`, before)
}

func (s *Upkeep) oldPartitions(ctx context.Context, before time.Time) (old []string, err error) {
	err = s.db.with(ctx, "list partitions", func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'stage_runs'::regclass`)
		if err != nil {
			return err
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		for _, name := range names {
			month, parseErr := time.Parse(partitionLayout, name)
			if parseErr == nil && !month.AddDate(0, 1, 0).After(before) { // the default one has no month
				old = append(old, name)
			}
		}
		return err
	})
	return old, err
}

// dropPartition does not wait long for those who use stage_runs, since others would queue behind it.
func (s *Upkeep) dropPartition(ctx context.Context, name string) error {
	return s.db.with(ctx, "drop partition "+name, func(ctx context.Context, c *pgx.Conn) error {
		for _, sql := range []string{
			`begin`,
			`SET LOCAL lock_timeout = '2s'`,
			fmt.Sprintf(`DROP TABLE IF EXISTS %s`, pgx.Identifier{name}.Sanitize()),
			`commit`,
		} {
			if _, err := c.Exec(ctx, sql, pgx.QueryExecModeExec); err != nil {
				return err
			}
		}
		return nil
	})
}
