// Command worker-feedback runs the feedback stage: it writes coaching texts.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"oktalk/internal/evaluation"
	"oktalk/internal/feedback"
	"oktalk/internal/feedback/coach"
	"oktalk/internal/process"
	"oktalk/internal/settings"
)

func main() {
	if err := run(context.Background(), os.Environ(), os.Stdout); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "worker-feedback:", err)
		os.Exit(1)
	}
}

// run runs the worker until ctx ends or a signal comes, and drains then. A second signal ends it at once.
func run(ctx context.Context, environ []string, stdout io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	cfg, err := settings.Load[settings.WorkerFeedback](environ)
	if err != nil {
		return err
	}
	p, err := process.Open(ctx, "worker-feedback", cfg.Config, stdout)
	if err != nil {
		return err
	}
	defer p.Close()

	stage := feedback.NewStage(cfg.Feedback, coach.New(), coach.New(), p.Log)
	runner, err := p.Runner(evaluation.StageFeedback, stage)
	if err != nil {
		return err
	}
	return p.Run(ctx, nil, runner.Run)
}
