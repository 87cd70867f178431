package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"oktalk/internal/assess/calibration"
	"oktalk/internal/assess/offline"
	"oktalk/internal/audio"
	"oktalk/internal/evaluation"
)

// TestCalibrateLabelled labels a few readings by flite, one of which has wrong sounds.
func TestCalibrateLabelled(t *testing.T) {
	t.Parallel()
	dir, out := t.TempDir(), filepath.Join(t.TempDir(), "made", "calibration.json")
	for _, folder := range []string{"train", "WAVE", "resource"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	scores := map[string]any{}
	lists := map[string]string{}
	for i, said := range []string{"th ih n r eh d", "th ih n r eh d", "th ih n l eh d", "s ih n r eh d"} {
		id := fmt.Sprintf("00000%d", i)
		file := filepath.Join("WAVE", id+".WAV")
		if b, err := exec.CommandContext(t.Context(), "flite", "-voice", "rms", "-p", "pau "+said+" pau", "-o", filepath.Join(dir, file)).CombinedOutput(); err != nil {
			t.Fatalf("flite: %v: %s (make setup installs it)", err, b)
		}
		first, last := 2.0, 2.0
		if said[0] == 's' {
			first = 0
		}
		if strings.Contains(said, " l ") {
			last = 0
		}
		word := func(text, phones string, wrong float64) any {
			return map[string]any{"text": text, "accuracy": 5 * wrong, "phones": phones, "phones-accuracy": []float64{wrong, 2, 2}}
		}
		scores[id] = map[string]any{
			"text": "THIN RED", "accuracy": 8, "fluency": 9, "prosodic": 9, "total": 8,
			"words": []any{word("THIN", "TH IH0 N", first), word("RED", "R EH0 D", last)},
		}
		lists["wav.scp"] += id + "\t" + filepath.ToSlash(file) + "\n"
		lists["text"] += id + "\tTHIN RED\n"
		lists["utt2spk"] += id + "\t0001\n"
	}
	data, err := json.Marshal(scores)
	if err != nil {
		t.Fatal(err)
	}
	lists["../resource/scores.json"] = string(data)
	for name, content := range lists {
		if err := os.WriteFile(filepath.Join(dir, "train", name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	printed, _, err := tool(t, nil, "calibrate", "--labelled", dir, "--out", out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"4 recordings", "word: accuracy", "phone: AUC of wrong ones", "CALIBRATED", out} {
		if !strings.Contains(printed, want) {
			t.Errorf("calibrate does not print %q:\n%s", want, printed)
		}
	}
	if data, err = os.ReadFile(out); err != nil {
		t.Fatal(err)
	}
	c, err := calibration.Parse(data)
	if err != nil || c.Recordings != 4 || c.Phones != 24 || c.Assessor != "offline" {
		t.Errorf("calibration %+v, %v", c, err)
	}
	checkCalibrated(t, c, out, filepath.Join(dir, "WAVE", "000003.WAV"))
}

// checkCalibrated scores a recording with and without a calibration: every sound is moved as it says.
func checkCalibrated(t *testing.T, c calibration.Calibration, file, recording string) {
	t.Helper()
	data, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	clip, err := audio.ParseWAV(data)
	if err != nil {
		t.Fatal(err)
	}
	score := func(file string) *evaluation.Assessment {
		a, err := offline.New(offline.Config{ModelDir: "/usr/share/pocketsphinx/model/en-us", Workers: 1, Calibration: file}, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.Assess(t.Context(), clip.Samples, "thin red", "en-US")
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	plain, moved := score(""), score(file)
	for i, w := range plain.Words {
		for k, p := range w.Phonemes {
			// Scores are rounded before and after, which near the ends is much on the scale of log odds.
			low, high := c.Apply(float64(p.Score)-0.5), c.Apply(float64(p.Score)+0.5)
			if got := float64(moved.Words[i].Phonemes[k].Score); got < low-0.5 || got > high+0.5 {
				t.Errorf("%s of %q scores %v calibrated and %d plain, want %.1f to %.1f", p.ARPAbet, w.Text, got, p.Score, low, high)
			}
		}
	}
	if plain.Scores.Accuracy == moved.Scores.Accuracy {
		t.Errorf("accuracy is %d with and without calibration %+v", plain.Scores.Accuracy, c)
	}
}

func TestCalibrateSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	if _, _, err := tool(t, nil, "calibrate", "--labelled", t.TempDir()); err == nil || !strings.Contains(err.Error(), "scores.json") {
		t.Errorf("calibrate of an empty folder = %v, want what is missing", err)
	}
	if _, _, err := tool(t, nil, "calibrate", "--labelled", filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("calibrate of no folder has no error")
	}
	env := map[string]string{"ASSESSOR_MODEL_DIR": t.TempDir()}
	if _, _, err := tool(t, env, "speech-report"); err == nil || !strings.Contains(err.Error(), "pocketsphinx-en-us") {
		t.Errorf("speech-report without a model = %v, want how to install it", err)
	}
}
