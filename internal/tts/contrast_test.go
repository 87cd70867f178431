package tts_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/audio"
	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
	"oktalk/internal/tts"
)

// TestContrast makes a second track of what was heard and what is meant, kept with the evaluation.
func TestContrast(t *testing.T) {
	t.Parallel()
	v, s := &voice{}, &store{}
	j := job("eval_1", "", "", "")
	j.Evaluation = slipped("think", "TH IH NG K", "TH", "S")
	r, err := demo(t, config, v, encoder{}, s).Handle(t.Context(), j)
	if err != nil || !strings.HasPrefix(r.Artifact.ContrastKey, "evaluations/eval_1/contrast-") || !strings.HasPrefix(r.Artifact.ObjectKey, "demo/en-US/nova/") {
		t.Fatalf("Handle = %+v, %v", r.Artifact, err)
	}
	var asked []string
	for _, q := range v.asked {
		asked = append(asked, fmt.Sprintf("%s %v %.2f", q.Text, q.Phones, q.Speed))
	}
	want := []string{"think [] 0.85", "think [] 1.00", "think [S IH NG K] 0.85", "think [TH IH NG K] 0.85"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	spoken := 4*500*time.Millisecond + 3*600*time.Millisecond
	if got := string(s.objects[r.Artifact.ContrastKey]); got != "think (heard, meant) "+spoken.String() {
		t.Errorf("the contrast is %q, want both readings twice: %v", got, spoken)
	}
	again, err := demo(t, config, v, encoder{}, s).Handle(t.Context(), j)
	if err != nil || again.Artifact != r.Artifact || len(v.asked) != 4 {
		t.Errorf("a second run gives %+v, %v, and speaks %d times in all", again.Artifact, err, len(v.asked))
	}
}

// TestNoContrast makes none when no other sound was heard.
func TestNoContrast(t *testing.T) {
	t.Parallel()
	j := job("eval_1", "", "", "")
	j.Evaluation = slipped("think", "TH IH NG K", "TH", "")
	r, err := demo(t, config, &voice{}, encoder{}, &store{}).Handle(t.Context(), j)
	if err != nil || r.Artifact.ContrastKey != "" || r.Artifact.State != evaluation.StateReady {
		t.Errorf("Handle = %+v, %v, want a model reading alone", r.Artifact, err)
	}
}

// plainVoice speaks texts, and fails for sounds.
type plainVoice struct {
	voice
	failure error
}

func (v *plainVoice) Speak(ctx context.Context, r tts.Request) (audio.Clip, error) {
	if len(r.Phones) > 0 {
		return audio.Clip{}, v.failure
	}
	return v.voice.Speak(ctx, r)
}

// TestContrastFails leaves the model reading as it is when a voice speaks no sounds, and waits for what is away.
func TestContrastFails(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{tts.ErrUnspeakable, tts.ErrNotInstalled, errors.New("exit status 1"), fmt.Errorf("too busy: %w", evaluation.ErrUnavailable)} {
		j := job("eval_1", "", "", "")
		j.Evaluation = slipped("think", "TH IH NG K", "TH", "S")
		r, err := demo(t, config, &plainVoice{failure: failure}, encoder{}, &store{}).Handle(t.Context(), j)
		if errors.Is(failure, evaluation.ErrUnavailable) {
			if class(err) != "voice" {
				t.Errorf("%v: Handle = %v, want to wait for the voice", failure, err)
			}
			continue
		}
		if err != nil || r.Artifact.State != evaluation.StateReady || r.Artifact.ContrastKey != "" || r.Artifact.ObjectKey == "" {
			t.Errorf("%v: Handle = %+v, %v, want a model reading alone", failure, r.Artifact, err)
		}
	}
}

// TestBusyMachine uses up no attempt when the machine, not the text, is why there is no speech.
func TestBusyMachine(t *testing.T) {
	t.Parallel()
	v := &voice{err: fmt.Errorf("took too long: %w", evaluation.ErrUnavailable)}
	for _, h := range []pipeline.Handler{speech(t, config, v, encoder{}, &store{}), demo(t, config, v, encoder{}, &store{})} {
		if _, err := h.Handle(t.Context(), job("eval_1", "Well done.", evaluation.DemoWord, "apples")); class(err) != "voice" {
			t.Errorf("Handle = %v, want to wait for the voice", err)
		}
	}
	slow := encoder{fmt.Errorf("no slot: %w", evaluation.ErrUnavailable)}
	if _, err := speech(t, config, &voice{}, slow, &store{}).Handle(t.Context(), job("eval_1", "Well done.", evaluation.DemoWord, "apples")); class(err) != "voice" {
		t.Errorf("Handle = %v, want to wait for the voice", err)
	}
}
