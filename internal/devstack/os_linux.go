package devstack

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// processAttributes gives the child a process group of its own and lets the kernel end it when we die.
func processAttributes(cmd Command) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: cmd.DeathSignal, Credential: credential(cmd.User)}
}

// processIdentity names a process for good: its start time since boot (field 22 of proc_pid_stat(5)) and the boot. It is
// empty when there is no such process or it is a zombie.
func processIdentity(pid int) string {
	fields := statFields(pid)
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return fields[19] + " " + strings.TrimSpace(string(boot))
}

// statFields are the fields of /proc/<pid>/stat from the third, the state, on. The second may contain spaces.
func statFields(pid int) []string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
}

// commandLine is the command line of a process, empty when there is none.
func commandLine(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return string(bytes.ReplaceAll(b, []byte{0}, []byte{' '}))
}

// processTable maps each process to its parent.
func processTable() map[int]int {
	parents := map[int]int{}
	for _, pid := range allPIDs() {
		if fields := statFields(pid); len(fields) > 1 {
			parents[pid], _ = strconv.Atoi(fields[1])
		}
	}
	return parents
}

// processesIn lists the processes whose working folder is dir.
func processesIn(dir string) []int {
	var in []int
	for _, pid := range allPIDs() {
		if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err == nil && cwd == dir {
			in = append(in, pid)
		}
	}
	return in
}

func allPIDs() []int {
	names, _ := filepath.Glob("/proc/[1-9]*")
	pids := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(filepath.Base(name)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// keepsAttributes reports whether files in dir can have extended attributes, where versitygw keeps its metadata.
func keepsAttributes(dir string) (bool, error) {
	err := syscall.Setxattr(dir, "user.oktalk", []byte("1"), 0)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.EPERM):
		return false, nil
	default:
		return false, fmt.Errorf("set extended attribute of %s: %w", dir, err)
	}
}
