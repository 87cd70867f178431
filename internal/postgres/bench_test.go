package postgres_test

import (
	"context"
	"testing"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// BenchmarkJob begins and settles: what each stage of each evaluation costs.
func BenchmarkJob(b *testing.B) {
	s := setup(b)
	var entries []pipeline.Entry
	for range b.N {
		e := newEvaluation(s.user)
		if err := s.evaluations.Create(b.Context(), e, evaluation.CreateOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	entries, err := s.upkeep.OpenJobs(b.Context(), evaluation.StageFeedback, "", b.N)
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for _, e := range entries {
		j, err := s.jobs.Begin(b.Context(), e, "w1", nobody)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.jobs.Settle(b.Context(), j, result(evaluation.FeedbackText), pipeline.OutcomeDone, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCreate(b *testing.B) {
	s := setup(b)
	for b.Loop() {
		if err := s.evaluations.Create(b.Context(), newEvaluation(s.user), evaluation.CreateOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkClaim claims and reads full batches; one operation is one row.
func BenchmarkClaim(b *testing.B) {
	s := setup(b)
	for range b.N/3 + 1 {
		s.create(b)
	}
	b.ResetTimer()
	for {
		n, err := s.outbox.Claim(b.Context(), 200, func(context.Context, []pipeline.Entry, []*evaluation.Evaluation, []string) error { return nil })
		if err != nil {
			b.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}
