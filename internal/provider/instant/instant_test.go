package instant_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"oktalk/internal/audio"
	"oktalk/internal/evaluation"
	"oktalk/internal/feedback"
	"oktalk/internal/provider/instant"
	"oktalk/internal/tts"
)

// What it makes passes the checks that the stages make of vendors.
func TestResultsAreAccepted(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"apples", "I like red apples", strings.Repeat("well then ", 30)} {
		for _, language := range []string{feedback.English, feedback.Chinese} {
			a, err := instant.Assessor{}.Assess(t.Context(), evaluation.AssessRequest{Samples: make([]int16, 16_000), Text: text, Language: "en-US"})
			if err != nil || len(a.Words) != len(evaluation.TextWords(text)) || a.Scores.Overall < 50 || a.Scores.Overall > 89 {
				t.Fatalf("Assess(%q) = %+v, %v, want a score for each word and coaching to do", text, a, err)
			}
			e := &evaluation.Evaluation{
				ID: "eval_1", TargetText: text, Language: "en-US", FeedbackLanguage: language, Category: evaluation.InferCategory(text), Assessment: a,
			}
			e.Plan()
			plan, err := feedback.NewPlan(e)
			if err != nil {
				t.Fatal(err)
			}
			written, err := instant.Coach{}.Write(t.Context(), feedback.Request{Plan: plan})
			if err != nil {
				t.Fatal(err)
			}
			if err := feedback.Check(written.Body, plan); err != nil {
				t.Errorf("%s: %q: %v", language, written.Body, err)
			}
		}
	}
}

// counter is an encoder that counts.
type counter struct{ calls int }

func (c *counter) MP3(context.Context, audio.Clip, string) ([]byte, error) {
	c.calls++
	return []byte("mp3"), nil
}

func TestEncodesOnce(t *testing.T) {
	t.Parallel()
	c := &counter{}
	enc, err := instant.NewEncoder(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		clip, err := instant.Voice{}.Speak(t.Context(), tts.Request{Text: "x"})
		if err != nil || clip.Duration() == 0 {
			t.Fatalf("Speak = %v, %v, want some silence", clip.Duration(), err)
		}
		if b, err := enc.MP3(t.Context(), clip, "x"); string(b) != "mp3" || err != nil {
			t.Errorf("MP3 = %q, %v", b, err)
		}
	}
	if c.calls != 1 {
		t.Errorf("encoded %d times, want once", c.calls)
	}
}

func TestChosen(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	if yes, err := instant.Chosen("COACH", "offline", "offline", log); yes || err != nil || out.Len() > 0 {
		t.Errorf("the usual value: %v, %v, %q", yes, err, out.String())
	}
	if yes, err := instant.Chosen("COACH", "instant", "offline", log); !yes || err != nil || !strings.Contains(out.String(), "level=ERROR") {
		t.Errorf("instant: %v, %v, %q, want it, loudly", yes, err, out.String())
	}
	if _, err := instant.Chosen("COACH", "gpt", "offline", log); err == nil || !strings.Contains(err.Error(), `COACH is "gpt"`) {
		t.Errorf("an unknown value = %v, want a sentence", err)
	}
}
