package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"
)

// idleSlots is what an idle worker is set to; more is never needed.
const idleSlots = 8

// Pauses between samples are at random, so that they meet any moment of a poll or of a pause that a contender makes after work.
const (
	shortestPause = 100 * time.Millisecond
	longestPause  = 1100 * time.Millisecond
)

// idle is a contender with a worker that has nothing to do.
type idle struct {
	kind   kind
	space  space
	queue  contender
	worker *worker
	began  chan struct{}
	figure *pickup
}

// measurePickup measures the time from the call that adds a job until its handler runs in a worker that has nothing else to do,
// and then counts what idle workers ask of Redis. All contenders are measured side by side: they do nothing most of the time, and
// what else the machine does meets them alike.
func (b *bench) measurePickup(ctx context.Context) error { return b.withIdle(ctx, b.kinds, nil) }

// withIdle starts idle workers of kinds, one inside the other, and measures when all run.
func (b *bench) withIdle(ctx context.Context, kinds []kind, all []*idle) error {
	if len(kinds) == 0 {
		return b.pickUpAll(ctx, all)
	}
	return b.servers.use(ctx, kinds[0], func(sp space, c contender) error {
		i := &idle{kind: kinds[0], space: sp, queue: c, began: make(chan struct{}, 1), figure: &pickup{commands: -1}}
		i.worker = startWorker(ctx, c, idleSlots, func(context.Context, int) { i.began <- struct{}{} })
		err := b.withIdle(ctx, kinds[1:], append(all, i))
		b.results.pickups[i.kind.name] = i.figure
		return errors.Join(err, i.worker.end())
	})
}

func (b *bench) pickUpAll(ctx context.Context, all []*idle) error {
	end := time.Now().Add(b.pickupTime)
	g, sampling := errgroup.WithContext(ctx)
	for _, i := range all {
		g.Go(func() error {
			if err := i.sample(sampling, end); err != nil {
				return fmt.Errorf("pickup of %s: %w", i.kind.name, err)
			}
			b.say("pickup of %s: %d samples", i.kind.name, len(i.figure.took))
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	rest(ctx, time.Second)
	sent, err := b.servers.commands(ctx, idleTime)
	for _, i := range all {
		if i.kind.redis {
			i.figure.commands = sent[i.space.number]
		}
	}
	return err
}

// sample adds one job after the other. The first one is not counted: it waits for the worker to start.
func (i *idle) sample(ctx context.Context, end time.Time) error {
	for n := 0; time.Now().Before(end); n++ {
		start := time.Now()
		if err := i.queue.Enqueue(ctx, []job{{n: n, user: n}}); err != nil {
			return err
		}
		if err := i.worker.wait(ctx, i.began); err != nil {
			return err
		}
		if n > 0 {
			i.figure.took = append(i.figure.took, time.Since(start))
		}
		rest(ctx, shortestPause+rand.N(longestPause-shortestPause))
	}
	return nil
}
