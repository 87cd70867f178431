// Package flite speaks English with flite, a small offline synthesizer.
package flite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"oktalk/internal/audio"
	"oktalk/internal/command"
	"oktalk/internal/tts"
)

// Config is which flite speaks, and how.
type Config struct {
	// Path is the flite to run: a path, or a name that is searched for in PATH. Default flite.
	Path string `env:"FLITE_PATH" envDefault:"flite"`
	// Voice is slt (a woman, American), rms (a man, American), awb (a man, Scottish) or kal16 (a man, American, robotic). Default slt.
	Voice string `env:"TTS_VOICE" envDefault:"slt"`
	// Timeout is the time one text may take. Default 8 s; a long sentence takes 0.2 s. 0 means 8 s too.
	Timeout time.Duration `env:"TTS_TIMEOUT" envDefault:"8s"`
}

// voices are those built into flite that speak well enough. kal is left out: it has 8 kHz, where s and f sound alike.
var voices = []string{"slt", "rms", "awb", "kal16"}

// Voices lists the voices, the default one first.
func Voices() []string { return slices.Clone(voices) }

const (
	defaultTimeout = 8 * time.Second
	memory         = 512 << 20
	maxWAV         = 32 << 20 // sixteen minutes at 16 kHz: a thousand characters at half speed take three
)

// Voice is a voice of flite. It is safe for concurrent use.
type Voice struct {
	path    string
	voice   string
	timeout time.Duration
	turns   chan struct{} // one for each core: more flites at once only make all of them slower, past the timeout
}

var _ tts.Synthesizer = (*Voice)(nil)

// New finds flite. The error says how to install it, or which voices there are.
func New(cfg Config) (*Voice, error) {
	v := &Voice{voice: cfg.Voice, timeout: cfg.Timeout, turns: make(chan struct{}, runtime.GOMAXPROCS(0))}
	if v.voice == "" {
		v.voice = voices[0]
	}
	if !slices.Contains(voices, v.voice) { // flite takes an unknown name for a file or an address
		return nil, fmt.Errorf("TTS_VOICE is %q; flite has the voices %s", v.voice, strings.Join(voices, ", "))
	}
	if v.timeout <= 0 {
		v.timeout = defaultTimeout
	}
	name := cfg.Path
	if name == "" {
		name = "flite"
	}
	var err error
	v.path, err = command.Find(name, "FLITE_PATH", "flite")
	return v, err
}

// Name implements [tts.Synthesizer].
func (v *Voice) Name() string { return "flite" }

// Voice implements [tts.Synthesizer]: the one voice, for English.
func (v *Voice) Voice(language string) (string, error) {
	if base, _, _ := strings.Cut(language, "-"); !strings.EqualFold(base, "en") {
		return "", fmt.Errorf("%w: flite speaks English, not %s", tts.ErrNoVoice, language)
	}
	return v.voice, nil
}

// Speak implements [tts.Synthesizer]. Text in another script than Latin is refused: flite would leave out its letters and
// read what remains. The text reaches flite in a file, so nothing in it can be an option.
func (v *Voice) Speak(ctx context.Context, r tts.Request) (audio.Clip, error) {
	if _, err := v.Voice(r.Language); err != nil {
		return audio.Clip{}, err
	}
	if !slices.Contains(voices, r.Voice) {
		return audio.Clip{}, fmt.Errorf("%w: flite has no voice %q", tts.ErrNotInstalled, r.Voice)
	}
	if !(r.Speed > 0) {
		return audio.Clip{}, fmt.Errorf("%w: at speed %v", tts.ErrUnspeakable, r.Speed)
	}
	text, err := spoken(r.Text)
	if err != nil {
		return audio.Clip{}, err
	}
	return v.run(ctx, text, r)
}

// run speaks from one file without a name into another, so that nothing of a learner is left behind when this process is killed.
func (v *Voice) run(ctx context.Context, text string, r tts.Request) (audio.Clip, error) {
	in, err := nameless(text + "\n")
	if err != nil {
		return audio.Clip{}, err
	}
	defer func() { _ = in.Close() }()
	out, err := nameless("")
	if err != nil {
		return audio.Clip{}, err
	}
	defer func() { _ = out.Close() }()
	select { // waiting for a turn is not counted against the timeout
	case v.turns <- struct{}{}:
		defer func() { <-v.turns }()
	case <-ctx.Done():
		return audio.Clip{}, ctx.Err()
	}
	_, err = command.Run(ctx, command.Command{
		Path: v.path,
		Args: []string{
			"-voice", r.Voice, "--setf", "duration_stretch=" + strconv.FormatFloat(1/r.Speed, 'f', 4, 64),
			"-f", command.FilePath(0), "-o", command.FilePath(1),
		},
		Files: []*os.File{in, out}, Timeout: v.timeout, CPU: v.timeout, Memory: memory, FileSize: maxWAV, MaxOutput: 64 << 10,
	})
	if errors.Is(err, command.ErrMissing) {
		return audio.Clip{}, fmt.Errorf("%w: %w", tts.ErrNotInstalled, err)
	}
	if err != nil {
		return audio.Clip{}, err
	}
	wav, err := io.ReadAll(io.NewSectionReader(out, 0, maxWAV))
	if err != nil {
		return audio.Clip{}, fmt.Errorf("read flite's audio: %w", err)
	}
	c, err := audio.ParseWAV(wav)
	if err == nil && len(c.Samples) == 0 {
		err = errors.New("it is empty")
	}
	if err != nil {
		return audio.Clip{}, fmt.Errorf("read flite's audio: %w", err)
	}
	return c, nil
}

// nameless makes a private file with this content that is in no folder any more.
func nameless(content string) (*os.File, error) {
	f, err := os.CreateTemp("", "oktalk-flite-") // mode 0600
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
