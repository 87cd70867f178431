package evaluation_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/evaluation"
)

func scored(overall, integrity int, mode evaluation.DemoMode, words ...evaluation.Word) *evaluation.Evaluation {
	var texts []string
	for _, w := range words {
		if w.Error != evaluation.WordInsertion {
			texts = append(texts, w.Text)
		}
	}
	e := &evaluation.Evaluation{ID: "eval_1", Version: 1, DemoMode: mode, TargetText: strings.Join(texts, " ")}
	e.Assessment = &evaluation.Assessment{Scores: evaluation.Scores{Overall: overall, Integrity: integrity}, Words: words}
	e.Plan()
	return e
}

func word(text string, score int, err evaluation.WordError) evaluation.Word {
	return evaluation.Word{Text: text, Score: score, Error: err}
}

func TestPlanDemo(t *testing.T) {
	t.Parallel()
	const ok, bad, omitted, inserted = evaluation.WordCorrect, evaluation.WordMispronunciation, evaluation.WordOmission, evaluation.WordInsertion
	tests := []struct {
		name string
		e    *evaluation.Evaluation
		want evaluation.DemoType
		text string
	}{
		{"perfect", scored(95, 100, evaluation.DemoAuto, word("I", 95, ok), word("see", 95, ok)), "", ""},
		{"never", scored(40, 100, evaluation.DemoNever, word("I", 40, bad), word("see", 95, ok)), "", ""},
		{"worst word", scored(77, 100, evaluation.DemoAuto, word("I", 95, ok), word("see", 41, bad)), evaluation.DemoWord, "see"},
		{"two wrong", scored(50, 100, evaluation.DemoAuto, word("I", 40, bad), word("see", 41, bad)), evaluation.DemoSentence, "I see"},
		{"none below 80", scored(85, 100, evaluation.DemoAuto, word("I", 82, ok), word("see", 88, ok)), evaluation.DemoSentence, "I see"},
		{"low integrity", scored(30, 50, evaluation.DemoAuto, word("I", 95, ok), word("see", 0, omitted)), evaluation.DemoSentence, "I see"},
		{"omission is the worst word", scored(70, 67, evaluation.DemoAuto, word("I", 95, ok), word("see", 0, omitted), word("it", 90, ok)), evaluation.DemoWord, "see"},
		{"insertion does not count", scored(80, 100, evaluation.DemoAuto, word("um", 0, inserted), word("I", 95, ok), word("see", 60, bad)), evaluation.DemoWord, "see"},
		{"always on perfect", scored(99, 100, evaluation.DemoAlways, word("I", 99, ok), word("see", 99, ok)), evaluation.DemoSentence, "I see"},
		{"always on one perfect word", scored(99, 100, evaluation.DemoAlways, word("apple", 99, ok)), evaluation.DemoWord, "apple"},
	}
	for _, f := range []struct {
		name    string
		fluency int
		words   []evaluation.Word
		want    evaluation.DemoType
		text    string
	}{
		{"slow, and no word wrong", 65, []evaluation.Word{word("go", 90, ok), word("to", 74, ok)}, evaluation.DemoSentence, "go to"},
		{"fluent, and no word wrong", 95, []evaluation.Word{word("go", 90, ok), word("to", 74, ok)}, evaluation.DemoWord, "to"},
		{"slow, and a word wrong", 65, []evaluation.Word{word("go", 59, bad), word("to", 50, ok)}, evaluation.DemoWord, "go"},
		{"slow, one word", 65, []evaluation.Word{word("to", 74, ok)}, evaluation.DemoWord, "to"},
	} {
		e := scored(80, 100, evaluation.DemoAuto, f.words...)
		e.Assessment.Scores.Fluency, e.Artifacts = f.fluency, nil
		e.Plan()
		if a := e.Artifacts.Get(evaluation.DemoAudio); a.DemoType != f.want || a.Text != f.text {
			t.Errorf("%s: demo = %q %q, want %q %q", f.name, a.DemoType, a.Text, f.want, f.text)
		}
	}
	for _, tt := range tests {
		a := tt.e.Artifacts.Get(evaluation.DemoAudio)
		if a.DemoType != tt.want || a.Text != tt.text {
			t.Errorf("%s: demo = %q %q, want %q %q", tt.name, a.DemoType, a.Text, tt.want, tt.text)
		}
	}
}

