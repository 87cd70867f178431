package chaos

import (
	"context"
	"flag"
	"math/rand/v2"
	"testing"
	"time"
)

var (
	span = flag.Duration("for", 0, "how long faults are injected; 0 is the short form")
	seed = flag.Uint64("seed", 0, "of the faults; 0 draws one")
)

// form is how much a run of the suite does.
type form struct {
	evaluations, faults int
	over                time.Duration // in which they come
	recover             time.Duration // in which everything must have ended after the last fault
	slow                bool          // with faults that take half a minute to recover from, and to the second erasure of what was deleted
}

func formOf(span time.Duration) form {
	if span <= 0 {
		return form{evaluations: 160, faults: 26, over: 10 * time.Second, recover: 2 * time.Minute}
	}
	s := span.Seconds()
	return form{evaluations: int(19.5 * s), faults: int(1.04 * s), over: span, recover: 4 * time.Minute, slow: true}
}

// TestEveryEvaluationEndsOnce stores evaluations while everything is broken all the time, then lets all recover, and looks at what
// became of them.
func TestEveryEvaluationEndsOnce(t *testing.T) {
	t.Parallel()
	f, number := formOf(*span), *seed
	if number == 0 {
		number = rand.Uint64N(1_000_000) + 1
	}
	s := start(t, number)
	t.Logf("seed %d: %d evaluations, %d faults in %v", number, f.evaluations, f.faults, f.over)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	created := make(chan error, 1)
	go func() { created <- s.create(ctx, f.evaluations, f.over, rand.New(rand.NewPCG(number, 3))) }()
	done := s.inject(ctx, plan(number, f))
	if err := <-created; err != nil {
		t.Fatalf("store evaluations: %v", err)
	}
	calm := time.Now()
	if left := s.settle(ctx, f); left != "" {
		t.Errorf("%v after the last fault there are still %s", f.recover, left)
	}
	s.judge(t, f, done, time.Since(calm))
}
