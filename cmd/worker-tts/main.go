// Command worker-tts runs the speech and demo stages: it speaks coaching texts and model readings.
package main

import (
	"context"
	"errors"
	"os"

	"oktalk/internal/audio"
	"oktalk/internal/command"
	"oktalk/internal/evaluation"
	"oktalk/internal/objectstore"
	"oktalk/internal/process"
	"oktalk/internal/provider/espeak"
	"oktalk/internal/provider/flite"
	"oktalk/internal/settings"
	"oktalk/internal/telemetry"
	"oktalk/internal/tts"
)

func main() { os.Exit(process.Main("worker-tts", settings.Load[settings.WorkerTTS], assemble)) }

func assemble(cfg settings.WorkerTTS, p *process.Process) (process.Parts, error) {
	var none process.Parts
	store, err := objectstore.New(cfg.Store, p.Log)
	if err != nil {
		return none, err
	}
	english, err := flite.New(cfg.Voice)
	if err != nil {
		return none, err
	}
	voice := tts.NewVoices(english, nil)
	switch chinese, err := espeak.New(context.Background(), cfg.Chinese); {
	case err == nil:
		voice = tts.NewVoices(english, chinese)
	case errors.Is(err, command.ErrMissing), errors.Is(err, tts.ErrNoVoice):
		p.Log.Warn("Chinese coaching texts stay without audio", "err", err)
	default:
		return none, err
	}
	encoder, err := audio.NewEncoder(cfg.Audio, p.Log)
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
	return process.Parts{Run: []process.Part{speaker.Run, reader.Run}, Checks: map[string]telemetry.Check{"s3": store.Ready}}, nil
}
