package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// machine is what figures depend on.
type machine struct {
	CPU, Memory, System, Load string
	Versions                  []string
}

func describe(ctx context.Context, s *servers) (machine, error) {
	m := machine{
		CPU:    fmt.Sprintf("%d × %s", runtime.NumCPU(), orUnknown(field("/proc/cpuinfo", "model name"))),
		Memory: memory(), System: runtime.GOOS + "/" + runtime.GOARCH,
		Load: strings.Join(firstWords("/proc/loadavg", 1), ""), Versions: []string{runtime.Version()},
	}
	info, err := s.redis.Info(ctx, "server").Result()
	if err != nil {
		return m, err
	}
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "redis_version:"); ok {
			m.Versions = append(m.Versions, "Redis "+v)
		}
	}
	conn, err := pgx.Connect(ctx, s.stack.DatabaseURL)
	if err != nil {
		return m, err
	}
	defer func() { _ = conn.Close(ctx) }()
	var v string
	if err := conn.QueryRow(ctx, "SHOW server_version").Scan(&v); err != nil {
		return m, err
	}
	m.Versions = append(m.Versions, "PostgreSQL "+strings.Fields(v)[0])
	return m, nil
}

// moduleVersions are the versions of modules as built in.
func moduleVersions() map[string]string {
	versions := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			versions[d.Path] = d.Version
		}
	}
	return versions
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

func firstLine(path string) string {
	b, _ := os.ReadFile(path)
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

func firstWords(path string, n int) []string {
	words := strings.Fields(firstLine(path))
	return words[:min(n, len(words))]
}

// field is the value of the first line "name : value".
func field(path, name string) string {
	b, _ := os.ReadFile(path)
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func memory() string {
	kb, err := strconv.ParseFloat(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 64)
	if err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%.0f GB", kb/(1<<20))
}

// tick is the unit of times in /proc/<pid>/stat: a hundredth of a second on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// stat reads /proc/<pid>/stat after the name, which may hold spaces: field 3 (state) is the first. It is nil elsewhere than on
// Linux.
func stat(pid string) []string {
	b, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return nil
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 15 {
		return nil
	}
	return fields
}

// machineCPU is how long all processors were at work, for us or for others, since the machine started; 0 where that is not known.
func machineCPU() time.Duration {
	f := firstWords("/proc/stat", 9) // cpu, user, nice, system, idle, waiting for disks, interrupts (2), stolen by other machines
	if len(f) < 9 {
		return 0
	}
	return ticks(f, 1, 2, 3, 6, 7, 8)
}

// processCPU is how long a process has computed, without its children; 0 where that is not known.
func processCPU(pid int) time.Duration { return ticks(stat(strconv.Itoa(pid)), 11, 12) }

// childrenCPU is how long the children of a process have computed, also those that ended.
func childrenCPU(pid int) time.Duration {
	sum := ticks(stat(strconv.Itoa(pid)), 13, 14)
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		if f := stat(filepath.Base(dir)); f != nil && f[1] == strconv.Itoa(pid) {
			sum += ticks(f, 11, 12)
		}
	}
	return sum
}

func ticks(fields []string, at ...int) (sum time.Duration) {
	if fields == nil {
		return 0
	}
	for _, i := range at {
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		sum += time.Duration(n) * tick
	}
	return sum
}
