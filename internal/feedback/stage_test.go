package feedback_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/evaluation"
	"oktalk/internal/feedback"
	"oktalk/internal/feedback/coach"
	"oktalk/internal/pipeline"
)

// generator is a generator made of a function.
type generator func(ctx context.Context, r feedback.Request) (feedback.Text, error)

func (g generator) Write(ctx context.Context, r feedback.Request) (feedback.Text, error) {
	return g(ctx, r)
}

func saying(body string) generator {
	return func(context.Context, feedback.Request) (feedback.Text, error) {
		return feedback.Text{Body: body, Provider: "vendor", Model: "m1", PromptVersion: "p1", Usage: []byte(`{"tokens":7}`)}, nil
	}
}

func failing(err error) generator {
	return func(context.Context, feedback.Request) (feedback.Text, error) { return feedback.Text{}, err }
}

func job() pipeline.Job {
	e := scored(90, said("I", 96, "AY"), said("like", 93, "L AY K"), said("apples", 58, "AE>EH:41 P AH L Z"))
	return pipeline.Job{ID: "job_1", Stage: evaluation.StageFeedback, EvaluationID: e.ID, Evaluation: e, Attempt: 1}
}

func stage(gen, fallback feedback.Generator) *feedback.Stage {
	return feedback.NewStage(feedback.Config{Timeout: 10 * time.Second}, gen, fallback, slog.New(slog.DiscardHandler))
}

func TestHandle(t *testing.T) {
	t.Parallel()
	const body = `Well done. Now say "apples" again.`
	r, err := stage(saying(body), coach.New()).Handle(t.Context(), job())
	if err != nil {
		t.Fatalf("Handle: %v", err)
	}
	want := pipeline.Result{
		Artifact:  evaluation.Artifact{Kind: evaluation.FeedbackText, State: evaluation.StateReady, Text: body, Provider: "vendor"},
		InputHash: r.InputHash, Provider: "vendor", Model: "m1", PromptVersion: "p1", Usage: []byte(`{"tokens":7}`),
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if len(r.InputHash) != 64 {
		t.Errorf("input hash = %q, want 64 hexadecimal digits", r.InputHash)
	}
	again, err := stage(saying(body), coach.New()).Handle(t.Context(), job())
	if err != nil || again.InputHash != r.InputHash {
		t.Errorf("second run: input hash %q, error %v, want %q", again.InputHash, err, r.InputHash)
	}
}

func TestHandleErrors(t *testing.T) {
	t.Parallel()
	outage := errors.New("outage")
	var permanent *pipeline.PermanentError
	if _, err := stage(failing(outage), coach.New()).Handle(t.Context(), job()); !errors.Is(err, outage) || errors.As(err, &permanent) {
		t.Errorf("Handle(outage) = %v, want a transient error that wraps the cause", err)
	}
	if _, err := stage(failing(pipeline.Permanent(outage)), coach.New()).Handle(t.Context(), job()); !errors.As(err, &permanent) {
		t.Errorf("Handle(permanent) = %v, want a permanent error", err)
	}
	if _, err := stage(saying("That was wrong."), coach.New()).Handle(t.Context(), job()); err == nil || errors.As(err, &permanent) {
		t.Errorf("Handle(bad text) = %v, want a transient error", err)
	}
	j := job()
	j.Evaluation.Assessment = nil
	if _, err := stage(coach.New(), coach.New()).Handle(t.Context(), j); !errors.As(err, &permanent) {
		t.Errorf("Handle(not scored) = %v, want a permanent error", err)
	}
}

func TestHandleIsBoundedInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stuck := generator(func(ctx context.Context, _ feedback.Request) (feedback.Text, error) {
			<-ctx.Done()
			return feedback.Text{}, ctx.Err()
		})
		begin := time.Now()
		if _, err := stage(stuck, coach.New()).Handle(t.Context(), job()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Handle = %v, want %v", err, context.DeadlineExceeded)
		}
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("Handle took %v, want 10s", took)
		}
	})
}

