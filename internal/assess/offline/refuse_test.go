package offline_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"oktalk/internal/assess/offline"
	"oktalk/internal/evaluation"
)

func TestOtherTextsAreRefused(t *testing.T) {
	t.Parallel()
	said := []string{"The children were afraid of the big black dog", "I like apples", "good evening everybody"}
	asked := []string{"My favorite subject at school was mathematics", "What time does the next train leave for London?", "Five fresh fish for father on Friday", "university"}
	scored, all := 0, 0
	for _, voice := range []string{"slt", "rms"} {
		for i, s := range said {
			recording := flite(t, voice, s)
			for _, text := range asked {
				all++
				if problem(t, recording, text) == "text-mismatch" {
					continue
				}
				scored++
				if got := assess(t, recording, text).Scores.Overall; got > 60 {
					t.Errorf("%s says %q for %q: overall %d", voice, said[i], text, got)
				}
			}
		}
	}
	if scored > all/10 {
		t.Errorf("%d of %d recordings of another text were scored, want at most one in ten", scored, all)
	}
}

func TestSoundsThatAreNoSpeechAreRefused(t *testing.T) {
	t.Parallel()
	sounds := map[string]func(at float64) float64{
		"tone": func(at float64) float64 { return math.Sin(2 * math.Pi * 440 * at) },
		"chord": func(at float64) float64 {
			return (math.Sin(2*math.Pi*262*at) + math.Sin(2*math.Pi*330*at) + math.Sin(2*math.Pi*392*at)) / 3
		},
		"melody": func(at float64) float64 { return math.Sin(2 * math.Pi * 220 * math.Pow(2, math.Floor(at*4)/12) * at) },
		"knocks": func(at float64) float64 { return math.Sin(2*math.Pi*150*at) * math.Exp(-30*math.Mod(at, 0.5)) },
		"square": func(at float64) float64 { return math.Copysign(1, math.Sin(2*math.Pi*120*at)) },
		"noise":  func(at float64) float64 { return math.Mod(math.Sin(at*16000*12.9898)*43758.5453, 1) },
		"bursts": func(at float64) float64 {
			return math.Mod(math.Sin(at*16000*78.233)*43758.5453, 1) * math.Round(math.Mod(at*3, 1))
		},
		"silence": func(float64) float64 { return 0 },
		"offset":  func(float64) float64 { return 0.3 },
	}
	for name, sound := range sounds {
		s := make([]int16, 2*16000)
		for i := range s {
			s[i] = int16(9000 * sound(float64(i)/16000))
		}
		for _, text := range []string{"My brother works in a large hospital near the river.", "hello"} {
			if got := problem(t, s, text); got != "no-speech" && got != "text-mismatch" && got != "too-noisy" {
				t.Errorf("%s for %q: problem %q, want no-speech, too-noisy or text-mismatch", name, text, got)
			}
		}
	}
}

func TestDegenerateRecordings(t *testing.T) {
	t.Parallel()
	loud := make([]int16, 8000)
	for i := range loud {
		loud[i] = math.MaxInt16
		if i%2 == 0 {
			loud[i] = math.MinInt16
		}
	}
	for name, s := range map[string][]int16{
		"nil": nil, "one sample": {1}, "one frame": make([]int16, 160), "less than a window": scaled(loud[:300], 1), "two frames": loud[:320],
		"square at the limit": loud, "zeros": make([]int16, 16000), "one click": append(make([]int16, 16000), math.MaxInt16), "all ones": shifted(make([]int16, 16000), 1),
	} {
		if got := problem(t, s, "hello"); got == "" {
			t.Errorf("%s is scored", name)
		}
	}
}

func TestUnknownWords(t *testing.T) {
	t.Parallel()
	got := assess(t, flite(t, "slt", "I like zorble"), "I like Zorble.")
	if w := got.Words[2]; !w.Approximate || w.Error == evaluation.WordOmission || got.Words[0].Approximate {
		t.Errorf("words = %+v, want the third one, and only that, approximate", got.Words)
	}
	_, err := setup(t).Assess(t.Context(), flite(t, "slt", "I like that"), "I like zyxgorf", "en-US")
	var refusal *evaluation.Refusal
	if !errors.As(err, &refusal) || refusal.Problem != "invalid-text" || !strings.Contains(refusal.Message, "zyxgorf") {
		t.Errorf("Assess() with a word nobody can say = %v, want invalid-text naming it", err)
	}
}

func TestOtherLanguagesAreRefused(t *testing.T) {
	t.Parallel()
	_, err := setup(t).Assess(t.Context(), make([]int16, 16000), "hello", "fr-FR")
	var refusal *evaluation.Refusal
	if !errors.As(err, &refusal) || refusal.Problem != "unsupported-language" {
		t.Errorf("Assess() in French = %v, want unsupported-language", err)
	}
}

func TestMissingModel(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := offline.New(offline.Config{ModelDir: dir}, nil, slog.New(slog.DiscardHandler))
	for _, want := range []string{dir, "ASSESSOR_MODEL_DIR", "pocketsphinx-en-us", "make setup"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New() without a model = %v, want %s in it", err, want)
		}
	}
	if _, err := offline.New(offline.Config{ModelDir: config().ModelDir, Workers: -1}, nil, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("New() with -1 workers gives no error")
	}
}

// A calibration that cannot be used is found out at the start, by a sentence that names the setting.
func TestBadCalibration(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"": "no such file", "{": "read a calibration", `{"assessor":"offline","phone_slope":-1}`: "phone_slope",
		`{"assessor":"vendor","phone_slope":1}`: `of "vendor"`,
	} {
		cfg := config()
		cfg.Calibration = filepath.Join(t.TempDir(), "calibration.json")
		if content != "" {
			if err := os.WriteFile(cfg.Calibration, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, err := offline.New(cfg, nil, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "ASSESSOR_CALIBRATION") {
			t.Errorf("New() with %q = %v, want it to name ASSESSOR_CALIBRATION and %q", content, err, want)
		}
	}
}

func TestCancelledContext(t *testing.T) {
	t.Parallel()
	recording := flite(t, "slt", "hello")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := setup(t).Assess(ctx, recording, "hello", "en-US"); !errors.Is(err, context.Canceled) {
		t.Errorf("Assess() = %v, want context.Canceled", err)
	}
}
