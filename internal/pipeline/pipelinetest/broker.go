// Package pipelinetest has a source and a ledger in memory, and the suite that every [pipeline.Source] must pass.
package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"oktalk/internal/pipeline"
)

// Timing sets how quickly a source acts in tests.
type Timing struct {
	Lease time.Duration // after which a consumer that does not renew is dead
	Beat  time.Duration // between renewals
	Block time.Duration // how long a read waits
}

// Broker is the stage that sources in memory share: two lanes, delayed and dead entries, and leases, all by time.Now, so
// that it works in a testing/synctest bubble. It is safe for concurrent use.
type Broker struct {
	timing Timing

	mu      sync.Mutex
	seq     int
	lanes   [2][]pipeline.Entry  // ordinary, low
	pending map[string]*delivery // by entry id
	delayed []pipeline.Entry
	dead    []Dead
	leases  map[string]time.Time
	changed chan struct{} // closed at the next change
	away    error
}

type delivery struct {
	entry    pipeline.Entry
	consumer string
}

// Dead is an entry that was set aside.
type Dead struct {
	Entry  pipeline.Entry
	Reason string
}

// NewBroker makes an empty stage.
func NewBroker(t Timing) *Broker {
	return &Broker{timing: t, pending: map[string]*delivery{}, leases: map[string]time.Time{}, changed: make(chan struct{})}
}

// Add adds entries: delayed ones with a Due in the future, the others to the lane they ask for.
func (b *Broker) Add(entries ...pipeline.Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range entries {
		b.add(e)
	}
	b.change()
}

func (b *Broker) add(e pipeline.Entry) {
	if e.Due.After(time.Now()) {
		b.delayed = append(b.delayed, e)
		return
	}
	b.seq++
	e.ID, e.Due = fmt.Sprintf("%d-0", b.seq), time.Time{}
	lane := laneOf(e)
	b.lanes[lane] = append(b.lanes[lane], e)
}

// AddRaw adds a record that is no entry.
func (b *Broker) AddRaw(fields map[string]string) {
	b.Add(pipeline.Entry{Raw: fields, DecodeErr: errors.New("these bytes are no entry")})
}

// change wakes all that wait. mu is held.
func (b *Broker) change() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// Dead lists what was set aside.
func (b *Broker) Dead() []Dead {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.dead)
}

// Left counts entries that are not settled: unread, pending and delayed.
func (b *Broker) Left() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.lanes[0]) + len(b.lanes[1]) + len(b.pending) + len(b.delayed)
}

// Pending counts entries that are delivered and not settled.
func (b *Broker) Pending() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.pending)
}

// SetAway makes every call fail with err until it is called with nil.
func (b *Broker) SetAway(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = err
	b.change()
}

// Expire lets the lease of a consumer run out at once, as if it had been frozen.
func (b *Broker) Expire(consumer string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leases[consumer] = time.Time{}
	b.change()
}

// promote adds delayed entries that are due and returns when the next one is. mu is held.
func (b *Broker) promote() (next time.Time) {
	now := time.Now()
	due := slices.Clone(b.delayed)
	b.delayed = b.delayed[:0:0]
	for _, e := range due {
		if e.Due.After(now) {
			b.delayed = append(b.delayed, e)
			if next.IsZero() || e.Due.Before(next) {
				next = e.Due
			}
		} else {
			b.add(e)
		}
	}
	return next
}

// Source makes a consumer of the broker.
func (b *Broker) Source(consumer string) *Source { return &Source{broker: b, consumer: consumer} }

// Source is a [pipeline.Source] in memory.
type Source struct {
	broker   *Broker
	consumer string
	slots    int  // the most that were in flight or asked for; guarded by broker.mu
	lowTurn  bool // a single slot: the low lane is next; guarded by broker.mu
}

var _ pipeline.Source = (*Source)(nil)

// Consumer implements [pipeline.Source].
func (s *Source) Consumer() string { return s.consumer }

// Run implements [pipeline.Source].
func (s *Source) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		s.broker.mu.Lock()
		if s.broker.away == nil {
			s.broker.leases[s.consumer] = time.Now().Add(s.broker.timing.Lease)
			s.broker.change()
		}
		s.broker.mu.Unlock()
		timer := time.NewTimer(s.broker.timing.Beat)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	return nil
}

