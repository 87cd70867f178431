package offline

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"oktalk/internal/evaluation"
)

func TestQueueRefusesBeyondItsLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue([]*worker{{}}, 1)
		first, err := q.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		second := make(chan *worker)
		go func() {
			w, _ := q.take(t.Context())
			second <- w
		}()
		synctest.Wait()
		_, err = q.take(t.Context())
		var refusal *evaluation.Refusal
		if !errors.As(err, &refusal) || refusal.Problem != "assessor-unavailable" || refusal.RetryAfter <= 0 {
			t.Errorf("take() with a full queue = %v, want assessor-unavailable with RetryAfter", err)
		}
		q.giveBack(first)
		if w := <-second; w != first {
			t.Errorf("the waiting take() got %p, want %p", w, first)
		}
	})
}

func TestQueueGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue([]*worker{{}}, 1)
		if _, err := q.take(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() {
			_, err := q.take(ctx)
			failed <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("take() = %v, want context.Canceled", err)
		}
		if n := q.waiting.Load(); n != 0 {
			t.Errorf("%d requests still count as waiting", n)
		}
	})
}
