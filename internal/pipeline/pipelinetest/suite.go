package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// Stage is a stage under test: the keys of one test, empty at first.
type Stage interface {
	// Source makes a consumer; the suite runs it.
	Source(t *testing.T, consumer string) pipeline.Source
	// Add adds entries as a producer does.
	Add(t *testing.T, entries ...pipeline.Entry)
	// AddRaw adds a record that is no entry.
	AddRaw(t *testing.T, fields map[string]string)
	// Dead lists what was set aside, oldest first.
	Dead(t *testing.T) []Dead
}

// StageName is the stage that the suite's entries are of.
const StageName = evaluation.StageFeedback

// slow is how long the suite waits for what must happen. It bounds failing tests only.
const slow = 15 * time.Second

// RunSource runs the suite: everything that a [pipeline.Source] promises. open makes a new stage; timing is what its sources
// are set to. Without wakes, a read that waits at the server is not interrupted, so that it delays what it would be woken for.
func RunSource(t *testing.T, timing Timing, wakes bool, open func(t *testing.T) Stage) {
	t.Helper()
	for name, test := range map[string]func(*bench){
		"each entry is delivered once":                  testDeliversOnce,
		"a waiting read is served at once":              testWaitingRead,
		"a read returns at most what was asked":         testReadBounds,
		"no lease, no entries":                          testNoLease,
		"an acknowledged entry does not come back":      testAck,
		"entries of the living stay theirs":             testLivingKeep,
		"entries of the dead are taken over":            testTakeOver,
		"take-over respects room":                       testTakeOverRoom,
		"those taken over cannot be settled":            testFencing,
		"a delayed entry comes when due":                testDelay,
		"delays keep their order":                       testDelayOrder,
		"an entry added for later comes when due":       testAddDelayed,
		"an entry given back is delivered elsewhere":    testGiveBack,
		"an entry set aside is kept whole":              testSetAside,
		"bytes that are no entry are delivered as such": testPoison,
		"liveness follows the lease":                    testAlive,
		"leaving hands over":                            testLeave,
		"a read ends with its context":                  testReadEnds,
		"the low lane gets half of the slots":           testLowLane,
		"the low lane does not starve":                  testLowLaneStarvation,
		"many consumers settle many entries":            testMany,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(&bench{t: t, timing: timing, wakes: wakes, Stage: open(t)})
		})
	}
}

// bench is one test's stage and helpers.
type bench struct {
	Stage
	t      *testing.T
	timing Timing
	wakes  bool
}

// worker is a consumer that keeps its lease until it is killed.
type worker struct {
	pipeline.Source
	b    *bench
	kill func() // stops renewing, without a word
}

func (b *bench) worker(consumer string) *worker {
	src := b.Source(b.t, consumer)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := src.Run(ctx); err != nil {
			b.t.Errorf("Run(%s): %v", consumer, err)
		}
	}()
	kill := func() { cancel(); <-done }
	b.t.Cleanup(kill)
	return &worker{src, b, kill}
}

// read reads until n entries have come.
func (w *worker) read(n int) []pipeline.Entry {
	w.b.t.Helper()
	entries := w.readFor(n, slow)
	if len(entries) < n {
		w.b.t.Fatalf("%s got %d entries within %v, want %d", w.Consumer(), len(entries), slow, n)
	}
	return entries
}

// readFor reads until n entries have come or the time is over.
func (w *worker) readFor(n int, limit time.Duration) []pipeline.Entry {
	w.b.t.Helper()
	var entries []pipeline.Entry
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for len(entries) < n && ctx.Err() == nil {
		got, err := w.Read(ctx, n-len(entries))
		if err != nil && !errors.Is(err, evaluation.ErrUnavailable) { // a busy machine may be too slow for one call
			w.b.t.Errorf("Read(%s): %v", w.Consumer(), err)
			return entries
		}
		entries = append(entries, got...)
	}
	return entries
}

func (w *worker) ack(entries ...pipeline.Entry) {
	w.b.t.Helper()
	for _, e := range entries {
		if err := Ack(context.Background(), w, e); err != nil {
			w.b.t.Fatalf("Ack(%s) by %s: %v", e.ID, w.Consumer(), err)
		}
	}
}

