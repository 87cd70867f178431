// Package flite speaks English with flite, a small offline synthesizer.
package flite

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"oktalk/internal/audio"
	"oktalk/internal/provider/local"
	"oktalk/internal/tts"
)

// Config is which flite speaks, and how.
type Config struct {
	// Path is the flite to run: a path, or a name that is searched for in PATH. Default flite.
	Path string `env:"FLITE_PATH" envDefault:"flite"`
	// Voice is rms (a man, American), slt (a woman, American), awb (a man, Scottish) or kal16 (a man, American, robotic). Default rms,
	// the clearest American one: docs/voice.md has the measurements.
	Voice string `env:"TTS_VOICE" envDefault:"rms"`
	// Timeout is the time one text may take, and may wait for others before it. Default 8 s; a long sentence takes 0.2 s. 0 means 8 s too.
	Timeout time.Duration `env:"TTS_TIMEOUT" envDefault:"8s"`
}

// voices are those built into flite that speak well enough. kal is left out: it has 8 kHz, where s and f sound alike.
var voices = []string{"rms", "slt", "awb", "kal16"}

// Voices lists the voices, the default one first.
func Voices() []string { return slices.Clone(voices) }

// Voice is a voice of flite. It is safe for concurrent use.
type Voice struct {
	program *local.Program
	voice   string
}

var _ tts.Synthesizer = (*Voice)(nil)

// New finds flite. The error says how to install it, or which voices there are.
func New(cfg Config) (*Voice, error) {
	v := &Voice{voice: cfg.Voice}
	if v.voice == "" {
		v.voice = voices[0]
	}
	if !slices.Contains(voices, v.voice) { // flite takes an unknown name for a file or an address
		return nil, fmt.Errorf("TTS_VOICE is %q; flite has the voices %s", v.voice, strings.Join(voices, ", "))
	}
	name := cfg.Path
	if name == "" {
		name = "flite"
	}
	var err error
	v.program, err = local.Find(name, "FLITE_PATH", "flite", cfg.Timeout)
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
	said := []string{"-p", ""}
	text, err := spoken(r.Text)
	if len(r.Phones) > 0 {
		said[1], err = phones(r.Phones)
	}
	if err != nil {
		return audio.Clip{}, err
	}
	c, _, err := v.program.Speak(ctx, text+"\n", func(in, out string) []string {
		if len(r.Phones) == 0 {
			said = []string{"-f", in}
		}
		return append(said, "-voice", r.Voice, "--setf", "duration_stretch="+strconv.FormatFloat(1/r.Speed, 'f', 4, 64), "-o", out)
	})
	if err != nil {
		return audio.Clip{}, fmt.Errorf("speak with flite: %w", err)
	}
	return c, nil
}
