package pipelinetest

import (
	"context"
	"slices"
	"sync"
	"time"

	"oktalk/internal/pipeline"
)

// Ledger is a [pipeline.Ledger] in memory. Jobs must be added before they can be begun. It is safe for concurrent use.
type Ledger struct {
	mu   sync.Mutex
	jobs map[string]*job
	runs []Run
	away error
}

type job struct {
	owner                    string
	run                      int64
	attempts, crashes, waits int
	settled                  bool
	due, since               time.Time
	outcome                  pipeline.Outcome
}

// Run is the end of a run as it was recorded. Begin, Wait and Release record none.
type Run struct {
	JobID   string
	Run     int64
	Attempt int
	Outcome pipeline.Outcome
	Result  pipeline.Result
	Cause   error
}

// JobState is where a job stands.
type JobState struct {
	Owner    string
	Run      int64
	Attempts int // failed ones
	Crashes  int
	Waits    int
	Settled  bool
	Outcome  pipeline.Outcome // of the last run that was recorded
}

var _ pipeline.Ledger = (*Ledger)(nil)

// NewLedger makes an empty ledger.
func NewLedger() *Ledger { return &Ledger{jobs: map[string]*job{}} }

// Add adds open jobs.
func (l *Ledger) Add(ids ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		l.jobs[id] = &job{}
	}
}

// Cancel ends a job, as deleting its evaluation does.
func (l *Ledger) Cancel(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.jobs[id].settled = true
}

// SetAway makes every call fail with err until it is called with nil.
func (l *Ledger) SetAway(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away = err
}

// Job tells where a job stands.
func (l *Ledger) Job(id string) JobState {
	l.mu.Lock()
	defer l.mu.Unlock()
	j := l.jobs[id]
	return JobState{j.owner, j.run, j.attempts, j.crashes, j.waits, j.settled, j.outcome}
}

// Runs lists the recorded runs in their order.
func (l *Ledger) Runs() []Run {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.runs)
}

// Open counts the jobs that are not settled.
func (l *Ledger) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, j := range l.jobs {
		if !j.settled {
			n++
		}
	}
	return n
}

// Begin implements [pipeline.Ledger].
func (l *Ledger) Begin(ctx context.Context, e pipeline.Entry, owner string, alive func(context.Context, string) (bool, error)) (pipeline.Job, error) {
	l.mu.Lock()
	if l.away != nil {
		defer l.mu.Unlock()
		return pipeline.Job{}, l.away
	}
	j, ok := l.jobs[e.JobID]
	if !ok || j.settled {
		l.mu.Unlock()
		return pipeline.Job{}, pipeline.ErrSettled
	}
	last, run := j.owner, j.run
	l.mu.Unlock()
	crashed := false
	if last != "" && last != owner {
		lives, err := alive(ctx, last)
		if err != nil {
			return pipeline.Job{}, err
		}
		if lives {
			return pipeline.Job{}, pipeline.ErrBusy
		}
		crashed = true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if j.run != run || j.settled {
		return pipeline.Job{}, pipeline.ErrBusy
	}
	j.run++
	j.owner = owner
	if crashed {
		j.crashes++
	}
	if j.since.IsZero() {
		j.since = time.Now()
	}
	return pipeline.Job{
		ID: e.JobID, Stage: e.Stage, EvaluationID: e.EvaluationID, UserID: e.UserID, Owner: owner, Run: j.run,
		Attempt: j.attempts + 1, Crashes: j.crashes, Waits: j.waits, EntryID: e.ID, StartedAt: time.Now(), Since: j.since,
	}, nil
}

// write makes a fenced change.
func (l *Ledger) write(j pipeline.Job, change func(*job)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away != nil {
		return l.away
	}
	row := l.jobs[j.ID]
	if row.settled || row.run != j.Run || row.owner != j.Owner {
		l.runs = append(l.runs, Run{JobID: j.ID, Run: j.Run, Attempt: j.Attempt, Outcome: pipeline.OutcomeSuperseded})
		return pipeline.ErrSuperseded
	}
	row.owner = ""
	change(row)
	return nil
}

func (l *Ledger) record(row *job, j pipeline.Job, r pipeline.Result, o pipeline.Outcome, cause error) {
	row.outcome = o
	l.runs = append(l.runs, Run{j.ID, j.Run, j.Attempt, o, r, cause})
}

// Settle implements [pipeline.Ledger].
func (l *Ledger) Settle(_ context.Context, j pipeline.Job, r pipeline.Result, o pipeline.Outcome, cause error) error {
	if err := pipeline.CheckResult(j, r); err != nil {
		return err
	}
	return l.write(j, func(row *job) {
		row.settled = true
		l.record(row, j, r, o, cause)
	})
}

// Retry implements [pipeline.Ledger].
func (l *Ledger) Retry(_ context.Context, j pipeline.Job, cause error, due time.Time) error {
	return l.write(j, func(row *job) {
		row.attempts++
		row.waits, row.due = 0, due
		l.record(row, j, pipeline.Result{}, pipeline.OutcomeRetried, cause)
	})
}

// Wait implements [pipeline.Ledger].
func (l *Ledger) Wait(_ context.Context, j pipeline.Job, _ string, _ error, due time.Time) error {
	return l.write(j, func(row *job) {
		row.waits++
		row.due, row.since = due, row.since.Add(due.Sub(j.StartedAt))
	})
}

// Release implements [pipeline.Ledger].
func (l *Ledger) Release(_ context.Context, j pipeline.Job) error {
	return l.write(j, func(*job) {})
}
