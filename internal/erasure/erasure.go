// Package erasure is the stage that removes what is left of a deleted evaluation: its objects, its snapshot, its rows.
//
// DELETE adds two of its jobs. The first removes everything at once; the second comes when no worker that was busy at the time
// can still write, and removes what such a worker brought back. Each may run any number of times.
package erasure

import (
	"context"
	"errors"
	"fmt"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// Eraser removes the rows of a deleted evaluation.
type Eraser interface {
	// Replays lists the replays that may have objects of it.
	Replays(ctx context.Context, evaluationID string) ([]string, error)
	Erase(ctx context.Context, evaluationID string) error
}

// Prefixes removes every object whose key begins with a prefix.
type Prefixes interface {
	DeletePrefix(ctx context.Context, prefix string) error
}

// Snapshots removes the states that clients follow and tells those who do.
type Snapshots interface {
	Remove(ctx context.Context, ids []string) error
}

// Stage is the handler of stage erase. It is safe for concurrent use.
type Stage struct {
	evaluations Eraser
	objects     Prefixes
	snapshots   Snapshots
}

var _ pipeline.Handler = (*Stage)(nil)

// NewStage makes the handler.
func NewStage(evals Eraser, store Prefixes, snaps Snapshots) *Stage {
	return &Stage{evaluations: evals, objects: store, snapshots: snaps}
}

// Handle removes objects first and rows last, so that a row is there as long as there is something to remove.
func (s *Stage) Handle(ctx context.Context, j pipeline.Job) (pipeline.Result, error) {
	if j.EvaluationID == "" { // its prefix would be that of all
		return pipeline.Result{}, pipeline.Permanent(fmt.Errorf("job %s names no evaluation", j.ID))
	}
	replays, err := s.evaluations.Replays(ctx, j.EvaluationID)
	if err != nil {
		return pipeline.Result{}, away("postgres", fmt.Errorf("list replays: %w", err))
	}
	prefixes := []string{evaluation.ObjectPrefix(j.EvaluationID)}
	for _, id := range replays {
		prefixes = append(prefixes, (&pipeline.Replay{ID: id}).Prefix(j.EvaluationID))
	}
	for _, prefix := range prefixes {
		if err := s.objects.DeletePrefix(ctx, prefix); err != nil {
			return pipeline.Result{}, away("s3", fmt.Errorf("remove objects: %w", err))
		}
	}
	if err := s.snapshots.Remove(ctx, []string{j.EvaluationID}); err != nil {
		return pipeline.Result{}, away("redis", fmt.Errorf("remove snapshot: %w", err))
	}
	if err := s.evaluations.Erase(ctx, j.EvaluationID); err != nil {
		return pipeline.Result{}, away("postgres", fmt.Errorf("remove rows: %w", err))
	}
	return pipeline.Result{}, nil
}

func away(what string, err error) error {
	if errors.Is(err, evaluation.ErrUnavailable) {
		return pipeline.WaitFor(what, err)
	}
	return err
}

// Fallback has nothing simpler to offer: it returns the cause, and the job stays as a dead one for a person to see.
func (s *Stage) Fallback(_ context.Context, _ pipeline.Job, cause error) (pipeline.Result, error) {
	return pipeline.Result{}, cause
}
