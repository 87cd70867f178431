package devstack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// notePID writes the running process and its identity to a pid file.
func notePID(file string, pid int) error {
	if file == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return os.WriteFile(file, fmt.Appendf(nil, "%d\n%s\n", pid, processIdentity(pid)), 0o600)
}

// notedPID reads a pid file and returns the process in it if that very process still runs, else 0.
func notedPID(file string) (int, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	first, identity, _ := strings.Cut(string(b), "\n")
	pid, _ := strconv.Atoi(first) // 0 after a write cut short: nothing to go by
	if pid <= 1 {
		return 0, nil
	}
	now := processIdentity(pid)
	if now == "" || now != strings.TrimSpace(identity) {
		return 0, nil
	}
	return pid, nil
}

// stopLeftover stops the process of an earlier parent that did not live to do it.
func stopLeftover(ctx context.Context, cmd Command) error {
	if cmd.PIDFile == "" {
		return nil
	}
	pid, err := notedPID(cmd.PIDFile)
	if err != nil {
		return fmt.Errorf("look for an earlier %s: %w", cmd.Name, err)
	}
	if pid == 0 {
		return nil
	}
	if err := stopPID(ctx, pid, cmd.StopSignal, cmd.StopGrace); err != nil {
		return fmt.Errorf("stop an earlier %s: %w", cmd.Name, err)
	}
	return nil
}

// stopPID stops a process that is not our child: politely, then by force. It has nobody else to stop it, so a frozen one
// is resumed first.
func stopPID(ctx context.Context, pid int, signal syscall.Signal, grace time.Duration) error {
	resumeTree(pid)
	_ = syscall.Kill(pid, signal)
	if gone(ctx, pid, grace) {
		return nil
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	if gone(ctx, pid, killWait) {
		return nil
	}
	return fmt.Errorf("process %d does not end; stop it by hand: kill -9 %d", pid, pid)
}

// gone waits until a process has ended.
func gone(ctx context.Context, pid int, limit time.Duration) bool {
	return poll(ctx, limit, func() bool { return processIdentity(pid) == "" })
}

// poll waits until cond holds and reports whether it did within limit.
func poll(ctx context.Context, limit time.Duration, cond func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for !cond() {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

// descendants lists the children of a process, their children and so on.
func descendants(pid int) []int {
	children := map[int][]int{}
	for child, parent := range processTable() {
		children[parent] = append(children[parent], child)
	}
	var all []int
	for next := children[pid]; len(next) > 0; next = next[1:] {
		all = append(all, next[0])
		next = append(next, children[next[0]]...)
	}
	return all
}

// StopLeftovers stops all processes of an earlier parent that did not live to do it, each in its own way. [Process.Start] does so for
// its own; this is for a folder that is to be removed, and for addresses that are to be looked at before anything is started.
func (s *State) StopLeftovers(ctx context.Context) error {
	files, err := filepath.Glob(s.Path("run", "*.pid"))
	if err != nil {
		return err
	}
	for _, file := range files {
		cmd := Command{Name: strings.TrimSuffix(filepath.Base(file), ".pid"), PIDFile: file, StopSignal: syscall.SIGTERM, StopGrace: defaultStopGrace}
		if cmd.Name == "postgres" {
			cmd.StopSignal = syscall.SIGINT // SIGTERM waits for its clients
		}
		if err := stopLeftover(ctx, cmd); err != nil {
			return err
		}
	}
	return nil
}
