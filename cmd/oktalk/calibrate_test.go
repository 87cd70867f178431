package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"oktalk/internal/assess/calibrate"
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
	if c, err := calibrate.Parse(data); err != nil || c.Recordings != 4 || c.Phones != 24 || c.Assessor != "offline" {
		t.Errorf("calibration %+v, %v", c, err)
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