// none checks that nothing is delivered for a while.
func (w *worker) none(d time.Duration) {
	w.b.t.Helper()
	if got := w.readFor(1, d); len(got) > 0 {
		w.b.t.Fatalf("%s got %v, want nothing", w.Consumer(), jobs(got))
	}
}

func jobs(entries []pipeline.Entry) []string {
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.JobID)
	}
	return ids
}

// Entries makes n entries, each of a user of its own.
func Entries(n int) []pipeline.Entry {
	entries := make([]pipeline.Entry, n)
	for i := range entries {
		entries[i] = pipeline.Entry{
			Stage: StageName, JobID: fmt.Sprintf("job_%d", i), EvaluationID: fmt.Sprintf("eval_%d", i), UserID: fmt.Sprintf("user_%d", i),
			Attempt: 1, EnqueuedAt: time.Now().UTC().Truncate(time.Millisecond),
		}
	}
	return entries
}

func testDeliversOnce(b *bench) {
	want := Entries(20)
	want[3].Traceparent, want[3].Attempt = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", 3
	b.Add(b.t, want...)
	one, two := b.worker("one"), b.worker("two")
	got := map[string]pipeline.Entry{}
	for _, e := range append(one.read(10), two.read(10)...) {
		if _, again := got[e.JobID]; again {
			b.t.Errorf("%s was delivered twice", e.JobID)
		}
		got[e.JobID] = e
	}
	for _, w := range want {
		e := got[w.JobID]
		if e.ID == "" {
			b.t.Errorf("%s has no entry id", w.JobID)
		}
		w.ID = e.ID
		if e.Stage != w.Stage || e.EvaluationID != w.EvaluationID || e.UserID != w.UserID || e.Attempt != w.Attempt ||
			!e.EnqueuedAt.Equal(w.EnqueuedAt) || e.Traceparent != w.Traceparent || e.DecodeErr != nil {
			b.t.Errorf("delivered %+v, want %+v", e, w)
		}
	}
	one.none(2 * b.timing.Block)
}

func testWaitingRead(b *bench) {
	w := b.worker("one")
	w.readFor(1, b.timing.Block) // has its lease now
	got := make(chan []pipeline.Entry, 1)
	go func() { got <- w.readFor(1, slow) }()
	b.Add(b.t, Entries(1)...)
	select {
	case entries := <-got:
		w.ack(entries...)
	case <-time.After(slow):
		b.t.Fatal("a waiting read did not get the entry that was added")
	}
}

func testReadBounds(b *bench) {
	entries := Entries(30)
	for i := range entries {
		entries[i].Low = i%2 == 0
	}
	b.Add(b.t, entries...)
	w := b.worker("one")
	seen := 0
	for most := 1; seen < 30; most = most%4 + 1 {
		got, err := w.Read(context.Background(), most)
		if err != nil {
			b.t.Fatalf("Read(%d): %v", most, err)
		}
		if len(got) > most {
			b.t.Fatalf("Read(%d) returned %d entries", most, len(got))
		}
		seen += len(got)
		w.ack(got...)
	}
}

func testNoLease(b *bench) {
	b.Add(b.t, Entries(1)...)
	src := b.Source(b.t, "one")
	if got, err := src.Read(context.Background(), 1); err != nil || len(got) > 0 {
		b.t.Fatalf("Read without a lease = %v, %v, want nothing", jobs(got), err)
	}
	w := b.worker("two")
	w.ack(w.read(1)...)
}

func testAck(b *bench) {
	b.Add(b.t, Entries(3)...)
	one, two := b.worker("one"), b.worker("two")
	got := one.read(3)
	one.ack(got...)
	if err := Ack(context.Background(), one, got[0]); !errors.Is(err, pipeline.ErrNotOwner) {
		b.t.Errorf("second Ack = %v, want ErrNotOwner", err)
	}
	one.kill()
	two.none(2 * b.timing.Lease)
}

