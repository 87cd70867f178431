package devstack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"oktalk/internal/pause"
)

const (
	minBackoff = 500 * time.Millisecond
	maxBackoff = 10 * time.Second
	// steady is how long a process must have run for its next death to be a new story: the pause starts small again.
	steady = 30 * time.Second
	// firstStarts is how often in a row a first start may fail. With the pauses between them that takes 7.5 s, enough for
	// a port to become free, and short enough for a person to wait.
	firstStarts = 5
)

// Supervisor keeps processes running. Its methods are safe for concurrent use.
type Supervisor struct {
	say     func(string)
	changed func()
	failed  chan error // capacity 1

	keepers sync.WaitGroup

	mu   sync.Mutex
	kept []*Process
}

// NewSupervisor makes a supervisor. It tells what happens to say, one sentence at a time, and calls changed after a process
// was started again; both may be nil and may be called from several goroutines.
func NewSupervisor(say func(string), changed func()) *Supervisor {
	if say == nil {
		say = func(string) {}
	}
	if changed == nil {
		changed = func() {}
	}
	return &Supervisor{say: say, changed: changed, failed: make(chan error, 1)}
}

// Failed gets a [*StartError] when a process that was kept ended with its FinalExit. It is not started again.
func (s *Supervisor) Failed() <-chan error { return s.failed }

func (s *Supervisor) fail(err error) {
	select {
	case s.failed <- err:
	default: // the first is enough
	}
}

// Start starts a process, waits until it is ready and keeps it running until ctx is done. A first start that fails is repeated
// with growing pauses; after five the last error, a [*StartError], is returned. One that was not ready in time or is final is
// not repeated.
func (s *Supervisor) Start(ctx context.Context, p *Process) error {
	wait := minBackoff
	for attempt := 1; ; attempt++ {
		err := p.Start(ctx)
		if err == nil {
			s.Keep(ctx, p)
			return nil
		}
		var failed *StartError
		if !errors.As(err, &failed) || failed.TimedOut || failed.Final || attempt == firstStarts || ctx.Err() != nil {
			return err
		}
		s.say(fmt.Sprintf("%s did not start (%s), trying again in %s", p.Name(), failed.Why, seconds(wait)))
		if !pause.For(ctx, wait) {
			return ctx.Err()
		}
		wait = min(2*wait, maxBackoff)
	}
}

// Keep keeps a running process running until ctx is done.
func (s *Supervisor) Keep(ctx context.Context, p *Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, p)
	s.keepers.Go(func() { s.keep(ctx, p) })
}

func (s *Supervisor) keep(ctx context.Context, p *Process) {
	wait := minBackoff
	for {
		began := time.Now()
		select {
		case <-p.Done():
		case <-ctx.Done():
			return
		}
		if err := p.finalError(); err != nil {
			s.fail(err)
			return
		}
		if time.Since(began) > steady {
			wait = minBackoff
		}
		s.say(fmt.Sprintf("%s died (%s), starting it again in %s", p.Name(), p.Why(), seconds(wait)))
		if wait = s.revive(ctx, p, wait); wait == 0 {
			return
		}
		s.say(p.Name() + " runs again")
		s.changed()
	}
}

// revive starts p again after a pause, as often as it takes, and returns the next one; 0 when ctx is done or
// that is of no use.
func (s *Supervisor) revive(ctx context.Context, p *Process, wait time.Duration) time.Duration {
	for {
		if !pause.For(ctx, wait) {
			return 0
		}
		wait = min(2*wait, maxBackoff)
		err := p.Start(ctx)
		if err == nil {
			return wait
		}
		if ctx.Err() != nil {
			return 0
		}
		if failed, ok := errors.AsType[*StartError](err); ok && failed.Final {
			s.fail(err)
			return 0
		}
		s.say(fmt.Sprintf("%v; trying again in %s", err, seconds(wait)))
	}
}

// Processes are those that are kept.
func (s *Supervisor) Processes() []*Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.kept)
}

// Wait returns when nothing is kept any more, which is soon after the contexts given to Start and Keep are done. The
// processes themselves run on until they are stopped.
func (s *Supervisor) Wait() { s.keepers.Wait() }

// seconds writes a pause as people say it: "0.5 s", "1 s".
func seconds(d time.Duration) string { return fmt.Sprintf("%g s", d.Seconds()) }
