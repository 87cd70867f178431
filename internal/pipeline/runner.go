package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"oktalk/internal/evaluation"
)

// Runner works on the entries of one stage.
type Runner struct {
	// fixed after NewRunner
	cfg     Config
	stage   evaluation.Stage
	src     Source
	ledger  Ledger
	handler Handler
	limiter Limiter // nil: no limits
	obs     Observer
	log     *slog.Logger
	reads   outage // of the source, for the reader
	settles outage // of the source, for settling
	books   outage // of the ledger
	freed   chan struct{}

	// guarded by mu
	mu      sync.Mutex
	busy    int                    // slots in use
	todo    []Entry                // delivered, for the next worker that is free
	workers map[*delivery]struct{} // one a goroutine
	resting int                    // workers that wait for entries
	waking  bool                   // a worker was woken, or is new, and has not come for an entry yet
	wake    *sync.Cond             // of mu: there is an entry, or no more will come
	closed  bool                   // no more entries will come
	settled []Entry                // to be acknowledged
	acking  bool                   // a goroutine acknowledges
	asking  int                    // deliveries without a permit yet, when there is a limiter
	begun   map[string]struct{}    // jobs in flight in this process
	idle    chan struct{}          // closed when busy falls to 0; nil while nobody waits for it
}

// NewRunner makes the runner of a stage. obs may be nil.
func NewRunner(cfg Config, stage evaluation.Stage, src Source, ledger Ledger, h Handler, obs Observer, log *slog.Logger) *Runner {
	if obs == nil {
		obs = nobody{}
	}
	log, cfg = log.With("stage", string(stage.Name)), cfg.withDefaults()
	r := &Runner{
		cfg: cfg, stage: stage, src: src, ledger: ledger, handler: h, obs: obs, log: log,
		reads: outage{what: "source", log: log}, settles: outage{what: "source_settling", log: log}, books: outage{what: "ledger", log: log},
		freed: make(chan struct{}, 1), workers: map[*delivery]struct{}{}, begun: map[string]struct{}{},
	}
	r.wake = sync.NewCond(&r.mu)
	return r
}

// LimitBy makes jobs wait for permits of l before they begin. It must be called before Run.
func (r *Runner) LimitBy(l Limiter) { r.limiter = l }

// errDrained is the cause that handlers see when the drain time is over.
var errDrained = errors.New("the worker stops")

// Run works until ctx ends, then drains: it reads no more, gives back what was delivered and not begun, lets work in flight
// end for the drain time, cancels and gives back the rest, and leaves the stage. It returns nil after a drain, and an error
// only if the source cannot run at all.
func (r *Runner) Run(ctx context.Context) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx)) // calls to source and ledger
	defer end()
	handling, cancelHandling := context.WithCancelCause(life)
	defer cancelHandling(nil)
	reading, stopReading := context.WithCancel(ctx)
	defer stopReading()

	leasing, stopLeasing := context.WithCancel(life) // the lease outlives the reading
	defer stopLeasing()
	leased := make(chan error, 1)
	go func() {
		err := r.src.Run(leasing)
		stopReading()
		leased <- err
	}()
	var permits sync.WaitGroup
	if r.limiter != nil {
		permits.Go(func() { r.limiter.Run(leasing) })
	}
	r.read(reading, contexts{reading: reading, handling: handling, life: life})
	r.close()
	r.drain(cancelHandling)
	stopLeasing()
	err := <-leased
	permits.Wait()
	r.leave(life)
	end() // calls that still repeat give up
	r.waitIdle(time.Second)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("run source of %s: %w", r.stage.Name, err)
	}
	return nil
}

// read hands entries to workers until ctx ends, never more than there are free slots.
func (r *Runner) read(ctx context.Context, c contexts) {
	pause := pauses{most: readPauseMost}
	for {
		free := r.waitForSlot(ctx)
		if ctx.Err() != nil {
			return
		}
		entries, err := r.src.Read(ctx, free)
		if err != nil && ctx.Err() == nil {
			r.reads.failed(err)
			rest(ctx, pause.after())
			continue
		}
		if err == nil {
			r.reads.worked()
			pause.next = 0
		}
		if len(entries) > 0 {
			r.take(entries, c)
		}
	}
}

// take uses a slot for each entry and has a worker come for the first.
func (r *Runner) take(entries []Entry, c contexts) {
	r.obs.InFlight(string(r.stage.Name), len(entries))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy += len(entries)
	if r.limiter != nil {
		r.asking += len(entries)
	}
	if len(r.todo) == 0 {
		r.todo = nil // what was done is let go of
	}
	r.todo = append(r.todo, entries...)
	r.wakeWorker(c)
}

// wakeWorker has one more worker come for what is to be done, unless one is on its way. Each that comes wakes the next, so all
// begin at once when handlers take their time, and few are woken when they do not. mu is held.
func (r *Runner) wakeWorker(c contexts) {
	switch {
	case r.waking || len(r.todo) == 0:
	case r.resting > 0:
		r.waking = true
		r.wake.Signal()
	default:
		r.waking = true
		d := &delivery{Runner: r, contexts: c}
		r.workers[d] = struct{}{}
		go d.work()
	}
}

