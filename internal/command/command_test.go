package command_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"oktalk/internal/command"
)

// sh is a run of a shell script.
func sh(script string) command.Command {
	return command.Command{Path: "/bin/sh", Args: []string{"-c", script}, MaxOutput: 1000}
}

func TestRun(t *testing.T) {
	t.Parallel()
	c := sh("cat; pwd; env | grep -c HOME")
	c.Stdin, c.Dir = strings.NewReader("in\n"), "/"
	out, err := command.Run(t.Context(), c)
	if string(out) != "in\n/\n0\n" || err == nil { // grep -c says 1 when it counts 0
		t.Errorf("Run = %q, %v", out, err)
	}
}

func TestRunErrors(t *testing.T) {
	t.Parallel()
	slow := sh("while :; do :; done")
	slow.Timeout = 50 * time.Millisecond
	chatty := sh("while :; do echo chatter; done")
	for name, tc := range map[string]struct {
		c    command.Command
		want error
	}{
		"missing": {command.Command{Path: "/nonexistent/program"}, command.ErrMissing},
		"slow":    {slow, command.ErrTimeout},
		"chatty":  {chatty, command.ErrLimit},
	} {
		if _, err := command.Run(t.Context(), tc.c); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	long := sh("i=0; while [ $i -lt 1000 ]; do echo noise >&2; i=$((i+1)); done; echo the reason >&2; exit 3")
	if _, err := command.Run(t.Context(), long); err == nil || !strings.HasSuffix(err.Error(), "the reason") || len(err.Error()) > 3000 {
		t.Errorf("error %v, want it to end with the program's last words", err)
	}
}

func TestRunLimits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	busy := sh("while :; do :; done")
	busy.CPU = time.Second
	writer := sh("echo more > file")
	writer.Dir, writer.FileSize = dir, -1
	for name, c := range map[string]command.Command{"CPU": busy, "file size": writer} {
		if _, err := command.Run(t.Context(), c); !errors.Is(err, command.ErrLimit) {
			t.Errorf("%s: %v, want a limit", name, err)
		}
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "file")); len(b) > 0 {
		t.Errorf("%d bytes were written", len(b))
	}
	shot := sh("kill -KILL $$")
	shot.CPU = time.Minute
	if _, err := command.Run(t.Context(), shot); !errors.Is(err, command.ErrKilled) || errors.Is(err, command.ErrLimit) {
		t.Errorf("killed from outside: %v, want ErrKilled", err)
	}
	if runtime.GOOS == "linux" { // elsewhere address space cannot be limited
		hungry := sh("i=0; x=x; while [ $i -lt 28 ]; do x=$x$x; i=$((i+1)); done")
		hungry.Memory = 64 << 20
		if _, err := command.Run(t.Context(), hungry); err == nil {
			t.Error("memory: no error")
		}
	}
}

// TestRunFiles gives the program files without a name, to read and to write.
func TestRunFiles(t *testing.T) {
	t.Parallel()
	var files []*os.File
	for _, content := range []string{"in\n", ""} {
		f, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		if err := errors.Join(os.Remove(f.Name()), write(f, content)); err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	c := sh(`read -r line < "$1"; printf "$line and out" > "$2"`)
	c.Args, c.Files = append(c.Args, "sh", command.FilePath(0), command.FilePath(1)), files
	if _, err := command.Run(t.Context(), c); err != nil {
		t.Errorf("Run = %v", err)
	}
	got := make([]byte, 10)
	if n, err := files[1].ReadAt(got, 0); string(got[:n]) != "in and out" {
		t.Errorf("the program wrote %q, %v", got[:n], err)
	}
}

func write(f *os.File, content string) error {
	_, err := f.WriteString(content)
	return err
}

// TestRunKillsGroup leaves no child of a cancelled program behind.
func TestRunKillsGroup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := sh("(while :; do :; done) & echo $! > child.tmp; mv child.tmp child; wait")
	c.Dir = dir
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := command.Run(ctx, c)
		done <- err
	}()
	pid := await(t, filepath.Join(dir, "child"))
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want it cancelled", err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for !gone(pid) {
		if time.Now().After(deadline) {
			t.Fatalf("child %d still runs", pid)
		}
		runtime.Gosched()
	}
}

// await reads a process id from a file as soon as there is one.
func await(t *testing.T, path string) int {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		if b, err := os.ReadFile(path); err == nil {
			pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
		runtime.Gosched()
	}
	t.Fatal("the child did not start in 10 s")
	return 0
}

// gone reports whether a process has ended; one that nobody has waited for yet counts.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(stat), ") Z ")
}

func TestFind(t *testing.T) {
	t.Parallel()
	if path, err := command.Find("sh", "SHELL_PATH", "dash"); err != nil || !filepath.IsAbs(path) {
		t.Errorf("Find(sh) = %q, %v", path, err)
	}
	_, err := command.Find("no-such-program", "NO_SUCH_PATH", "no-such-package")
	if !errors.Is(err, command.ErrMissing) || !strings.Contains(err.Error(), "apt-get install no-such-package") || !strings.Contains(err.Error(), "NO_SUCH_PATH") {
		t.Errorf("Find = %v, want it to say what to install and to set", err)
	}
}
