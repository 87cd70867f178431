package pipeline

import (
	"time"

	"oktalk/internal/evaluation"
)

// Config sets how much a runner does at a time.
type Config struct {
	// Concurrency is how many entries of a stage are in flight in this process. 0 means 8.
	Concurrency int `env:"WORKER_CONCURRENCY" envDefault:"8"`
	// DrainTimeout is how long work in flight may take to end after the runner was told to stop; what is left then is cancelled
	// and given back. 0 means 30 s.
	DrainTimeout time.Duration `env:"DRAIN_TIMEOUT" envDefault:"30s"`
}

func (c Config) withDefaults() Config {
	if c.Concurrency <= 0 {
		c.Concurrency = 8
	}
	if c.DrainTimeout <= 0 {
		c.DrainTimeout = 30 * time.Second
	}
	return c
}

// Observer is told what a runner does, for metrics. Its methods must be quick and safe for concurrent use.
type Observer interface {
	// RunEnded is called when a run was recorded. outcome is one of the [Outcome] values; took is from begin to settle.
	RunEnded(stage, outcome string, took time.Duration)
	// InFlight is called with +1 when an entry was delivered and -1 when it was settled.
	InFlight(stage string, delta int)
	// Waited is called when a job was put off because a part of the environment, what, is away.
	Waited(stage, what string)
	// Admitted is called when a delivery of a limited stage got its permit, after a wait.
	Admitted(stage string, waited time.Duration)
	// Abandoned is called with +1 when a handler did not return after its deadline, and -1 if it does after all.
	Abandoned(stage string, delta int)
}

// nobody is the observer of a runner without one.
type nobody struct{}

func (nobody) RunEnded(string, string, time.Duration) {}
func (nobody) InFlight(string, int)                   {}
func (nobody) Waited(string, string)                  {}
func (nobody) Admitted(string, time.Duration)         {}
func (nobody) Abandoned(string, int)                  {}

const (
	busyDelay     = 5 * time.Second        // before a job whose owner is alive is looked at again
	brokenDelay   = 30 * time.Second       // before a job is tried again that the ledger refuses for a reason of its own
	retryAfterMax = 5 * time.Minute        // the longest pause a vendor can ask for
	leastAttempt  = time.Second            // an attempt that the budget leaves less than this for is not made
	abandonGrace  = 2 * time.Second        // for a handler to return after its context ended
	settleGrace   = 3 * time.Second        // for the calls after handlers were cancelled by a drain
	pauseMost     = 30 * time.Second       // between calls to a ledger that is away
	readPauseMost = 2 * time.Second        // between reads from a source that is away
	pauseFirst    = 100 * time.Millisecond // doubled after each failure
)

// backoff is the pause after a failed attempt: the stage's, with a jitter of up to a fifth added so that jobs that failed
// together do not come back together, and at least as long as the vendor asked for.
func backoff(stage evaluation.Stage, attempt int, asked time.Duration, jitter float64) time.Duration {
	var pause time.Duration
	if n := len(stage.Backoff); n > 0 {
		pause = stage.Backoff[min(max(attempt, 1), n)-1]
	}
	pause += time.Duration(float64(pause) * jitter / 5)
	return max(pause, min(asked, retryAfterMax))
}

// waitPause is the pause of a job that waits for the environment for the n-th time in a row, from 0: 1, 2, 4 … 30 s, with
// jitter.
func waitPause(n int, jitter float64) time.Duration {
	pause := min(pauseMost, time.Second<<min(max(n, 0), 10))
	return pause + time.Duration(float64(pause)*jitter/5)
}
