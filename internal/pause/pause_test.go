package pause_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"oktalk/internal/pause"
)

func TestFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if !pause.For(t.Context(), time.Second) || time.Since(began) != time.Second {
			t.Errorf("For(1 s) did not wait for 1 s but %v", time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if began = time.Now(); pause.For(ctx, time.Minute) || time.Since(began) != time.Second {
			t.Errorf("For(1 min) with 1 s left waited for %v, want 1 s and false", time.Since(began))
		}
		if pause.For(ctx, 0) || !pause.For(t.Context(), 0) {
			t.Error("For(0) does not say whether the context is under way")
		}
	})
}
