package outbox

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// Config says how often and how much a relay claims.
type Config struct {
	// Poll is how long an idle relay waits before it looks for rows that other processes left, a fifth more or less; 0 means 500 ms.
	Poll time.Duration `env:"OUTBOX_POLL" envDefault:"500ms"`
	// Batch is how many rows are claimed at once for each destination; 0 means 200. More makes transactions longer, which keeps dead
	// rows of the outbox in its way; fewer costs round trips.
	Batch int `env:"OUTBOX_BATCH" envDefault:"200"`
}

// Store holds the outbox.
type Store interface {
	// Claim takes up to limit rows for each of the destinations that no other relay holds, calls send with what they ask for, and
	// deletes them, except those for destinations that send returns: those stay for another claim, as all do after an error. With
	// nothing to send, send is not called. It returns how many rows it took.
	Claim(
		ctx context.Context, to []pipeline.Destination, limit int,
		send func(ctx context.Context, b pipeline.Outgoing) (failed []pipeline.Destination),
	) (n int, err error)
	// Delete deletes rows that were sent by whoever wrote them. changed are the evaluations whose states were sent: a row of one that is
	// deleted by now stays.
	Delete(ctx context.Context, rows []pipeline.Row, changed []string) error
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
	arrivals  chan struct{} // says that something was taken over

	// guarded by mu
	mu    sync.Mutex
	held  map[pipeline.Destination]bool // away: tried apart, so that rows for others do not wait
	taken pipeline.Left                 // to be sent
}

// NewRelay makes a relay.
func NewRelay(cfg Config, store Store, q Queue, s Snapshots, log *slog.Logger) *Relay {
	if cfg.Poll <= 0 {
		cfg.Poll = 500 * time.Millisecond
	}
	if cfg.Batch <= 0 {
		cfg.Batch = 200
	}
	return &Relay{
		cfg: cfg, store: store, queue: q, snapshots: s, log: log, held: map[pipeline.Destination]bool{},
		nudges: make(chan struct{}, 1), arrivals: make(chan struct{}, 1),
	}
}

// Nudge says that there are new rows. It never blocks; while the relay is at work many nudges are one.
func (r *Relay) Nudge() {
	select {
	case r.nudges <- struct{}{}:
	default:
	}
}

// Run sends until ctx ends and returns nil then. What is away is waited for, each destination by itself; an outage is logged once, as
// is its end.
func (r *Relay) Run(ctx context.Context) error {
	var apart sync.WaitGroup
	defer apart.Wait()
	apart.Go(func() { r.forward(ctx) })
	pause := time.Duration(0) // after a failure of the store
	for ctx.Err() == nil {
		err := r.drain(ctx, &apart)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			if pause == 0 {
				r.log.Warn("outbox cannot be read; rows wait in the database", "err", err)
			}
			pause = longer(pause)
			rest(ctx, jitter(pause), nil) // nudges must not make it hammer
		default:
			if pause > 0 {
				r.log.Info("outbox is read again")
			}
			pause = 0
			rest(ctx, jitter(r.cfg.Poll), r.nudges)
		}
	}
	return nil
}

// drain sends while batches are full, to all destinations that are not tried apart. Those that fail are from now on.
func (r *Relay) drain(ctx context.Context, apart *sync.WaitGroup) error {
	for {
		to := r.free()
		if len(to) == 0 {
			return nil
		}
		n, failed, err := r.claim(ctx, to)
		fresh := false
		for d, cause := range failed {
			if !slices.Contains(to, d) { // tried apart already: the row that goes there does not name it
				continue
			}
			fresh = true
			r.hold(d, true)
			r.log.Warn("a destination of the outbox is away; its rows wait in the database", "destination", string(d), "err", cause)
			apart.Go(func() { r.retry(ctx, d) })
		}
		if err != nil || !fresh && (n < r.cfg.Batch || len(failed) > 0) {
			return err
		}
	}
}

// retry sends to one destination, with growing pauses, until that succeeds or ctx ends.
func (r *Relay) retry(ctx context.Context, d pipeline.Destination) {
	for pause := longer(0); ; pause = longer(pause) {
		if rest(ctx, jitter(pause), nil); ctx.Err() != nil {
			return
		}
		if _, failed, err := r.claim(ctx, []pipeline.Destination{d}); err == nil && failed[d] == nil {
			break
		}
	}
	r.hold(d, false)
	r.log.Info("a destination of the outbox is back", "destination", string(d))
	r.Nudge()
}

func (r *Relay) hold(d pipeline.Destination, held bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held[d] = held
}

// free lists the destinations that are not tried apart.
func (r *Relay) free() []pipeline.Destination {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(pipeline.Destinations(), func(d pipeline.Destination) bool { return r.held[d] })
}

// claim sends one batch and tells what could not be sent, and why.
func (r *Relay) claim(ctx context.Context, to []pipeline.Destination) (n int, failed map[pipeline.Destination]error, err error) {
	n, err = r.store.Claim(ctx, to, r.cfg.Batch, func(ctx context.Context, b pipeline.Outgoing) []pipeline.Destination {
		failed = r.send(ctx, b)
		return slices.Collect(maps.Keys(failed))
	})
	return n, failed, err
}

// send enqueues and publishes, to each destination at the same time.
func (r *Relay) send(ctx context.Context, b pipeline.Outgoing) map[pipeline.Destination]error {
	calls := map[pipeline.Destination]func() error{}
	if len(b.Changed)+len(b.Deleted) > 0 {
		calls[pipeline.ToSnapshots] = func() error { return r.publish(ctx, b) }
	}
	entries := map[evaluation.StageName][]pipeline.Entry{}
	for _, e := range b.Jobs {
		entries[e.Stage] = append(entries[e.Stage], e)
	}
	for stage, list := range entries {
		calls[pipeline.ToStage(stage)] = func() error { return r.queue.Enqueue(ctx, list) }
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	failed := map[pipeline.Destination]error{}
	for d, call := range calls {
		wg.Go(func() {
			if err := call(); err != nil {
				mu.Lock()
				failed[d] = err
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return failed
}

func (r *Relay) publish(ctx context.Context, b pipeline.Outgoing) error {
	var published, removed error
	if len(b.Changed) > 0 {
		published = r.snapshots.Publish(ctx, b.Changed)
	}
	if len(b.Deleted) > 0 {
		removed = r.snapshots.Remove(ctx, b.Deleted)
	}
	return errors.Join(published, removed)
}

// longer is the pause after one more failure.
func longer(pause time.Duration) time.Duration { return min(maxPause, max(firstPause, 2*pause)) }

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
