package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"oktalk/internal/client"
	"oktalk/internal/evaluation"
)

const (
	demoText = "I like apples"
	// demoPhones is demoText with a planted mistake, "apples" with the vowel of "apes", for the coach to find.
	demoPhones = "pau ay l ay k ey p ax l z pau"
	// demoWait is how long the workers may take; with the offline coach and voice it is a second or two.
	demoWait = 3 * time.Minute
)

type demoFlags struct {
	audio, text, out string
	asJSON           bool
}

func newDemoCommand(getenv func(string) string) *cobra.Command {
	var flags demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Post a recording, follow it and fetch the coaching",
		Long: `demo posts a recording to a running stack, prints scores and words, follows the progress,
prints the coaching text and saves its audio and the model reading. Without --audio it
lets flite speak the text; without --text too, with a mistake for the coach to find.`,
		Example: "  oktalk demo\n  oktalk demo --audio me.wav --text \"I like apples\"",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := client.Find(getenv, ".")
			if err != nil {
				return err
			}
			s := newScreen(cmd.OutOrStdout(), getenv)
			if flags.asJSON {
				s = newScreen(cmd.ErrOrStderr(), getenv)
			}
			result, err := runDemo(cmd.Context(), c, flags, s)
			if err != nil {
				s.printf("") // ends a progress line
				return explainServer(c, err)
			}
			if flags.asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(result)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&flags.audio, "audio", "", "recording to post: WAV, MP3, Ogg, WebM, M4A or FLAC (default: one is made)")
	cmd.Flags().StringVar(&flags.text, "text", "", fmt.Sprintf("what is read in the recording (default %q)", demoText))
	cmd.Flags().StringVar(&flags.out, "out", ".oktalk/demo", "folder to save audio in")
	cmd.Flags().BoolVar(&flags.asJSON, "json", false, "print the final evaluation and the files as JSON; the rest goes to standard error")
	return cmd
}

// demoResult is what `demo --json` prints.
type demoResult struct {
	Evaluation evaluation.View         `json:"evaluation"`
	Files      map[client.Audio]string `json:"files"`
}

func runDemo(ctx context.Context, c *client.Client, flags demoFlags, s *screen) (demoResult, error) {
	rec, err := demoRecording(ctx, flags)
	if err != nil {
		return demoResult{}, err
	}
	s.printf("posting %s, reading %q\n", rec.FileName, rec.TargetText)
	v, err := c.Create(ctx, rec)
	if err != nil {
		return demoResult{}, err
	}
	s.printf("evaluation %s\n", v.ID)
	s.scores(v)
	s.printf("\n")
	if err := awaitWorkers(ctx, c, v.ID, s); err != nil {
		return demoResult{}, err
	}
	if v, err = c.Get(ctx, v.ID); err != nil {
		return demoResult{}, err
	}
	s.outcome(v)
	files, err := saveAudio(ctx, c, v, flags.out, s)
	return demoResult{Evaluation: v, Files: files}, err
}

func awaitWorkers(ctx context.Context, c *client.Client, id string, s *screen) error {
	limited, cancel := context.WithTimeout(ctx, demoWait)
	defer cancel()
	_, err := follow(limited, c, id, s)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("evaluation %s is not complete after %v: are worker-feedback and worker-tts running?", id, demoWait)
	}
	return err
}

// demoRecording is the file that was named, or one that flite speaks on the spot.
func demoRecording(ctx context.Context, flags demoFlags) (client.Recording, error) {
	switch {
	case flags.audio != "" && flags.text == "":
		return client.Recording{}, errors.New("--audio needs --text: what is read in the recording")
	case flags.audio != "":
		b, err := os.ReadFile(flags.audio)
		return client.Recording{Audio: b, FileName: filepath.Base(flags.audio), TargetText: flags.text}, err
	case flags.text != "":
		b, err := speak(ctx, "-t", flags.text)
		return client.Recording{Audio: b, FileName: "flite.wav", TargetText: flags.text}, err
	}
	b, err := speak(ctx, "-p", demoPhones)
	return client.Recording{Audio: b, FileName: "flite.wav", TargetText: demoText}, err
}

// speak lets flite make a recording.
func speak(ctx context.Context, args ...string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "oktalk-demo-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "flite.wav")
	out, err := exec.CommandContext(ctx, "flite", append([]string{"-voice", "slt", "-o", file}, args...)...).CombinedOutput()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, errors.New("flite is not installed: run make setup, or name a recording with --audio and --text")
	case err != nil:
		return nil, fmt.Errorf("make a recording with flite: %w: %s", err, out)
	}
	return os.ReadFile(file)
}

func saveAudio(ctx context.Context, c *client.Client, v evaluation.View, dir string, s *screen) (map[client.Audio]string, error) {
	files := map[client.Audio]string{}
	for _, a := range audioOf(v) {
		_, body, err := c.Fetch(ctx, v.ID, a)
		if err != nil {
			return files, err
		}
		file := filepath.Join(dir, v.ID+"-"+strings.ReplaceAll(string(a), "?track=", "-")+".mp3") // "demo-audio?track=contrast"
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return files, err
		}
		if err := os.WriteFile(file, body, 0o644); err != nil {
			return files, err
		}
		files[a] = file
		s.printf("saved %s (%d KB)\n", file, (len(body)+1023)/1024)
	}
	return files, nil
}