func TestFallback(t *testing.T) {
	t.Parallel()
	outage := errors.New("outage")
	r, err := stage(failing(outage), coach.New()).Fallback(t.Context(), job(), outage)
	if err != nil {
		t.Fatalf("Fallback: %v", err)
	}
	a := r.Artifact
	if a.State != evaluation.StateFallback || a.Reason != "coach-unavailable" || a.Message == "" || a.Provider != "offline" {
		t.Errorf("artifact = %+v, want a fallback by offline with reason coach-unavailable and a message", a)
	}
	if err := feedback.Check(a.Text, plan(t, job().Evaluation)); err != nil {
		t.Errorf("text %q: %v", a.Text, err)
	}
}

func TestFallbackThatFailsTellsTheLearner(t *testing.T) {
	t.Parallel()
	notScored := job()
	notScored.Evaluation.Assessment = nil
	for name, c := range map[string]struct {
		fallback feedback.Generator
		job      pipeline.Job
	}{
		"generator fails": {failing(errors.New("broken")), job()},
		"text is bad":     {saying("no end"), job()},
		"not scored":      {coach.New(), notScored},
		"no evaluation":   {coach.New(), pipeline.Job{EvaluationID: "eval_01jd"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := stage(c.fallback, c.fallback).Fallback(t.Context(), c.job, errors.New("outage"))
			if err != nil {
				t.Fatalf("Fallback: %v", err)
			}
			a := r.Artifact
			if a.Kind != evaluation.FeedbackText || a.State != evaluation.StateFailed || a.Reason == "" || a.Message == "" || a.Text != "" {
				t.Errorf("artifact = %+v, want a failed text with reason and message", a)
			}
		})
	}
}

func TestFallbackDuringDrainSettlesNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := stage(coach.New(), coach.New()).Fallback(ctx, job(), errors.New("outage")); !errors.Is(err, context.Canceled) {
		t.Errorf("Fallback = %v, want %v", err, context.Canceled)
	}
}

func TestLogsHoldNoTextOfTheLearner(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := feedback.NewStage(feedback.Config{}, saying("no end"), saying("no end"), slog.New(slog.NewTextHandler(&out, nil)))
	_, cause := s.Handle(t.Context(), job())
	if _, err := s.Fallback(t.Context(), job(), cause); err != nil {
		t.Fatalf("Fallback: %v", err)
	}
	if log := out.String(); strings.Contains(log, "apples") || !strings.Contains(log, "eval_01jd") {
		t.Errorf("log = %q, want the evaluation's id and no text", log)
	}
}

// A replay is written by whom it asks for.
func TestReplay(t *testing.T) {
	t.Parallel()
	var asked feedback.Request
	vendor := generator(func(ctx context.Context, r feedback.Request) (feedback.Text, error) {
		asked = r
		return saying(`Well done. Now say "apples" again.`)(ctx, r)
	})
	s := stage(vendor, coach.New())
	j := job()
	j.Replay = &pipeline.Replay{ID: "replay_1", Model: "m2", Prompt: "p2"}
	if r, err := s.Handle(t.Context(), j); err != nil || r.Provider != "vendor" || asked.Model != "m2" || asked.Prompt != "p2" {
		t.Errorf("replay = %+v, %v, asked for %+v", r, err, asked)
	}
	j.Replay = &pipeline.Replay{ID: "replay_1", Provider: "offline", Prompt: coach.Version}
	if r, err := s.Handle(t.Context(), j); err != nil || r.Provider != "offline" || r.Artifact.State != evaluation.StateReady {
		t.Errorf("replay by the offline coach = %+v, %v", r, err)
	}
	for _, r := range []pipeline.Replay{{Provider: "nobody"}, {Provider: "offline", Model: "m2"}, {Provider: "offline", Prompt: "coach-0"}} {
		j.Replay = &r
		var permanent *pipeline.PermanentError
		if _, err := s.Handle(t.Context(), j); !errors.As(err, &permanent) || !errors.Is(err, feedback.ErrNotOffered) {
			t.Errorf("replay with %+v = %v, want a permanent error", r, err)
		}
	}
}
