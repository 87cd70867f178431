// Package local runs speech programs of this machine: text in a file in, WAV in a file out.
package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"oktalk/internal/audio"
	"oktalk/internal/command"
	"oktalk/internal/evaluation"
	"oktalk/internal/tts"
)

const (
	// DefaultTimeout is the wall time of a run when none is set.
	DefaultTimeout = 8 * time.Second

	// computing is the CPU time of a run, half the timeout if that is less. A thousand characters at half speed take flite 2 s.
	computing = 4 * time.Second
	memory    = 512 << 20
	maxFile   = 128 << 20 // espeak-ng opens a sound server's shared memory of 64 MB even when it writes to a file
	maxWAV    = 32 << 20  // sixteen minutes at 16 kHz: a thousand characters at half speed take three
	maxOutput = 64 << 10
)

// Program is a speech program. It is safe for concurrent use.
type Program struct {
	path    string
	timeout time.Duration
	turns   chan struct{} // one for each core: more runs at once only make all of them slower, past the timeout
}

// Find looks a program up, as [command.Find] does. A timeout of 0 means [DefaultTimeout].
func Find(name, setting, pkg string, timeout time.Duration) (*Program, error) {
	path, err := command.Find(name, setting, pkg)
	if err != nil {
		return nil, err
	}
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	return &Program{path: path, timeout: timeout, turns: make(chan struct{}, runtime.GOMAXPROCS(0))}, nil
}

// Speak runs the program on a text. args makes its arguments of the paths of the file with the text and the file for the audio, which
// have no names any more, so that nothing of a learner is left behind when this process is killed. said is what the program printed.
//
// What a run may compute is much less than its wall time: one that reaches the end of that was on a busy machine, and so was one
// that something killed, or that waited for its turn as long. These errors wrap [evaluation.ErrUnavailable].
func (p *Program) Speak(ctx context.Context, text string, args func(in, out string) []string) (c audio.Clip, said string, err error) {
	in, err := nameless(text)
	if err != nil {
		return c, "", err
	}
	defer func() { _ = in.Close() }()
	out, err := nameless("")
	if err != nil {
		return c, "", err
	}
	defer func() { _ = out.Close() }()
	if err := p.enter(ctx); err != nil {
		return c, "", err
	}
	defer func() { <-p.turns }()
	printed, err := command.Run(ctx, command.Command{
		Path: p.path, Args: args(command.FilePath(0), command.FilePath(1)), Files: []*os.File{in, out},
		Timeout: p.timeout, CPU: min(p.timeout/2, computing), Memory: memory, FileSize: maxFile, MaxOutput: maxOutput,
	})
	switch {
	case errors.Is(err, command.ErrMissing):
		return c, "", fmt.Errorf("%w: %w", tts.ErrNotInstalled, err)
	case errors.Is(err, command.ErrTimeout), errors.Is(err, command.ErrKilled):
		return c, "", fmt.Errorf("%w: %w", evaluation.ErrUnavailable, err)
	case err != nil:
		return c, "", err
	}
	wav, err := io.ReadAll(io.NewSectionReader(out, 0, maxWAV))
	if err == nil {
		c, err = audio.ParseWAV(wav)
	}
	if err == nil && len(c.Samples) == 0 {
		err = errors.New("it is empty")
	}
	if err != nil {
		return audio.Clip{}, "", fmt.Errorf("read the audio of %s: %w", p.path, err)
	}
	return c, string(printed), nil
}

// enter waits for a turn, no longer than a run may take.
func (p *Program) enter(ctx context.Context) error {
	timer := time.NewTimer(p.timeout)
	defer timer.Stop()
	select {
	case p.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return fmt.Errorf("%w: other runs of %s left no turn in %v", evaluation.ErrUnavailable, p.path, p.timeout)
	}
}

// nameless makes a private file with this content that is in no folder any more.
func nameless(content string) (*os.File, error) {
	f, err := os.CreateTemp("", "oktalk-speech-") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("make a temporary file: %w", err)
	}
	if err = os.Remove(f.Name()); err == nil {
		_, err = f.WriteAt([]byte(content), 0)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("write a temporary file: %w", err)
	}
	return f, nil
}
