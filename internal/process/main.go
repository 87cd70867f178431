package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"oktalk/internal/telemetry"
)

// ExitSetup is the exit code of a process that cannot run as it is set up: a setting is wrong, a program or a model is missing. Starting
// it again before somebody has changed that is no use. It is EX_CONFIG of sysexits.h, which systemd and others know.
const ExitSetup = 78

// Settings are a process's settings. A struct that embeds [Config] has them.
type Settings interface{ Shared() Config }

// Shared implements [Settings].
func (c Config) Shared() Config { return c }

// Parts are what a process has beside those of all processes.
type Parts struct {
	Run    []Part            // run until the end, side by side
	Checks []telemetry.Check // for readiness, beside PostgreSQL and Redis
	Close  func()            // called when all have ended; may be nil
}

// SetupError is a process that cannot run as it is set up.
type SetupError struct{ Err error }

// Error implements error.
func (e *SetupError) Error() string { return e.Err.Error() }

// Unwrap implements the chain of errors.
func (e *SetupError) Unwrap() error { return e.Err }

// Main is all of a process but its exit: it runs it until a signal comes and returns the exit code, [ExitSetup] if it cannot run as it is
// set up, and 1 after any other failure. With arguments nothing runs: help and version are told, others refused with 2. What the process
// does, as "writes coaching texts", goes on after its name in the help.
func Main[S Settings](
	name, does string, load func(environ []string) (S, error), assemble func(cfg S, p *Process) (Parts, error),
) (code int) {
	if code, answered := arguments(name, does, os.Args[1:], os.Stdout, os.Stderr); answered {
		return code
	}
	err := Execute(context.Background(), name, os.Environ(), os.Stdout, load, assemble)
	if err == nil {
		return 0
	}
	_, _ = fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	if _, ok := errors.AsType[*SetupError](err); ok {
		return ExitSetup
	}
	return 1
}

// CollectLess makes a process that keeps little in memory, as workers do, collect garbage when its memory is five times what it keeps
// instead of twice: some ten megabytes for a tenth of its computing (measured by `make bench`). GOGC, when it is set, decides instead.
func CollectLess() {
	const percent = 400
	if os.Getenv("GOGC") == "" { //nolint:forbidigo // it is a setting of Go's, not of ours
		debug.SetGCPercent(percent)
	}
}

// Execute runs a process until ctx ends or a signal comes, and drains then. A second signal ends the program at once. What load and
// assemble complain of is a [*SetupError]: neither waits for servers.
func Execute[S Settings](
	ctx context.Context, name string, environ []string, stdout io.Writer,
	load func(environ []string) (S, error), assemble func(cfg S, p *Process) (Parts, error),
) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	cfg, err := load(environ)
	if err != nil {
		return &SetupError{err}
	}
	p, err := Open(ctx, name, cfg.Shared(), stdout)
	if err != nil {
		return &SetupError{err}
	}
	defer p.Close()
	parts, err := assemble(cfg, p)
	if parts.Close != nil {
		defer parts.Close()
	}
	if err != nil {
		return &SetupError{err}
	}
	return p.Run(ctx, parts.Checks, parts.Run...)
}
