package devstack_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/devstack"
)

// TestMain lets the test program play the parent that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("DEVSTACK_TEST_PARENT"); dir != "" {
		parent(dir)
		return
	}
	os.Exit(m.Run())
}

// parent starts a stack in dir, reports its processes and waits to be killed.
func parent(dir string) {
	state, err := devstack.OpenState(dir)
	if err != nil {
		panic(err)
	}
	stack, err := devstack.Start(context.Background(), config(state))
	if err != nil {
		panic(err)
	}
	pids := []int{}
	for _, p := range stack.Processes() {
		pids = append(pids, p.PID())
	}
	_ = json.NewEncoder(os.Stdout).Encode(pids)
	select {}
}

func itoa(n int) string { return strconv.Itoa(n) }

// running reports whether a process runs. A zombie has ended and merely was not waited for; in a container nobody may do
// that.
func running(pid int) bool { return syscall.Kill(pid, 0) == nil && !zombie(pid) }

func zombie(pid int) bool {
	out, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return strings.Contains(string(out), ") Z ")
}

func TestChildrenOfAKilledParentAreGone(t *testing.T) {
	t.Parallel()
	needServers(t)
	dir := tempDir(t)
	pids := killedParent(t, dir)
	if runtime.GOOS == "linux" { // the kernel ends them; elsewhere the next start does
		eventually(t, "the children have ended", func() bool { return !slices.ContainsFunc(pids, running) })
	}

	// The next start must work at once, whatever the old servers are still doing.
	stack := start(t, config(openState(t, dir)))
	for _, pid := range pids {
		if running(pid) {
			t.Errorf("process %d outlived its parent and the next start", pid)
		}
	}
	if got := querySQL(t, stack, `SELECT 'a'`); got != "a" {
		t.Errorf("PostgreSQL answers %q", got)
	}
}

// killedParent runs parent, kills it without warning and returns its children.
func killedParent(t *testing.T, dir string) []int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "DEVSTACK_TEST_PARENT="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []int
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&pids); err != nil || len(pids) != 3 {
		t.Fatalf("parent reports %v, %v; want three processes", pids, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	return pids
}

// script is a process that runs a shell script.
func script(name, text string) devstack.Command {
	return devstack.Command{Name: name, Path: "/bin/sh", Args: []string{"-c", text}}
}

func TestProcessOutputAndEnd(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var lines []string
	cmd := script("talker", "echo one; echo two >&2; exit 3")
	cmd.Output = func(l string) { mu.Lock(); defer mu.Unlock(); lines = append(lines, l) }
	p := devstack.NewProcess(cmd)
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if p.Why() != "exit status 3" {
		t.Errorf("Why = %q, want exit status 3", p.Why())
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff([]string{"one", "two"}, lines); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(lines, p.Tail()); diff != "" {
		t.Errorf("tail (-want +got):\n%s", diff)
	}
}

func TestProcessNotReadyIsStopped(t *testing.T) {
	t.Parallel()
	cmd := script("slow", "echo waiting; exec sleep 60")
	cmd.Ready = func(context.Context) error { return errors.New("not yet") }
	cmd.ReadyTimeout = 200 * time.Millisecond
	p := devstack.NewProcess(cmd)
	err := p.Start(t.Context())
	var failed *devstack.StartError
	if !errors.As(err, &failed) || !failed.TimedOut || !strings.Contains(failed.Why, "not yet") {
		t.Errorf("Start = %v, want a StartError that timed out and says not yet", err)
	}
	if p.PID() != 0 {
		t.Errorf("process %d still runs", p.PID())
	}
}

func TestProcessThatIgnoresStopIsKilledWithWhatItStarted(t *testing.T) {
	t.Parallel()
	file := tempDir(t) + "/grandchild"
	cmd := script("stubborn", `trap "" TERM; sleep 60 & echo $! >`+file+`.new; mv `+file+`.new `+file+`; while :; do wait; done`)
	cmd.StopGrace = 100 * time.Millisecond
	cmd.Ready = func(context.Context) error { _, err := os.Stat(file); return err }
	p := devstack.NewProcess(cmd)
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.Stop(t.Context())
	if p.Why() != "signal: killed" {
		t.Errorf("Why = %q, want signal: killed", p.Why())
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the grandchild is gone", func() bool { return !running(pid) })
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(15 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited 15 s in vain until %s", what)
		}
	}
}
