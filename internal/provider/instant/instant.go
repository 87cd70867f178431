// Package instant stands in for the assessor, the language model and the voice in load tests: it answers at once, with fixed results
// that depend on the text alone, so that what is measured is everything else. Nothing that it says is true of the learner.
package instant

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"oktalk/internal/audio"
	"oktalk/internal/evaluation"
	"oktalk/internal/feedback"
	"oktalk/internal/tts"
)

// Name is the provider's name, and the value of the settings ASSESSOR, COACH and VOICE that choose it.
const Name = "instant"

// Chosen reports whether a setting asks for this package, and says so in the log, loudly. usual is the other value it may have.
func Chosen(setting, value, usual string, log *slog.Logger) (bool, error) {
	switch value {
	case usual:
		return false, nil
	case Name:
		log.Error("made-up results for a load test are given to everybody; unset the setting to serve learners", "setting", setting, "value", value)
		return true, nil
	default:
		return false, fmt.Errorf("%s is %q; it must be %s, or %s for load tests", setting, value, usual, Name)
	}
}

// Assessor scores: words are good but for one in four, the second of each four, in which another vowel was heard.
type Assessor struct{}

// Assess implements what package intake needs.
func (Assessor) Assess(_ context.Context, r evaluation.AssessRequest) (*evaluation.Assessment, error) {
	words := evaluation.TextWords(r.Text)
	each := time.Duration(len(r.Samples)) * time.Second / audio.Rate / time.Duration(max(1, len(words)))
	a := &evaluation.Assessment{Assessor: Name}
	sum := 0
	for i, w := range words {
		word := evaluation.Word{Text: w, Score: 93, Error: evaluation.WordCorrect, Offset: time.Duration(i) * each, Duration: each}
		if i%4 == 1 || len(words) == 1 {
			word.Score, word.Error = 58, evaluation.WordMispronunciation
			word.Phonemes = []evaluation.Phoneme{{ARPAbet: "AE", Score: 41, Heard: "EH", Offset: word.Offset, Duration: each}}
		}
		sum += word.Score
		a.Words = append(a.Words, word)
	}
	accuracy := sum / max(1, len(words))
	a.Scores = evaluation.Scores{Overall: evaluation.OverallScore(accuracy, 82, 100, nil), Accuracy: accuracy, Fluency: 82, Integrity: 100}
	a.Level = evaluation.LevelOf(a.Scores.Overall, a.Scores.Integrity)
	return a, nil
}

// Coach writes one sentence.
type Coach struct{}

var _ feedback.Generator = Coach{}

// Name is the provider's name.
func (Coach) Name() string { return Name }

// Write implements [feedback.Generator].
func (Coach) Write(_ context.Context, r feedback.Request) (feedback.Text, error) {
	t := feedback.Text{Body: "Read it once more, slowly.", Provider: Name, PromptVersion: Name}
	if r.Plan.Language == feedback.Chinese {
		t.Body = "请慢慢再读一遍。"
	}
	if len(r.Plan.Issues) > 0 && r.Plan.Issues[0].Word.Text != "" {
		t.Body = fmt.Sprintf("“%s”. %s", r.Plan.Issues[0].Word.Text, t.Body)
	}
	return t, nil
}

// silence is what every text sounds like.
var silence = audio.Silence(16_000, 100*time.Millisecond)

// Voice speaks every language by saying nothing.
type Voice struct{}

var _ tts.Synthesizer = Voice{}

// Name implements [tts.Synthesizer].
func (Voice) Name() string { return Name }

// Voice implements [tts.Synthesizer].
func (Voice) Voice(string) (string, error) { return "silent", nil }

// Speak implements [tts.Synthesizer].
func (Voice) Speak(context.Context, tts.Request) (audio.Clip, error) { return silence, nil }

// Encoder gives the same MP3 for every clip: 100 ms of silence, encoded once.
type Encoder struct{ mp3 []byte }

var _ tts.Encoder = (*Encoder)(nil)

// NewEncoder has enc encode the silence.
func NewEncoder(ctx context.Context, enc tts.Encoder) (*Encoder, error) {
	mp3, err := enc.MP3(ctx, silence, "OKTalk load test")
	if err != nil {
		return nil, fmt.Errorf("encode silence: %w", err)
	}
	return &Encoder{mp3}, nil
}

// MP3 implements [tts.Encoder].
func (e *Encoder) MP3(context.Context, audio.Clip, string) ([]byte, error) { return e.mp3, nil }
