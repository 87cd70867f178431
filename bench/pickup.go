package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// pickupRounds is how many turns each contender has.
const pickupRounds = 2

// idleSlots is what an idle worker is set to; more is never needed.
const idleSlots = 8

// measurePickup measures the time from the call that adds a job until its handler runs in a worker that has nothing else to do,
// and then counts what an idle worker asks of Redis.
func (b *bench) measurePickup(ctx context.Context) error {
	for range pickupRounds {
		for _, k := range b.kinds {
			p := b.results.pickups[k.name]
			if p == nil {
				p = &pickup{commands: -1}
				b.results.pickups[k.name] = p
			}
			err := b.servers.use(ctx, k, func(sp space, c contender) error { return b.pickUp(ctx, k, sp, c, p) })
			if err != nil {
				return fmt.Errorf("pickup: %w", err)
			}
			b.say("pickup of %s: %d samples", k.name, len(p.took))
		}
	}
	return nil
}

func (b *bench) pickUp(ctx context.Context, k kind, sp space, c contender, p *pickup) error {
	began := make(chan struct{}, 1)
	w := startWorker(ctx, c, idleSlots, func(context.Context, int) { began <- struct{}{} })
	defer func() { _ = w.end() }()
	end := time.Now().Add(b.pickupTime / pickupRounds)
	for n := 0; n <= b.samples/pickupRounds && time.Now().Before(end); n++ {
		start := time.Now()
		if err := c.Enqueue(ctx, []job{{n: n, user: n}}); err != nil {
			return err
		}
		if err := w.wait(ctx, began); err != nil {
			return err
		}
		if n > 0 { // the first one waits for the worker to start
			p.took = append(p.took, time.Since(start))
		}
		rest(ctx, time.Duration(5+rand.IntN(50))*time.Millisecond)
	}
	if !k.redis || p.commands >= 0 {
		return nil
	}
	rest(ctx, time.Second)
	var err error
	p.commands, err = b.servers.commands(ctx, sp, idleTime)
	return err
}

// idleTime is how long the commands of an idle worker are counted.
const idleTime = 5 * time.Second

// commands counts commands that clients send to a space's database in a second, as MONITOR shows them; what scripts call is not
// counted.
func (s *servers) commands(ctx context.Context, sp space, during time.Duration) (float64, error) {
	o, err := redis.ParseURL(sp.Redis)
	if err != nil {
		return 0, err
	}
	client := redis.NewClient(o)
	defer func() { _ = client.Close() }()
	lines := make(chan string, 1000)
	monitor := client.Monitor(ctx, lines)
	monitor.Start()
	defer monitor.Stop()
	timer := time.NewTimer(during)
	defer timer.Stop()
	sent, of := 0, fmt.Sprintf("[%d ", sp.number)
	for {
		select {
		case line := <-lines:
			if strings.Contains(line, of) && !strings.Contains(line, " lua]") {
				sent++
			}
		case <-timer.C:
			return float64(sent) / during.Seconds(), nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}
