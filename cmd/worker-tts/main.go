// Command worker-tts runs the speech and demo stages: it speaks coaching texts and model readings.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"oktalk/internal/audio"
	"oktalk/internal/evaluation"
	"oktalk/internal/objectstore"
	"oktalk/internal/process"
	"oktalk/internal/provider/flite"
	"oktalk/internal/settings"
	"oktalk/internal/telemetry"
	"oktalk/internal/tts"
)

func main() {
	if err := run(context.Background(), os.Environ(), os.Stdout); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "worker-tts:", err)
		os.Exit(1)
	}
}

// run runs the worker until ctx ends or a signal comes, and drains then. A second signal ends it at once.
func run(ctx context.Context, environ []string, stdout io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	cfg, err := settings.Load[settings.WorkerTTS](environ)
	if err != nil {
		return err
	}
	p, err := process.Open(ctx, "worker-tts", cfg.Config, stdout)
	if err != nil {
		return err
	}
	defer p.Close()

	store, err := objectstore.New(cfg.Store, p.Log)
	if err != nil {
		return err
	}
	voice, err := flite.New(cfg.Voice)
	if err != nil {
		return err
	}
	encoder, err := audio.NewEncoder(cfg.Audio, p.Log)
	if err != nil {
		return err
	}
	speech, err := tts.NewSpeech(cfg.TTS, voice, encoder, store, p.Log)
	if err != nil {
		return err
	}
	demo, err := tts.NewDemo(cfg.TTS, voice, encoder, store, p.Log)
	if err != nil {
		return err
	}
	speaker, err := p.Runner(evaluation.StageSpeech, speech)
	if err != nil {
		return err
	}
	reader, err := p.Runner(evaluation.StageDemo, demo)
	if err != nil {
		return err
	}
	return p.Run(ctx, map[string]telemetry.Check{"s3": store.Ready}, speaker.Run, reader.Run)
}
