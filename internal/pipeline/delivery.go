package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"oktalk/internal/evaluation"
)

// contexts of deliveries.
type contexts struct {
	reading  context.Context //nolint:containedctx // ends when the drain begins; a delivery lives no longer than its contexts
	handling context.Context //nolint:containedctx // ends when the drain time is over
	life     context.Context //nolint:containedctx // ends when the process gives up everything
}

// delivery is one handing of an entry to this process, from read to settled. Its worker uses it again for the next: goroutines stay,
// because their stacks have grown to what deliveries need.
type delivery struct {
	*Runner
	contexts
	watch  watch // over the handler's calls
	on     bool  // there is an entry
	entry  Entry
	begun  bool      // its job was not in flight here when it came
	began  time.Time // when the job was begun, by this machine's clock
	asking bool      // the stage is limited and no permit has come yet
	acked  bool      // all is done but the acknowledgement
}

// work runs deliveries, one after the other, until no more come.
func (d *delivery) work() {
	for d.next() {
		d.run()
	}
}

// run takes the delivery to its end.
func (d *delivery) run() {
	defer d.asked()
	switch {
	case d.entry.DecodeErr != nil:
		d.log.Error("entry cannot be decoded; it is set aside", "entry_id", d.entry.ID, "err", d.entry.DecodeErr)
		d.setAside(d.entry.DecodeErr.Error())
	case d.reading.Err() != nil:
		d.giveBack()
	case !d.begun:
		d.delay(busyDelay)
	default:
		d.beginJob()
	}
}

// asked lets the reader go on, if the delivery held it up.
func (d *delivery) asked() {
	if d.asking {
		d.asking = false
		d.admitted()
	}
}

// acquire waits for a permit where the stage is limited, until the drain begins.
func (d *delivery) acquire() (release func(), err error) {
	if d.limiter == nil {
		return func() {}, nil
	}
	start := time.Now()
	release, err = d.limiter.Acquire(d.reading)
	if err != nil {
		return func() {}, err
	}
	d.obs.Admitted(string(d.stage.Name), time.Since(start))
	d.asked()
	return release, nil
}

// beginJob takes the job, with a permit where the stage is limited. While the ledger is away it repeats, until the drain begins; each
// try has a permit of its own, since those that were kept meanwhile would all be used at once when the ledger is back.
func (d *delivery) beginJob() {
	var j Job
	release := func() {}
	err := d.repeat(d.reading, &d.books, pauseMost, func(ctx context.Context) (err error) {
		if release, err = d.acquire(); err != nil {
			return err
		}
		if j, err = d.ledger.Begin(ctx, d.entry, d.src.Consumer(), d.alive); err != nil {
			release()
		}
		return err
	})
	switch {
	case err == nil:
		d.entry.Attempt, d.began = j.Attempt, time.Now()
		d.handle(j, release)
	case errors.Is(err, ErrSettled):
		d.ack()
	case errors.Is(err, ErrBusy):
		d.delay(busyDelay)
	case d.reading.Err() != nil:
		d.giveBack()
	default:
		d.log.Error("job cannot be begun; it is tried again later", "job_id", d.entry.JobID, "evaluation_id", d.entry.EvaluationID, "err", err)
		d.delay(brokenDelay)
	}
}

// handle does the work of a job that was begun, releases its permit and settles it.
func (d *delivery) handle(j Job, release func()) {
	defer release()
	if d.stage.Crashes > 0 && j.Crashes >= d.stage.Crashes {
		d.fallback(j, OutcomeDead, fmt.Errorf("its worker died %d times while it ran", j.Crashes))
		return
	}
	if j.Attempt > max(1, d.stage.Attempts) { // all were used, and what followed was interrupted
		d.fallback(j, OutcomeFailed, errors.New("all attempts were used"))
		return
	}
	left := d.left(j)
	if left < leastAttempt {
		d.fallback(j, OutcomeFailed, fmt.Errorf("the %v that it may take are over", d.stage.Budget))
		return
	}
	handle := func(ctx context.Context) (Result, error) { return d.handler.Handle(ctx, j) }
	d.call(j, min(left, d.deadline()), handle, func(d *delivery, res Result, err error) {
		release() // settling needs none
		d.handled(j, res, err)
	})
}

