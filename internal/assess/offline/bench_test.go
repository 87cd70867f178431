package offline_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"oktalk/internal/assess/offline"
)

// BenchmarkAssess scores 5 s of speech.
func BenchmarkAssess(b *testing.B) {
	text := "My brother works in a large hospital near the river, and there are seven children playing in the garden."
	recording := flite(b, "rms", text)
	b.Logf("%.2f s of audio", float64(len(recording))/16000)
	a := setup(b)
	for b.Loop() {
		if _, err := a.Assess(b.Context(), recording, text, "en-US"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRate scores 5 s of speech at rates of requests that come at random (Poisson), as many at once as there are cores, and
// reports how long they took, with the wait for a worker. One run is 20 s of requests.
func BenchmarkRate(b *testing.B) {
	text := "My brother works in a large hospital near the river, and there are seven children playing."
	recording := flite(b, "rms", text)
	a, err := offline.New(offline.Config{ModelDir: config().ModelDir, Queue: 1000}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%.2f s of audio on %d cores", float64(len(recording))/16000, runtime.GOMAXPROCS(0))
	for _, perSecond := range []float64{5, 10, 20, 30, 40} {
		b.Run(fmt.Sprint(perSecond), func(b *testing.B) {
			var took []float64
			for b.Loop() {
				took = append(took, requests(b, a, recording, text, perSecond, 20*time.Second)...)
			}
			slices.Sort(took)
			b.ReportMetric(took[len(took)/2], "p50-ms")
			b.ReportMetric(took[len(took)*99/100], "p99-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// requests scores a recording at random times and returns how many milliseconds each took.
func requests(b *testing.B, a *offline.Assessor, recording []int16, text string, perSecond float64, span time.Duration) []float64 {
	b.Helper()
	dice := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	var took []float64
	var all sync.WaitGroup
	begin := time.Now()
	for at := time.Duration(0); at < span; at += time.Duration(dice.ExpFloat64() / perSecond * float64(time.Second)) {
		<-time.After(time.Until(begin.Add(at)))
		all.Go(func() {
			due := begin.Add(at)
			if _, err := a.Assess(b.Context(), recording, text, "en-US"); err != nil {
				b.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(due).Seconds()*1000)
		})
	}
	all.Wait()
	return took
}

// BenchmarkAssessMinute scores a minute of speech with 60 words, the longest that is taken.
func BenchmarkAssessMinute(b *testing.B) {
	text := strings.Repeat("There are seven children playing in the big garden. ", 6) + "They want to go home now."
	recording := flite(b, "rms", text, "--setf", "duration_stretch=2")
	b.Logf("%.2f s of audio", float64(len(recording))/16000)
	a := setup(b)
	for b.Loop() {
		if _, err := a.Assess(b.Context(), recording, text, "en-US"); err != nil {
			b.Fatal(err)
		}
	}
}

// Model and dictionary are small, so that an API process can hold them beside everything else. Not parallel: it looks at the
// heap of the whole process.
func TestMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	a, err := offline.New(config(), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	const limit = 30 << 20
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > limit {
		t.Errorf("a loaded assessor holds %d MB, want at most %d", grown>>20, limit>>20)
	}
	runtime.KeepAlive(a)
}
