package devstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	defaultStopGrace    = 10 * time.Second
	defaultReadyTimeout = 30 * time.Second
	// readyPoll is the pause between two looks at a starting process. The servers are up within 50 to 150 ms.
	readyPoll = 20 * time.Millisecond
	// killWait bounds the wait for a process that was sent SIGKILL; it is longer only when the kernel is stuck in I/O.
	killWait = 5 * time.Second
)

// Command describes a child process.
type Command struct {
	Name string   // how messages call it, "worker-tts"
	Path string   // the program
	Args []string // without the program's name
	Env  []string // the whole environment; nil means this process's
	Dir  string   // working folder; empty means this process's
	User *User    // whom it runs as; nil means this process's user

	StopSignal  syscall.Signal // asks it to end; 0 means SIGTERM
	StopGrace   time.Duration  // from StopSignal to SIGKILL; 0 means 10 s
	DeathSignal syscall.Signal // what the kernel sends it when this process dies (Linux); 0 means SIGKILL

	Prepare      func(ctx context.Context) error // called before each start; may be nil
	Ready        func(ctx context.Context) error // polled after each start until it returns nil; nil means ready at once
	ReadyTimeout time.Duration                   // for Ready; 0 means 30 s

	// FinalExit is the exit code with which the program says that starting it again is of no use; 0 means none.
	FinalExit int

	PIDFile string            // notes the running process there, to find it after a crash; empty means nowhere
	Output  func(line string) // gets each line of output, in order; nil drops them
}

// User is an account of the machine.
type User struct {
	Name string
	UID  uint32
	GID  uint32
}

// StartError is a process that did not come up.
type StartError struct {
	Name     string
	Why      string   // "exit status 1"
	Tail     []string // its last lines of output
	TimedOut bool     // it ran, but was not ready in time
	Final    bool     // it ended with its FinalExit
}

// Error implements error. It ends with the last line of output, where programs say what is wrong.
func (e *StartError) Error() string {
	if len(e.Tail) == 0 {
		return fmt.Sprintf("start %s: %s", e.Name, e.Why)
	}
	return fmt.Sprintf("start %s: %s: %s", e.Name, e.Why, e.Tail[len(e.Tail)-1])
}

// Process is a child process that can be started, broken and started again. Its methods are safe for concurrent use.
type Process struct {
	cmd Command

	starting sync.Mutex // held while starting or stopping
	child    atomic.Pointer[child]
	tail     tail
}

// NewProcess describes a process; [Process.Start] starts it.
func NewProcess(cmd Command) *Process {
	if cmd.StopSignal == 0 {
		cmd.StopSignal = syscall.SIGTERM
	}
	if cmd.DeathSignal == 0 {
		cmd.DeathSignal = syscall.SIGKILL
	}
	if cmd.StopGrace == 0 {
		cmd.StopGrace = defaultStopGrace
	}
	if cmd.ReadyTimeout == 0 {
		cmd.ReadyTimeout = defaultReadyTimeout
	}
	return &Process{cmd: cmd}
}

// Name is the name given in its [Command].
func (p *Process) Name() string { return p.cmd.Name }

// PID is the process id; 0 when it is not running.
func (p *Process) PID() int {
	if c := p.child.Load(); c != nil && !c.exited() {
		return c.pid
	}
	return 0
}

// Done is closed when the process last started has ended; it is closed at once if there was none.
func (p *Process) Done() <-chan struct{} {
	if c := p.child.Load(); c != nil {
		return c.done
	}
	done := make(chan struct{})
	close(done)
	return done
}

// Why says how the process last started ended, "signal: killed"; empty while it runs.
func (p *Process) Why() string {
	if c := p.child.Load(); c != nil && c.exited() {
		return c.why
	}
	return ""
}

// ended is the error of a run that has ended.
func (p *Process) ended(c *child) *StartError {
	return &StartError{Name: p.cmd.Name, Why: c.why, Tail: p.Tail(), Final: c.code > 0 && c.code == p.cmd.FinalExit}
}

// finalError says why the process last started cannot be started again; nil unless it ended with its FinalExit.
func (p *Process) finalError() error {
	if c := p.child.Load(); c != nil && c.exited() {
		if err := p.ended(c); err.Final {
			return err
		}
	}
	return nil
}

// Tail is its last lines of output, over restarts.
func (p *Process) Tail() []string { return p.tail.lines() }