// next ends the delivery, if there is one, and waits for the next; false when no more will come.
func (d *delivery) next() bool {
	r := d.Runner
	r.mu.Lock()
	defer r.mu.Unlock()
	d.end()
	for len(r.todo) == 0 {
		if r.closed {
			delete(r.workers, d)
			return false
		}
		r.waking = false
		r.resting++
		r.wake.Wait()
		r.resting--
	}
	r.waking = false
	d.entry, r.todo = r.todo[0], r.todo[1:]
	d.on, d.acked, d.asking = true, false, r.limiter != nil
	_, twice := r.begun[d.entry.JobID]
	if d.begun = !twice && d.entry.DecodeErr == nil; d.begun {
		r.begun[d.entry.JobID] = struct{}{}
	}
	r.wakeWorker(d.contexts)
	return true
}

// end gives the delivery's slot free, or has its entry acknowledged first. mu is held.
func (d *delivery) end() {
	r := d.Runner
	if !d.on {
		return
	}
	d.on = false
	if d.begun { // from now on the ledger knows
		delete(r.begun, d.entry.JobID)
	}
	if !d.acked {
		r.free(1)
		return
	}
	r.settled = append(r.settled, d.entry)
	if !r.acking {
		r.acking = true
		go r.acknowledge(d.life)
	}
}

// ackMost is the most acknowledgements of one call; 256 take Redis about half a millisecond.
const ackMost = 256

// acknowledge settles entries for good, as many in one call as have come together, until there are none.
func (r *Runner) acknowledge(life context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.settled) > 0 {
		n := min(len(r.settled), ackMost)
		batch := r.settled[:n:n]
		r.settled = r.settled[n:]
		r.mu.Unlock()
		r.tell(life, "acknowledge", batch[0], func(ctx context.Context) error {
			lost, err := r.src.Ack(ctx, batch)
			for _, e := range lost {
				r.notOwner("acknowledge", e)
			}
			return err
		})
		r.mu.Lock()
		r.free(n)
	}
	r.settled, r.acking = nil, false
}

// free gives slots free. mu is held.
func (r *Runner) free(n int) {
	r.obs.InFlight(string(r.stage.Name), -n)
	r.busy -= n
	if r.busy == 0 && r.idle != nil {
		close(r.idle)
		r.idle = nil
	}
	r.signal()
}

// close lets workers end when there is nothing left to do.
func (r *Runner) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.wake.Broadcast()
}

// drain waits for deliveries in flight and cancels what is left after the drain time.
func (r *Runner) drain(cancelHandling context.CancelCauseFunc) {
	r.log.Info("draining", "in_flight", r.inFlight())
	if r.waitIdle(r.cfg.DrainTimeout) {
		return
	}
	r.log.Warn("drain time is over; cancelling what is in flight", "in_flight", r.inFlight())
	cancelHandling(errDrained)
	r.hurry()
	if !r.waitIdle(abandonGrace + settleGrace) {
		r.log.Warn("leaving entries pending; others take them over", "in_flight", r.inFlight())
	}
}

// leave gives up the lease.
func (r *Runner) leave(life context.Context) {
	ctx, cancel := context.WithTimeout(life, settleGrace)
	defer cancel()
	if err := r.src.Leave(ctx); err != nil {
		r.log.Warn("could not leave the stage; the lease runs out by itself", "err", err)
	}
}

// waitForSlot waits until something may be read and returns how many entries; 0 when ctx ended.
func (r *Runner) waitForSlot(ctx context.Context) int {
	for ctx.Err() == nil {
		if free := r.room(); free > 0 {
			return free
		}
		select {
		case <-r.freed:
		case <-ctx.Done():
		}
	}
	return 0
}

// room is how many entries may be read: as many as there are free slots. When the stage is limited it is one at a time, and none
// while one waits for its permit: all of them need one, and in the stream they keep their order and their lanes, and are
// there for every process.
func (r *Runner) room() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	free := r.cfg.Concurrency - r.busy
	switch {
	case r.limiter == nil:
		return free
	case r.asking > 0:
		return 0
	default:
		return min(free, 1)
	}
}

// admitted notes that a delivery waits for its permit no more.
func (r *Runner) admitted() {
	r.mu.Lock()
	r.asking--
	r.mu.Unlock()
	r.signal()
}

// signal tells the reader that there may be room.
func (r *Runner) signal() {
	select {
	case r.freed <- struct{}{}:
	default:
	}
}

func (r *Runner) inFlight() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.busy
}

// waitIdle waits until nothing is in flight and reports whether that came true in time. Nothing must be taken meanwhile.
func (r *Runner) waitIdle(limit time.Duration) bool {
	r.mu.Lock()
	if r.busy == 0 {
		r.mu.Unlock()
		return true
	}
	if r.idle == nil {
		r.idle = make(chan struct{})
	}
	idle := r.idle
	r.mu.Unlock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-idle:
		return true
	case <-timer.C:
		return false
	}
}

// alive is what the ledger asks about the last owner of a job. This process has no delivery of that job in flight, so if it
// is the owner, an answer was lost and nobody works on it.
func (r *Runner) alive(ctx context.Context, consumer string) (bool, error) {
	if consumer == r.src.Consumer() {
		return false, nil
	}
	return r.src.Alive(ctx, consumer)
}

// rest pauses; it ends early when ctx does.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
