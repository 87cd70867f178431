package process_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"oktalk/internal/process"
	"oktalk/internal/settings"
)

// TestMain lets the test program play a process whose exit code is to be seen.
func TestMain(m *testing.M) {
	if os.Getenv("PROCESS_TEST_MAIN") == "" {
		os.Exit(m.Run())
	}
	os.Exit(process.Main("worker-test", "runs the test", load, func(settings.WorkerFeedback, *process.Process) (process.Parts, error) {
		fails := func(context.Context) error { return errors.New("out of luck") }
		return process.Parts{Run: []process.Part{fails}}, nil
	}))
}

// load is settings of servers that are away.
func load(environ []string) (settings.WorkerFeedback, error) {
	return settings.Load[settings.WorkerFeedback](append([]string{
		"DATABASE_URL=postgres://nobody@127.0.0.1:1/none", "REDIS_URL=redis://127.0.0.1:1/0", "METRICS_ADDR=off",
	}, environ...))
}

func none(settings.WorkerFeedback, *process.Process) (process.Parts, error) {
	return process.Parts{}, nil
}

func TestExecuteRunsPartsAndClosesThem(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var order []string
	assemble := func(_ settings.WorkerFeedback, p *process.Process) (process.Parts, error) {
		waits := func(ctx context.Context) error {
			cancel() // as a signal would
			<-ctx.Done()
			order = append(order, "ended")
			return ctx.Err()
		}
		return process.Parts{Run: []process.Part{waits}, Close: func() { order = append(order, "closed") }}, nil
	}
	var log bytes.Buffer
	if err := process.Execute(ctx, "worker-test", nil, &log, load, assemble); err != nil {
		t.Errorf("Execute() = %v after the end of its context, want nil", err)
	}
	if got := strings.Join(order, ", "); got != "ended, closed" {
		t.Errorf("order = %s, want ended, closed", got)
	}
	if !strings.Contains(log.String(), "stopped") {
		t.Errorf("the log does not say that it stopped:\n%s", log.String())
	}
}

func TestExecuteTellsSetupFromFailure(t *testing.T) {
	t.Parallel()
	unlucky := errors.New("out of luck")
	closed := false
	tests := []struct {
		name     string
		environ  []string
		assemble func(settings.WorkerFeedback, *process.Process) (process.Parts, error)
		setup    bool
		want     string
	}{
		{"a setting is wrong", []string{"LOG_FORMAT=xml"}, none, true, "LOG_FORMAT"},
		{"a part cannot be made", nil, func(settings.WorkerFeedback, *process.Process) (process.Parts, error) {
			return process.Parts{Close: func() { closed = true }}, unlucky
		}, true, "out of luck"},
		{"a part fails", nil, func(settings.WorkerFeedback, *process.Process) (process.Parts, error) {
			return process.Parts{Run: []process.Part{func(context.Context) error { return unlucky }}}, nil
		}, false, "out of luck"},
	}
	for _, tt := range tests {
		err := process.Execute(t.Context(), "worker-test", tt.environ, io.Discard, load, tt.assemble)
		_, setup := errors.AsType[*process.SetupError](err)
		if err == nil || setup != tt.setup || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Execute() = %v (setup %v), want %q (setup %v)", tt.name, err, setup, tt.want, tt.setup)
		}
	}
	if !closed {
		t.Error("what was made before another part could not be made was not closed")
	}
}

func TestMainExitCodes(t *testing.T) {
	t.Parallel()
	for env, want := range map[string]int{"LOG_FORMAT=xml": process.ExitSetup, "LOG_FORMAT=json": 1} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "PROCESS_TEST_MAIN=1", env)
		var complaint bytes.Buffer
		cmd.Stderr = &complaint
		err := cmd.Run()
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok || exit.ExitCode() != want || !strings.HasPrefix(complaint.String(), "worker-test: ") {
			t.Errorf("with %s the process ended with %v and complained %q, want exit code %d", env, err, complaint.String(), want)
		}
	}
}

func TestMainAnswersItsArguments(t *testing.T) {
	t.Parallel()
	tests := []struct {
		args              []string
		code              int
		wantOut, wantErrs string // parts of them; empty: nothing at all
	}{
		{[]string{"--help"}, 0, "worker-test runs the test.\nRun it without arguments", ""},
		{[]string{"-h"}, 0, ".env.example", ""},
		{[]string{"help"}, 0, "78 when it cannot run as it is set up", ""},
		{[]string{"--version"}, 0, "worker-test ", ""},
		{[]string{"serve"}, 2, "", `worker-test: it takes no argument such as "serve"`},
		{[]string{"--port", "80"}, 2, "", "worker-test --help"},
	}
	for _, tt := range tests {
		cmd := exec.Command(os.Args[0], tt.args...)
		cmd.Env = append(os.Environ(), "PROCESS_TEST_MAIN=1", "LOG_FORMAT=xml") // would end it with 78 if it started
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); cmd.ProcessState.ExitCode() != tt.code {
			t.Errorf("%q: %v, want exit code %d", tt.args, err, tt.code)
		}
		for _, o := range []struct{ name, got, want string }{{"stdout", out.String(), tt.wantOut}, {"stderr", errs.String(), tt.wantErrs}} {
			if o.want == "" && o.got != "" || !strings.Contains(o.got, o.want) {
				t.Errorf("%q: %s is %q, want %q", tt.args, o.name, o.got, o.want)
			}
		}
	}
}