// Start starts the process and waits until it is ready. A process that runs already is left alone; one left over from a
// parent that was killed is stopped first. The error is a [*StartError] when the process ended or was not ready in time;
// it does not run then.
func (p *Process) Start(ctx context.Context) error {
	p.starting.Lock()
	defer p.starting.Unlock()
	if p.PID() != 0 {
		return nil
	}
	if err := stopLeftover(ctx, p.cmd); err != nil {
		return err
	}
	if p.cmd.Prepare != nil {
		if err := p.cmd.Prepare(ctx); err != nil {
			return err
		}
	}
	c, err := spawn(p.cmd, p.line)
	if err != nil {
		return &StartError{Name: p.cmd.Name, Why: err.Error()}
	}
	p.child.Store(c)
	if err := p.awaitReady(ctx, c); err != nil {
		p.end(context.WithoutCancel(ctx), c)
		return err
	}
	return nil
}

func (p *Process) line(s string) {
	p.tail.add(s)
	if p.cmd.Output != nil {
		p.cmd.Output(s)
	}
}

func (p *Process) awaitReady(ctx context.Context, c *child) error {
	if err := notePID(p.cmd.PIDFile, c.pid); err != nil {
		return err
	}
	if p.cmd.Ready == nil {
		return nil
	}
	ready, cancel := context.WithTimeout(ctx, p.cmd.ReadyTimeout)
	defer cancel()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	last := errors.New("no answer")
	for {
		select {
		case <-c.done:
			return p.ended(c)
		case <-ready.Done():
			if err := ctx.Err(); err != nil {
				return err
			}
			why := fmt.Sprintf("not ready after %v: %v", p.cmd.ReadyTimeout, last)
			return &StartError{Name: p.cmd.Name, Why: why, Tail: p.Tail(), TimedOut: true}
		case <-tick.C:
		}
		if err := p.cmd.Ready(ready); err == nil {
			return nil
		} else if ready.Err() == nil {
			last = err
		}
	}
}

// Stop asks the process to end and waits for that; it is killed when its grace time is over or ctx is done. Stop returns
// when the process has ended.
func (p *Process) Stop(ctx context.Context) {
	p.starting.Lock()
	defer p.starting.Unlock()
	if c := p.child.Load(); c != nil {
		p.end(ctx, c)
	}
}

func (p *Process) end(ctx context.Context, c *child) {
	if !c.exited() {
		resumeTree(c.pid)
		_ = syscall.Kill(c.pid, p.cmd.StopSignal)
		grace, cancel := context.WithTimeout(ctx, p.cmd.StopGrace)
		defer cancel()
		select {
		case <-c.done:
		case <-grace.Done():
			_ = syscall.Kill(-c.pid, syscall.SIGKILL)
			<-c.done
		}
	}
	if p.cmd.PIDFile != "" {
		_ = os.Remove(p.cmd.PIDFile)
	}
}

// Kill ends the process with SIGKILL, as a crash would, and waits until it is gone.
func (p *Process) Kill() error {
	c := p.child.Load()
	if c == nil || c.exited() {
		return fmt.Errorf("kill %s: it is not running", p.cmd.Name)
	}
	resumeTree(c.pid) // stopped children of a killed PostgreSQL would keep its memory for ever
	if err := syscall.Kill(c.pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %s: %w", p.cmd.Name, err)
	}
	select {
	case <-c.done:
		return nil
	case <-time.After(killWait):
		return fmt.Errorf("kill %s: process %d is still there after %v", p.cmd.Name, c.pid, killWait)
	}
}

// Restart stops the process if it runs and starts it again, on the same port with the same data.
func (p *Process) Restart(ctx context.Context) error {
	p.Stop(ctx)
	return p.Start(ctx)
}

// Suspend freezes the process and its children (SIGSTOP): connections stay open, nothing answers.
func (p *Process) Suspend() error {
	pid := p.PID()
	if pid == 0 {
		return fmt.Errorf("suspend %s: it is not running", p.cmd.Name)
	}
	// The parent first, so that it makes no more children while they are listed.
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("suspend %s: %w", p.cmd.Name, err)
	}
	for _, child := range descendants(pid) {
		_ = syscall.Kill(child, syscall.SIGSTOP)
	}
	return nil
}

// Resume lets a suspended process go on.
func (p *Process) Resume() error {
	pid := p.PID()
	if pid == 0 {
		return fmt.Errorf("resume %s: it is not running", p.cmd.Name)
	}
	resumeTree(pid)
	return nil
}

// resumeTree sends SIGCONT to a process and its children, which is harmless when they are not stopped.
func resumeTree(pid int) {
	for _, child := range descendants(pid) {
		_ = syscall.Kill(child, syscall.SIGCONT)
	}
	_ = syscall.Kill(pid, syscall.SIGCONT)
}

// tail keeps the last lines of output.
type tail struct {
	mu   sync.Mutex
	last []string
}

// tailLines is enough for a stack trace's beginning or a server's complaint, and still fits a terminal.
const tailLines = 20

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.last) == tailLines {
		t.last = append(t.last[:0], t.last[1:]...)
	}
	t.last = append(t.last, line)
}

func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.last)
}
