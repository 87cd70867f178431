package outbox

import (
	"context"
	"slices"
	"sync"
	"time"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

const (
	// deleteEvery is how long rows that were sent wait to be deleted together. It must be well below the time for which they are held, or
	// they would be sent twice; a tenth of it would delete few at a time.
	deleteEvery = 100 * time.Millisecond
	// mostTaken bounds the rows that wait to be sent; beyond it they are left to be claimed.
	mostTaken = 5_000
	// takenFor is how old what was taken over may be when it is sent, from before its rows were written: well below the time for which they
	// are held, since afterwards another relay may have sent them, the evaluation may be deleted, and a state that is sent then would stay until
	// the second erasure.
	takenFor = 400 * time.Millisecond
	// flushTime bounds what is sent and deleted last, when the process ends.
	flushTime = 2 * time.Second
)

// Take takes over what a commit of this process left in the outbox: it is sent at once, without being claimed and read. What cannot be sent
// is left for a claim. It never blocks.
func (r *Relay) Take(l pipeline.Left) {
	r.mu.Lock()
	fits := len(r.taken.Rows)+len(l.Rows) <= mostTaken
	if fits {
		if len(r.taken.Rows) == 0 {
			r.taken.Since = l.Since
		}
		r.taken = merge(r.taken, l)
	}
	r.mu.Unlock()
	if !fits {
		return
	}
	select {
	case r.arrivals <- struct{}{}:
	default:
	}
}

// merge joins what two commits left: of each evaluation the newest state.
func merge(a, b pipeline.Left) pipeline.Left {
	a.Jobs, a.Rows = append(a.Jobs, b.Jobs...), append(a.Rows, b.Rows...)
	if b.Since.Before(a.Since) {
		a.Since = b.Since
	}
	for _, e := range b.Changed {
		i := slices.IndexFunc(a.Changed, func(x *evaluation.Evaluation) bool { return x.ID == e.ID })
		switch {
		case i < 0:
			a.Changed = append(a.Changed, e)
		case a.Changed[i].Version < e.Version:
			a.Changed[i] = e
		}
	}
	return a
}

// forward sends what was taken over until ctx ends, and deletes its rows a little later, many at once.
func (r *Relay) forward(ctx context.Context) {
	var sent pipeline.Left // to be deleted
	var due <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
			defer cancel()
			r.forget(last, merge(sent, r.sendTaken(last)))
			return
		case <-r.arrivals:
			done := r.sendTaken(ctx)
			if len(done.Rows) > 0 && len(sent.Rows) == 0 {
				due = time.After(deleteEvery)
			}
			sent = merge(sent, done)
		case <-due:
			r.forget(ctx, sent)
			sent, due = pipeline.Left{}, nil
		}
	}
}

// sendTaken sends what was taken over and returns what was sent. What is for a destination that is away stays, and
// so does what waited too long.
func (r *Relay) sendTaken(ctx context.Context) pipeline.Left {
	r.mu.Lock()
	l, late := r.taken, time.Since(r.taken.Since) > takenFor
	r.taken = pipeline.Left{}
	r.mu.Unlock()
	if late {
		return pipeline.Left{}
	}
	to := r.free()
	l.Jobs = slices.DeleteFunc(l.Jobs, func(e pipeline.Entry) bool { return !slices.Contains(to, pipeline.ToStage(e.Stage)) })
	if !slices.Contains(to, pipeline.ToSnapshots) {
		l.Changed = nil
	}
	failed := r.sendAtOnce(ctx, l.Outgoing)
	for d, err := range failed {
		r.log.Debug("what a commit left could not be sent at once; a claim will", "destination", string(d), "err", err)
	}
	l.Rows = slices.DeleteFunc(l.Rows, func(row pipeline.Row) bool { return failed[row.To] != nil || !slices.Contains(to, row.To) })
	if failed[pipeline.ToSnapshots] != nil {
		l.Changed = nil
	}
	return l
}

// sendAtOnce sends entries of all stages in one round trip, and states in another. If entries cannot be sent, none of the stages counts as
// served: whose fault it is is found out by claims.
func (r *Relay) sendAtOnce(ctx context.Context, b pipeline.Outgoing) map[pipeline.Destination]error {
	failed := map[pipeline.Destination]error{}
	var published error
	var wg sync.WaitGroup
	if len(b.Changed) > 0 {
		wg.Go(func() { published = r.snapshots.Publish(ctx, b.Changed) })
	}
	if len(b.Jobs) > 0 {
		if err := r.queue.Enqueue(ctx, b.Jobs); err != nil {
			for _, e := range b.Jobs {
				failed[pipeline.ToStage(e.Stage)] = err
			}
		}
	}
	if wg.Wait(); published != nil {
		failed[pipeline.ToSnapshots] = published
	}
	return failed
}

// forget deletes the rows of what was sent. When that fails they are sent again, which does no harm.
func (r *Relay) forget(ctx context.Context, sent pipeline.Left) {
	if len(sent.Rows) == 0 {
		return
	}
	changed := make([]string, len(sent.Changed))
	for i, e := range sent.Changed {
		changed[i] = e.ID
	}
	if err := r.store.Delete(ctx, sent.Rows, changed); err != nil && ctx.Err() == nil {
		r.log.Debug("rows that were sent could not be deleted; they will be sent again", "rows", len(sent.Rows), "err", err)
	}
}
