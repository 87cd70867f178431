package measure

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
	"time"

	"oktalk/internal/assess/corpus"
	"oktalk/internal/assess/stats"
)

// Timings are how long scoring took, in seconds for 5 s of audio, one recording after another.
type Timings struct {
	Recordings     int
	Audio          time.Duration // of all recordings together
	CPU50, CPU99   float64       // of this process, in seconds
	Wall50, Wall99 float64
	Cores          int
}

// String describes the timings.
func (t *Timings) String() string {
	return fmt.Sprintf("%d recordings, %.0f s of audio, %d cores: CPU %.0f ms (p50), %.0f ms (p99); wall %.0f ms (p50), %.0f ms (p99).",
		t.Recordings, t.Audio.Seconds(), t.Cores, 1000*t.CPU50, 1000*t.CPU99, 1000*t.Wall50, 1000*t.Wall99)
}

// timedAudio is the least length of a recording that is timed: shorter ones are mostly overhead, and nobody waits for them.
const timedAudio = 2 * time.Second

// Time scores up to n recordings of held-out voices one after another and takes CPU and wall time.
func Time(ctx context.Context, panel Panel, m *corpus.Maker, all []corpus.Recording, n int) (*Timings, error) {
	t := &Timings{Cores: runtime.NumCPU()}
	var cpu, wall []float64
	for _, r := range all {
		if len(cpu) == n {
			break
		}
		if r.Voice.Split != corpus.HeldOut || r.Voice.Program != corpus.Flite || r.Condition != corpus.Clean || r.Kind != corpus.Right && r.Kind != corpus.Several {
			continue
		}
		samples, _, err := m.Make(ctx, r)
		if err != nil {
			return nil, err
		}
		audio := time.Duration(len(samples)) * time.Second / corpus.Rate
		if audio < timedAudio {
			continue
		}
		before, start := cpuTime(), time.Now()
		if _, err := score(ctx, panel(r.Voice), r, samples); err != nil {
			return nil, err
		}
		share := 5 / audio.Seconds()
		wall, cpu = append(wall, time.Since(start).Seconds()*share), append(cpu, (cpuTime()-before).Seconds()*share)
		t.Audio += audio
	}
	t.Recordings = len(cpu)
	t.CPU50, t.CPU99 = stats.Quantile(cpu, 0.5), stats.Quantile(cpu, 0.99)
	t.Wall50, t.Wall99 = stats.Quantile(wall, 0.5), stats.Quantile(wall, 0.99)
	return t, nil
}

// cpuTime is what this process has used, in all threads.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0 // it fails for unknown arguments only (getrusage(2))
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
