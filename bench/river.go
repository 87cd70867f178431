package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

type riverContender struct {
	pool   *pgxpool.Pool
	insert *river.Client[pgx.Tx]
	tuned  bool
}

type riverArgs struct{ payload }

// Kind implements [river.JobArgs].
func (riverArgs) Kind() string { return "bench" }

func openPool(ctx context.Context, s space) (*pgxpool.Pool, error) {
	pc, err := pgxpool.ParseConfig(s.Database)
	if err != nil {
		return nil, err
	}
	pc.MaxConns = poolSize
	return pgxpool.NewWithConfig(ctx, pc)
}

func prepareRiver(ctx context.Context, s space) error {
	pool, err := openPool(ctx, s)
	if err != nil {
		return err
	}
	defer pool.Close()
	m, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

func openRiver(ctx context.Context, s space) (contender, error) { return newRiver(ctx, s, false) }

func openRiverTuned(ctx context.Context, s space) (contender, error) { return newRiver(ctx, s, true) }

func newRiver(ctx context.Context, s space, tuned bool) (*riverContender, error) {
	pool, err := openPool(ctx, s)
	if err != nil {
		return nil, err
	}
	insert, err := river.NewClient(riverpgxv5.New(pool), &river.Config{Logger: slog.New(slog.DiscardHandler), SkipUnknownJobCheck: true})
	return &riverContender{pool: pool, insert: insert, tuned: tuned}, err
}

func (c *riverContender) Close() { c.pool.Close() }

func (c *riverContender) Enqueue(ctx context.Context, jobs []job) error {
	for len(jobs) > 0 {
		n := min(len(jobs), enqueueMost)
		params := make([]river.InsertManyParams, n)
		for i, j := range jobs[:n] {
			params[i].Args = riverArgs{payloadOf(j)}
		}
		if _, err := c.insert.InsertManyFast(ctx, params); err != nil {
			return err
		}
		jobs = jobs[n:]
	}
	return nil
}

func (c *riverContender) Work(ctx context.Context, slots int, handle handler) error {
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, j *river.Job[riverArgs]) error {
		n, err := jobNumber(j.Args.Job)
		if err == nil {
			handle(ctx, n)
		}
		return err
	}))
	cfg := &river.Config{
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: slots}}, Workers: workers, Logger: slog.New(slog.DiscardHandler),
	}
	if c.tuned {
		cfg.FetchCooldown, cfg.FetchPollInterval = 2*time.Millisecond, 50*time.Millisecond
	}
	client, err := river.NewClient(riverpgxv5.New(c.pool), cfg)
	if err != nil {
		return err
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	<-ctx.Done()
	return client.Stop(context.WithoutCancel(ctx))
}

// Flush implements [flusher].
func (c *riverContender) Flush(ctx context.Context) error { return analyze(ctx, c.pool) }

func (c *riverContender) Left(ctx context.Context) (n int, err error) {
	err = c.pool.QueryRow(ctx, `SELECT count(*) FROM river_job WHERE state <> 'completed'`).Scan(&n)
	return n, err
}
