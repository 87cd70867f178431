package redisstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"oktalk/internal/evaluation"
)

const (
	promoteMost = 200                    // delayed entries added in one call: 200 take Redis about a millisecond
	beatTimeout = time.Second            // of one call, so that a lease has time for more
	beatRetry   = 250 * time.Millisecond // after a failed one
	surveyEvery = 5                      // beats between searches for consumers without any lease
	slackMost   = 20 * time.Millisecond  // how much later than due a process looks when others promote before it
)

// beat is what one call of the script says.
type beat struct {
	regroup, lapsed, paused bool
	orphans, promoted       int64
	wait                    time.Duration // until the next delayed entry is due; negative: none
}

// Run implements [pipeline.Source]. It renews the lease every beat on a connection of its own, adds delayed entries when they
// are due and makes Read take over what dead consumers left. While Redis is away it tries again every 250 ms.
func (s *Source) Run(ctx context.Context) error {
	defer s.keeper.drop(context.WithoutCancel(ctx))
	var (
		away     time.Time     // since when the server does not answer
		nextBeat time.Time     // when the lease is to be renewed
		surveyed time.Time     // when all consumers were last looked at
		slack    time.Duration // see nextSlack
	)
	for ctx.Err() == nil {
		survey, due := time.Since(surveyed) > surveyEvery*s.cfg.Beat, s.isDue()
		b, err := s.beat(ctx, survey)
		pause := beatRetry
		switch {
		case ctx.Err() != nil: // it ended while calling
		case err != nil:
			if away.IsZero() {
				away = time.Now()
				s.log.Warn("lease cannot be renewed; trying again until it can", "err", err)
			}
			nextBeat = time.Now().Add(beatRetry)
		default:
			if !away.IsZero() {
				s.log.Info("lease is renewed again", "away", time.Since(away).Round(time.Millisecond))
				away = time.Time{}
			}
			nextBeat = time.Now().Add(s.cfg.Beat)
			if survey {
				surveyed = time.Now()
			}
			slack = nextSlack(slack, due, b.promoted)
			pause = s.untilNext(nextBeat, slack)
		}
		for !s.rest(ctx, pause) { // something changed: look again how long to rest
			pause = s.untilNext(nextBeat, slack)
		}
	}
	return nil
}

// rest waits; it returns early and false when the source was poked.
func (s *Source) rest(ctx context.Context, pause time.Duration) bool {
	if pause <= 0 {
		return true
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-s.nudge:
		s.wakeReader(ctx)
		return false
	}
	return true
}

// nextSlack lets one process of a stage do the promoting: whoever looked when something was due and found that another had been
// there looks a little later the next time, and whoever promoted looks at the due time exactly.
func nextSlack(slack time.Duration, due bool, promoted int64) time.Duration {
	switch {
	case promoted > 0:
		return 0
	case due:
		return min(slackMost, max(time.Millisecond, 2*slack))
	default:
		return slack
	}
}

// isDue reports whether a delayed entry is known to be due.
func (s *Source) isDue() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.nextDue.IsZero() && !time.Now().Before(s.nextDue)
}

// untilNext is how long the run loop may rest.
func (s *Source) untilNext(nextBeat time.Time, slack time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.regroup {
		return 0
	}
	next := nextBeat
	if due := s.nextDue.Add(slack); !s.nextDue.IsZero() && due.Before(next) {
		next = due
	}
	return time.Until(next)
}

// beat calls the script once and takes note of what it says.
func (s *Source) beat(ctx context.Context, survey bool) (beat, error) {
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	sent := time.Now()
	b, err := s.callBeat(ctx, survey)
	if err != nil {
		s.keeper.drop(ctx)
		return beat{}, err
	}
	if b.lapsed {
		s.log.Warn("lease had run out; others may have taken over entries in flight here")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaseUntil = sent.Add(s.cfg.Lease * 3 / 4) // stop trusting it before others do
	s.ghosts = s.ghosts || b.lapsed
	s.orphans, s.paused, s.regroup = b.orphans > 0, b.paused, false
	s.nextDue = time.Time{}
	if b.wait >= 0 {
		s.nextDue = time.Now().Add(b.wait)
	}
	close(s.renewed)
	s.renewed = make(chan struct{})
	if s.orphans || s.paused {
		s.poke()
	}
	return b, nil
}

func (s *Source) callBeat(ctx context.Context, survey bool) (beat, error) {
	conn, err := s.keeper.open(ctx)
	if err != nil {
		return beat{}, domainError(err)
	}
	s.mu.Lock()
	regroup := s.regroup
	s.mu.Unlock()
	k := s.keys
	reply, err := beatScript.Run(ctx, conn, []string{k.leases, k.stream, k.low, k.delayed, k.dead, k.paused, k.open},
		group, s.consumer, s.cfg.Lease.Milliseconds(), promoteMost, flag(survey)).Int64Slice()
	if err != nil {
		return beat{}, domainError(err)
	}
	if len(reply) != 6 {
		return beat{}, fmt.Errorf("renew lease of %s: %d values in the reply, want 6", s.consumer, len(reply))
	}
	b := beat{
		regroup: reply[0] == 1, lapsed: reply[1] == 1, orphans: reply[2], promoted: reply[3],
		wait: time.Duration(reply[4]) * time.Millisecond, paused: reply[5] == 1,
	}
	if b.regroup || regroup { // after the lease, so that nobody reads without one
		if err := s.createGroups(ctx, conn); err != nil {
			return beat{}, domainError(fmt.Errorf("create groups of %s: %w", s.stage, err))
		}
	}
	return b, nil
}

// wakeReader ends the blocking read in progress when there is a reason to read in another way.
func (s *Source) wakeReader(ctx context.Context) {
	s.mu.Lock()
	w := s.waiting
	reason := s.orphans || s.paused || !w.lowLane
	s.mu.Unlock()
	if w.on && reason {
		s.unblock(ctx, w.seq)
	}
}

// unblock ends a blocking read. The read may not have reached the server yet, so it asks until the read is over.
func (s *Source) unblock(ctx context.Context, seq int64) {
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	for {
		s.mu.Lock()
		over := !s.waiting.on || s.waiting.seq != seq
		s.mu.Unlock()
		if over || s.reader.unblock(ctx) {
			return
		}
		timer := time.NewTimer(time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// isAway reports whether an error passes by itself.
func isAway(err error) bool { return errors.Is(err, evaluation.ErrUnavailable) }