// handled goes on with what the handler returned.
func (d *delivery) handled(j Job, res Result, err error) {
	environment, away := errors.AsType[*EnvironmentError](err)
	_, permanent := errors.AsType[*PermanentError](err)
	switch {
	case err == nil:
		d.settle(j, res, outcomeOf(res), nil)
	case d.handling.Err() != nil:
		d.release(j)
	case away:
		d.wait(j, environment)
	case permanent:
		d.fallback(j, OutcomeFailed, err)
	default:
		d.retry(j, err)
	}
}

// left is what attempts may still take of the stage's budget. The time for a handler that does not return is kept back.
func (d *delivery) left(j Job) time.Duration {
	if d.stage.Budget <= 0 {
		return math.MaxInt64
	}
	return time.Until(j.Since.Add(d.stage.Budget)) - abandonGrace
}

// deadline is how long one call of the handler may take.
func (d *delivery) deadline() time.Duration {
	if d.stage.Deadline <= 0 {
		return math.MaxInt64
	}
	return d.stage.Deadline
}

// outcomeOf tells how a run ended that returned a result: stages without artifacts are done.
func outcomeOf(res Result) Outcome {
	switch res.Artifact.State {
	case evaluation.StateFallback:
		return OutcomeFallback
	case evaluation.StateFailed:
		return OutcomeFailed
	default:
		return OutcomeDone
	}
}

// call runs a handler's method for at most limit and goes on with then. A method that has not returned [abandonGrace] after
// its context ended is abandoned: it counts as failed, its goroutine is left to itself, and a new one goes on in its place,
// with a delivery of its own.
func (d *delivery) call(j Job, limit time.Duration, method func(context.Context) (Result, error), then func(*delivery, Result, error)) {
	ctx, cancel := context.WithTimeout(d.handling, limit)
	defer cancel()
	d.watch.start(min(limit, math.MaxInt64-abandonGrace)+abandonGrace, func() {
		heir := d.abandon(j)
		then(heir, Result{}, fmt.Errorf("no result within %v, and the handler does not return", limit.Round(time.Millisecond)))
		heir.work()
	})
	if d.handling.Err() != nil {
		d.watch.hurry()
	}
	res, err := d.safely(ctx, j, method)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("no result within %v: %w", limit.Round(time.Millisecond), err)
	}
	cancel()
	if !d.watch.stop() {
		d.obs.Abandoned(string(d.stage.Name), -1)
		runtime.Goexit() // another goroutine has gone on
	}
	then(d, res, err)
}

// safely runs a handler's method and turns a panic into an error.
func (d *delivery) safely(ctx context.Context, j Job, method func(context.Context) (Result, error)) (res Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			d.log.Error("handler panicked; it counts as a failed attempt", "job_id", j.ID, "evaluation_id", j.EvaluationID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("handler panicked: %v", p)
		}
	}()
	return method(ctx)
}

// abandon leaves a handler that does not return to itself, with the delivery's goroutine, and returns the delivery to go on with.
// Nothing can stop the handler; Abandoned tells when it returns.
func (d *delivery) abandon(j Job) *delivery {
	d.log.Error("handler does not return after its deadline; it is abandoned and counts as a failed attempt", "job_id", j.ID, "evaluation_id", j.EvaluationID)
	d.obs.Abandoned(string(d.stage.Name), 1)
	heir := &delivery{Runner: d.Runner, contexts: d.contexts, on: true, entry: d.entry, begun: d.begun, began: d.began}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.workers, d)
	d.workers[heir] = struct{}{}
	return heir
}

// watch has something done when a call does not return in time.
type watch struct {
	mu      sync.Mutex
	timer   *time.Timer
	timers  int // made so far, to tell a timer that fired late
	on      bool
	expired func()
}

// start has expired run in a goroutine of its own when stop is not called within limit.
func (w *watch) start(limit time.Duration, expired func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.on, w.expired = true, expired
	if w.timer != nil {
		w.timer.Reset(limit)
		return
	}
	w.timers++
	n := w.timers
	w.timer = time.AfterFunc(limit, func() { w.fire(n) })
}

// stop reports whether it came in time.
func (w *watch) stop() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.timer.Stop() {
		w.timer = nil // it has fired, and must not be taken for the next one
	}
	on := w.on
	w.on, w.expired = false, nil
	return on
}

// hurry leaves the call in progress, if there is one, [abandonGrace] from now.
func (w *watch) hurry() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.on && w.timer.Stop() {
		w.timer.Reset(abandonGrace)
	}
}

