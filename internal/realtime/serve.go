package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"

	"oktalk/internal/evaluation"
	"oktalk/internal/pause"
)

// peer is the client's end of a connection.
type peer interface {
	// send writes a message; an error means that the client is gone or too slow.
	send(ctx context.Context, m evaluation.Message) error
	// idle shows after a quiet time that the connection lives, and finds out whether the client does.
	idle(ctx context.Context) error
}

// admit says whether a connection may be opened, when nothing else stands against it.
func admit(ctx context.Context, v evaluation.Viewer) error {
	if v.Admit == nil {
		return nil
	}
	return v.Admit(ctx)
}

// firstState waits for the state a connection begins with. Errors: [evaluation.ErrNotFound] when it is deleted,
// [evaluation.ErrUnavailable] when it cannot be read in time, [ErrClosed], and those of ctx.
func (h *Hub) firstState(ctx context.Context, sub *Subscription) (evaluation.Snapshot, error) {
	limited, cancel := context.WithTimeout(ctx, firstStateTimeout)
	defer cancel()
	s, err := sub.Next(limited)
	switch {
	case err == nil && s.Deleted:
		return s, fmt.Errorf("evaluation %s: %w", sub.id, evaluation.ErrNotFound)
	case err != nil && ctx.Err() == nil && limited.Err() != nil:
		return s, fmt.Errorf("state of %s: %w: no answer within %v", sub.id, evaluation.ErrUnavailable, firstStateTimeout)
	}
	return s, err
}

// follow sends each new state to p, which has been told of s (if it is not known otherwise), until the evaluation is final, unless the
// connection stays, or deleted or the hub closes. It returns what to tell the client; an error means that there is nobody to tell.
func (h *Hub) follow(ctx context.Context, sub *Subscription, p peer, s evaluation.Snapshot, stay bool) (CloseCode, error) {
	for {
		final := s.Final
		if final && !stay {
			return CloseDone, nil
		}
		var err error
		s, err = h.next(ctx, sub, p)
		switch {
		case errors.Is(err, ErrClosed):
			h.spread(ctx)
			return CloseRestart, nil
		case errors.Is(err, errRevoked):
			return CloseRevoked, nil
		case err != nil:
			return 0, err
		case s.Deleted:
			return CloseDeleted, nil
		}
		m := s.Message(false)
		if final {
			m.Type = evaluation.MessageProgress // done is said once
		}
		if err := p.send(ctx, m); err != nil {
			return 0, err
		}
	}
}

// next waits for a new state and keeps the connection alive meanwhile.
func (h *Hub) next(ctx context.Context, sub *Subscription, p peer) (evaluation.Snapshot, error) {
	for {
		quiet, cancel := context.WithTimeout(ctx, h.cfg.PingInterval)
		s, err := sub.Next(quiet)
		cancel()
		if err == nil || errors.Is(err, ErrClosed) || errors.Is(err, errRevoked) || ctx.Err() != nil {
			return s, err
		}
		if err := p.idle(ctx); err != nil {
			return s, err
		}
	}
}

// spread waits a random part of Config.CloseSpread.
func (h *Hub) spread(ctx context.Context) {
	if h.cfg.CloseSpread > 0 {
		pause.For(ctx, rand.N(h.cfg.CloseSpread))
	}
}

// encode makes the wire form of a message. One above the promised size is sent all the same, and reported: the texts in it should
// have been bounded where they were made.
func (h *Hub) encode(m evaluation.Message) ([]byte, error) {
	data, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode progress message: %w", err)
	}
	if len(data) > maxMessage {
		h.log.Error("progress message is larger than clients may expect", "bytes", len(data), "limit_bytes", maxMessage)
	}
	return data, nil
}
