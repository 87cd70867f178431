// Command worker-tts runs the speech and demo stages: it speaks coaching texts and model readings.
package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"oktalk/internal/audio"
	"oktalk/internal/command"
	"oktalk/internal/evaluation"
	"oktalk/internal/objectstore"
	"oktalk/internal/process"
	"oktalk/internal/provider/espeak"
	"oktalk/internal/provider/flite"
	"oktalk/internal/provider/instant"
	"oktalk/internal/settings"
	"oktalk/internal/telemetry"
	"oktalk/internal/tts"
)

func main() {
	process.CollectLess()
	os.Exit(process.Main("worker-tts", settings.Load[settings.WorkerTTS], assemble))
}

func assemble(cfg settings.WorkerTTS, p *process.Process) (process.Parts, error) {
	var none process.Parts
	store, err := objectstore.New(cfg.Store, p.Log)
	if err != nil {
		return none, err
	}
	voice, encoder, err := newVoice(cfg, p.Log)
	if err != nil {
		return none, err
	}
	speech, err := tts.NewSpeech(cfg.TTS, voice, encoder, store, p.Log)
	if err != nil {
		return none, err
	}
	demo, err := tts.NewDemo(cfg.TTS, voice, encoder, store, p.Log)
	if err != nil {
		return none, err
	}
	speaker, err := p.Runner(evaluation.StageSpeech, speech)
	if err != nil {
		return none, err
	}
	reader, err := p.Runner(evaluation.StageDemo, demo)
	if err != nil {
		return none, err
	}
	return process.Parts{Run: []process.Part{speaker.Run, reader.Run}, Checks: []telemetry.Check{{Name: "s3", Required: true, Run: store.Ready}}}, nil
}

// newVoice makes who speaks and who encodes it.
func newVoice(cfg settings.WorkerTTS, log *slog.Logger) (tts.Synthesizer, tts.Encoder, error) {
	encoder, err := audio.NewEncoder(cfg.Audio, log)
	if err != nil {
		return nil, nil, err
	}
	if yes, err := instant.Chosen("VOICE", cfg.Speaker, "local", log); err != nil {
		return nil, nil, err
	} else if yes {
		silent, err := instant.NewEncoder(context.Background(), encoder)
		return instant.Voice{}, silent, err
	}
	english, err := flite.New(cfg.Voice)
	if err != nil {
		return nil, nil, err
	}
	switch chinese, err := espeak.New(context.Background(), cfg.Chinese); {
	case err == nil:
		return tts.NewVoices(english, chinese), encoder, nil
	case errors.Is(err, command.ErrMissing), errors.Is(err, tts.ErrNoVoice):
		log.Warn("coaching texts in Chinese stay without audio", "err", err)
		return tts.NewVoices(english, nil), encoder, nil
	default:
		return nil, nil, err
	}
}
