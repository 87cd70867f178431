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
	todo    chan Entry // to deliveries; has room for every slot

	// guarded by mu
	mu      sync.Mutex
	busy    int                 // slots in use
	workers int                 // goroutines that take from todo
	asking  int                 // deliveries without a permit yet, when there is a limiter
	begun   map[string]struct{} // jobs in flight in this process
	idle    chan struct{}       // closed when busy falls to 0; nil while nobody waits for it
}

// NewRunner makes the runner of a stage. obs may be nil.
func NewRunner(cfg Config, stage evaluation.Stage, src Source, ledger Ledger, h Handler, obs Observer, log *slog.Logger) *Runner {
	if obs == nil {
		obs = nobody{}
	}
	log, cfg = log.With("stage", string(stage.Name)), cfg.withDefaults()
	return &Runner{
		cfg: cfg, stage: stage, src: src, ledger: ledger, handler: h, obs: obs, log: log,
		reads: outage{what: "source", log: log}, settles: outage{what: "source_settling", log: log}, books: outage{what: "ledger", log: log},
		freed: make(chan struct{}, 1), todo: make(chan Entry, cfg.Concurrency), begun: map[string]struct{}{},
	}
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
	r.read(reading, life, handling)
	close(r.todo)
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

// read hands entries to deliveries until ctx ends, never more than there are free slots.
func (r *Runner) read(ctx, life, handling context.Context) {
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
		for _, e := range entries {
			if r.take() {
				go r.work(ctx, life, handling)
			}
			r.todo <- e
		}
	}
}

// work runs deliveries, one after the other, until todo is closed. Goroutines stay, because their stacks have grown to what deliveries
// need.
func (r *Runner) work(reading, life, handling context.Context) {
	d := &delivery{Runner: r, reading: reading, life: life, handling: handling}
	defer d.dismiss()
	for e := range r.todo {
		d.entry, d.asking = e, r.limiter != nil
		d.run()
		r.free()
	}
}

// drain waits for deliveries in flight and cancels what is left after the drain time.
func (r *Runner) drain(cancelHandling context.CancelCauseFunc) {
	r.log.Info("draining", "in_flight", r.inFlight())
	if r.waitIdle(r.cfg.DrainTimeout) {
		return
	}
	r.log.Warn("drain time is over; cancelling what is in flight", "in_flight", r.inFlight())
	cancelHandling(errDrained)
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

// take uses a slot and reports whether it needs another goroutine.
func (r *Runner) take() bool {
	r.obs.InFlight(string(r.stage.Name), 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.limiter != nil {
		r.asking++
	}
	r.busy++
	if r.busy <= r.workers {
		return false
	}
	r.workers++
	return true
}

func (r *Runner) free() {
	r.obs.InFlight(string(r.stage.Name), -1)
	r.mu.Lock()
	r.busy--
	if r.busy == 0 && r.idle != nil {
		close(r.idle)
		r.idle = nil
	}
	r.mu.Unlock()
	r.signal()
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

// begin notes that a job is in flight here; it reports false if it was already, as when an entry was added twice.
func (r *Runner) begin(jobID string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.begun[jobID]; ok {
		return false
	}
	r.begun[jobID] = struct{}{}
	return true
}

func (r *Runner) ended(jobID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.begun, jobID)
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