func testLivingKeep(b *bench) {
	b.Add(b.t, Entries(2)...)
	one := b.worker("one")
	got := one.read(2)
	two := b.worker("two")
	two.none(3 * b.timing.Lease)
	one.ack(got...)
}

func testTakeOver(b *bench) {
	entries := Entries(4)
	entries[1].Low = true
	b.Add(b.t, entries...)
	one := b.worker("one")
	one.read(4)
	two := b.worker("two")
	two.readFor(1, b.timing.Lease) // is there while one lives
	one.kill()
	start := time.Now()
	got := two.read(4)
	limit := b.timing.Lease + 2*b.timing.Beat + time.Second
	if !b.wakes {
		limit += 2 * b.timing.Block
	}
	if took := time.Since(start); took > limit {
		b.t.Errorf("take-over took %v, want at most %v", took, limit)
	}
	two.ack(got...)
	two.none(2 * b.timing.Lease)
}

func testTakeOverRoom(b *bench) {
	b.Add(b.t, Entries(6)...)
	one := b.worker("one")
	one.read(6)
	one.kill()
	two, three := b.worker("two"), b.worker("three")
	first := two.read(2)
	rest := three.read(4)
	two.ack(first...)
	three.ack(rest...)
	two.none(2 * b.timing.Lease)
}

func testFencing(b *bench) {
	b.Add(b.t, Entries(4)...)
	one := b.worker("one")
	mine := one.read(4)
	one.kill()
	two := b.worker("two")
	taken := two.read(4)
	ctx := context.Background()
	for i, err := range []error{
		Ack(ctx, one, mine[0]), one.Delay(ctx, mine[1], time.Now()), one.GiveBack(ctx, mine[2]), one.SetAside(ctx, mine[3], "because"),
	} {
		if !errors.Is(err, pipeline.ErrNotOwner) {
			b.t.Errorf("settling call %d of a consumer that was taken over = %v, want ErrNotOwner", i, err)
		}
	}
	if dead := b.Dead(b.t); len(dead) > 0 {
		b.t.Errorf("a consumer that was taken over set %d entries aside", len(dead))
	}
	two.ack(taken...)
	two.none(2 * b.timing.Lease)
}

func testDelay(b *bench) {
	b.Add(b.t, Entries(1)...)
	w := b.worker("one")
	e := w.read(1)[0]
	soonest := time.Hour
	for i := range 6 { // the best of several: a busy machine may be late
		due := time.Now().Add(150 * time.Millisecond)
		e.Attempt = i + 2
		if err := w.Delay(context.Background(), e, due); err != nil {
			b.t.Fatal(err)
		}
		again := w.read(1)[0]
		late := time.Since(due)
		if late < -time.Millisecond {
			b.t.Errorf("delayed entry came %v before it was due", -late)
		}
		soonest = min(soonest, late)
		if again.ID == e.ID || again.JobID != e.JobID || again.Attempt != e.Attempt || !again.EnqueuedAt.Equal(e.EnqueuedAt) || again.UserID != e.UserID {
			b.t.Errorf("delayed entry came as %+v, was %+v", again, e)
		}
		e = again
	}
	w.ack(e)
	if soonest > 25*time.Millisecond {
		b.t.Errorf("delayed entries came at least %v late, want a few milliseconds", soonest)
	}
}

func testDelayOrder(b *bench) {
	b.Add(b.t, Entries(3)...)
	w := b.worker("one")
	start := time.Now()
	for i, e := range w.read(3) { // each one earlier than those before
		if err := w.Delay(context.Background(), e, start.Add(time.Duration(1500-500*i)*time.Millisecond)); err != nil {
			b.t.Fatal(err)
		}
	}
	var order []string
	for range 3 {
		got := w.read(1)
		order = append(order, got[0].JobID)
		w.ack(got...)
	}
	if order[0] != "job_2" || order[1] != "job_1" || order[2] != "job_0" {
		b.t.Errorf("delayed entries came in the order %v, want job_2 job_1 job_0", order)
	}
}

