package redisstream_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/alicebob/miniredis/v2"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
	"oktalk/internal/redisconn"
	"oktalk/internal/redisstream"
)

// A producer adds entries; a source delivers them while it keeps its lease.
func ExampleSource() {
	server, err := miniredis.Run()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	conn := redisconn.Config{URL: "redis://" + server.Addr(), Prefix: "oktalk"}
	work, _ := redisconn.Work(conn)
	defer func() { _ = work.Close() }()
	blocking, _ := redisconn.Blocking(conn)
	defer func() { _ = blocking.Close() }()

	ctx, stop := context.WithCancel(context.Background())
	producer := redisstream.NewProducer(work, conn.Prefix)
	if err := producer.Enqueue(ctx, []pipeline.Entry{{Stage: evaluation.StageDemo, JobID: "job_1", EvaluationID: "eval_1", UserID: "user_1"}}); err != nil {
		fmt.Println(err)
	}

	source := redisstream.NewSource(redisstream.Config{}, work, blocking, conn.Prefix, evaluation.StageDemo, redisstream.ConsumerName("worker-tts"), slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- source.Run(ctx) }() // a pipeline.Runner does this, and all that follows
	entries, err := source.Read(ctx, 1)
	lost, ackErr := source.Ack(ctx, entries)
	stop()
	fmt.Println(entries[0].JobID, len(lost), ackErr)
	fmt.Println(err, <-done, source.Leave(context.Background()))
	// Output:
	// job_1 0 <nil>
	// <nil> <nil> <nil>
}
