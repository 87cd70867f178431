package redisstream

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"oktalk/internal/pipeline"
)

// lowPoll is how often the low lane is looked at while the other lane has more than this process can take.
const lowPoll = 50 * time.Millisecond

// answerTime is how long a reply may take beyond the time that the server was asked to wait.
const answerTime = 2 * time.Second

// Read implements [pipeline.Source]. It first delivers what dead consumers left and what was delivered here unnoticed, then new
// entries. It reads nothing while the lease is not held or the stage is paused. When ctx ends it returns at once, with
// whatever the server had already delivered.
func (s *Source) Read(ctx context.Context, most int) ([]pipeline.Entry, error) {
	s.readMu.Lock()
	defer s.readMu.Unlock()
	if most < 1 || !s.mayRead(ctx) {
		return nil, nil
	}
	s.mu.Lock()
	s.slots = max(s.slots, len(s.held)+most)
	s.mu.Unlock()
	entries, err := s.recover(ctx, most)
	if err == nil && len(entries) == 0 {
		entries, err = s.readNew(ctx, most)
	}
	if err == nil {
		return entries, nil
	}
	if err = s.readFailed(ctx, err); len(entries) > 0 { // deliver what there is; the next read fails in its turn
		return entries, nil
	}
	return nil, err
}

// readFailed takes note of a failed read: what the server delivered on it is a ghost now.
func (s *Source) readFailed(ctx context.Context, err error) error {
	s.mu.Lock()
	s.ghosts = true
	s.mu.Unlock()
	if isNoGroup(err) {
		s.mu.Lock()
		s.regroup, s.leaseUntil = true, time.Time{} // the lease was lost with the groups
		s.mu.Unlock()
		s.log.Warn("consumer groups are gone, as after a loss of all data; making them again")
		s.poke()
		return nil
	}
	if err = domainError(err); isAway(err) {
		s.reader.drop(ctx)
		s.mu.Lock()
		s.regroup, s.leaseUntil = true, time.Time{} // the server may have forgotten the lease: nothing is read before it is renewed
		s.mu.Unlock()
		s.poke()
	}
	return fmt.Errorf("read entries of %s: %w", s.stage, err)
}

