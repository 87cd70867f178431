package offline

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"oktalk/internal/evaluation"
)

func TestQueueRefusesBeyondItsLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue([]*worker{{}}, 1, 0)
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
		q := newQueue([]*worker{{}}, 1, 0)
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

// A request waits for the time that was set and no longer; when those before it take longer than that, it does not wait at all. What it
// is told follows from how long they take.
func TestQueueBoundsTheWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue([]*worker{{}}, 32, 3*time.Second)
		w, err := q.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = q.take(t.Context())
		if refusal, ok := errors.AsType[*evaluation.Refusal](err); !ok || refusal.RetryAfter != retryAfter || time.Since(began) != 3*time.Second {
			t.Errorf("take() = %v after %v, want a refusal after 3 s", err, time.Since(began))
		}
		for range 40 { // recordings that take 10 s each
			q.giveBack(w)
			if w, err = q.take(t.Context()); err != nil {
				t.Fatal(err)
			}
			<-time.After(10 * time.Second)
		}
		began = time.Now()
		_, err = q.take(t.Context())
		refusal, ok := errors.AsType[*evaluation.Refusal](err)
		if !ok || time.Since(began) != 0 || refusal.RetryAfter < 8*time.Second || refusal.RetryAfter > 10*time.Second {
			t.Errorf("take() behind slow recordings = %+v after %v, want a refusal at once that says about 10 s", refusal, time.Since(began))
		}
	})
}