func (w *watch) fire(timer int) {
	w.mu.Lock()
	expired := w.expired
	late := !w.on || timer != w.timers || w.timer == nil
	if !late {
		w.on = false
	}
	w.mu.Unlock()
	if !late {
		expired()
	}
}

// hurry has calls that do not return although they were cancelled left to themselves soon.
func (r *Runner) hurry() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for d := range r.workers {
		d.watch.hurry()
	}
}

// settle records the result and acknowledges the entry, or sets it aside when the job ends dead and is no replay. A result that the ledger
// refuses for a reason of its own counts as a failed attempt.
func (d *delivery) settle(j Job, res Result, o Outcome, cause error) {
	err := d.book(func(ctx context.Context) error { return d.ledger.Settle(ctx, j, res, o, cause) })
	switch {
	case err == nil:
		d.observe(o)
		if o.NeedsPerson(cause) && j.Replay == nil { // who replays looks at the runs
			d.setAside(cause.Error())
			return
		}
		d.ack()
	case errors.Is(err, ErrSuperseded):
		d.superseded(j)
	case d.life.Err() != nil: // left pending
	case o == OutcomeDone:
		d.log.Error("result cannot be recorded; it counts as a failed attempt", "job_id", j.ID, "evaluation_id", j.EvaluationID, "err", err)
		d.retry(j, fmt.Errorf("record result: %w", err))
	default:
		d.log.Error("end of a job cannot be recorded; it is tried again later", "job_id", j.ID, "evaluation_id", j.EvaluationID, "err", err)
		d.postpone(j, fmt.Errorf("record end: %w", err), time.Now().Add(brokenDelay))
	}
}

// fallback makes the simpler result after the attempts ended, and settles it. When even that fails, the artifact has failed.
func (d *delivery) fallback(j Job, o Outcome, cause error) {
	fallback := func(ctx context.Context) (Result, error) { return d.handler.Fallback(ctx, j, cause) }
	d.call(j, d.deadline(), fallback, func(d *delivery, res Result, err error) { d.fellBack(j, o, cause, res, err) })
}

// fellBack goes on with what the fallback returned.
func (d *delivery) fellBack(j Job, o Outcome, cause error, res Result, err error) {
	environment, away := errors.AsType[*EnvironmentError](err)
	switch {
	case err != nil && d.handling.Err() != nil:
		d.release(j)
		return
	case away:
		d.wait(j, environment)
		return
	case err != nil:
		d.log.Error("fallback did not succeed; the artifact has failed", "job_id", j.ID, "evaluation_id", j.EvaluationID, "err", err)
		res = Result{Artifact: evaluation.Artifact{
			Kind: d.stage.Artifact, State: evaluation.StateFailed,
			Reason: "internal", Message: "This part could not be made. The rest of the evaluation is not affected.",
		}}
	}
	if o == OutcomeFailed && res.Artifact.State.Available() {
		o = OutcomeFallback
	}
	d.settle(j, res, o, cause)
}

// retry puts the job off after a failed attempt, or falls back when that was the last one or the budget leaves no time for another.
func (d *delivery) retry(j Job, cause error) {
	if j.Attempt >= d.stage.Attempts {
		d.fallback(j, OutcomeFailed, cause)
		return
	}
	var after time.Duration
	if asked, ok := errors.AsType[*RetryAfterError](cause); ok {
		after = asked.After
	}
	pause := backoff(d.stage, j.Attempt, after, rand.Float64())
	if d.left(j)-pause < leastAttempt {
		d.fallback(j, OutcomeFailed, cause)
		return
	}
	d.log.Info("attempt failed; it is tried again", "job_id", j.ID, "evaluation_id", j.EvaluationID, "attempt", j.Attempt, "pause", pause, "err", cause)
	d.postpone(j, cause, time.Now().Add(pause))
}

// postpone records a failed attempt and adds the entry again when due.
func (d *delivery) postpone(j Job, cause error, due time.Time) {
	err := d.book(func(ctx context.Context) error { return d.ledger.Retry(ctx, j, cause, due) })
	d.entry.Attempt = j.Attempt + 1
	d.putOff(j, OutcomeRetried, err, due)
}