// Read implements [pipeline.Source].
func (s *Source) Read(ctx context.Context, most int) ([]pipeline.Entry, error) {
	b := s.broker
	end := time.Now().Add(b.timing.Block)
	for {
		b.mu.Lock()
		if b.away != nil {
			defer b.mu.Unlock()
			return nil, b.away
		}
		next := b.promote()
		entries := s.take(most)
		changed, soonest := b.changed, s.soonest(end, next)
		b.mu.Unlock()
		if len(entries) > 0 || ctx.Err() != nil || !time.Now().Before(end) {
			return entries, nil
		}
		timer := time.NewTimer(time.Until(soonest))
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// soonest is when there may be something to read without a change: an entry becomes due or a lease runs out. mu is held.
func (s *Source) soonest(end, next time.Time) time.Time {
	if !next.IsZero() && next.Before(end) {
		end = next
	}
	for _, d := range s.broker.pending {
		if until := s.broker.leases[d.consumer]; until.After(time.Now()) && until.Before(end) {
			end = until
		}
	}
	return end
}

// lowShare is how many entries of the low lane there is room for: at most half of the slots, with some of them left free, and never
// less than one.
func (s *Source) lowShare(free, held int) int {
	if held == 0 && free > 0 {
		return max(1, min(free-s.slots/8, s.slots/2))
	}
	return max(0, min(free-s.slots/8, s.slots/2-held))
}

// take delivers what dead consumers hold, then new entries. mu is held.
func (s *Source) take(most int) []pipeline.Entry {
	b := s.broker
	if !b.alive(s.consumer) {
		return nil
	}
	held, low := 0, 0
	for _, d := range b.pending {
		if d.consumer == s.consumer {
			held++
			if d.entry.Low {
				low++
			}
		}
	}
	s.slots = max(s.slots, held+most)
	room := [2]int{most, min(most, s.lowShare(s.slots-held, low))}
	var taken []pipeline.Entry
	give := func(e pipeline.Entry) bool {
		lane := laneOf(e)
		if len(taken) == most || room[lane] == 0 {
			return false
		}
		room[lane]--
		b.pending[e.ID] = &delivery{entry: e, consumer: s.consumer}
		taken = append(taken, e)
		return true
	}
	for _, d := range b.pending {
		if !b.alive(d.consumer) {
			give(d.entry)
		}
	}
	order := []int{0, 1}
	if low == 0 && (s.slots > 1 || s.lowTurn) { // one at least, whatever waits in the ordinary lane
		order = []int{1, 0}
		room[1] = min(room[1], 1)
	}
	s.lowTurn = !s.lowTurn
	for _, lane := range order {
		for len(b.lanes[lane]) > 0 && give(b.lanes[lane][0]) {
			b.lanes[lane] = b.lanes[lane][1:]
		}
	}
	return taken
}

func (b *Broker) alive(consumer string) bool { return time.Now().Before(b.leases[consumer]) }

// settle takes an entry off the pending list if it is the consumer's.
func (s *Source) settle(e pipeline.Entry, then func(pipeline.Entry)) error {
	b := s.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away != nil {
		return b.away
	}
	d, ok := b.pending[e.ID]
	if !ok || d.consumer != s.consumer {
		return pipeline.ErrNotOwner
	}
	delete(b.pending, e.ID)
	then(e)
	b.change()
	return nil
}

// Ack implements [pipeline.Source].
func (s *Source) Ack(_ context.Context, entries []pipeline.Entry) (lost []pipeline.Entry, err error) {
	for _, e := range entries {
		err := s.settle(e, func(pipeline.Entry) {})
		if errors.Is(err, pipeline.ErrNotOwner) {
			lost = append(lost, e)
		} else if err != nil {
			return nil, err
		}
	}
	return lost, nil
}

// Ack acknowledges one entry, with the error of the other settling methods when it was taken over.
func Ack(ctx context.Context, src pipeline.Source, e pipeline.Entry) error {
	lost, err := src.Ack(ctx, []pipeline.Entry{e})
	if err == nil && len(lost) > 0 {
		return pipeline.ErrNotOwner
	}
	return err
}

// Delay implements [pipeline.Source].
func (s *Source) Delay(_ context.Context, e pipeline.Entry, due time.Time) error {
	return s.settle(e, func(e pipeline.Entry) {
		e.Due = due
		s.broker.add(e)
	})
}

// GiveBack implements [pipeline.Source].
func (s *Source) GiveBack(_ context.Context, e pipeline.Entry) error {
	return s.settle(e, s.broker.add)
}

// SetAside implements [pipeline.Source].
func (s *Source) SetAside(_ context.Context, e pipeline.Entry, reason string) error {
	return s.settle(e, func(e pipeline.Entry) { s.broker.dead = append(s.broker.dead, Dead{e, reason}) })
}

// Alive implements [pipeline.Source].
func (s *Source) Alive(_ context.Context, consumer string) (bool, error) {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	return s.broker.alive(consumer), s.broker.away
}

// Leave implements [pipeline.Source].
func (s *Source) Leave(context.Context) error {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	delete(s.broker.leases, s.consumer)
	s.broker.change()
	return nil
}

func laneOf(e pipeline.Entry) int {
	if e.Low {
		return 1
	}
	return 0
}
