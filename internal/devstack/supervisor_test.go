package devstack_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/devstack"
)

// sentences collects what a supervisor says.
type sentences struct {
	mu  sync.Mutex
	all []string
}

func (s *sentences) say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, text)
}

func (s *sentences) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.all, "\n")
}

func TestSupervisorStartsADeadProcessAgain(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var said sentences
	changed := make(chan struct{}, 10)
	s := devstack.NewSupervisor(said.say, func() { changed <- struct{}{} })
	p := devstack.NewProcess(script("worker-tts", "exec sleep 60"))
	if err := s.Start(ctx, p); err != nil {
		t.Fatal(err)
	}
	first := p.PID()
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changed:
	case <-time.After(10 * time.Second):
		t.Fatalf("it was not started again; the supervisor said:\n%s", said.String())
	}
	if p.PID() == 0 || p.PID() == first {
		t.Errorf("pid = %d after the restart, %d before", p.PID(), first)
	}
	want := "worker-tts died (signal: killed), starting it again in 0.5 s\nworker-tts runs again"
	if diff := cmp.Diff(want, said.String()); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}

	cancel()
	s.Wait()
	p.Stop(t.Context())
	if p.PID() != 0 {
		t.Error("the process was started again after its supervisor ended")
	}
}

func TestSupervisorWaitsLongerEachTime(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var said sentences
	deaths := make(chan struct{}, 10)
	s := devstack.NewSupervisor(said.say, func() { deaths <- struct{}{} })
	if err := s.Start(ctx, devstack.NewProcess(script("flaky", "exit 7"))); err != nil {
		t.Fatal(err)
	}
	<-deaths
	<-deaths
	cancel()
	s.Wait()
	for _, want := range []string{"flaky died (exit status 7), starting it again in 0.5 s", "starting it again in 1 s"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("said:\n%s\nwant %q among it", said.String(), want)
		}
	}
}

func TestSupervisorGivesUpAFirstStart(t *testing.T) {
	t.Parallel()
	starts := tempDir(t) + "/starts"
	cmd := script("api", "echo no model >&2; echo x >>"+starts+"; exit 1")
	cmd.Ready = func(context.Context) error { return errors.New("refused") }
	var said sentences
	s := devstack.NewSupervisor(said.say, nil)
	err := s.Start(t.Context(), devstack.NewProcess(cmd))
	var failed *devstack.StartError
	if !errors.As(err, &failed) {
		t.Fatalf("Start = %v, want a StartError", err)
	}
	if failed.Why != "exit status 1" || !strings.Contains(strings.Join(failed.Tail, "\n"), "no model") {
		t.Errorf("StartError = %+v, want the exit status and the last lines", failed)
	}
	b, err := os.ReadFile(starts)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(b, []byte("x")); n != 5 {
		t.Errorf("it was started %d times, want 5", n)
	}
}

func TestSupervisorTakesAFinalExitForFinal(t *testing.T) {
	t.Parallel()
	var said sentences
	s := devstack.NewSupervisor(said.say, nil)
	cmd := script("api", "echo no model; exit 78")
	cmd.FinalExit = 78
	cmd.Ready = func(context.Context) error { return errors.New("refused") }
	err := s.Start(t.Context(), devstack.NewProcess(cmd))
	if failed, ok := errors.AsType[*devstack.StartError](err); !ok || !failed.Final || said.String() != "" {
		t.Errorf("Start = %v after saying %q, want a final StartError and nothing said", err, said.String())
	}

	// The same of one that ran, died, and ends that way when it is started again.
	died := tempDir(t) + "/died"
	cmd = script("api", "test ! -e "+died+" || exit 78; touch "+died+"; exec sleep 60")
	cmd.FinalExit = 78
	cmd.Ready = func(context.Context) error { _, err := os.Stat(died); return err }
	p := devstack.NewProcess(cmd)
	if err := s.Start(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-s.Failed():
		if failed, ok := errors.AsType[*devstack.StartError](err); !ok || !failed.Final || failed.Name != "api" {
			t.Errorf("Failed() gave %v, want a final StartError of api", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("the end was not taken for final; the supervisor said:\n%s", said.String())
	}
	s.Wait() // it keeps nothing any more
}

func TestPrinter(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := devstack.NewPrinter(&out, false, "api", "worker-tts")
	p.For(0, "api")("listening")
	p.For(1, "worker-tts")("ready")
	want := "api        | listening\nworker-tts | ready\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}

	out.Reset()
	devstack.NewPrinter(&out, true, "api").For(0, "api")("listening")
	if got := out.String(); got != "\x1b[36mapi |\x1b[0m listening\n" {
		t.Errorf("printed in colour %q", got)
	}
}
