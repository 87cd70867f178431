package realtime

import (
	"context"
	"errors"
	"time"
)

// Keys knows which API keys are in force.
type Keys interface {
	// RevokedKeys returns those of ids that are not in force any more, in one query.
	RevokedKeys(ctx context.Context, ids []string) ([]string, error)
}

// errRevoked is returned by Next when the key behind a subscription is not in force any more.
var errRevoked = errors.New("the key was revoked")

// holdTo ties the subscription to a key: Next fails soon after it was revoked.
func (s *Subscription) holdTo(keyID string) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.keyID = keyID
}

// keyLoop looks at the keys of all connections every Config.CheckInterval, in one query.
func (h *Hub) keyLoop(ctx context.Context) {
	tick := time.NewTicker(h.cfg.CheckInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			h.checkKeys(ctx)
		}
	}
}

func (h *Hub) checkKeys(ctx context.Context) {
	ids := h.keysInUse()
	if len(ids) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	revoked, err := h.keys.RevokedKeys(ctx, ids)
	if err != nil {
		h.log.Debug("keys of connections not checked", "err", err)
		return
	}
	h.revoke(revoked)
}

func (h *Hub) keysInUse() (ids []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := map[string]bool{"": true}
	for _, t := range h.topics {
		for sub := range t.subs {
			if !seen[sub.keyID] {
				seen[sub.keyID] = true
				ids = append(ids, sub.keyID)
			}
		}
	}
	return ids
}

func (h *Hub) revoke(keyIDs []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	gone := map[string]bool{}
	for _, id := range keyIDs {
		gone[id] = true
	}
	for _, t := range h.topics {
		for sub := range t.subs {
			if gone[sub.keyID] {
				sub.revoked = true
				sub.notify()
			}
		}
	}
}