// mayRead waits until the lease is held and the stage is not paused, for as long as a read would wait.
func (s *Source) mayRead(ctx context.Context) bool {
	deadline := time.NewTimer(s.cfg.Block)
	defer deadline.Stop()
	for {
		s.mu.Lock()
		ok, renewed := time.Now().Before(s.leaseUntil) && !s.paused, s.renewed
		s.mu.Unlock()
		if ok || ctx.Err() != nil {
			return ctx.Err() == nil
		}
		select {
		case <-renewed:
		case <-deadline.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// recover delivers entries that were delivered before: to consumers that died, or to this one without its knowledge.
func (s *Source) recover(ctx context.Context, most int) ([]pipeline.Entry, error) {
	s.mu.Lock()
	orphans, ghosts := s.orphans, s.ghosts || time.Since(s.checked) > s.cfg.GhostCheck
	s.mu.Unlock()
	if orphans {
		if entries, err := s.claim(ctx, most); err != nil || len(entries) > 0 {
			return entries, err
		}
	}
	if ghosts {
		return s.findGhosts(ctx, most)
	}
	return nil, nil
}

// claim takes over entries of dead consumers.
func (s *Source) claim(ctx context.Context, most int) ([]pipeline.Entry, error) {
	reply, err := claimScript.Run(ctx, s.work, []string{s.keys.leases, s.keys.stream, s.keys.low},
		group, s.consumer, most, s.lowRoom(most), s.cfg.Lease.Milliseconds()).Slice()
	if err != nil {
		return nil, err
	}
	entries := s.deliver(reply)
	if len(entries) > 0 {
		s.log.Info("took over entries of dead consumers", "entries", len(entries))
	}
	s.mu.Lock()
	s.orphans = len(entries) == most // there may be more; the next beat knows
	s.mu.Unlock()
	return entries, nil
}

// findGhosts compares what is pending for this consumer with what it knows of. No read is in progress meanwhile.
func (s *Source) findGhosts(ctx context.Context, most int) ([]pipeline.Entry, error) {
	args := []any{group, s.consumer, most, s.lowRoom(most)}
	s.mu.Lock()
	for r := range s.held {
		args = append(args, flag(r.low)+":"+r.id)
	}
	s.mu.Unlock()
	reply, err := ghostsScript.Run(ctx, s.work, []string{s.keys.stream, s.keys.low}, args...).Slice()
	if err != nil {
		return nil, err
	}
	entries := s.deliver(reply)
	if len(entries) > 0 {
		s.log.Info("found entries that were delivered here without an answer", "entries", len(entries))
	}
	left, _ := reply[len(reply)-1].(int64)
	s.checked = time.Now()
	s.mu.Lock()
	s.ghosts = left > 0
	s.mu.Unlock()
	return entries, nil
}

// deliver takes note of entries as scripts return them: first the ordinary lane's, then the low lane's.
func (s *Source) deliver(reply []any) []pipeline.Entry {
	var entries []pipeline.Entry
	for lane := range min(2, len(reply)) {
		records, _ := reply[lane].([]any)
		for _, v := range records {
			if m, ok := record(lane == 1, v); ok {
				entries = append(entries, decode(s.stage, m))
			}
		}
	}
	s.hold(entries)
	return entries
}

// hold takes note of deliveries.
func (s *Source) hold(entries []pipeline.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		r := ref{e.Low, e.ID}
		if _, known := s.held[r]; known {
			continue
		}
		s.held[r] = struct{}{}
		if e.Low {
			s.heldLow++
		}
	}
}

// lowRoom is how many entries of the low lane may be taken, most at most.
func (s *Source) lowRoom(most int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return min(most, s.lowShare())
}

// lowShare is how many entries of the low lane there is room for. It gets at most half of the process's slots and leaves some free for
// what may come to the other lane: the last of its share a fourth of all, the others an eighth; it never gets less than one.
// (Simulated with 8 slots, 30 % load of others and a flood: others wait 0.08 of a job's time at the 95th percentile and the low lane
// gets 45 %; 0.25 and 49 % when none are left free, 0.05 and 44 % when a fourth always is.) mu is held.
func (s *Source) lowShare() int {
	free, most, room := s.slots-len(s.held), s.slots/2, 0
	for s.heldLow+room < most {
		leave := max(1, s.slots/8)
		if s.heldLow+room >= most-leave {
			leave = max(1, s.slots/4)
		}
		if free-room <= leave {
			break
		}
		room++
	}
	if s.heldLow == 0 && free > 0 {
		return max(room, 1)
	}
	return room
}

// readNew reads new entries. While the ordinary lane has more than there is room for, it is read without waiting and the low
// lane gets one slot now and then; otherwise one command waits for both.
func (s *Source) readNew(ctx context.Context, most int) ([]pipeline.Entry, error) {
	if !s.hot {
		return s.wait(ctx, most)
	}
	var entries []pipeline.Entry
	if s.lowDue() {
		low, err := s.fetch(ctx, true, 1)
		if err != nil {
			return nil, err
		}
		entries = low
	}
	if room := most - len(entries); room > 0 {
		ordinary, err := s.fetch(ctx, false, room)
		if err != nil {
			return entries, err
		}
		entries = append(entries, ordinary...)
		s.hot = len(ordinary) == room
	}
	if len(entries) > 0 {
		return entries, nil
	}
	return s.wait(ctx, most)
}

// lowDue reports whether the low lane is to be looked at although the other one has more than enough.
func (s *Source) lowDue() bool {
	s.mu.Lock()
	idle, slots := s.heldLow == 0, s.slots
	s.mu.Unlock()
	if !idle || time.Since(s.lowPolled) < lowPoll {
		return false
	}
	if slots == 1 { // the two lanes take turns
		s.lowTurn = !s.lowTurn
		if !s.lowTurn {
			return false
		}
	}
	s.lowPolled = time.Now()
	return true
}

// fetch reads one lane without waiting.
func (s *Source) fetch(ctx context.Context, low bool, most int) ([]pipeline.Entry, error) {
	return s.xreadgroup(ctx, -1, int64(most), s.keys.lane(low), ">")
}

// wait reads both lanes, waiting for the first entry. A read of two streams returns up to its count from each, so it asks for
// half.
func (s *Source) wait(ctx context.Context, most int) ([]pipeline.Entry, error) {
	low, seq := s.startWaiting(most)
	count, streams := most, []string{s.keys.stream, ">"}
	if low > 0 {
		count = max(1, min(most/2, low))
		streams = []string{s.keys.stream, s.keys.low, ">", ">"}
	}
	stop := context.AfterFunc(ctx, func() { s.unblock(context.WithoutCancel(ctx), seq) })
	entries, err := s.xreadgroup(ctx, s.cfg.Block, int64(count), streams...)
	s.stopWaiting()
	stop()
	if err != nil {
		return nil, err
	}
	s.hot = len(entries) >= count
	if surplus := len(entries) - most; surplus > 0 { // one slot, and both lanes had an entry at the same moment
		for _, e := range entries[most:] {
			if err := s.GiveBack(ctx, e); err != nil {
				s.log.Debug("give back of a surplus entry did not succeed; it will be found again", "entry_id", e.ID, "err", err)
				s.forget(e)
			}
		}
		entries = entries[:most]
	}
	return entries, nil
}

// startWaiting returns how many entries of the low lane to wait for, and the number of the wait. Room that comes afterwards ends it.
func (s *Source) startWaiting(most int) (low int, seq int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	low = min(most, s.lowShare())
	s.waiting = waiting{seq: s.waiting.seq + 1, on: true, lowLane: low > 0}
	return low, s.waiting.seq
}

func (s *Source) stopWaiting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting.on = false
}

// xreadgroup runs one read; block < 0 does not wait. Once sent it is not given up when ctx ends, since what the server delivers
// must be known here.
func (s *Source) xreadgroup(ctx context.Context, block time.Duration, count int64, streams ...string) ([]pipeline.Entry, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(0, block)+answerTime)
	defer cancel()
	conn, err := s.reader.open(ctx)
	if err != nil {
		return nil, err
	}
	args := make([]any, 0, 12)
	args = append(args, "XREADGROUP", "GROUP", group, s.consumer, "COUNT", count)
	if block >= 0 {
		args = append(args, "BLOCK", block.Milliseconds())
	}
	args = append(args, "STREAMS")
	for _, v := range streams {
		args = append(args, v)
	}
	cmd := redis.NewRawCmd(ctx, args...)
	if err := conn.Process(ctx, cmd); err != nil {
		return nil, err
	}
	found, err := parseRead(string(cmd.Val()), s.keys.low)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	entries := make([]pipeline.Entry, len(found))
	for i, m := range found {
		entries[i] = decode(s.stage, m)
	}
	s.hold(entries)
	return entries, nil
}
