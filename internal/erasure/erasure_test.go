package erasure_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/erasure"
	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// stores notes what is removed; fails names the store that is away.
type stores struct {
	removed []string
	fails   string
	err     error
}

func (s *stores) do(what, id string) error {
	if s.fails == what {
		return s.err
	}
	s.removed = append(s.removed, what+" "+id)
	return nil
}

func (s *stores) Replays(context.Context, string) ([]string, error) {
	return []string{"replay_1"}, nil
}

func (s *stores) Erase(_ context.Context, id string) error            { return s.do("postgres", id) }
func (s *stores) DeletePrefix(_ context.Context, prefix string) error { return s.do("s3", prefix) }
func (s *stores) Remove(_ context.Context, ids []string) error        { return s.do("redis", ids[0]) }

func TestHandleRemovesEverything(t *testing.T) {
	t.Parallel()
	s := &stores{}
	stage := erasure.NewStage(s, s, s)
	if _, err := stage.Handle(t.Context(), pipeline.Job{ID: "job_1", EvaluationID: "eval_1"}); err != nil {
		t.Fatalf("Handle = %v", err)
	}
	if diff := cmp.Diff([]string{"s3 evaluations/eval_1/", "s3 replays/replay_1/eval_1/", "redis eval_1", "postgres eval_1"}, s.removed); diff != "" {
		t.Errorf("removed (-want +got):\n%s", diff)
	}
}

func TestHandleWaitsForWhatIsAway(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"s3", "redis", "postgres"} {
		s := &stores{fails: what, err: fmt.Errorf("dial: %w", evaluation.ErrUnavailable)}
		_, err := erasure.NewStage(s, s, s).Handle(t.Context(), pipeline.Job{EvaluationID: "eval_1"})
		var env *pipeline.EnvironmentError
		if !errors.As(err, &env) || env.What != what {
			t.Errorf("Handle with %s away = %v, want it to wait for %s", what, err, what)
		}
		s.err = errors.New("refused")
		if _, err := erasure.NewStage(s, s, s).Handle(t.Context(), pipeline.Job{EvaluationID: "eval_1"}); err == nil || errors.As(err, &env) {
			t.Errorf("Handle with %s refusing = %v, want a transient error", what, err)
		}
	}
}

func TestHandleRefusesAJobWithoutEvaluation(t *testing.T) {
	t.Parallel()
	s := &stores{}
	_, err := erasure.NewStage(s, s, s).Handle(t.Context(), pipeline.Job{ID: "job_1"})
	if permanent := new(*pipeline.PermanentError); !errors.As(err, permanent) || len(s.removed) != 0 {
		t.Errorf("Handle without an evaluation = %v and removed %v, want a permanent error and nothing removed", err, s.removed)
	}
}

func TestFallbackReturnsTheCause(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	if _, err := erasure.NewStage(nil, nil, nil).Fallback(t.Context(), pipeline.Job{}, cause); !errors.Is(err, cause) {
		t.Errorf("Fallback = %v, want the cause", err)
	}
}
