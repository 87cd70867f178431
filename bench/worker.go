package main

import (
	"context"
	"errors"
)

// worker is a contender's worker that runs in this process.
type worker struct {
	stop context.CancelFunc
	done chan error
}

func startWorker(ctx context.Context, c contender, slots int, handle handler) *worker {
	ctx, stop := context.WithCancel(ctx)
	w := &worker{stop: stop, done: make(chan error, 1)}
	go func() { w.done <- c.Work(ctx, slots, handle) }()
	return w
}

// end stops the worker and waits for it.
func (w *worker) end() error {
	w.stop()
	return <-w.done
}

// wait waits for a signal; it ends with an error when the worker or ctx does.
func (w *worker) wait(ctx context.Context, signal <-chan struct{}) error {
	select {
	case <-signal:
		return nil
	case err := <-w.done:
		w.done <- err
		return errors.Join(errors.New("the worker ended early"), err)
	case <-ctx.Done():
		return ctx.Err()
	}
}