// wait puts the job off until a part of the environment may be back.
func (d *delivery) wait(j Job, cause *EnvironmentError) {
	pause := waitPause(j.Waits, rand.Float64())
	d.log.Info("job waits for the environment", "job_id", j.ID, "evaluation_id", j.EvaluationID, "waiting_for", cause.What, "pause", pause, "err", cause.Err)
	d.obs.Waited(string(d.stage.Name), cause.What)
	due := time.Now().Add(pause)
	err := d.book(func(ctx context.Context) error { return d.ledger.Wait(ctx, j, cause.What, cause.Err, due) })
	d.putOff(j, "", err, due)
}

// putOff delays the entry after the ledger freed the job; err is the ledger's answer.
func (d *delivery) putOff(j Job, o Outcome, err error, due time.Time) {
	switch {
	case errors.Is(err, ErrSuperseded):
		d.superseded(j)
		return
	case err != nil && d.life.Err() != nil: // left pending
		return
	case err != nil:
		d.log.Error("job cannot be put off; it is tried again later", "job_id", j.ID, "evaluation_id", j.EvaluationID, "err", err)
		due = time.Now().Add(brokenDelay)
	case o != "":
		d.observe(o)
	}
	d.delay(time.Until(due))
}

// release frees the job for another worker, as if it had not been begun.
func (d *delivery) release(j Job) {
	err := d.book(func(ctx context.Context) error { return d.ledger.Release(ctx, j) })
	switch {
	case errors.Is(err, ErrSuperseded):
		d.superseded(j)
	case err != nil:
		d.log.Warn("job could not be freed; its lease runs out by itself", "job_id", j.ID, "evaluation_id", j.EvaluationID, "err", err)
	default:
		d.giveBack()
	}
}

// superseded ends a delivery whose job was taken over or cancelled: nothing was written. The entry is not acknowledged but comes
// again: whoever took the job over may have done so with an entry that it had lost itself, and may be dead by now.
func (d *delivery) superseded(j Job) {
	d.log.Info("delivery was superseded; its result is dropped", "job_id", j.ID, "evaluation_id", j.EvaluationID, "run", j.Run)
	d.observe(OutcomeSuperseded)
	d.delay(busyDelay)
}

func (d *delivery) observe(o Outcome) {
	d.obs.RunEnded(string(d.stage.Name), string(o), time.Since(d.began))
}

// ack ends the delivery: its entry is acknowledged together with others, see [Runner.acknowledge].
func (d *delivery) ack() { d.acked = true }

func (d *delivery) delay(pause time.Duration) {
	due := time.Now().Add(pause)
	d.tell(d.life, "delay", d.entry, func(ctx context.Context) error { return d.src.Delay(ctx, d.entry, due) })
}

func (d *delivery) giveBack() {
	d.tell(d.life, "give back", d.entry, func(ctx context.Context) error { return d.src.GiveBack(ctx, d.entry) })
}

func (d *delivery) setAside(why string) {
	d.tell(d.life, "set aside", d.entry, func(ctx context.Context) error { return d.src.SetAside(ctx, d.entry, why) })
}

// tell settles entries with the source, of which e is the first, repeating until the source answers. That another consumer owns an
// entry now is no error: whatever had to be recorded is in the ledger, and the owner will find it there.
func (r *Runner) tell(life context.Context, op string, e Entry, settle func(context.Context) error) {
	pause := pauses{most: readPauseMost}
	for {
		err := settle(life)
		switch {
		case err == nil:
			r.settles.worked()
			return
		case errors.Is(err, ErrNotOwner):
			r.notOwner(op, e)
			return
		case life.Err() != nil:
			return
		}
		r.settles.failed(err)
		rest(life, pause.after())
	}
}

func (r *Runner) notOwner(op string, e Entry) {
	r.log.Info("entry was taken over or settled before", "op", op, "entry_id", e.ID, "job_id", e.JobID)
}

// book makes a call to the ledger, repeating it for as long as the process lives.
func (d *delivery) book(call func(context.Context) error) error {
	return d.repeat(d.life, &d.books, pauseMost, call)
}

// repeat makes a call until it is not answered by unavailable, with growing pauses, or until ctx ends. The call itself is
// not cancelled by the end of reading, only by the end of the process's life.
func (d *delivery) repeat(ctx context.Context, o *outage, most time.Duration, call func(context.Context) error) error {
	pause := pauses{most: most}
	for {
		err := call(d.life)
		if !errors.Is(err, evaluation.ErrUnavailable) {
			o.worked()
			return err
		}
		o.failed(err)
		if rest(ctx, pause.after()); ctx.Err() != nil {
			return err
		}
	}
}
