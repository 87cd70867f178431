package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	flightJobs = 10_000
	flightTime = 4 * time.Second // for each measurement; handlers of ours may run ten times as long
	// textbook is the way to keep jobs that tutorials show: XCLAIM … JUSTID of each entry in flight, once a second here.
	textbook = "XCLAIM of every entry"
)

// measureFlight measures what Redis computes in a second to keep 10 000 jobs in flight, and to keep none.
func (b *bench) measureFlight(ctx context.Context) error {
	for _, k := range b.kinds {
		if k.name != "OKTalk" && k.name != "asynq" { // the others renew nothing in Redis
			continue
		}
		err := b.servers.use(ctx, k, func(_ space, c contender) error { return b.fly(ctx, k, c) })
		if err != nil {
			return fmt.Errorf("jobs in flight: %w", err)
		}
	}
	f, err := b.claimAll(ctx)
	if err != nil {
		return fmt.Errorf("jobs in flight: %s: %w", textbook, err)
	}
	b.results.flights[textbook] = f
	return nil
}

func (b *bench) fly(ctx context.Context, k kind, c contender) error {
	var begun atomic.Int64
	all, release := make(chan struct{}), make(chan struct{})
	w := startWorker(ctx, c, flightJobs, func(ctx context.Context, _ int) {
		if begun.Add(1) == flightJobs {
			close(all)
		}
		select {
		case <-release:
		case <-ctx.Done():
		}
	})
	rest(ctx, time.Second)
	idle, err := b.servers.busyFor(ctx, flightTime)
	if err == nil {
		err = c.Enqueue(ctx, backlog(flightJobs))
	}
	if err == nil {
		err = w.wait(ctx, all)
	}
	var busy time.Duration
	if err == nil {
		rest(ctx, time.Second) // the beat after the last
		busy, err = b.servers.busyFor(ctx, flightTime)
	}
	close(release)
	if endErr := w.end(); err == nil {
		err = endErr
	}
	b.results.flights[k.name] = flight{idle: idle, busy: busy}
	b.say("redis computes %v a second for %d jobs of %s in flight, %v for none", busy, flightJobs, k.name, idle)
	return err
}

// busyFor is how long Redis computes in a second.
func (s *servers) busyFor(ctx context.Context, during time.Duration) (time.Duration, error) {
	start := time.Now()
	before, err := s.busy(ctx)
	if err != nil {
		return 0, err
	}
	rest(ctx, during)
	after, err := s.busy(ctx)
	return time.Duration(float64(after-before) / time.Since(start).Seconds()), err
}

// claimAll measures a call that renews every entry in flight by itself.
func (b *bench) claimAll(ctx context.Context) (f flight, err error) {
	sp, give, err := b.servers.space(ctx, kind{})
	if err != nil {
		return f, err
	}
	defer give()
	st, err := openStream(sp, 4)
	if err != nil {
		return f, err
	}
	defer st.Close()
	bare := &bareContender{st}
	if err := bare.Enqueue(ctx, backlog(flightJobs)); err != nil {
		return f, err
	}
	if err := st.client.XGroupCreate(ctx, streamName, streamGroup, "0").Err(); err != nil {
		return f, err
	}
	found, err := st.client.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: streamGroup, Consumer: "bench", Streams: []string{streamName, ">"}, Count: flightJobs,
	}).Result()
	if err != nil {
		return f, err
	}
	args := &redis.XClaimArgs{Stream: streamName, Group: streamGroup, Consumer: "bench"}
	for _, m := range found[0].Messages {
		args.Messages = append(args.Messages, m.ID)
	}
	if f.idle, err = b.servers.busyFor(ctx, flightTime/2); err != nil {
		return f, err
	}
	const calls = 5
	before, err := b.servers.busy(ctx)
	if err != nil {
		return f, err
	}
	for range calls {
		if err := st.client.XClaimJustID(ctx, args).Err(); err != nil {
			return f, err
		}
	}
	after, err := b.servers.busy(ctx)
	f.busy = f.idle + (after-before)/calls
	return f, err
}
