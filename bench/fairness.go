package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// The flood: jobs of a set length, 50 users who together ask for 30 % of what the worker can do, and one who asks for nine times as
// much as it can.
const (
	floodSlots  = 8
	floodJob    = 200 * time.Millisecond
	floodUsers  = 50
	floodOthers = 0.3
	floodFlood  = 9.0
	floodWarmUp = 1500 * time.Millisecond // not measured
	floodStep   = 10 * time.Millisecond   // the flooder's jobs come together so often
)

// measureFairness measures how long the jobs of the others wait, and what part of the worker each side gets.
func (b *bench) measureFairness(ctx context.Context) error {
	for _, k := range b.kinds {
		if k.crash == never { // it works on one job at a time
			continue
		}
		err := b.servers.use(ctx, k, func(_ space, c contender) error {
			f, err := b.flood(ctx, c)
			b.results.fairness[k.name] = f
			b.say("flood of %s: others wait %v, flooder gets %.0f %%", k.name, f.wait.Round(time.Millisecond), 100*f.flooder)
			return err
		})
		if err != nil {
			return fmt.Errorf("fairness: %w", err)
		}
	}
	return nil
}

// floods are the jobs of a flood. The number of a job holds its user: 0 floods, 1 to floodUsers are the others.
type floods struct {
	from, to time.Time // what is measured

	mu    sync.Mutex
	next  int
	added map[int]time.Time // jobs of the others that were not begun
	waits []time.Duration
	busy  [2]time.Duration // of slots, by the flooder and by the others
}

func (f *floods) job(user int) job {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	n := f.next*(floodUsers+1) + user
	if user > 0 {
		f.added[n] = time.Now()
	}
	return job{n: n, user: user}
}

func (f *floods) handle(ctx context.Context, n int) {
	start := time.Now()
	rest(ctx, floodJob)
	f.ended(n, start, time.Now())
}

func (f *floods) ended(n int, start, end time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	side := min(1, n%(floodUsers+1))
	if at, ok := f.added[n]; ok {
		delete(f.added, n)
		if at.After(f.from) && at.Before(f.to) {
			f.waits = append(f.waits, start.Sub(at))
		}
	}
	start, end = later(start, f.from), earlier(end, f.to)
	f.busy[side] += max(0, end.Sub(start))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (b *bench) flood(ctx context.Context, c contender) (fairness, error) {
	start := time.Now()
	f := &floods{from: start.Add(floodWarmUp), to: start.Add(floodWarmUp + b.floodTime), added: map[int]time.Time{}}
	w := startWorker(ctx, c, floodSlots, f.handle)
	adding, stop := context.WithDeadline(ctx, f.to)
	defer stop()
	g, adding := errgroup.WithContext(adding)
	g.Go(func() error { return f.addFlood(adding, c) })
	g.Go(func() error { return f.addOthers(adding, c) })
	err := g.Wait()
	if stopErr := w.end(); err == nil {
		err = stopErr
	}
	return f.figures(b.floodTime), err
}

// capacity is how many jobs a second the worker can do.
const capacity = floodSlots * float64(time.Second/floodJob)

func (f *floods) addFlood(ctx context.Context, c contender) error {
	begin, added := time.Now(), 0
	for ctx.Err() == nil {
		due := int(time.Since(begin).Seconds()*capacity*floodFlood) - added
		jobs := make([]job, due)
		for i := range jobs {
			jobs[i] = f.job(0)
		}
		if err := c.Enqueue(context.WithoutCancel(ctx), jobs); err != nil {
			return err
		}
		added += due
		rest(ctx, floodStep)
	}
	return nil
}

// addOthers adds jobs at random times and does not wait for one to be added before the next is.
func (f *floods) addOthers(ctx context.Context, c contender) error {
	var g errgroup.Group
	due := time.Now()
	for {
		due = due.Add(time.Duration(rand.ExpFloat64() / (capacity * floodOthers) * float64(time.Second)))
		rest(ctx, time.Until(due))
		if ctx.Err() != nil {
			return g.Wait()
		}
		g.Go(func() error { return c.Enqueue(context.WithoutCancel(ctx), []job{f.job(1 + rand.IntN(floodUsers))}) })
	}
}

// figures counts the jobs that were not begun as waiting until the end.
func (f *floods) figures(during time.Duration) fairness {
	f.mu.Lock()
	defer f.mu.Unlock()
	begun := len(f.waits)
	waits := slices.Clone(f.waits)
	for _, at := range f.added {
		if at.After(f.from) {
			waits = append(waits, f.to.Sub(at))
		}
	}
	slices.Sort(waits)
	whole := float64(during) * floodSlots
	return fairness{
		wait: quantile(waits, 0.95), atLeast: float64(begun) < 0.95*float64(len(waits)),
		flooder: float64(f.busy[0]) / whole, others: float64(f.busy[1]) / whole,
	}
}
