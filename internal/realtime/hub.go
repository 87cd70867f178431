package realtime

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"oktalk/internal/evaluation"
)

// Store is the record of evaluations. Errors mean that it is away for now.
type Store interface {
	// Versions reads the versions of evaluations in one query; deleted and missing ones are absent.
	Versions(ctx context.Context, ids []string) (map[string]int64, error)
	// Load reads evaluations in one query; deleted and missing ones are absent.
	Load(ctx context.Context, ids []string) ([]*evaluation.Evaluation, error)
}

// Snapshots is the cache of states.
type Snapshots interface {
	// Get reads snapshots; ids without one are absent.
	Get(ctx context.Context, ids []string) (map[string]evaluation.Snapshot, error)
}

// Feed delivers states as they are published: at most once, and nothing while it is down.
type Feed interface {
	// Run works until ctx ends and then returns nil. It calls deliver for each state, and connected(true) each time that all channels are confirmed
	// on a new connection; connected(false) when it is lost.
	Run(ctx context.Context, deliver func(evaluation.Snapshot), connected func(up bool)) error
	// Add watches an evaluation and returns when that is confirmed. On an error it is watched as soon as possible.
	Add(ctx context.Context, id string) error
	// Drop stops watching. It does not block.
	Drop(id string)
}

// ErrClosed is returned by a hub that stopped. It is an [evaluation.ErrUnavailable]: another process will answer.
var ErrClosed = fmt.Errorf("%w: progress hub is closed", evaluation.ErrUnavailable)

// Hub knows the latest state of every evaluation that somebody connected to this process watches. All methods are safe for
// concurrent use; Run is called once and must run for the others to work.
type Hub struct {
	cfg   Config
	store Store
	keys  Keys
	cache Snapshots
	feed  Feed
	log   *slog.Logger

	wake    chan struct{}  // capacity 1: pending is not empty
	closing chan struct{}  // closed when Run ends
	serving sync.WaitGroup // connections and polls in progress

	mu      sync.Mutex
	topics  map[string]*topic   // guarded by mu, by evaluation id
	pending map[string]struct{} // guarded by mu: ids to check next
	feedUp  bool                // guarded by mu
	away    bool                // guarded by mu: the store did not answer the last check
	closed  bool                // guarded by mu
}

// topic is an evaluation that is watched. Its fields are guarded by the hub's mu.
type topic struct {
	subs    map[*Subscription]struct{}
	fed     bool                // the feed was asked for it
	latest  evaluation.Snapshot // of the highest version seen; Version 0: none yet
	deleted bool
	due     time.Time // of the next check
}

// NewHub makes a Hub. The feed is run by the hub's Run.
func NewHub(cfg Config, store Store, keys Keys, cache Snapshots, feed Feed, log *slog.Logger) *Hub {
	return &Hub{
		cfg: cfg.withDefaults(), store: store, keys: keys, cache: cache, feed: feed, log: log,
		wake: make(chan struct{}, 1), closing: make(chan struct{}),
		topics: make(map[string]*topic), pending: make(map[string]struct{}),
	}
}

// Run keeps the states until ctx ends. Then it closes all connections with [CloseRestart], spread over Config.CloseSpread,
// waits for them (http.Server.Shutdown does not wait for WebSockets) and returns nil.
func (h *Hub) Run(ctx context.Context) error {
	g, running := errgroup.WithContext(ctx)
	g.Go(func() error {
		return h.feed.Run(running, h.deliver, func(up bool) {
			if running.Err() == nil { // a feed that ends with the hub is not away
				h.connected(up)
			}
		})
	})
	g.Go(func() error { h.checkLoop(running); return nil })
	g.Go(func() error { h.dueLoop(running); return nil })
	g.Go(func() error { h.keyLoop(running); return nil })
	g.Go(func() error { <-running.Done(); h.close(); return nil })
	err := g.Wait()
	h.serving.Wait()
	return err
}

func (h *Hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	close(h.closing)
}

// enter counts a connection or poll in, until leave is called. It reports false when the hub is closed.
func (h *Hub) enter() (leave func(), ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, false
	}
	h.serving.Add(1)
	return h.serving.Done, true
}

// Stats are what a hub holds at a moment.
type Stats struct {
	Subscriptions int  // open connections and polls
	Evaluations   int  // that they watch
	FeedUp        bool // changes arrive from Redis; if not, PostgreSQL is polled
}

// Stats reads the hub's figures, for metrics.
func (h *Hub) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := Stats{Evaluations: len(h.topics), FeedUp: h.feedUp}
	for _, t := range h.topics {
		s.Subscriptions += len(t.subs)
	}
	return s
}

// deliver takes a published state.
func (h *Hub) deliver(s evaluation.Snapshot) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.topics[s.ID]; t != nil {
		t.take(s)
	}
}

// connected takes the state of the feed. Whatever was published before may have been missed.
func (h *Hub) connected(up bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if up != h.feedUp {
		if up {
			h.log.Info("progress arrives from redis")
		} else {
			h.log.Warn("redis is away: polling the database for progress", "evaluations", len(h.topics))
		}
	}
	h.feedUp = up
	for id := range h.topics {
		h.checkSoon(id)
	}
}

// take keeps a state if it is newer than what is known, and wakes those who wait for it.
func (t *topic) take(s evaluation.Snapshot) {
	switch {
	case s.Deleted:
		t.deleted = true
	case s.Version > t.latest.Version:
		t.latest = s
	default:
		return
	}
	for sub := range t.subs {
		sub.notify()
	}
}

// checkSoon asks for a check of an id; mu is held.
func (h *Hub) checkSoon(id string) {
	h.pending[id] = struct{}{}
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// dueLoop asks for the periodic checks.
func (h *Hub) dueLoop(ctx context.Context) {
	tick := time.NewTicker(h.cfg.PollInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			h.checkDue(now)
		}
	}
}

func (h *Hub) checkDue(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, t := range h.topics {
		if !h.feedUp || !now.Before(t.due) {
			h.checkSoon(id)
		}
	}
}

// nextCheck is when an evaluation that was checked now is checked again, unless the feed is down.
func (h *Hub) nextCheck() time.Time {
	fifth := h.cfg.CheckInterval / 5
	return time.Now().Add(h.cfg.CheckInterval - fifth + rand.N(2*fifth+1))
}
