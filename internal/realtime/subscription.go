package realtime

import (
	"context"

	"oktalk/internal/evaluation"
)

// Subscription is one watcher of one evaluation. Next is called from one goroutine; Close may be called from any.
type Subscription struct {
	hub    *Hub
	id     string
	signal chan struct{} // capacity 1: something may have changed

	// Guarded by the hub's mu.
	ready   bool   // a check that began after the subscription has ended
	after   int64  // the version it has
	keyID   string // empty: none
	revoked bool   // the key is not in force any more
}

// Subscribe watches an evaluation for versions above after (0: all). It waits, a second at most, until nothing published from now
// on can be missed; the first state comes with Next. It returns [ErrClosed] or the error of ctx. The caller calls Close.
func (h *Hub) Subscribe(ctx context.Context, id string, after int64) (*Subscription, error) {
	sub, err := h.join(id, after, true)
	if err != nil {
		return nil, err
	}
	confirm, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	if err := h.feed.Add(confirm, id); err != nil {
		if ctx.Err() != nil {
			sub.Close()
			return nil, ctx.Err()
		}
		h.log.Debug("progress channel not confirmed", "evaluation_id", id, "err", err)
	}
	h.ask(id)
	return sub, nil
}

// peek subscribes for one look at the state, without the feed.
func (h *Hub) peek(id string) (*Subscription, error) {
	sub, err := h.join(id, 0, false)
	if err != nil {
		return nil, err
	}
	h.ask(id)
	return sub, nil
}

// join enters a subscription; fed says that the feed will be asked for its evaluation.
func (h *Hub) join(id string, after int64, fed bool) (*Subscription, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrClosed
	}
	t := h.topics[id]
	if t == nil {
		t = &topic{subs: make(map[*Subscription]struct{}), due: h.nextCheck()}
		h.topics[id] = t
	}
	t.fed = t.fed || fed
	sub := &Subscription{hub: h, id: id, after: after, signal: make(chan struct{}, 1)}
	t.subs[sub] = struct{}{}
	return sub, nil
}

func (h *Hub) ask(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checkSoon(id)
}

// Next waits for a version above the last one and returns the latest state; versions in between are left out. A deleted evaluation
// gives a Snapshot with Deleted set. Errors are [ErrClosed], when the hub stopped, and those of ctx; after the latter Next may be
// called again.
func (s *Subscription) Next(ctx context.Context) (evaluation.Snapshot, error) {
	for {
		if snapshot, ok, err := s.poll(); ok || err != nil {
			return snapshot, err
		}
		select {
		case <-s.signal:
		case <-ctx.Done():
			return evaluation.Snapshot{}, ctx.Err()
		case <-s.hub.closing:
			return evaluation.Snapshot{}, ErrClosed
		}
	}
}

func (s *Subscription) poll() (latest evaluation.Snapshot, ok bool, err error) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	t := s.hub.topics[s.id]
	switch {
	case t == nil: // after Close
		return evaluation.Snapshot{}, false, nil
	case s.revoked:
		return evaluation.Snapshot{}, false, errRevoked
	case t.deleted:
		return evaluation.Snapshot{ID: s.id, Deleted: true}, true, nil
	case s.ready && t.latest.Version > s.after:
		s.after = t.latest.Version
		return t.latest, true, nil
	}
	return evaluation.Snapshot{}, false, nil
}

// Close ends the subscription; calling it again does nothing.
func (s *Subscription) Close() {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[s.id]
	if t == nil {
		return
	}
	delete(t.subs, s)
	if len(t.subs) > 0 {
		return
	}
	delete(h.topics, s.id)
	if t.fed {
		h.feed.Drop(s.id) // under mu, so that a later Subscribe's Add comes after it
	}
}

// notify wakes Next; mu is held.
func (s *Subscription) notify() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}
