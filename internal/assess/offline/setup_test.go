package offline_test

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"oktalk/internal/assess/offline"
	"oktalk/internal/evaluation"
)

// voices are flite's that sound like the speakers they were made from.
var voices = []string{"slt", "rms", "awb", "kal16"}

func config() offline.Config {
	return offline.Config{ModelDir: "/usr/share/pocketsphinx/model/en-us", Workers: 2, Queue: 64}
}

// shared is one assessor for all tests: loading takes a quarter of a second under the race detector.
var shared = sync.OnceValues(func() (*offline.Assessor, error) {
	return offline.New(config(), spelled{"zorble": {"Z", "AO", "R", "B", "AH", "L"}}, slog.New(slog.DiscardHandler))
})

func setup(t testing.TB) *offline.Assessor {
	t.Helper()
	a, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// spelled is a pronouncer that knows its words.
type spelled map[string][]string

func (s spelled) Pronounce(_ context.Context, word string) ([][]string, error) {
	if p, ok := s[word]; ok {
		return [][]string{p}, nil
	}
	return nil, errors.New("not a word it knows")
}

// flite speaks at 16 kHz. Further arguments are flite's.
func flite(t testing.TB, voice, text string, args ...string) []int16 {
	t.Helper()
	return speak(t, append([]string{"-voice", voice, "-t", text}, args...))
}

// espeak speaks at 22.05 kHz; ffmpeg brings that to 16.
func espeak(t testing.TB, voice, text string) []int16 {
	t.Helper()
	file := filepath.Join(t.TempDir(), "espeak.wav")
	command(t, "espeak-ng", "-v", voice, "-w", file, text)
	return resample(t, file, 16000)
}

func resample(t testing.TB, file string, rates ...int) []int16 {
	t.Helper()
	filter := "anull"
	for _, r := range rates {
		filter += ",aresample=" + strconv.Itoa(r)
	}
	raw := command(t, "ffmpeg", "-v", "error", "-i", file, "-af", filter, "-ac", "1", "-f", "s16le", "-")
	return samples(raw)
}

// speak runs flite and reads what it wrote.
func speak(t testing.TB, args []string) []int16 {
	t.Helper()
	file := filepath.Join(t.TempDir(), "speech.wav")
	command(t, "flite", append(args, "-o", file)...)
	wav, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(wav) < 44 || binary.LittleEndian.Uint32(wav[24:]) != 16000 {
		t.Fatalf("flite %s wrote no 16 kHz WAV", strings.Join(args, " "))
	}
	return samples(wav[44:])
}

func command(t testing.TB, name string, args ...string) []byte {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).Output()
	if errors.Is(err, exec.ErrNotFound) {
		t.Fatalf("%s is not installed; make setup installs it", name)
	}
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return out
}

func samples(raw []byte) []int16 {
	s := make([]int16, len(raw)/2)
	for i := range s {
		s[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	return s
}

func assess(t testing.TB, s []int16, text string) *evaluation.Assessment {
	t.Helper()
	got, err := setup(t).Assess(t.Context(), s, text, "en-US")
	if err != nil {
		t.Fatalf("Assess(%q) = %v", text, err)
	}
	return got
}

// problem is the problem with which a recording is refused, "" when it is not.
func problem(t testing.TB, s []int16, text string) string {
	t.Helper()
	_, err := setup(t).Assess(t.Context(), s, text, "en-US")
	var refusal *evaluation.Refusal
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &refusal):
		t.Fatalf("Assess(%q) = %v, want a refusal or none", text, err)
	case refusal.Message == "":
		t.Errorf("Assess(%q) refuses with %s and no message", text, refusal.Problem)
	}
	return refusal.Problem
}

// scaled multiplies a recording's amplitude.
func scaled(s []int16, factor float64) []int16 {
	out := make([]int16, len(s))
	for i, x := range s {
		out[i] = int16(math.Max(math.MinInt16, math.Min(math.MaxInt16, float64(x)*factor)))
	}
	return out
}

// noisy adds room-like noise, stronger in the low frequencies, at a distance from the speech in dB, with half a second
// of it before and after.
func noisy(s []int16, db float64) []int16 {
	noise := make([]float64, len(s)+16000)
	seed, low, energy := uint32(7), 0.0, 0.0
	for i := range noise {
		seed = seed*1664525 + 1013904223
		low = 0.7*low + float64(seed>>8)/(1<<23) - 1
		noise[i] = low
		energy += low * low
	}
	gain := level(s) * math.Pow(10, -db/20) / math.Sqrt(energy/float64(len(noise)))
	out := make([]int16, len(noise))
	for i := range out {
		v := noise[i] * gain
		if k := i - 8000; k >= 0 && k < len(s) {
			v += float64(s[k])
		}
		out[i] = int16(math.Max(math.MinInt16, math.Min(math.MaxInt16, v)))
	}
	return out
}

// level is the effective amplitude of what is not near silence.
func level(s []int16) float64 {
	sum, n := 0.0, 1.0
	for _, x := range s {
		if x > 200 || x < -200 {
			sum, n = sum+float64(x)*float64(x), n+1
		}
	}
	return math.Sqrt(sum / n)
}

func silence(d float64) []int16 { return make([]int16, int(d*16000)) }

func join(parts ...[]int16) []int16 {
	var out []int16
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
