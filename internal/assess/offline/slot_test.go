package offline_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"oktalk/internal/assess/offline"
	"oktalk/internal/evaluation"
)

// stuck is a pronouncer that answers when its caller gives up.
type stuck struct{ asked chan struct{} }

func (s stuck) Pronounce(ctx context.Context, _ string) ([][]string, error) {
	s.asked <- struct{}{}
	<-ctx.Done()
	return nil, ctx.Err()
}

func one(t *testing.T, timeout time.Duration, p offline.Pronouncer) *offline.Assessor {
	t.Helper()
	a, err := offline.New(offline.Config{ModelDir: config().ModelDir, Workers: 1, Timeout: timeout}, p, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// wantUnavailable checks for a refusal that asks to come back.
func wantUnavailable(t *testing.T, err error) {
	t.Helper()
	var refusal *evaluation.Refusal
	if !errors.As(err, &refusal) || refusal.Problem != "assessor-unavailable" || refusal.RetryAfter <= 0 {
		t.Errorf("Assess() = %v, want assessor-unavailable with RetryAfter", err)
	}
}

// Looking words up needs a worker, as scoring does: whoever has to guess holds no more than that.
func TestWordsAreLookedUpOnAWorker(t *testing.T) {
	t.Parallel()
	p := stuck{make(chan struct{}, 1)}
	a := one(t, 0, p)
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := a.Assess(ctx, make([]int16, 16000), "zorble", "en-US")
		first <- err
	}()
	<-p.asked
	_, err := a.Assess(t.Context(), make([]int16, 16000), "zorble", "en-US")
	wantUnavailable(t, err)
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("Assess() of a client that went away = %v, want context.Canceled", err)
	}
}

func TestAssessGivesUpInTime(t *testing.T) {
	t.Parallel()
	p := stuck{make(chan struct{}, 2)}
	a := one(t, 50*time.Millisecond, p)
	for range 2 { // the worker is free again
		_, err := a.Assess(t.Context(), make([]int16, 16000), "zorble", "en-US")
		wantUnavailable(t, err)
	}
	hasty := one(t, time.Nanosecond, nil)
	_, err := hasty.Assess(t.Context(), flite(t, "slt", "I like apples"), "I like apples", "en-US")
	wantUnavailable(t, err)
}
