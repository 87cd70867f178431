// Package command runs an outside program bounded in time, memory and output.
//
// A program gets no terminal and none of our environment. It runs in a process group of its own, which is killed as a
// whole when the context ends, the time is up or its output is too much, so that nothing it started stays behind. A shell sets its
// limits and becomes the program, so that they hold from its first instruction; no argument is ever read by the shell.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Conditions that callers branch on.
var (
	// ErrMissing is for a program that is not installed.
	ErrMissing = errors.New("program is not installed")
	// ErrTimeout is for a program that ran longer than [Command.Timeout].
	ErrTimeout = errors.New("program took too long")
	// ErrLimit is for a program that used more CPU time or wrote more output than it may.
	ErrLimit = errors.New("program exceeded its limits")
	// ErrKilled is for a program that was killed and not by us: the machine ran out of memory, or a person did it.
	ErrKilled = errors.New("program was killed")
)

// Command is one run of a program.
type Command struct {
	Path      string        // of the program, as [Find] returned it
	Args      []string      // without the program's name
	Stdin     io.Reader     // nil: nothing to read
	Files     []*os.File    // further open files; the program finds them at [FilePath]
	Dir       string        // working directory; empty: ours
	Timeout   time.Duration // wall time; 0: none but the context's
	CPU       time.Duration // CPU time, rounded up to seconds; 0: unlimited
	Memory    int64         // address space in bytes, where the system can limit it (Linux); 0: unlimited
	FileSize  int64         // largest file it may write in bytes, rounded up to 512; 0: unlimited, negative: it may write none
	MaxOutput int           // bytes of standard output; more is an error
}

// FilePath is where a program finds the i-th of its [Command.Files], counted from 0. It works for files that have no name any more:
// what was removed before it was written leaves nothing behind, however we or the program end.
func FilePath(i int) string { return fmt.Sprintf("/dev/fd/%d", 3+i) }

// Find looks a program up: a path, or a name that is searched for in PATH. The error wraps [ErrMissing] and says how to install
// it; setting is the environment variable that may name another path, pkg the package of Debian and Homebrew.
func Find(name, setting, pkg string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%q was not found; install it (Debian: apt-get install %s; macOS: brew install %s) or set %s to its path: %w",
			name, pkg, pkg, setting, ErrMissing)
	}
	return path, nil
}

// stderrLimit keeps the end of a long complaint: the last lines say why a program gave up.
const stderrLimit = 2 << 10

// Run runs the command and returns its standard output, also beside an error: what was written until then. Errors wrap
// [ErrMissing], [ErrTimeout], [ErrLimit] or [ErrKilled], or are the context's error, or carry the program's own last words.
func Run(ctx context.Context, c Command) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if _, err := os.Stat(c.Path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", c.Path, ErrMissing)
	}
	run, cancel := context.WithCancel(ctx)
	if c.Timeout > 0 {
		run, cancel = context.WithTimeout(ctx, c.Timeout)
	}
	defer cancel()
	out, complaint := &head{limit: c.MaxOutput, full: cancel}, &tail{limit: stderrLimit}
	cmd := exec.CommandContext(run, "/bin/sh", append([]string{"-c", limits(c) + `exec "$0" "$@"`, c.Path}, c.Args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Dir, cmd.ExtraFiles = c.Stdin, out, complaint, c.Dir, c.Files
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	return out.buf, explain(ctx, run, c, cmd.ProcessState, err, out, complaint)
}

// limits is the shell's part: its ulimit takes seconds, units of 512 bytes and of 1024. Where a limit is not known, as memory on
// macOS, the program runs without it.
func limits(c Command) string {
	set := "ulimit -c 0; "
	if c.CPU > 0 {
		set += fmt.Sprintf("ulimit -t %d || :; ", wholeSeconds(c.CPU)/time.Second)
	}
	if c.FileSize != 0 {
		set += fmt.Sprintf("ulimit -f %d || :; ", (max(c.FileSize, 0)+511)/512)
	}
	if c.Memory > 0 {
		set += fmt.Sprintf("ulimit -v %d 2>/dev/null || :; ", c.Memory/1024)
	}
	return set
}

// explain turns what a run ended with into the error its caller sees.
func explain(ctx, run context.Context, c Command, state *os.ProcessState, err error, out *head, complaint *tail) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case out.over:
		return fmt.Errorf("%s: more than %d bytes of output: %w", c.Path, c.MaxOutput, ErrLimit)
	case run.Err() != nil:
		return fmt.Errorf("%s: %w", c.Path, ErrTimeout)
	case err == nil:
		return nil
	}
	if cause := killed(c, state); cause != nil {
		return fmt.Errorf("%s: %w: %w", c.Path, err, cause)
	}
	if said := strings.TrimSpace(complaint.String()); said != "" {
		return fmt.Errorf("%s: %w: %s", c.Path, err, said)
	}
	return fmt.Errorf("%s: %w", c.Path, err)
}

// killed says why a program was killed; nil when it was not. The kernel sends SIGKILL both at the hard limit of CPU time, which is
// the soft one here, so that no program can put it off, and when memory is short: the time that was used tells which. Half will do:
// the kernel counts whole ticks against the limit and reports less of them on a busy machine.
func killed(c Command, state *os.ProcessState) error {
	if state == nil {
		return nil
	}
	st, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !st.Signaled() {
		return nil
	}
	switch st.Signal() {
	case syscall.SIGXCPU, syscall.SIGXFSZ:
		return ErrLimit
	case syscall.SIGKILL:
		if used := state.UserTime() + state.SystemTime(); c.CPU > 0 && used >= wholeSeconds(c.CPU)/2 {
			return ErrLimit
		}
		return ErrKilled
	default:
		return nil
	}
}

func wholeSeconds(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}

// head keeps the first bytes that are written; when there are more, it fails and says so. A program may ignore that its
// pipe is closed, so it has to be ended.
type head struct {
	buf   []byte // no bytes.Buffer inside: io.Copy would find its ReadFrom and read without a limit
	limit int
	over  bool
	full  func()
}

// Write implements io.Writer.
func (h *head) Write(p []byte) (int, error) {
	if len(h.buf)+len(p) > h.limit {
		h.over = true
		h.full()
		return 0, ErrLimit
	}
	h.buf = append(h.buf, p...)
	return len(p), nil
}

// tail keeps the last bytes that are written.
type tail struct {
	limit int
	buf   []byte
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if extra := len(t.buf) - t.limit; extra > 0 {
		t.buf = append(t.buf[:0], t.buf[extra:]...)
	}
	return len(p), nil
}

// String returns what was kept.
func (t *tail) String() string { return string(t.buf) }