func testAddDelayed(b *bench) {
	entries := Entries(1)
	entries[0].Due = time.Now().Add(2*b.timing.Beat + 50*time.Millisecond)
	b.Add(b.t, entries...)
	w := b.worker("one")
	got := w.read(1)
	if early := time.Until(entries[0].Due); early > time.Millisecond {
		b.t.Errorf("the entry came %v before it was due", early)
	}
	w.ack(got...)
}

func testGiveBack(b *bench) {
	b.Add(b.t, Entries(1)...)
	one := b.worker("one")
	e := one.read(1)[0]
	two := b.worker("two")
	two.readFor(1, b.timing.Block)
	if err := one.GiveBack(context.Background(), e); err != nil {
		b.t.Fatal(err)
	}
	start := time.Now()
	got := two.read(1)
	if took := time.Since(start); took > 500*time.Millisecond {
		b.t.Errorf("an entry given back took %v to another consumer, want at most 500 ms", took)
	}
	if got[0].JobID != e.JobID || got[0].Attempt != e.Attempt {
		b.t.Errorf("given back %+v came as %+v", e, got[0])
	}
	two.ack(got...)
}

func testSetAside(b *bench) {
	b.Add(b.t, Entries(1)...)
	one := b.worker("one")
	e := one.read(1)[0]
	if err := one.SetAside(context.Background(), e, "it failed four times"); err != nil {
		b.t.Fatal(err)
	}
	dead := b.Dead(b.t)
	if len(dead) != 1 || dead[0].Entry.JobID != e.JobID || dead[0].Entry.EvaluationID != e.EvaluationID || dead[0].Reason != "it failed four times" {
		b.t.Errorf("set aside: %+v, want %s with its reason", dead, e.JobID)
	}
	one.kill()
	b.worker("two").none(2 * b.timing.Lease)
}

func testPoison(b *bench) {
	for _, fields := range []map[string]string{
		{"x": "\x00\xff"},
		{"job": "", "evaluation_id": ""},
		{"job": "job_1\x00", "evaluation_id": "eval_1", "attempt": "1", "enqueued_at": "1"},
		{"job": "job_1", "evaluation_id": "eval_1", "attempt": "many", "enqueued_at": "1"},
		{"job": "job_1", "evaluation_id": "eval_1", "attempt": "1", "enqueued_at": "yesterday", "user_id": "user_1"},
	} {
		b.AddRaw(b.t, fields)
	}
	b.Add(b.t, Entries(1)...)
	w := b.worker("one")
	good := 0
	for _, e := range w.read(6) {
		if e.DecodeErr == nil {
			good++
			w.ack(e)
			continue
		}
		if len(e.Raw) == 0 {
			b.t.Errorf("entry %s has no raw fields", e.ID)
		}
		if err := w.SetAside(context.Background(), e, e.DecodeErr.Error()); err != nil {
			b.t.Fatal(err)
		}
	}
	if dead := b.Dead(b.t); good != 1 || len(dead) != 5 {
		b.t.Errorf("%d entries were good and %d are set aside, want 1 and 5", good, len(dead))
	}
	w.none(b.timing.Block)
}

// waitAlive waits until a consumer is seen as wanted.
func (b *bench) waitAlive(by *worker, one *worker, want bool) {
	b.t.Helper()
	consumer := one.Consumer()
	for end := time.Now().Add(slow); ; {
		got, err := by.Alive(context.Background(), consumer)
		if err != nil {
			b.t.Fatalf("Alive(%s): %v", consumer, err)
		}
		if got == want {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("Alive(%s) = %v for %v, want %v", consumer, got, slow, want)
		}
		by.readFor(1, b.timing.Beat) // lets time pass
	}
}

func testAlive(b *bench) {
	one, two := b.worker("one"), b.worker("two")
	b.waitAlive(two, one, true)
	one.readFor(1, 2*b.timing.Lease)
	b.waitAlive(two, one, true)
	one.kill()
	b.waitAlive(two, one, false)
	if err := two.Leave(context.Background()); err != nil {
		b.t.Fatal(err)
	}
}

