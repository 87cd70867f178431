package offline

import (
	"context"
	"sync/atomic"
	"time"

	"oktalk/internal/evaluation"
)

// queue lends out workers, one for each recording, to a bounded number of waiting requests.
type queue struct {
	idle    chan *worker
	waiting atomic.Int64
	limit   int64
}

func newQueue(workers []*worker, limit int) *queue {
	q := &queue{idle: make(chan *worker, len(workers)), limit: int64(limit)}
	for _, w := range workers {
		q.idle <- w
	}
	return q
}

// retryAfter is what a refused request is told: a full default queue is worked off in about that time on one core.
const retryAfter = 2 * time.Second

// take waits for a worker. The error is a [*evaluation.Refusal] when too many wait already, or that of ctx.
func (q *queue) take(ctx context.Context) (*worker, error) {
	select {
	case w := <-q.idle:
		return w, nil
	default:
	}
	if q.waiting.Add(1) > q.limit {
		q.waiting.Add(-1)
		return nil, &evaluation.Refusal{
			Problem: "assessor-unavailable", Message: "Too many recordings are being scored right now. Please try again in a moment.", RetryAfter: retryAfter,
		}
	}
	defer q.waiting.Add(-1)
	select {
	case w := <-q.idle:
		return w, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (q *queue) giveBack(w *worker) { q.idle <- w }
