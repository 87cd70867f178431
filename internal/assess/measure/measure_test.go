package measure_test

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/assess/corpus"
	"oktalk/internal/assess/measure"
	"oktalk/internal/assess/offline"
	"oktalk/internal/assess/offline/lexicon"
	"oktalk/internal/evaluation"
)

const modelDir = "/usr/share/pocketsphinx/model/en-us"

func setup(t *testing.T) (*corpus.Maker, *offline.Assessor) {
	t.Helper()
	data, err := os.ReadFile(modelDir + "/cmudict-en-us.dict")
	if err != nil {
		t.Fatalf("%v: make setup installs pocketsphinx-en-us", err)
	}
	d, err := lexicon.ParseDictionary(data, func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	m, err := corpus.NewMaker(t.Context(), corpus.Config{Dir: t.TempDir(), Dictionary: d})
	if err != nil {
		t.Fatal(err)
	}
	a, err := offline.New(offline.Config{ModelDir: modelDir, Queue: 8}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return m, a
}

// few picks one recording of each kind and condition, and the clean twins of those.
func few(all []corpus.Recording) []corpus.Recording {
	picked, seen := map[string]bool{}, map[string]bool{}
	for _, r := range all {
		sort := string(r.Kind) + string(r.Condition)
		if !seen[sort] && r.Voice.Speaker == "rms" && (r.Condition == corpus.Clean || r.Kind == corpus.Right && r.Condition != corpus.White20) {
			seen[sort], picked[r.ID], picked[r.Twin] = true, true, true
		}
	}
	var out []corpus.Recording
	for _, r := range all {
		if picked[r.ID] {
			out = append(out, r)
		}
	}
	return out
}

// TestReport goes all the way over a few recordings, twice.
func TestReport(t *testing.T) {
	t.Parallel()
	m, a := setup(t)
	all, err := m.Plan(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	some := few(all)
	if len(some) < 20 || len(some) > 40 {
		t.Fatalf("%d recordings were picked, want 20 to 40", len(some))
	}
	var reports []measure.Report
	for range 2 {
		var progress bytes.Buffer
		outcomes, err := measure.Run(t.Context(), a, m, some, &progress)
		if err != nil {
			t.Fatal(err)
		}
		report, err := measure.New(measure.About{Command: "oktalk speech-report", Seed: 1, Programs: []string{"flite"}, Folder: "drawings"}, outcomes)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(progress.String(), "left") {
			t.Errorf("progress %q has no estimate", progress.String())
		}
		reports = append(reports, report)
	}
	if diff := cmp.Diff(reports[0], reports[1]); diff != "" {
		t.Errorf("second report of the same recordings (-first +second):\n%s", diff)
	}
	page := reports[0].Markdown
	for _, want := range []string{"seed 1", "Nobody speaks", "## By pair", "## Words left out", "| rms | held-out |", "| room echo |", "| 6 dB louder |", "drawings/roc.svg"} {
		if !strings.Contains(page, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	if strings.Contains(page, "NaN") || strings.Contains(page, "## Time") {
		t.Error("the report has NaN, or times that were not taken")
	}
	for name, drawing := range reports[0].Drawings {
		if !strings.HasPrefix(drawing, "<svg") || !strings.HasSuffix(drawing, "</svg>\n") || strings.Contains(drawing, "NaN") || !strings.Contains(page, "drawings/"+name) {
			t.Errorf("drawing %s is broken or not shown", name)
		}
	}
}

func TestTime(t *testing.T) {
	t.Parallel()
	m, a := setup(t)
	all, err := m.Plan(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	got, err := measure.Time(t.Context(), a, m, all, 3)
	if err != nil || got.Recordings != 3 || got.Audio < 6e9 || got.CPU50 <= 0 || got.Wall99 < got.Wall50 {
		t.Errorf("Time of three recordings = %+v, %v", got, err)
	}
}

// TestFound states what counts as found.
func TestFound(t *testing.T) {
	t.Parallel()
	flagged, plain := evaluation.Word{Error: evaluation.WordMispronunciation}, evaluation.Word{Error: evaluation.WordCorrect}
	for _, tc := range []struct {
		word  evaluation.Word
		phone evaluation.Phoneme
		want  bool
	}{
		{flagged, evaluation.Phoneme{Score: 49}, true},
		{flagged, evaluation.Phoneme{Score: 50}, false},
		{flagged, evaluation.Phoneme{Score: 80, Heard: "S"}, true},
		{plain, evaluation.Phoneme{Score: 10, Heard: "S"}, false},
	} {
		if got := measure.Found(tc.word, tc.phone); got != tc.want {
			t.Errorf("Found(%s, %+v) = %v, want %v", tc.word.Error, tc.phone, got, tc.want)
		}
	}
}
