package outbox_test

import (
	"context"
	"fmt"
	"log/slog"

	"oktalk/internal/evaluation"
	"oktalk/internal/outbox"
	"oktalk/internal/pipeline"
)

// printer stands for Redis.
type printer struct{ lines chan string }

func (p printer) Enqueue(_ context.Context, entries []pipeline.Entry) error {
	p.lines <- "enqueue " + entries[0].JobID
	return nil
}

func (p printer) Publish(_ context.Context, es []*evaluation.Evaluation) error {
	p.lines <- "publish " + es[0].ID
	return nil
}

func (p printer) Remove(_ context.Context, ids []string) error {
	p.lines <- "remove " + ids[0]
	return nil
}

func ExampleRelay() {
	ctx, cancel := context.WithCancel(context.Background())
	redis := printer{make(chan string)}
	rows := &store{}
	relay := outbox.NewRelay(outbox.Config{}, rows, redis, redis, slog.New(slog.DiscardHandler))
	rows.add("1") // in a transaction; after its commit:
	relay.Nudge()
	go func() {
		for range 3 {
			fmt.Println(<-redis.lines)
		}
		cancel()
	}()
	if err := relay.Run(ctx); err != nil {
		fmt.Println(err)
	}
	// Unordered output:
	// enqueue 1
	// publish 1
	// remove 1
}
