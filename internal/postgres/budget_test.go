package postgres_test

import (
	"errors"
	"testing"
	"time"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// A budget counts from the first begin, whoever began, and not while the environment was waited for.
func TestSinceTheFirstBegin(t *testing.T) {
	t.Parallel()
	s := setup(t)
	ctx, e := t.Context(), s.create(t)
	age := func(j pipeline.Job) time.Duration { return j.StartedAt.Sub(j.Since) }
	about := func(d, want time.Duration) bool { return d > want-time.Second && d < want+4*time.Second } // a busy machine takes its time

	j := s.begin(t, e.ID, evaluation.StageFeedback, "w1")
	if d := age(j); !about(d, 0) {
		t.Errorf("since the first begin %v at the first begin, want 0", d)
	}
	exec(t, s.url, `UPDATE jobs SET begun_at = begun_at - interval '20 s' WHERE stage = 'feedback'`)
	if err := s.jobs.Retry(ctx, j, errors.New("x"), time.Now()); err != nil {
		t.Fatal(err)
	}
	j = s.begin(t, e.ID, evaluation.StageFeedback, "w2")
	if d := age(j); !about(d, 20*time.Second) {
		t.Errorf("since the first begin %v after a retry, want 20s", d)
	}
	if err := s.jobs.Wait(ctx, j, "s3", errors.New("x"), j.StartedAt.Add(15*time.Second)); err != nil {
		t.Fatal(err)
	}
	j = s.begin(t, e.ID, evaluation.StageFeedback, "w2")
	if d := age(j); !about(d, 5*time.Second) {
		t.Errorf("since the first begin %v, of 20s of which 15s were waited for the environment, want 5s", d)
	}
}

// Only what a person has to look at ends dead.
func TestExpectedFailureIsDone(t *testing.T) {
	t.Parallel()
	for want, cause := range map[string]error{"done": nil, "dead": errors.New("exit status 1")} {
		s := setup(t)
		e := s.create(t)
		j := s.begin(t, e.ID, evaluation.StageDemo, "w1")
		r := pipeline.Result{Artifact: evaluation.Artifact{Kind: evaluation.DemoAudio, State: evaluation.StateFailed, Reason: "no-voice", Message: "No voice."}}
		if err := s.jobs.Settle(t.Context(), j, r, pipeline.OutcomeFailed, cause); err != nil {
			t.Fatal(err)
		}
		if state := query[string](t, s.url, `SELECT state FROM jobs WHERE id = $1`, j.ID); state != want {
			t.Errorf("a job that failed because of %v is %s, want %s", cause, state, want)
		}
		if a := s.get(t, e.ID).Artifacts.Get(evaluation.DemoAudio); a.State != evaluation.StateFailed || a.Reason != "no-voice" {
			t.Errorf("artifact = %+v, want failed", a)
		}
		if o := query[string](t, s.url, `SELECT outcome FROM stage_runs WHERE job_id = $1`, j.ID); o != "failed" {
			t.Errorf("outcome = %s, want failed", o)
		}
	}
}

// A result that does not settle the stage's artifact changes nothing.
func TestSettleRefusesAnotherStagesResult(t *testing.T) {
	t.Parallel()
	s := setup(t)
	e := s.create(t)
	j := s.begin(t, e.ID, evaluation.StageFeedback, "w1")
	for _, a := range []evaluation.Artifact{
		{}, ready(evaluation.DemoAudio), {Kind: evaluation.FeedbackText, State: evaluation.StatePending}, {Kind: evaluation.FeedbackText, State: evaluation.StateSkipped},
	} {
		err := s.jobs.Settle(t.Context(), j, pipeline.Result{Artifact: a}, pipeline.OutcomeDone, nil)
		if err == nil || errors.Is(err, evaluation.ErrUnavailable) || errors.Is(err, pipeline.ErrSuperseded) {
			t.Errorf("Settle with %q in state %q = %v, want a refusal", a.Kind, a.State, err)
		}
	}
	if err := s.jobs.Settle(t.Context(), j, result(evaluation.FeedbackText), pipeline.OutcomeDone, nil); err != nil {
		t.Errorf("Settle with the right result afterwards = %v", err)
	}
}
