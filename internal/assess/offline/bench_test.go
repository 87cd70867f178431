package offline_test

import (
	"log/slog"
	"runtime"
	"strings"
	"testing"

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
