package evaluation_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/evaluation"
)

func TestReplace(t *testing.T) {
	t.Parallel()
	e := &evaluation.Evaluation{
		TargetText: "one two", DemoMode: evaluation.DemoAlways, Version: 4,
		Assessment: &evaluation.Assessment{Scores: evaluation.Scores{Overall: 50, Integrity: 100}, Words: []evaluation.Word{
			{Text: "one", Score: 40, Error: evaluation.WordMispronunciation}, {Text: "two", Score: 90, Error: evaluation.WordCorrect},
		}},
	}
	e.Plan()
	text := evaluation.Artifact{Kind: evaluation.FeedbackText, State: evaluation.StateReady, Text: "new"}
	if e.Replace(text) {
		t.Error("Replace changed an evaluation that is not completed")
	}
	e.Settle(evaluation.Artifact{Kind: evaluation.FeedbackText, State: evaluation.StateReady, Text: "old"})
	e.Settle(evaluation.Artifact{Kind: evaluation.FeedbackAudio, State: evaluation.StateReady, ObjectKey: "old"})
	e.Settle(evaluation.Artifact{Kind: evaluation.DemoAudio, State: evaluation.StateFailed, Reason: "voice-unavailable"})
	failed := evaluation.Artifact{Kind: evaluation.FeedbackAudio, State: evaluation.StateFailed}
	if e.Replace(text, failed) || e.Artifacts.Get(evaluation.FeedbackText).Text != "old" {
		t.Error("Replace put a text in place although its audio failed")
	}
	demo := evaluation.Artifact{Kind: evaluation.DemoAudio, State: evaluation.StateReady, ObjectKey: "demo"}
	if !e.Replace(text, demo) {
		t.Fatal("Replace refused what was made again")
	}
	demo.Text, demo.DemoType = "one", evaluation.DemoWord
	want := evaluation.Artifacts{text, {Kind: evaluation.FeedbackAudio, State: evaluation.StateReady, ObjectKey: "old"}, demo}
	if diff := cmp.Diff(want, e.Artifacts); diff != "" || e.Status != evaluation.StatusCompleted {
		t.Errorf("after Replace the status is %s, artifacts (-want +got):\n%s", e.Status, diff)
	}
}
