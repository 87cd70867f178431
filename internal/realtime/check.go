package realtime

import (
	"context"
	"errors"
	"time"

	"oktalk/internal/evaluation"
)

// checkLoop checks what is asked for, all ids of a window together. One check runs at a time: while PostgreSQL is slow, ids
// gather for the next one instead of more queries running.
func (h *Hub) checkLoop(ctx context.Context) {
	window := time.NewTimer(0)
	defer window.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		}
		window.Reset(checkWindow)
		select {
		case <-ctx.Done():
			return
		case <-window.C:
		}
		for ids, waiting := h.takePending(); len(ids) > 0; ids, waiting = h.takePending() {
			h.check(ctx, ids, waiting)
		}
	}
}

// takePending takes the ids of one batch and the subscriptions that wait for their first state: only those that are there before
// the query starts may be answered by it.
func (h *Hub) takePending() (ids []string, waiting []*Subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id := range h.pending {
		delete(h.pending, id)
		t := h.topics[id]
		if t == nil {
			continue
		}
		ids = append(ids, id)
		for sub := range t.subs {
			if !sub.ready {
				waiting = append(waiting, sub)
			}
		}
		if len(ids) == checkBatch {
			break
		}
	}
	return ids, waiting
}

// check brings the states of ids up to date.
func (h *Hub) check(ctx context.Context, ids []string, waiting []*Subscription) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	versions, err := h.store.Versions(ctx, ids)
	if err == nil {
		err = h.update(ctx, h.behind(ids, versions), versions)
	}
	h.setAway(ctx, err)
	if err != nil {
		h.fallBack(ctx, ids, waiting)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		if t := h.topics[id]; t != nil {
			t.due = h.nextCheck()
		}
	}
	for _, sub := range waiting {
		sub.ready = true
		sub.notify()
	}
}

// behind marks evaluations without a version as deleted and returns those whose latest state is not known.
func (h *Hub) behind(ids []string, versions map[string]int64) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var behind []string
	for _, id := range ids {
		t := h.topics[id]
		if t == nil {
			continue
		}
		switch version, ok := versions[id]; {
		case !ok:
			t.take(evaluation.Snapshot{ID: id, Deleted: true})
		case version > t.latest.Version:
			behind = append(behind, id)
		}
	}
	return behind
}

// update reads the states of ids: from the cache those of exactly the version the store has, the others from the store.
func (h *Hub) update(ctx context.Context, ids []string, versions map[string]int64) error {
	cached := h.readCache(ctx, ids)
	var load []string
	for _, id := range ids {
		if s, ok := cached[id]; ok && s.Version == versions[id] {
			h.deliver(s)
		} else {
			load = append(load, id)
		}
	}
	if len(load) == 0 {
		return nil
	}
	evaluations, err := h.store.Load(ctx, load)
	if err != nil {
		return err
	}
	loaded := make(map[string]bool, len(load))
	for _, e := range evaluations {
		s, err := e.Snapshot()
		if err != nil {
			return err
		}
		loaded[e.ID] = true
		h.deliver(s)
	}
	for _, id := range load {
		if !loaded[id] { // deleted between the two queries
			h.deliver(evaluation.Snapshot{ID: id, Deleted: true})
		}
	}
	return nil
}

// readCache reads what Redis has of ids; nothing while it is away.
func (h *Hub) readCache(ctx context.Context, ids []string) map[string]evaluation.Snapshot {
	h.mu.Lock()
	up := h.feedUp
	h.mu.Unlock()
	if !up || len(ids) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, cacheTimeout)
	defer cancel()
	cached, err := h.cache.Get(ctx, ids)
	if err != nil {
		h.log.Debug("snapshots not read from redis", "err", err)
		return nil
	}
	return cached
}

// fallBack serves what Redis has to those who wait for their first state while the store is away. It may be old; the check that
// follows after the poll interval puts it right.
func (h *Hub) fallBack(ctx context.Context, ids []string, waiting []*Subscription) {
	first := make([]string, 0, len(waiting))
	for _, sub := range waiting {
		first = append(first, sub.id)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cacheTimeout) // the check's own time may be used up
	defer cancel()
	for _, s := range h.readCache(ctx, first) {
		h.deliver(s)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		if t := h.topics[id]; t != nil {
			t.due = time.Now()
		}
	}
	for _, sub := range waiting {
		if t := h.topics[sub.id]; t != nil && t.latest.Version > 0 {
			sub.ready = true
			sub.notify()
		}
	}
}

// setAway records whether the store answered, and says so when that changes.
func (h *Hub) setAway(ctx context.Context, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	stopping := errors.Is(context.Cause(ctx), context.Canceled)
	away := err != nil
	if away == h.away || stopping {
		return
	}
	h.away = away
	if away {
		h.log.Warn("progress cannot be checked: the database does not answer", "err", err)
	} else {
		h.log.Info("progress is checked again")
	}
}
