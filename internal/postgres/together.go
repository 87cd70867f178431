package postgres

import (
	"context"
	"errors"
	"sync"
)

// togetherMost is how many calls go in one transaction at most. More makes those that come meanwhile wait longer than they gain.
const togetherMost = 64

// errAlone is the answer to a call that cannot go together with others, and is made alone.
var errAlone = errors.New("it has to be made alone")

// errNext is the answer to a call that does not go with others of its group, but may with the next.
var errNext = errors.New("it goes with the next")

// together makes calls of many goroutines in few transactions: the first goes at once, and those that come while it is under way go
// together in the next. So nobody waits for others to come, and the busier a process is, the less a call costs.
type together[T any] struct {
	do    func(ctx context.Context, calls []*call[T]) error // sets each call's err; its own error is that of all
	alone func(ctx context.Context, arg *T) error

	mu    sync.Mutex
	queue []*call[T]
	busy  bool
}

// call is one call on its way.
type call[T any] struct {
	arg  *T
	err  error
	done chan struct{}
}

// join makes a call, and makes it alone if it could not be made with others. It may take effect after ctx has ended it.
func (t *together[T]) join(ctx context.Context, arg *T) error {
	c := &call[T]{arg: arg, done: make(chan struct{})}
	t.mu.Lock()
	t.queue = append(t.queue, c)
	first := !t.busy
	t.busy = true
	t.mu.Unlock()
	if first {
		go t.next(context.WithoutCancel(ctx)) // ends with the queue
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if c.err != nil && !isDomain(c.err) {
		return t.alone(ctx, arg)
	}
	return c.err
}

// next makes the calls that wait, and has another goroutine go on when more have come.
func (t *together[T]) next(ctx context.Context) {
	t.mu.Lock()
	n := min(len(t.queue), togetherMost)
	calls := t.queue[:n:n]
	t.queue = t.queue[n:]
	t.mu.Unlock()
	err := t.do(ctx, calls)
	var again []*call[T]
	for _, c := range calls {
		if err != nil {
			c.err = err
		}
		if c.err == errNext { //nolint:errorlint // it is not wrapped
			again = append(again, c)
			continue
		}
		close(c.done)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue = append(again, t.queue...)
	if t.busy = len(t.queue) > 0; t.busy {
		go t.next(ctx)
	}
}
