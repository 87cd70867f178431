package redisstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"oktalk/internal/pipeline"
)

// Ack implements [pipeline.Source].
func (s *Source) Ack(ctx context.Context, entries []pipeline.Entry) (lost []pipeline.Entry, err error) {
	if len(entries) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	lanes := splitLanes(entries)
	order := slices.Concat(lanes[0], lanes[1])
	positions, err := ackScript.Run(ctx, s.work, []string{s.keys.stream, s.keys.low, s.keys.open}, s.ackArgs(lanes, order)...).Int64Slice()
	if err != nil {
		return nil, fmt.Errorf("ack %d entries of %s: %w", len(entries), s.stage, domainError(err))
	}
	for _, at := range positions {
		if at >= 0 && at < int64(len(order)) {
			lost = append(lost, *order[at])
		}
	}
	s.forget(entries...)
	return lost, nil
}

// splitLanes sorts entries by lane: the ordinary ones, then those of the low lane.
func splitLanes(entries []pipeline.Entry) (lanes [2][]*pipeline.Entry) {
	for i := range entries {
		lane := &lanes[0]
		if entries[i].Low {
			lane = &lanes[1]
		}
		*lane = append(*lane, &entries[i])
	}
	return lanes
}

func (s *Source) ackArgs(lanes [2][]*pipeline.Entry, order []*pipeline.Entry) []any {
	s.mu.Lock()
	held := len(s.held)
	s.mu.Unlock()
	args := make([]any, 0, 9+2*len(order))
	args = append(args, group, s.consumer, held)
	for _, lane := range lanes {
		if len(lane) == 0 {
			args = append(args, 0, "", "")
			continue
		}
		byID := func(a, b *pipeline.Entry) int { return compareIDs(a.ID, b.ID) }
		args = append(args, len(lane), slices.MinFunc(lane, byID).ID, slices.MaxFunc(lane, byID).ID)
	}
	for _, e := range order {
		args = append(args, e.ID)
	}
	for _, e := range order {
		args = append(args, e.UserID)
	}
	return args
}

// compareIDs orders ids of entries, "1737-0", as the server does: by time, then by sequence. Numbers have no leading zeros.
func compareIDs(a, b string) int {
	aTime, aSeq, _ := strings.Cut(a, "-")
	bTime, bSeq, _ := strings.Cut(b, "-")
	return cmp.Or(cmp.Compare(len(aTime), len(bTime)), cmp.Compare(aTime, bTime), cmp.Compare(len(aSeq), len(bSeq)), cmp.Compare(aSeq, bSeq))
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
		s.forget(e)
	}
	if err != nil {
		return fmt.Errorf("%s entry %s of %s: %w", op, e.ID, s.stage, err)
	}
	return nil
}

// forget takes entries out of those in flight. A reader that waits for the ordinary lane alone, because the low lane had
// its share, is told when there is room again.
func (s *Source) forget(entries ...pipeline.Entry) {
	s.mu.Lock()
	for _, e := range entries {
		r := ref{e.Low, e.ID}
		if _, known := s.held[r]; known && e.Low {
			s.heldLow--
		}
		delete(s.held, r)
	}
	wake := s.waiting.on && !s.waiting.lowLane && s.lowShare() > 0
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
