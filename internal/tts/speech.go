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

// Speech is the handler of stage speech: it speaks the coaching text.
type Speech struct {
	cfg   Config
	maker maker
}

var (
	_ pipeline.Handler  = (*Speech)(nil)
	_ pipeline.Vendored = (*Speech)(nil)
)

// NewSpeech makes the handler. The error says which setting is wrong.
func NewSpeech(cfg Config, voice Synthesizer, enc Encoder, store Store, log *slog.Logger) (*Speech, error) {
	if err := checkSpeed("TTS_SPEED", cfg.Speed); err != nil {
		return nil, err
	}
	return &Speech{cfg: cfg, maker: maker{voice, enc, store, log}}, nil
}

// Vendor implements [pipeline.Vendored]: a text is one request.
func (s *Speech) Vendor() (name string, requests int) { return s.maker.voice.Name(), 1 }

// Handle implements [pipeline.Handler].
func (s *Speech) Handle(ctx context.Context, j pipeline.Job) (pipeline.Result, error) {
	if j.Evaluation == nil {
		return pipeline.Result{}, pipeline.Permanent(errors.New("job has no evaluation"))
	}
	e := j.Evaluation
	voice, err := s.maker.voiceOf(j, e.FeedbackLanguage)
	if err != nil {
		return pipeline.Result{}, classify(err)
	}
	rec := recipe{
		Parts:    []part{{Text: fold(e.Artifacts.Get(evaluation.FeedbackText).Text), Speed: s.cfg.Speed}},
		Language: e.FeedbackLanguage, Voice: voice, Title: speechTitle, Provider: s.maker.voice.Name(), Encoder: audio.EncoderVersion,
	}
	key := fmt.Sprintf("evaluations/%s/feedback-%s.mp3", e.ID, rec.hash()[:16])
	return s.maker.make(ctx, j, evaluation.FeedbackAudio, key, rec)
}

// Fallback implements [pipeline.Handler]: the audio fails, the text stands.
func (s *Speech) Fallback(_ context.Context, j pipeline.Job, cause error) (pipeline.Result, error) {
	language := ""
	if j.Evaluation != nil {
		language = j.Evaluation.FeedbackLanguage
	}
	return failed(evaluation.FeedbackAudio, s.maker.voice.Name(), language, "The voice is not available right now. The text is complete.", cause), nil
}

// speechTitle is the ID3 title of a spoken coaching text.
const speechTitle = "OKTalk coaching"

func checkSpeed(setting string, speed float64) error {
	if speed >= 0.5 && speed <= 2 {
		return nil
	}
	return fmt.Errorf("%s is %v; it must be from 0.5 to 2", setting, speed)
}