func testLeave(b *bench) {
	b.Add(b.t, Entries(2)...)
	one := b.worker("one")
	got := one.read(2)
	one.ack(got[0])
	two := b.worker("two")
	two.readFor(1, 2*b.timing.Lease) // both are known for a while
	one.kill()
	if err := one.Leave(context.Background()); err != nil {
		b.t.Fatal(err)
	}
	b.waitAlive(two, one, false)
	left := two.read(1)
	if left[0].JobID != got[1].JobID {
		b.t.Errorf("two got %s, want %s", left[0].JobID, got[1].JobID)
	}
	two.ack(left...)
}

func testReadEnds(b *bench) {
	w := b.worker("one")
	w.readFor(1, b.timing.Beat)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if got, err := w.Read(ctx, 1); err != nil || len(got) > 0 {
		b.t.Fatalf("Read = %v, %v, want nothing", jobs(got), err)
	}
	limit := 300 * time.Millisecond
	if !b.wakes {
		limit = b.timing.Block + 300*time.Millisecond
	}
	if took := time.Since(start); took > limit {
		b.t.Errorf("Read took %v although its context ended after 50 ms", took)
	}
	b.Add(b.t, Entries(1)...) // the source still works
	w.ack(w.read(1)...)
}

func testLowLane(b *bench) {
	entries := Entries(20)
	for i := range entries {
		entries[i].Low = true
	}
	b.Add(b.t, entries...)
	w := b.worker("one")
	var held []pipeline.Entry // never asks for more than is free of 8 slots
	for range 4 {
		got, err := w.Read(context.Background(), 8-len(held))
		if err != nil {
			b.t.Fatal(err)
		}
		held = append(held, got...)
	}
	if len(held) != 4 {
		b.t.Fatalf("%d of 8 slots hold entries of the low lane, want 4", len(held))
	}
	b.Add(b.t, Entries(1)...) // the other half is free for the ordinary lane
	got := w.read(1)
	if got[0].Low {
		b.t.Errorf("%s came from the low lane, which has its share", got[0].JobID)
	}
	next := make(chan []pipeline.Entry, 1)
	go func() { next <- w.readFor(1, slow) }() // waits for the ordinary lane
	w.ack(held[0])
	if more := <-next; len(more) != 1 || !more[0].Low {
		b.t.Errorf("got %v, want an entry of the low lane", jobs(more))
	}
}

func testLowLaneStarvation(b *bench) {
	low := Entries(1)
	low[0].JobID, low[0].Low = "job_low", true
	w := b.worker("one")
	b.Add(b.t, Entries(8)...)
	b.Add(b.t, low...)
	end := time.Now().Add(slow)
	for time.Now().Before(end) { // one slot, and the ordinary lane never empty
		got, err := w.Read(context.Background(), 1)
		if err != nil {
			b.t.Fatal(err)
		}
		w.ack(got...)
		if len(got) > 0 && got[0].Low {
			return
		}
		b.Add(b.t, Entries(2)...)
	}
	b.t.Fatal("the low lane starved")
}

func testMany(b *bench) {
	const n, consumers = 400, 4
	b.Add(b.t, Entries(n)...)
	ctx, cancel := context.WithTimeout(context.Background(), slow)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	seen := map[string]int{}
	for i := range consumers {
		w := b.worker(fmt.Sprintf("consumer-%d", i))
		wg.Go(func() {
			for ctx.Err() == nil {
				got, err := w.Read(ctx, 16)
				if err != nil {
					b.t.Errorf("Read: %v", err)
					return
				}
				mu.Lock()
				for _, e := range got {
					seen[e.JobID]++
				}
				if len(seen) == n {
					cancel()
				}
				mu.Unlock()
				var acks sync.WaitGroup
				for _, e := range got {
					acks.Go(func() {
						if err := Ack(context.Background(), w, e); err != nil {
							b.t.Errorf("Ack(%s): %v", e.ID, err)
						}
					})
				}
				acks.Wait()
			}
		})
	}
	wg.Wait()
	if len(seen) != n {
		b.t.Errorf("%d of %d entries were delivered", len(seen), n)
	}
	for id, times := range seen {
		if times != 1 {
			b.t.Errorf("%s was delivered %d times", id, times)
		}
	}
}