// Whatever the order in which stages end, the evaluation ends completed with 100 percent, never goes backwards and starts every
// stage once.
func TestSettleInAnyOrder(t *testing.T) {
	t.Parallel()
	states := []evaluation.ArtifactState{evaluation.StateReady, evaluation.StateFallback, evaluation.StateFailed}
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 0))
		e := scored(70, 100, evaluation.DemoAuto, word("see", 60, evaluation.WordMispronunciation))
		ready := e.Start("")
		started := map[evaluation.StageName]int{}
		percent := e.Percent()
		for len(ready) > 0 {
			i := r.IntN(len(ready))
			stage, _ := evaluation.StageByName(ready[i])
			ready = append(ready[:i], ready[i+1:]...)
			started[stage.Name]++
			if !e.Settle(evaluation.Artifact{Kind: stage.Artifact, State: states[r.IntN(3)]}) {
				t.Fatalf("seed %d: Settle(%s) = false, want true", seed, stage.Artifact)
			}
			ready = append(ready, e.Start(stage.Artifact)...)
			if e.Percent() < percent || (e.Percent() == 100) != (e.Status == evaluation.StatusCompleted) {
				t.Fatalf("seed %d: percent %d after %d with status %s", seed, e.Percent(), percent, e.Status)
			}
			percent = e.Percent()
			if e.Settle(evaluation.Artifact{Kind: stage.Artifact, State: evaluation.StateReady}) {
				t.Fatalf("seed %d: a settled %s was settled again", seed, stage.Artifact)
			}
		}
		if e.Status != evaluation.StatusCompleted || e.CurrentStage() != "" {
			t.Fatalf("seed %d: ended %s at stage %q, want completed", seed, e.Status, e.CurrentStage())
		}
		for s, n := range started {
			if n != 1 {
				t.Fatalf("seed %d: stage %s started %d times", seed, s, n)
			}
		}
	}
}

func TestScores(t *testing.T) {
	t.Parallel()
	prosody := 50
	if got := evaluation.OverallScore(75, 82, 100, nil); got != 77 {
		t.Errorf("OverallScore(75, 82, 100, nil) = %d, want 77", got)
	}
	if got := evaluation.OverallScore(80, 60, 50, &prosody); got != 36 { // (48+18+5)/2 = 35.5
		t.Errorf("OverallScore with prosody = %d, want 36", got)
	}
	for _, tt := range []struct {
		overall, integrity int
		want               evaluation.Level
	}{{90, 100, "S"}, {89, 100, "A"}, {80, 100, "A"}, {79, 100, "B"}, {60, 100, "B"}, {59, 100, "C"}, {95, 90, "S"}, {95, 89, "B"}, {95, 59, "C"}} {
		if got := evaluation.LevelOf(tt.overall, tt.integrity); got != tt.want {
			t.Errorf("LevelOf(%d, %d) = %s, want %s", tt.overall, tt.integrity, got, tt.want)
		}
	}
}

func TestCheckText(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, language, want, problem string }{
		{"  I  like\napples ", "en-US", "I like apples", ""},
		{"the café's “open” — now", "en-US", "the café's “open” — now", ""},
		{"我喜欢苹果", "en-US", "", "unsupported-language"},
		{"I like яблоки", "en-US", "", "unsupported-language"},
		{"I like apples", "fr-FR", "", "unsupported-language"},
		{"I like\x00 apples", "en-US", "", "invalid-text"},
		{"I like\x1b[31m apples", "en-US", "", "invalid-text"},
		{"I like \xff apples", "en-US", "", "invalid-text"},
		{"I like \u202eapples", "en-US", "", "invalid-text"},
		{"... !", "en-US", "", "invalid-text"},
		{"🍎🍏", "en-US", "", "invalid-text"},
		{"", "en-US", "", "invalid-text"},
		{strings.Repeat("a", 501), "en-US", "", "invalid-text"},
		{strings.Repeat("a ", 61), "en-US", "", "invalid-text"},
	}
	for _, tt := range tests {
		got, err := evaluation.CheckText(tt.text, tt.language)
		problem := ""
		if refusal, ok := errors.AsType[*evaluation.Refusal](err); ok {
			problem = refusal.Problem
			if !strings.Contains(refusal.Message, ". ") && !strings.HasSuffix(refusal.Message, "en-US.") && utf8.ValidString(tt.text) {
				t.Errorf("CheckText(%q): %q does not say what to do", tt.text, refusal.Message)
			}
		}
		if got != tt.want || problem != tt.problem {
			t.Errorf("CheckText(%q) = %q, %v, want %q, %q", tt.text, got, err, tt.want, tt.problem)
		}
	}
}

func TestTextWords(t *testing.T) {
	t.Parallel()
	got := evaluation.TextWords(`“Don't stop,” she said -- it's 3.5 km to St. Mary's well-known rock'n'roll café…really? (yes!)`)
	want := []string{"Don't", "stop", "she", "said", "it's", "3.5", "km", "to", "St", "Mary's", "well-known", "rock'n'roll", "café", "really", "yes"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("TextWords (-want +got):\n%s", diff)
	}
}

func TestViewHidesWordsInMessages(t *testing.T) {
	t.Parallel()
	e := scored(70, 50, evaluation.DemoAuto, word("see", 60, evaluation.WordMispronunciation), word("me", 0, evaluation.WordOmission))
	e.Assessment.Words[0].Phonemes = []evaluation.Phoneme{{ARPAbet: "S", Score: 50}}
	short, err := json.Marshal(e.View())
	if err != nil || strings.Contains(string(short), `"words"`) {
		t.Errorf("View() = %s, %v, want no words", short, err)
	}
	full, err := json.Marshal(e.FullView())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"ipa":"s"`, `"heard":null`, `"offset_ms":null`, `"prosody":null`, `"degraded":[]`, `"waiting_for":null`, `"audio_url":null`} {
		if !strings.Contains(string(full), want) {
			t.Errorf("FullView() lacks %s in %s", want, full)
		}
	}
}
