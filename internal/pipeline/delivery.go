package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"oktalk/internal/evaluation"
)

// delivery is one handing of an entry to this process, from read to settled. Its worker uses it again for the next.
type delivery struct {
	*Runner
	reading  context.Context //nolint:containedctx // ends when the drain begins; a delivery lives no longer than its contexts
	handling context.Context //nolint:containedctx // ends when the drain time is over
	life     context.Context //nolint:containedctx // ends when the process gives up everything
	caller   *caller         // calls the handler; nil before the first call and after one that was abandoned
	entry    Entry
	began    time.Time // when the job was begun, by this machine's clock
	asking   bool      // the stage is limited and no permit has come yet
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
	case !d.begin(d.entry.JobID):
		d.delay(busyDelay)
	default:
		defer d.ended(d.entry.JobID)
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
	res, err := d.call(j, min(left, d.deadline()), func(ctx context.Context) (Result, error) { return d.handler.Handle(ctx, j) })
	release() // settling needs none
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

// answer is what a handler returned.
type answer struct {
	res Result
	err error
}

// caller calls the handler in a goroutine of its own, so that a method that does not return can be left to itself. It stays for
// the next call: new goroutines would grow their stacks each time.
type caller struct {
	methods chan func() answer
	answers chan answer // has room for one
}

func newCaller() *caller {
	c := &caller{methods: make(chan func() answer), answers: make(chan answer, 1)}
	go func() { // ends when methods is closed and the handler has returned
		for method := range c.methods {
			c.answers <- method()
		}
	}()
	return c
}

// dismiss lets the caller's goroutine end.
func (d *delivery) dismiss() {
	if d.caller != nil {
		close(d.caller.methods)
		d.caller = nil
	}
}

// call runs a handler's method for at most limit. A method that does not return then is abandoned: it counts as
// failed, and its goroutine is left to itself.
func (d *delivery) call(j Job, limit time.Duration, method func(context.Context) (Result, error)) (Result, error) {
	ctx, cancel := context.WithTimeout(d.handling, limit)
	defer cancel()
	if d.caller == nil {
		d.caller = newCaller()
	}
	r, answers := d.Runner, d.caller.answers
	d.caller.methods <- func() (a answer) {
		defer r.recovered(j, &a)
		a.res, a.err = method(ctx)
		return a
	}
	select {
	case a := <-answers:
		return a.res, a.err
	case <-ctx.Done():
	}
	grace := time.NewTimer(abandonGrace)
	defer grace.Stop()
	select {
	case a := <-answers:
		if a.err != nil {
			a.err = fmt.Errorf("no result within %v: %w", limit.Round(time.Millisecond), a.err)
		}
		return a.res, a.err
	case <-grace.C:
		d.abandon(j, answers)
		return Result{}, fmt.Errorf("no result within %v, and the handler does not return", limit.Round(time.Millisecond))
	}
}

// recovered turns a panic of a handler into an error.
func (r *Runner) recovered(j Job, a *answer) {
	if p := recover(); p != nil {
		r.log.Error("handler panicked; it counts as a failed attempt", "job_id", j.ID, "evaluation_id", j.EvaluationID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		a.err = fmt.Errorf("handler panicked: %v", p)
	}
}

// abandon leaves a handler that does not return to itself, and tells when it does.
func (d *delivery) abandon(j Job, answers <-chan answer) {
	d.log.Error("handler does not return after its deadline; it is abandoned and counts as a failed attempt", "job_id", j.ID, "evaluation_id", j.EvaluationID)
	d.dismiss()
	r := d.Runner
	r.obs.Abandoned(string(r.stage.Name), 1)
	go func() { // ends with the handler, which nothing can stop
		<-answers
		r.obs.Abandoned(string(r.stage.Name), -1)
	}()
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
	res, err := d.call(j, d.deadline(), func(ctx context.Context) (Result, error) { return d.handler.Fallback(ctx, j, cause) })
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

func (d *delivery) ack() {
	d.tell("acknowledge", func(ctx context.Context) error { return d.src.Ack(ctx, d.entry) })
}

func (d *delivery) delay(pause time.Duration) {
	due := time.Now().Add(pause)
	d.tell("delay", func(ctx context.Context) error { return d.src.Delay(ctx, d.entry, due) })
}

func (d *delivery) giveBack() {
	d.tell("give back", func(ctx context.Context) error { return d.src.GiveBack(ctx, d.entry) })
}

func (d *delivery) setAside(why string) {
	d.tell("set aside", func(ctx context.Context) error { return d.src.SetAside(ctx, d.entry, why) })
}

// tell settles the entry with the source, repeating until the source answers. That another consumer owns the entry now is no
// error: whatever had to be recorded is in the ledger, and the owner will find it there.
func (d *delivery) tell(op string, settle func(context.Context) error) {
	pause := pauses{most: readPauseMost}
	for {
		err := settle(d.life)
		switch {
		case err == nil:
			d.settles.worked()
			return
		case errors.Is(err, ErrNotOwner):
			d.log.Info("entry was taken over before it was settled", "op", op, "entry_id", d.entry.ID, "job_id", d.entry.JobID)
			return
		case d.life.Err() != nil:
			return
		}
		d.settles.failed(err)
		rest(d.life, pause.after())
	}
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
