package tts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"oktalk/internal/audio"
	"oktalk/internal/evaluation"
	"oktalk/internal/feedback"
	"oktalk/internal/pipeline"
)

// Stage is the handler of a stage that speaks one artifact. It is safe for concurrent use.
type Stage struct {
	kind     evaluation.ArtifactKind
	requests int    // to the voice's vendor, for one job
	excuse   string // what a client can show when there is no audio
	language func(*evaluation.Evaluation) string
	script   func(*evaluation.Evaluation) script
	contrast func(*evaluation.Evaluation) script // the second track; its parts are empty when there is none. nil: never
	maker    maker
}

var (
	_ pipeline.Handler  = (*Stage)(nil)
	_ pipeline.Vendored = (*Stage)(nil)
)

// script is what a stage has to say for an evaluation.
type script struct {
	parts  []part
	twice  bool                                      // all of it is heard again
	title  string                                    // ID3
	shared bool                                      // by all who are given this text
	key    func(language, voice, hash string) string // where the audio is kept
}

// NewSpeech makes the handler of stage speech, which speaks the coaching text. The error says which setting is wrong.
func NewSpeech(cfg Config, voice Synthesizer, enc Encoder, store Store, log *slog.Logger) (*Stage, error) {
	if err := checkSpeed("TTS_SPEED", cfg.Speed); err != nil {
		return nil, err
	}
	return &Stage{
		kind: evaluation.FeedbackAudio, requests: 1, maker: maker{voice, enc, newKnown(store), log},
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
		kind: evaluation.DemoAudio, requests: 4, // a word at two speeds, and a contrast
		maker:    maker{voice, enc, newKnown(store), log},
		excuse:   "The model reading is not available right now. Scores and text are complete.",
		language: func(e *evaluation.Evaluation) string { return e.Language },
		script: func(e *evaluation.Evaluation) script {
			a := e.Artifacts.Get(evaluation.DemoAudio)
			text := normalize(a.Text)
			s := script{parts: []part{{Text: text, Speed: cfg.DemoSpeed}}, title: text, shared: true, key: sharedKey}
			if a.DemoType == evaluation.DemoWord {
				s.parts = append(s.parts, part{Text: text, Speed: 1})
			}
			return s
		},
		contrast: func(e *evaluation.Evaluation) script { return contrast(e, cfg.DemoSpeed) },
	}, nil
}

// contrast is a word as it was heard, then as it is meant, twice: from sounds, so that nothing else differs. It is kept with the evaluation,
// since it tells how a learner speaks.
func contrast(e *evaluation.Evaluation, speed float64) script {
	c, ok := feedback.FindContrast(e)
	if !ok {
		return script{}
	}
	heard, meant := part{Text: c.Word, Phones: c.Heard, Speed: speed}, part{Text: c.Word, Phones: c.Meant, Speed: speed}
	return script{
		parts: []part{heard, meant}, twice: true, title: c.Word + " (heard, meant)",
		key: func(_, _, hash string) string {
			return evaluation.ObjectPrefix(e.ID) + "contrast-" + hash[:16] + ".mp3"
		},
	}
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
	e := j.Evaluation
	language := s.language(e)
	voice, err := s.maker.voiceOf(j, language)
	if err != nil {
		return pipeline.Result{}, classify(err)
	}
	say := s.script(e)
	rec := s.recipe(say, language, voice)
	r := pipeline.Result{
		Artifact:  evaluation.Artifact{Kind: s.kind, State: evaluation.StateReady, ContentType: contentType, Provider: rec.Provider},
		InputHash: rec.hash(), Provider: rec.Provider, Model: voice,
	}
	var characters int
	if r.Artifact.ObjectKey, characters, err = s.maker.make(ctx, j, say, say.key(language, voice, rec.hash()), rec); err != nil {
		return pipeline.Result{}, err
	}
	if characters > 0 {
		r.Usage, _ = json.Marshal(map[string]int{"characters": characters})
	}
	if s.contrast != nil {
		r.Artifact.ContrastKey, err = s.second(ctx, j, language, voice)
	}
	return r, err
}

// second makes the second track, if there is one. A voice that cannot speak it leaves the first as it is; what is away is waited for.
func (s *Stage) second(ctx context.Context, j pipeline.Job, language, voice string) (key string, err error) {
	say := s.contrast(j.Evaluation)
	if len(say.parts) == 0 {
		return "", nil
	}
	rec := s.recipe(say, language, voice)
	key, _, err = s.maker.make(ctx, j, say, say.key(language, voice, rec.hash()), rec)
	if _, away := errors.AsType[*pipeline.EnvironmentError](err); err == nil || away || ctx.Err() != nil {
		return key, err
	}
	s.maker.log.WarnContext(ctx, "a contrast could not be made; the model reading stands alone", "evaluation_id", j.EvaluationID, "err", err)
	return "", nil
}

func (s *Stage) recipe(say script, language, voice string) recipe {
	return recipe{
		Parts: say.parts, Twice: say.twice, Language: language, Voice: voice, Title: say.title, Provider: s.maker.provider(language), Encoder: audio.EncoderVersion,
	}
}

// Fallback implements [pipeline.Handler]: the audio fails, everything else stands.
func (s *Stage) Fallback(_ context.Context, j pipeline.Job, cause error) (pipeline.Result, error) {
	language := ""
	if j.Evaluation != nil {
		language = s.language(j.Evaluation)
	}
	return failed(s.kind, s.maker.provider(language), language, s.excuse, cause), nil
}
