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
type printer struct{ done func() }

func (p printer) Enqueue(_ context.Context, entries []pipeline.Entry) error {
	fmt.Println("enqueue", entries[0].JobID)
	return nil
}

func (p printer) Publish(_ context.Context, es []*evaluation.Evaluation) error {
	fmt.Println("publish", es[0].ID)
	return nil
}

func (p printer) Remove(_ context.Context, ids []string) error {
	fmt.Println("remove", ids[0])
	p.done()
	return nil
}

func ExampleRelay() {
	ctx, cancel := context.WithCancel(context.Background())
	redis := printer{done: cancel}
	rows := &store{}
	relay := outbox.NewRelay(outbox.Config{}, rows, redis, redis, slog.New(slog.DiscardHandler))
	rows.add("1") // in a transaction; after its commit:
	relay.Nudge()
	if err := relay.Run(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// enqueue 1
	// publish 1
	// remove 1
}
