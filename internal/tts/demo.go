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

// Demo is the handler of stage demo: it speaks a model reading, a sentence slowly, a word slowly and then naturally.
type Demo struct {
	cfg   Config
	maker maker
}

var (
	_ pipeline.Handler  = (*Demo)(nil)
	_ pipeline.Vendored = (*Demo)(nil)
)

// NewDemo makes the handler. The error says which setting is wrong.
func NewDemo(cfg Config, voice Synthesizer, enc Encoder, store Store, log *slog.Logger) (*Demo, error) {
	if err := checkSpeed("DEMO_SPEED", cfg.DemoSpeed); err != nil {
		return nil, err
	}
	return &Demo{cfg: cfg, maker: maker{voice, enc, store, log}}, nil
}

// Vendor implements [pipeline.Vendored]: a word is spoken twice.
func (d *Demo) Vendor() (name string, requests int) { return d.maker.voice.Name(), 2 }

// Handle implements [pipeline.Handler].
func (d *Demo) Handle(ctx context.Context, j pipeline.Job) (pipeline.Result, error) {
	if j.Evaluation == nil {
		return pipeline.Result{}, pipeline.Permanent(errors.New("job has no evaluation"))
	}
	e := j.Evaluation
	voice, err := d.maker.voiceOf(j, e.Language)
	if err != nil {
		return pipeline.Result{}, classify(err)
	}
	a := e.Artifacts.Get(evaluation.DemoAudio)
	text := normalize(a.Text)
	rec := recipe{
		Parts:    []part{{Text: text, Speed: d.cfg.DemoSpeed}},
		Language: e.Language, Voice: voice, Title: text, Provider: d.maker.voice.Name(), Encoder: audio.EncoderVersion,
	}
	if a.DemoType == evaluation.DemoWord {
		rec.Parts = append(rec.Parts, part{Text: text, Speed: 1})
	}
	key := fmt.Sprintf("demo/%s/%s/%s.mp3", e.Language, voice, rec.hash())
	return d.maker.make(ctx, j, evaluation.DemoAudio, key, rec)
}

// Fallback implements [pipeline.Handler]: there is no model reading; scores and text stand.
func (d *Demo) Fallback(_ context.Context, j pipeline.Job, cause error) (pipeline.Result, error) {
	language := ""
	if j.Evaluation != nil {
		language = j.Evaluation.Language
	}
	return failed(evaluation.DemoAudio, d.maker.voice.Name(), language, "The model reading is not available right now. Scores and text are complete.", cause), nil
}
