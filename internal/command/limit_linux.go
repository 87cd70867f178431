package command

import (
	"time"

	"golang.org/x/sys/unix"
)

// limit sets the resource limits of a running process (prlimit(2)).
func limit(pid int, c Command) error {
	for _, l := range []struct {
		resource int
		value    uint64
		set      bool
	}{
		{unix.RLIMIT_CPU, uint64((c.CPU + time.Second - 1) / time.Second), c.CPU > 0},
		{unix.RLIMIT_AS, uint64(max(c.Memory, 0)), c.Memory > 0},
		{unix.RLIMIT_FSIZE, uint64(max(c.FileSize, 0)), c.FileSize != 0},
		{unix.RLIMIT_CORE, 0, true},
	} {
		if !l.set {
			continue
		}
		if err := unix.Prlimit(pid, l.resource, &unix.Rlimit{Cur: l.value, Max: l.value}, nil); err != nil {
			return err
		}
	}
	return nil
}
