// Package command runs an outside program bounded in time, memory and output.
//
// A program gets no shell, no terminal and none of our environment but PATH. It runs in a process group of its own, which
// is killed as a whole when the context ends or the time is up, so that nothing it started stays behind.
package command

import (
	"bytes"
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
)

// Command is one run of a program.
type Command struct {
	Path      string        // of the program, as [Find] returned it
	Args      []string      // without the program's name
	Stdin     io.Reader     // nil: nothing to read
	Dir       string        // working directory; empty: ours
	Timeout   time.Duration // wall time; 0: none but the context's
	CPU       time.Duration // CPU time, rounded up to seconds; 0: unlimited. Linux only
	Memory    int64         // address space in bytes; 0: unlimited. Linux only
	FileSize  int64         // largest file it may write in bytes; 0: unlimited, negative: it may write none. Linux only
	MaxOutput int           // bytes of standard output; more is an error
}

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
// [ErrMissing], [ErrTimeout] or [ErrLimit], or are the context's error, or carry the program's own last words.
func Run(ctx context.Context, c Command) ([]byte, error) {
	run := ctx
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		run, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	out, complaint := &head{limit: c.MaxOutput}, &tail{limit: stderrLimit}
	cmd := exec.CommandContext(run, c.Path, c.Args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Dir = c.Stdin, out, complaint, c.Dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := start(cmd, c)
	if err == nil {
		err = cmd.Wait()
	}
	return out.Bytes(), explain(ctx, run, cmd, err, out, complaint)
}

// start starts the program and limits it at once. The limits come a moment after the start, which is soon enough: they are
// against runaway work, not against the program itself.
func start(cmd *exec.Cmd, c Command) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := limit(cmd.Process.Pid, c); err != nil && !errors.Is(err, syscall.ESRCH) {
		_ = cmd.Cancel()
		_ = cmd.Wait()
		return fmt.Errorf("limit %s: %w", cmd.Path, err)
	}
	return nil
}

// explain turns what a run ended with into the error its caller sees.
func explain(ctx, run context.Context, cmd *exec.Cmd, err error, out *head, complaint *tail) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w", cmd.Path, ErrMissing)
	case run.Err() != nil:
		return fmt.Errorf("%s: %w", cmd.Path, ErrTimeout)
	case out.over:
		return fmt.Errorf("%s: more than %d bytes of output: %w", cmd.Path, out.limit, ErrLimit)
	case err == nil:
		return nil
	case killed(cmd):
		return fmt.Errorf("%s: %w: %w", cmd.Path, err, ErrLimit)
	}
	if said := strings.TrimSpace(complaint.String()); said != "" {
		return fmt.Errorf("%s: %w: %s", cmd.Path, err, said)
	}
	return fmt.Errorf("%s: %w", cmd.Path, err)
}

// killed reports whether the kernel ended the program for a limit.
func killed(cmd *exec.Cmd) bool {
	if cmd.ProcessState == nil {
		return false
	}
	st, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && st.Signaled() && (st.Signal() == syscall.SIGXCPU || st.Signal() == syscall.SIGXFSZ || st.Signal() == syscall.SIGKILL)
}

// head keeps the first bytes that are written and fails when there are more.
type head struct {
	bytes.Buffer
	limit int
	over  bool
}

// Write implements io.Writer.
func (h *head) Write(p []byte) (int, error) {
	if h.Len()+len(p) > h.limit {
		h.over = true
		return 0, ErrLimit
	}
	return h.Buffer.Write(p)
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
