package offline

import (
	"context"
	"sync/atomic"
	"time"

	"oktalk/internal/evaluation"
)

// queue lends out workers, one for each recording, to a bounded number of waiting requests, which wait for a bounded time. A request that
// would probably wait longer is refused at once and told when there may be room.
type queue struct {
	idle    chan *worker
	waiting atomic.Int64
	limit   int64
	wait    time.Duration // 0: no bound
	mean    atomic.Int64  // nanoseconds for which a worker was lent out, smoothed
}

const (
	// firstMean is taken for the mean until recordings were scored: that of five seconds of audio.
	firstMean = 200 * time.Millisecond
	// meanShare is the share of the newest time in the mean: an eighth follows a change of load within a dozen recordings.
	meanShare = 8
	// retryAfter and retryLimit bound what a refused request is told.
	retryAfter = 2 * time.Second
	retryLimit = 30 * time.Second
)

func newQueue(workers []*worker, limit int, wait time.Duration) *queue {
	q := &queue{idle: make(chan *worker, len(workers)), limit: int64(limit), wait: wait}
	q.mean.Store(int64(firstMean))
	for _, w := range workers {
		q.idle <- w
	}
	return q
}

// take waits for a worker. The error is a [*evaluation.Refusal] when too many wait already or it takes too long, or that of ctx.
func (q *queue) take(ctx context.Context) (*worker, error) {
	select {
	case w := <-q.idle:
		return w.lent(), nil
	default:
	}
	place := q.waiting.Add(1)
	defer q.waiting.Add(-1)
	if expected := q.expected(place); place > q.limit || q.wait > 0 && expected > q.wait {
		return nil, busy(expected)
	}
	limited, cancel := ctx, func() {}
	if q.wait > 0 {
		limited, cancel = context.WithTimeout(ctx, q.wait)
	}
	defer cancel()
	select {
	case w := <-q.idle:
		return w.lent(), nil
	case <-limited.Done():
		if ctx.Err() == nil {
			return nil, busy(q.expected(q.waiting.Load()))
		}
		return nil, ctx.Err()
	}
}

// expected is how long the request at a place, counted from 1, will probably wait.
func (q *queue) expected(place int64) time.Duration {
	return time.Duration(q.mean.Load() * place / int64(cap(q.idle)))
}

func busy(expected time.Duration) error {
	return &evaluation.Refusal{
		Problem: "assessor-unavailable", Message: "Too many recordings are being scored right now. Please try again in a moment.",
		RetryAfter: min(max(expected, retryAfter), retryLimit),
	}
}

func (q *queue) giveBack(w *worker) {
	mean := q.mean.Load()
	q.mean.Store(mean + (int64(time.Since(w.since))-mean)/meanShare) // of two at the same time one may be lost
	q.idle <- w
}

func (w *worker) lent() *worker {
	w.since = time.Now()
	return w
}
