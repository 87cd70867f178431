package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// Config says how often and how much a relay claims.
type Config struct {
	// Poll is how long an idle relay waits before it looks for rows that other processes left, a fifth more or less; 0 means 500 ms.
	Poll time.Duration `env:"OUTBOX_POLL" envDefault:"500ms"`
	// Batch is how many rows are claimed at once; 0 means 200. More makes transactions longer, which keeps dead rows of the
	// outbox in its way; fewer costs round trips.
	Batch int `env:"OUTBOX_BATCH" envDefault:"200"`
}

// Store holds the outbox.
type Store interface {
	// Claim takes up to limit rows that no other relay holds, calls send with what they ask for, and deletes them if it succeeds;
	// otherwise they stay for another claim. jobs are open jobs to enqueue; changed are states to publish, without words, which
	// messages never carry; deleted are evaluations whose snapshots are to be removed. It returns how many rows it took. With nothing to
	// send, send is not called; it is called a second time for evaluations that were deleted while the first call ran.
	Claim(
		ctx context.Context, limit int,
		send func(ctx context.Context, jobs []pipeline.Entry, changed []*evaluation.Evaluation, deleted []string) error,
	) (n int, err error)
}

// Queue takes entries of all stages. It may be given one that it already has.
type Queue interface {
	Enqueue(ctx context.Context, entries []pipeline.Entry) error
}

// Snapshots takes the states that clients follow. It keeps the newest of each.
type Snapshots interface {
	Publish(ctx context.Context, evaluations []*evaluation.Evaluation) error
	Remove(ctx context.Context, ids []string) error
}

const (
	firstPause = 100 * time.Millisecond
	// maxPause bounds how long rows wait after Redis is back. A tenth would hammer a server that starts, ten times as much would
	// be felt by everyone who waits for their coaching.
	maxPause = 5 * time.Second
)

// Relay sends what the outbox holds. Its methods are safe for concurrent use; Run is called once.
type Relay struct {
	cfg       Config
	store     Store
	queue     Queue
	snapshots Snapshots
	log       *slog.Logger
	nudges    chan struct{}
}

// NewRelay makes a relay.
func NewRelay(cfg Config, store Store, q Queue, s Snapshots, log *slog.Logger) *Relay {
	if cfg.Poll <= 0 {
		cfg.Poll = 500 * time.Millisecond
	}
	if cfg.Batch <= 0 {
		cfg.Batch = 200
	}
	return &Relay{cfg: cfg, store: store, queue: q, snapshots: s, log: log, nudges: make(chan struct{}, 1)}
}

// Nudge says that there are new rows. It never blocks; while the relay is at work many nudges are one.
func (r *Relay) Nudge() {
	select {
	case r.nudges <- struct{}{}:
	default:
	}
}

// Run sends until ctx ends and returns nil then. What is away is waited for; an outage is logged once, as is its end.
func (r *Relay) Run(ctx context.Context) error {
	pause := time.Duration(0) // after a failure
	for ctx.Err() == nil {
		err := r.drain(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			if pause == 0 {
				r.log.Warn("outbox is not being sent; rows wait in the database", "err", err)
			}
			pause = min(maxPause, max(firstPause, 2*pause))
			rest(ctx, jitter(pause), nil) // nudges must not make it hammer
		default:
			if pause > 0 {
				r.log.Info("outbox is being sent again")
			}
			pause = 0
			rest(ctx, jitter(r.cfg.Poll), r.nudges)
		}
	}
	return nil
}

// drain claims while batches are full.
func (r *Relay) drain(ctx context.Context) error {
	for {
		n, err := r.store.Claim(ctx, r.cfg.Batch, r.send)
		if err != nil || n < r.cfg.Batch {
			return err
		}
	}
}

// send enqueues and publishes; a failure of one does not keep the other from being sent, but the rows stay for both.
func (r *Relay) send(ctx context.Context, jobs []pipeline.Entry, changed []*evaluation.Evaluation, deleted []string) error {
	var errs []error
	if len(jobs) > 0 {
		if err := r.queue.Enqueue(ctx, jobs); err != nil {
			errs = append(errs, fmt.Errorf("enqueue %d jobs: %w", len(jobs), err))
		}
	}
	if len(changed) > 0 {
		if err := r.snapshots.Publish(ctx, changed); err != nil {
			errs = append(errs, fmt.Errorf("publish %d evaluations: %w", len(changed), err))
		}
	}
	if len(deleted) > 0 {
		if err := r.snapshots.Remove(ctx, deleted); err != nil {
			errs = append(errs, fmt.Errorf("remove %d snapshots: %w", len(deleted), err))
		}
	}
	return errors.Join(errs...)
}

// rest pauses until d has passed, a nudge comes or ctx ends.
func rest(ctx context.Context, d time.Duration, nudges <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-nudges:
	case <-t.C:
	}
}

// jitter spreads relays of many processes: a fifth more or less.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}
