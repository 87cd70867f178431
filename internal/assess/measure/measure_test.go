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

// panel is one assessor for all voices.
func panel(a measure.Assessor) measure.Panel { return func(corpus.Voice) measure.Assessor { return a } }

// TestDiagnosesAreOfAllSpeakers: who is judged has a diagnosis made without them.
func TestDiagnosesAreOfAllSpeakers(t *testing.T) {
	t.Parallel()
	got, err := measure.Diagnoses()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range corpus.Voices() {
		if v.Program == corpus.Flite && got[v.Speaker] == nil {
			t.Errorf("no diagnosis without %s: make diagnosis makes it", v.Speaker)
		}
	}
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
		outcomes, err := measure.Run(t.Context(), panel(a), m, some, &progress)
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
	got, err := measure.Time(t.Context(), panel(a), m, all, 3)
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

// made is a reading of "thin" and "red" with labels, and what an assessor might say of it: the scores of its five phones, and what it
// heard in place of the first.
func made(id string, planted bool, flagged bool, scores [6]int, heard string) measure.Outcome {
	label := corpus.Label{
		ID: id, Voice: corpus.Voices()[6], Text: "thin red", Kind: corpus.Right, Method: corpus.ByText, Condition: corpus.Clean,
		Words: []corpus.Word{{Text: "thin", Phones: []string{"TH", "IH", "N"}}, {Text: "red", Phones: []string{"R", "EH", "D"}}},
	}
	if planted {
		label.Kind, label.Method = corpus.Substitution, corpus.ByLexicon
		label.Planted = []corpus.Planted{{Word: 0, Phone: 0, Canonical: "TH", Spoken: "S"}}
	}
	a := &evaluation.Assessment{Scores: evaluation.Scores{Overall: scores[0], Accuracy: scores[0]}, Words: make([]evaluation.Word, 2)}
	for i, w := range label.Words {
		a.Words[i] = evaluation.Word{Text: w.Text, Error: evaluation.WordCorrect}
		for k, p := range w.Phones {
			a.Words[i].Phonemes = append(a.Words[i].Phonemes, evaluation.Phoneme{ARPAbet: p, Score: scores[3*i+k]})
		}
	}
	a.Words[0].Phonemes[0].Heard = heard
	if flagged {
		a.Words[0].Error = evaluation.WordMispronunciation
	}
	return measure.Outcome{Recording: corpus.Recording{Label: label}, Assessment: a}
}

// TestFiguresByHand: of three planted phones two are found (one of them named right), and of 21 right phones one is called wrong, beside a
// planted one. Precision 2/3, recall 2/3, F1 2/3, alarms 1/21.
func TestFiguresByHand(t *testing.T) {
	t.Parallel()
	fine := [6]int{90, 90, 90, 90, 90, 90}
	refused := made("refused", false, false, fine, "")
	refused.Assessment, refused.Refusal = nil, "too-noisy"
	report, err := measure.New(measure.About{}, []measure.Outcome{
		made("found", true, true, [6]int{10, 40, 90, 90, 90, 90}, "S"), // and the vowel beside it too
		made("found and named wrong", true, true, [6]int{80, 90, 90, 90, 90, 90}, "T"),
		made("not found", true, false, [6]int{95, 90, 90, 90, 90, 20}, ""), // a low score in a word that is not flagged says nothing
		made("right", false, false, fine, ""),
		refused, // its phones say nothing either
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| planted phones, right phones | 3, 21 | 0, 0 | 3, 21 | 0, 0 | 0, 0 |",
		"| **phone errors: precision** | 66.7 % |", "| **recall** | 66.7 % |", "| **F1** | 66.7 % |", "| right phones called wrong | 4.8 % |",
		"| hits called by the sound that was spoken | 50.0 % |", "| words with a planted phone called wrong | 66.7 % |",
		"| recall, right phones called wrong if the word need not be flagged | 66.7 %, 9.5 % |",
		"| right readings refused | 50.0 % |", "| TH→S | 3 | 66.7 % | 100.0 % | 80.0 % | 50.0 % | 0.0 % | 3 | 66.7 % | 0.667 |",
	} {
		if !strings.Contains(report.Markdown, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(report.Markdown)
	}
}
