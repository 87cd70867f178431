package tts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"oktalk/internal/audio"
	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// Stage is the handler of a stage that speaks one artifact. It is safe for concurrent use.
type Stage struct {
	kind     evaluation.ArtifactKind
	requests int    // to the voice's vendor, for one job
	excuse   string // what a client can show when there is no audio
	language func(*evaluation.Evaluation) string
	script   func(*evaluation.Evaluation) script
	maker    maker
}

var (
	_ pipeline.Handler  = (*Stage)(nil)
	_ pipeline.Vendored = (*Stage)(nil)
)

// script is what a stage has to say for an evaluation.
type script struct {
	parts []part
	title string                                    // ID3
	key   func(language, voice, hash string) string // where the audio is kept
}

// NewSpeech makes the handler of stage speech, which speaks the coaching text. The error says which setting is wrong.
func NewSpeech(cfg Config, voice Synthesizer, enc Encoder, store Store, log *slog.Logger) (*Stage, error) {
	if err := checkSpeed("TTS_SPEED", cfg.Speed); err != nil {
		return nil, err
	}
	return &Stage{
		kind: evaluation.FeedbackAudio, requests: 1, maker: maker{voice, enc, store, log},
		excuse:   "The voice is not available right now. The text is complete.",
		language: func(e *evaluation.Evaluation) string { return e.FeedbackLanguage },
		script: func(e *evaluation.Evaluation) script {
			return script{
				parts: []part{{Text: fold(e.Artifacts.Get(evaluation.FeedbackText).Text), Speed: cfg.Speed}}, title: "OKTalk coaching",
				key: func(_, _, hash string) string {
					return evaluation.ObjectPrefix(e.ID) + "feedback-" + hash[:16] + ".mp3"
				},
			}
		},
	}, nil
}

// NewDemo makes the handler of stage demo, which speaks a model reading: a sentence slowly, a word slowly and then naturally.
// The error says which setting is wrong.
func NewDemo(cfg Config, voice Synthesizer, enc Encoder, store Store, log *slog.Logger) (*Stage, error) {
	if err := checkSpeed("DEMO_SPEED", cfg.DemoSpeed); err != nil {
		return nil, err
	}
	return &Stage{
		kind: evaluation.DemoAudio, requests: 2, maker: maker{voice, enc, store, log},
		excuse:   "The model reading is not available right now. Scores and text are complete.",
		language: func(e *evaluation.Evaluation) string { return e.Language },
		script: func(e *evaluation.Evaluation) script {
			a := e.Artifacts.Get(evaluation.DemoAudio)
			text := normalize(a.Text)
			s := script{parts: []part{{Text: text, Speed: cfg.DemoSpeed}}, title: text, key: sharedKey}
			if a.DemoType == evaluation.DemoWord {
				s.parts = append(s.parts, part{Text: text, Speed: 1})
			}
			return s
		},
	}, nil
}

// sharedKey is where audio is kept that holds nothing of a learner's.
func sharedKey(language, voice, hash string) string {
	return fmt.Sprintf("demo/%s/%s/%s.mp3", language, voice, hash)
}

func checkSpeed(setting string, speed float64) error {
	if speed >= 0.5 && speed <= 2 {
		return nil
	}
	return fmt.Errorf("%s is %v; it must be from 0.5 to 2", setting, speed)
}

// Vendor implements [pipeline.Vendored].
func (s *Stage) Vendor() (name string, requests int) { return s.maker.voice.Name(), s.requests }

// Handle implements [pipeline.Handler]. That there is no voice for a language, or that a text cannot be spoken, is a result.
func (s *Stage) Handle(ctx context.Context, j pipeline.Job) (pipeline.Result, error) {
	res, err := s.speak(ctx, j)
	if errors.Is(err, ErrNoVoice) || errors.Is(err, ErrUnspeakable) {
		return s.Fallback(ctx, j, err)
	}
	return res, err
}

func (s *Stage) speak(ctx context.Context, j pipeline.Job) (pipeline.Result, error) {
	if j.Evaluation == nil {
		return pipeline.Result{}, pipeline.Permanent(errors.New("job has no evaluation"))
	}
	language := s.language(j.Evaluation)
	voice, err := s.maker.voiceOf(j, language)
	if err != nil {
		return pipeline.Result{}, classify(err)
	}
	say := s.script(j.Evaluation)
	rec := recipe{
		Parts: say.parts, Language: language, Voice: voice, Title: say.title, Provider: s.maker.voice.Name(), Encoder: audio.EncoderVersion,
	}
	return s.maker.make(ctx, j, s.kind, say.key(language, voice, rec.hash()), rec)
}

// Fallback implements [pipeline.Handler]: the audio fails, everything else stands.
func (s *Stage) Fallback(_ context.Context, j pipeline.Job, cause error) (pipeline.Result, error) {
	language := ""
	if j.Evaluation != nil {
		language = s.language(j.Evaluation)
	}
	return failed(s.kind, s.maker.voice.Name(), language, s.excuse, cause), nil
}
