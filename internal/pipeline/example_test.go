package pipeline_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
	"oktalk/internal/pipeline/pipelinetest"
)

// praise is a handler that needs no vendor.
type praise struct{ done chan struct{} }

func (p praise) Handle(_ context.Context, j pipeline.Job) (pipeline.Result, error) {
	defer close(p.done)
	fmt.Printf("attempt %d of %s\n", j.Attempt, j.ID)
	return pipeline.Result{Artifact: evaluation.Artifact{Kind: evaluation.FeedbackText, State: evaluation.StateReady, Text: "Well done."}}, nil
}

func (p praise) Fallback(context.Context, pipeline.Job, error) (pipeline.Result, error) {
	return pipeline.Result{Artifact: evaluation.Artifact{Kind: evaluation.FeedbackText, State: evaluation.StateFallback, Text: "Well done."}}, nil
}

// A worker runs one runner for each of its stages until it is told to stop; Run returns when the stage is drained.
func ExampleRunner() {
	broker := pipelinetest.NewBroker(pipelinetest.Timing{Lease: time.Second, Beat: 100 * time.Millisecond, Block: time.Second})
	ledger := pipelinetest.NewLedger()
	ledger.Add("job_1")
	broker.Add(pipeline.Entry{Stage: evaluation.StageFeedback, JobID: "job_1", EvaluationID: "eval_1"})

	stage, _ := evaluation.StageByName(evaluation.StageFeedback)
	handler := praise{done: make(chan struct{})}
	runner := pipeline.NewRunner(pipeline.Config{}, stage, broker.Source("worker-1"), ledger, handler, nil, slog.New(slog.DiscardHandler))

	ctx, stop := context.WithCancel(context.Background())
	go func() {
		<-handler.done
		stop()
	}()
	if err := runner.Run(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Println(ledger.Job("job_1").Outcome)
	// Output:
	// attempt 1 of job_1
	// done
}
