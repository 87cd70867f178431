package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

// Bounds of a measurement of throughput, in jobs: fewer tell nothing, more take Redis too much memory.
const (
	fewestJobs = 2000
	mostJobs   = 250_000
)

// measureThroughput measures all contenders in turn, again and again, so that what else the machine does meets them alike. The
// first turn of each warms up and tells how many jobs take about as long as asked for.
func (b *bench) measureThroughput(ctx context.Context) error {
	sizes := map[string]int{}
	for turn := range b.runs + 1 {
		for _, k := range b.kinds {
			n, warming := sizes[k.name], turn == 0
			if warming {
				n = fewestJobs
			}
			r, err := b.runQuietly(ctx, k, n, warming)
			if err != nil {
				return fmt.Errorf("throughput: %w", err)
			}
			b.say("throughput of %-22s %9.0f jobs/s of %d", k.name, r.perSecond, n)
			if warming {
				sizes[k.name] = min(mostJobs, max(fewestJobs, int(r.perSecond*b.runTime.Seconds())))
				continue
			}
			b.results.rates[k.name] = append(b.results.rates[k.name], r)
		}
	}
	return nil
}

// Others, also other machines on the same host, are to have at most quietEnough of the processors during a turn; otherwise it is run
// again, so often in all, and the quietest counts. It is the same for all contenders.
const (
	quietEnough = 0.1
	quietTries  = 2
)

// runQuietly is runJobs, again when others were too busy meanwhile.
func (b *bench) runQuietly(ctx context.Context, k kind, n int, warming bool) (best rate, err error) {
	for try := range quietTries {
		r, err := b.runJobs(ctx, k, n)
		if err != nil {
			return rate{}, err
		}
		if try == 0 || r.others < best.others {
			best = r
		}
		if warming || best.others <= quietEnough {
			break
		}
		b.say("others had %s of the processors", percent(r.others))
	}
	return best, nil
}

// runJobs enqueues n jobs, then starts a worker, and measures from the first call of the handler until all are settled for good.
func (b *bench) runJobs(ctx context.Context, k kind, n int) (r rate, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err = b.servers.use(ctx, k, func(_ space, c contender) error {
		if err := c.Enqueue(ctx, backlog(n)); err != nil {
			return err
		}
		if f, ok := c.(flusher); ok {
			if err := f.Flush(ctx); err != nil {
				return err
			}
		}
		runtime.GC() // what enqueueing left is not this measurement's
		r, err = b.drainQueue(ctx, k, c, n)
		return err
	})
	return r, err
}

func (b *bench) drainQueue(ctx context.Context, k kind, c contender, n int) (rate, error) {
	var (
		handled atomic.Int64
		start   time.Time
		first   = make(chan struct{})
		last    = make(chan struct{})
	)
	before, machineBefore, began := b.servers.cpu(), machineCPU(), time.Now()
	w := startWorker(ctx, c, k.slots, func(context.Context, int) {
		switch handled.Add(1) {
		case 1:
			start = time.Now()
			close(first)
		case int64(n):
			close(last)
		}
	})
	err := errors.Join(w.wait(ctx, first), w.wait(ctx, last))
	if err == nil {
		err = await(ctx, time.Millisecond, func() (bool, error) {
			left, err := c.Left(ctx)
			return left == 0, err
		})
	}
	took, used := time.Since(start), b.servers.cpu().sub(before)
	others := float64(machineCPU()-machineBefore-used.total()) / float64(time.Since(began)) / float64(runtime.NumCPU())
	if err = errors.Join(err, w.end()); err != nil {
		return rate{}, fmt.Errorf("%d of %d jobs handled: %w", handled.Load(), n, err)
	}
	if got := handled.Load(); got != int64(n) {
		return rate{}, fmt.Errorf("%d jobs were handled %d times", n, got)
	}
	each := func(d time.Duration) time.Duration { return d / time.Duration(n) }
	return rate{
		perSecond: float64(n) / took.Seconds(), others: max(0, others),
		cpu: cpu{worker: each(used.worker), redis: each(used.redis), postgres: each(used.postgres)},
	}, nil
}
