package coach_test

import (
	"testing"

	"oktalk/internal/feedback"
	"oktalk/internal/feedback/coach"
)

func BenchmarkWrite(b *testing.B) {
	p, err := feedback.NewPlan(reading(8))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := coach.New().Write(b.Context(), feedback.Request{Seed: "eval_01jd", Plan: p}); err != nil {
			b.Fatal(err)
		}
	}
}
