package redisstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"oktalk/internal/pipeline"
)

// Ack implements [pipeline.Source]. Acknowledgements that come while one call is under way go together in the next.
func (s *Source) Ack(ctx context.Context, e pipeline.Entry) error {
	err := s.acks.add(ctx, &ack{low: e.Low, id: e.ID, user: e.UserID, done: make(chan error, 1)})
	return s.settled("ack", e, err)
}

// Delay implements [pipeline.Source]. A due time that is not in the future adds it at once.
func (s *Source) Delay(ctx context.Context, e pipeline.Entry, due time.Time) error {
	wait := max(0, time.Until(due))
	err := s.again(ctx, e, wait)
	if err == nil && wait > 0 {
		s.expect(time.Now().Add(wait))
	}
	return s.settled("delay", e, err)
}

// GiveBack implements [pipeline.Source].
func (s *Source) GiveBack(ctx context.Context, e pipeline.Entry) error {
	return s.settled("give back", e, s.again(ctx, e, 0))
}

// SetAside implements [pipeline.Source].
func (s *Source) SetAside(ctx context.Context, e pipeline.Entry, reason string) error {
	n, err := setAsideScript.Run(ctx, s.work, []string{s.keys.stream, s.keys.low, s.keys.dead, s.keys.open},
		group, s.consumer, flag(e.Low), e.ID, e.UserID, reason, e.Attempt).Int()
	return s.settled("set aside", e, owned(n, err))
}

// again settles an entry and adds it after wait, which the script counts by Redis's clock.
func (s *Source) again(ctx context.Context, e pipeline.Entry, wait time.Duration) error {
	ms := (wait + time.Millisecond - 1).Milliseconds()
	args := encode([]any{group, s.consumer, flag(e.Low), e.ID, ms, e.UserID}, e)
	n, err := againScript.Run(ctx, s.work, []string{s.keys.stream, s.keys.low, s.keys.delayed, s.keys.open}, args...).Int()
	return owned(n, err)
}

// owned translates the reply of a settling script.
func owned(n int, err error) error {
	if err == nil && n == 0 {
		return pipeline.ErrNotOwner
	}
	return domainError(err)
}

// settled forgets an entry that is settled or no longer ours, and names the operation in its error.
func (s *Source) settled(op string, e pipeline.Entry, err error) error {
	if err == nil || errors.Is(err, pipeline.ErrNotOwner) {
		s.forget(ref{e.Low, e.ID})
	}
	if err != nil {
		return fmt.Errorf("%s entry %s of %s: %w", op, e.ID, s.stage, err)
	}
	return nil
}

// forget takes an entry out of those in flight. A reader that waits for the ordinary lane alone, because the low lane had
// its share, is told that there is room again.
func (s *Source) forget(r ref) {
	s.mu.Lock()
	_, known := s.held[r]
	delete(s.held, r)
	if known && r.low {
		s.heldLow--
	}
	wake := known && r.low && s.waiting.on && !s.waiting.lowLane
	s.mu.Unlock()
	if wake {
		s.poke()
	}
}

// expect tells the run loop of a delayed entry that is due earlier than it knew.
func (s *Source) expect(due time.Time) {
	s.mu.Lock()
	earlier := s.nextDue.IsZero() || due.Before(s.nextDue)
	if earlier {
		s.nextDue = due
	}
	s.mu.Unlock()
	if earlier {
		s.poke()
	}
}

// ack is an acknowledgement on its way.
type ack struct {
	low      bool
	id, user string
	done     chan error
}

// ackBatch is the most acknowledgements of one call; 256 take Redis about a millisecond and a half.
const ackBatch = 256

// ackQueue sends acknowledgements together: the first caller sends its own, and those that came meanwhile follow in one call.
type ackQueue struct {
	send func(context.Context, []*ack)

	mu      sync.Mutex
	queue   []*ack
	sending bool
}

func (q *ackQueue) add(ctx context.Context, a *ack) error {
	q.mu.Lock()
	q.queue = append(q.queue, a)
	first := !q.sending
	q.sending = true
	q.mu.Unlock()
	if first && q.sendNext(ctx) {
		go func() { // others wait; it ends with the queue
			for q.sendNext(ctx) {
			}
		}()
	}
	select {
	case err := <-a.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sendNext sends the next batch and reports whether there is another.
func (q *ackQueue) sendNext(ctx context.Context) bool {
	q.mu.Lock()
	n := min(len(q.queue), ackBatch)
	batch := q.queue[:n:n]
	q.queue = q.queue[n:]
	if len(q.queue) == 0 {
		q.queue = nil
	}
	q.mu.Unlock()
	if n > 0 {
		q.send(context.WithoutCancel(ctx), batch)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sending = len(q.queue) > 0
	return q.sending
}

// sendAcks settles a batch in one call and tells each caller.
func (s *Source) sendAcks(ctx context.Context, batch []*ack) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	slices.SortStableFunc(batch, func(a, b *ack) int { return cmp.Compare(flag(a.low), flag(b.low)) })
	low := 0
	for _, a := range batch {
		if a.low {
			low++
		}
	}
	s.mu.Lock()
	held := len(s.held)
	s.mu.Unlock()
	args := make([]any, 5, 5+2*len(batch))
	args[0], args[1], args[2], args[3], args[4] = group, s.consumer, held, len(batch)-low, low
	for _, a := range batch {
		args = append(args, a.id)
	}
	for _, a := range batch {
		args = append(args, a.user)
	}
	settled, err := ackScript.Run(ctx, s.work, []string{s.keys.stream, s.keys.low, s.keys.open}, args...).Int64Slice()
	err = domainError(err)
	for i, a := range batch {
		switch {
		case err != nil:
			a.done <- err
		case i >= len(settled) || settled[i] == 0:
			a.done <- pipeline.ErrNotOwner
		default:
			a.done <- nil
		}
	}
}
