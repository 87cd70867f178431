package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"oktalk/internal/client"
	"oktalk/internal/evaluation"
	"oktalk/internal/testkit"
)

// dev is a running oktalk dev.
type dev struct {
	cmd    *exec.Cmd
	state  string
	ended  chan error
	mu     sync.Mutex
	output bytes.Buffer // guarded by mu
}

// Write collects the output.
func (d *dev) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.output.Write(p)
}

func (d *dev) said() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.output.String()
}

// startDev runs oktalk dev until it says that it is ready.
func startDev(t *testing.T, state, addr string) *dev {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	d := &dev{state: state, ended: make(chan error, 1)}
	d.cmd = exec.Command(filepath.Join(dir, "oktalk"), "dev", "--state-dir", state, "--postgres-dir", filepath.Join(state, "postgres"), "--api-addr", addr)
	d.cmd.Stdout, d.cmd.Stderr = d, d
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { d.ended <- d.cmd.Wait() }()
	t.Cleanup(func() { d.stop(t) })
	testkit.WaitFor(t, 2*time.Minute, "oktalk dev to be ready", func() bool {
		if d.cmd.ProcessState != nil {
			t.Fatalf("oktalk dev ended:\n%s", d.said())
		}
		return strings.Contains(d.said(), "OKTalk is ready")
	})
	return d
}

// stop ends it as Ctrl-C does and checks that it took everything with it.
func (d *dev) stop(t *testing.T) {
	t.Helper()
	if d.cmd.ProcessState != nil {
		return
	}
	pids := d.processes(t)
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := <-d.ended; err != nil {
		t.Errorf("oktalk dev ended with %v:\n%s", err, d.said())
	}
	for name, pid := range pids {
		if err := syscall.Kill(pid, 0); err == nil {
			t.Errorf("%s (%d) outlives oktalk dev", name, pid)
		}
	}
	if _, err := os.Stat(filepath.Join(d.state, "dev.json")); err == nil {
		t.Error("dev.json is still there")
	}
}

// processes reads dev.json.
func (d *dev) processes(t *testing.T) map[string]int {
	t.Helper()
	var file struct {
		Processes []struct {
			Name string
			PID  int
		}
	}
	if err := json.Unmarshal(contents(t, filepath.Join(d.state, "dev.json")), &file); err != nil {
		t.Fatal(err)
	}
	pids := map[string]int{}
	for _, p := range file.Processes {
		pids[p.Name] = p.PID
	}
	return pids
}

func (d *dev) client(t *testing.T) *client.Client {
	t.Helper()
	stack, err := client.FindStack(filepath.Dir(d.state))
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(stack.URL, stack.Key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The newcomer's path: start, hear a demo, lose every process, stop, start again with the data kept.
func TestDevStack(t *testing.T) {
	t.Parallel()
	testkit.Servers(t) // so that -short skips it and a missing program is named
	state, addr := filepath.Join(openDir(t), ".oktalk"), freeAddr(t)
	d := startDev(t, state, addr)
	c := d.client(t)
	ids := []string{devDemo(t, d, c)}
	for _, name := range []string{"worker-feedback", "worker-tts", "api", "redis", "s3", "postgres"} {
		before := d.processes(t)[name]
		if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
			t.Fatalf("kill %s: %v", name, err)
		}
		testkit.WaitFor(t, time.Minute, name+" to be started again", func() bool {
			pid := d.processes(t)[name]
			return pid != 0 && pid != before
		})
		if !strings.Contains(d.said(), name+" died (signal: killed)") {
			t.Errorf("the death of %s is not said", name)
		}
		testkit.WaitFor(t, time.Minute, "the API to be ready", func() bool { return get(context.Background(), c.URL()+"/readyz") == nil })
		ids = append(ids, devDemo(t, d, c))
	}
	d.stop(t)

	d = startDev(t, state, addr)
	c = d.client(t)
	for _, id := range ids {
		if v, err := c.Get(t.Context(), id); err != nil || v.Status != evaluation.StatusCompleted {
			t.Errorf("after a second start Get(%s) = %s, %v, want completed", id, v.Status, err)
		}
	}
}

// openDir makes a folder that user postgres can pass through when root runs the tests.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "oktalk-e2e-dev-") //nolint:usetesting // t.TempDir keeps others out
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // see above
		t.Fatal(err)
	}
	return dir
}

// devDemo posts a recording and follows it to its end.
func devDemo(t *testing.T, d *dev, c *client.Client) string {
	t.Helper()
	v, err := c.Create(t.Context(), client.Recording{Audio: contents(t, filepath.Join(d.state, "sample.wav")), TargetText: "I like apples", Demo: "always"})
	if err != nil {
		t.Fatalf("Create() = %v\n%s", err, d.said())
	}
	checkMessages(t, v.ID, follow(t, c, v.ID))
	checkDone(t, c, v.ID)
	return v.ID
}
