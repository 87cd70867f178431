package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
	"oktalk/internal/redisconn"
	"oktalk/internal/redisstream"
	"oktalk/internal/telemetry"
)

// benchStage is the stage whose jobs are run: it settles an artifact and starts no other stage.
const benchStage = evaluation.StageDemo

const prefix = "bench"

// engine is ours: leases, owner checks, attempts, deadlines and metrics as in the programs.
type engine struct {
	work, blocking redisconn.Client
	producer       *redisstream.Producer
	ledger         pipeline.Ledger
	log            *slog.Logger
}

func openEngine(_ context.Context, s space) (contender, error) { return newEngine(s, newLedger()) }

func newEngine(s space, l pipeline.Ledger) (*engine, error) {
	conn := redisconn.Config{URL: s.Redis, PoolSize: 50, MinIdle: 10}
	work, err := redisconn.Work(conn)
	if err != nil {
		return nil, err
	}
	blocking, err := redisconn.Blocking(conn)
	if err != nil {
		return nil, err
	}
	return &engine{
		work: work, blocking: blocking, producer: redisstream.NewProducer(work, prefix), ledger: l,
		log: slog.New(slog.DiscardHandler),
	}, nil
}

func (e *engine) Close() { _, _ = e.work.Close(), e.blocking.Close() }

// enqueueMost is how many entries go in one call: the relay's batch, times what goes in one round trip.
const enqueueMost = 2000

func (e *engine) Enqueue(ctx context.Context, jobs []job) error {
	for len(jobs) > 0 {
		n := min(len(jobs), enqueueMost)
		entries := make([]pipeline.Entry, n)
		for i, j := range jobs[:n] {
			entries[i] = pipeline.Entry{
				Stage: benchStage, JobID: jobID(j.n), EvaluationID: evaluationID(j.n), UserID: userID(j.user), Attempt: 1,
			}
		}
		if err := e.producer.Enqueue(ctx, entries); err != nil {
			return err
		}
		jobs = jobs[n:]
	}
	return nil
}

func (e *engine) Work(ctx context.Context, slots int, handle handler) error {
	stage, _ := evaluation.StageByName(benchStage)
	src := redisstream.NewSource(redisstream.Config{}, e.work, e.blocking, prefix, benchStage, redisstream.ConsumerName("bench"), e.log)
	metrics := telemetry.NewStageMetrics(prometheus.NewRegistry())
	return pipeline.NewRunner(pipeline.Config{Concurrency: slots}, stage, src, e.ledger, calls{handle}, metrics, e.log).Run(ctx)
}

func (e *engine) Left(ctx context.Context) (int, error) {
	st, err := e.producer.Stats(ctx, benchStage)
	return int(st.Pending + st.Lag + st.Delayed), err
}

// calls is the stage's handler.
type calls struct{ handle handler }

func (c calls) Handle(ctx context.Context, j pipeline.Job) (pipeline.Result, error) {
	n, err := jobNumber(j.ID)
	if err != nil {
		return pipeline.Result{}, pipeline.Permanent(err)
	}
	c.handle(ctx, n)
	return pipeline.Result{
		Artifact: evaluation.Artifact{Kind: evaluation.DemoAudio, State: evaluation.StateReady, ObjectKey: "bench.mp3", ContentType: "audio/mpeg", Provider: "bench"},
		Provider: "bench",
	}, nil
}

func (calls) Fallback(_ context.Context, _ pipeline.Job, cause error) (pipeline.Result, error) {
	return pipeline.Result{}, cause
}

// ledger keeps jobs in memory, by their numbers. A job that it does not know is open, so that several processes can work on one stage.
type ledger struct {
	mu   sync.Mutex
	jobs []record
}

type record struct {
	owner    string
	run      int64
	attempts int
	settled  bool
}

var _ pipeline.Ledger = (*ledger)(nil)

func newLedger() *ledger { return &ledger{} }

// of returns the record of a job. mu is held.
func (l *ledger) of(jobID string) (*record, error) {
	n, err := jobNumber(jobID)
	if err != nil {
		return nil, err
	}
	if n >= len(l.jobs) {
		l.jobs = append(l.jobs, make([]record, n+1-len(l.jobs))...)
	}
	return &l.jobs[n], nil
}

// Begin implements [pipeline.Ledger].
func (l *ledger) Begin(ctx context.Context, e pipeline.Entry, owner string, alive func(context.Context, string) (bool, error)) (pipeline.Job, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, err := l.of(e.JobID)
	if err != nil {
		return pipeline.Job{}, err
	}
	if r.settled {
		return pipeline.Job{}, pipeline.ErrSettled
	}
	if r.owner != "" && r.owner != owner {
		lives, err := alive(ctx, r.owner)
		if err != nil {
			return pipeline.Job{}, err
		}
		if lives {
			return pipeline.Job{}, pipeline.ErrBusy
		}
	}
	r.owner, r.run = owner, r.run+1
	return pipeline.Job{
		ID: e.JobID, Stage: e.Stage, EvaluationID: e.EvaluationID, UserID: e.UserID, Owner: owner, Run: r.run, Attempt: r.attempts + 1,
		EntryID: e.ID, StartedAt: time.Now(),
	}, nil
}

// end changes a job if the delivery still has it.
func (l *ledger) end(j pipeline.Job, change func(*record)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, err := l.of(j.ID)
	if err != nil {
		return err
	}
	if r.run != j.Run || r.settled {
		return fmt.Errorf("job %s: %w", j.ID, pipeline.ErrSuperseded)
	}
	change(r)
	return nil
}

// Settle implements [pipeline.Ledger].
func (l *ledger) Settle(_ context.Context, j pipeline.Job, _ pipeline.Result, _ pipeline.Outcome, _ error) error {
	return l.end(j, func(r *record) { r.settled = true })
}

// Retry implements [pipeline.Ledger].
func (l *ledger) Retry(_ context.Context, j pipeline.Job, _ error, _ time.Time) error {
	return l.end(j, func(r *record) { r.owner, r.attempts = "", r.attempts+1 })
}

// Wait implements [pipeline.Ledger].
func (l *ledger) Wait(_ context.Context, j pipeline.Job, _ string, _ error, _ time.Time) error {
	return l.end(j, func(r *record) { r.owner = "" })
}

// Release implements [pipeline.Ledger].
func (l *ledger) Release(_ context.Context, j pipeline.Job) error {
	return l.end(j, func(r *record) { r.owner = "" })
}
