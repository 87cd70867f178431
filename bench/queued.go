package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// queuedJobs is how many jobs are queued to measure the size of one.
const queuedJobs = 20_000

// measureQueued measures what a queued job takes in Redis (the growth of used_memory) and in PostgreSQL (that of all tables and
// indexes).
func (b *bench) measureQueued(ctx context.Context) error {
	for _, k := range b.kinds {
		err := b.servers.use(ctx, k, func(sp space, c contender) error {
			rest(ctx, 300*time.Millisecond) // connections of earlier contenders end
			memory, disk, err := b.servers.sizes(ctx, k, sp)
			if err != nil {
				return err
			}
			if err := c.Enqueue(ctx, backlog(queuedJobs)); err != nil {
				return err
			}
			if f, ok := c.(flusher); ok {
				if err := f.Flush(ctx); err != nil {
					return err
				}
			}
			rest(ctx, 300*time.Millisecond)
			fullMemory, fullDisk, err := b.servers.sizes(ctx, k, sp)
			if err != nil {
				return err
			}
			if k.redis {
				b.results.memory[k.name] = (fullMemory - memory) / queuedJobs
			}
			if k.sql {
				b.results.disk[k.name] = (fullDisk - disk) / queuedJobs
			}
			b.say("a queued job of %s takes %.0f bytes of memory, %.0f of disk", k.name, b.results.memory[k.name], b.results.disk[k.name])
			return nil
		})
		if err != nil {
			return fmt.Errorf("size of a queued job: %w", err)
		}
	}
	return nil
}

func (s *servers) sizes(ctx context.Context, k kind, sp space) (memory, disk float64, err error) {
	v, err := s.info(ctx, "memory", "used_memory")
	if err != nil || !k.sql {
		return v[0], 0, err
	}
	conn, err := pgx.Connect(ctx, sp.Database)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = conn.Close(ctx) }()
	err = conn.QueryRow(ctx, `SELECT sum(pg_total_relation_size(c.oid))::float8 FROM pg_class c
		WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`).Scan(&disk)
	return v[0], disk, err
}
