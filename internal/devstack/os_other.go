//go:build unix && !linux

package devstack

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// processAttributes gives the child a process group of its own. There is no death signal outside Linux: a child that
// outlives us is stopped at the next start, by its pid file.
func processAttributes(cmd Command) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: credential(cmd.User)}
}

// processIdentity names a process for good, by the time it started. It is empty when there is no such process.
func processIdentity(pid int) string { return ps("lstart=", pid) }

// commandLine is the command line of a process, empty when there is none.
func commandLine(pid int) string { return ps("command=", pid) }

func ps(column string, pid int) string {
	out, err := exec.Command("ps", "-o", column, "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// processTable maps each process to its parent.
func processTable() map[int]int {
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		return nil
	}
	parents := map[int]int{}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 2 {
			pid, _ := strconv.Atoi(f[0])
			parents[pid], _ = strconv.Atoi(f[1])
		}
	}
	return parents
}

// processesIn would list the processes whose working folder is dir, which only Linux tells without further tools. The
// back-off of a failing start covers what is missed.
func processesIn(string) []int { return nil }

// keepsAttributes reports whether files in dir can have extended attributes, where versitygw keeps its metadata. The file
// systems of macOS and the BSDs have them.
func keepsAttributes(string) (bool, error) { return true, nil }
