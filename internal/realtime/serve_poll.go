package realtime

import (
	"context"
	"errors"
	"fmt"
	"time"

	"oktalk/internal/evaluation"
)

// Wait answers a long poll: with the latest state as soon as its version is above after, or it is final; with what there is when
// timeout has passed. A timeout of zero or less answers at once. Errors: [evaluation.ErrNotFound] when the evaluation is deleted,
// [evaluation.ErrUnavailable] when no state can be read or the hub is closed, and those of ctx. The caller bounds timeout and
// sees to it that its server's write timeout is longer.
func (h *Hub) Wait(ctx context.Context, id string, after int64, timeout time.Duration) (evaluation.Message, error) {
	s, err := h.wait(ctx, id, after, timeout)
	if err != nil {
		return evaluation.Message{}, err
	}
	return s.Message(true), nil
}

func (h *Hub) wait(ctx context.Context, id string, after int64, timeout time.Duration) (evaluation.Snapshot, error) {
	sub, err := h.watchFor(ctx, id, timeout)
	if err != nil {
		return evaluation.Snapshot{}, err
	}
	defer sub.Close()
	s, err := h.firstState(ctx, sub)
	if err != nil {
		return s, err
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for !s.Final && s.Version <= after && timeout > 0 {
		newer, err := sub.Next(limited)
		switch {
		case err == nil && newer.Deleted:
			return newer, fmt.Errorf("evaluation %s: %w", id, evaluation.ErrNotFound)
		case err == nil:
			s = newer
		case errors.Is(err, ErrClosed), ctx.Err() == nil: // nothing new: the client asks again, another process if this one stops
			return s, nil
		default:
			return s, ctx.Err()
		}
	}
	return s, nil
}

// watchFor subscribes for a poll. One that does not wait needs no channel in Redis.
func (h *Hub) watchFor(ctx context.Context, id string, timeout time.Duration) (*Subscription, error) {
	if timeout <= 0 {
		return h.peek(id)
	}
	return h.Subscribe(ctx, id, 0)
}
