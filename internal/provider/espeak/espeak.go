// Package espeak speaks Chinese with espeak-ng, a small offline synthesizer.
package espeak

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"oktalk/internal/audio"
	"oktalk/internal/provider/local"
	"oktalk/internal/tts"
)

// Config is which espeak-ng speaks.
type Config struct {
	// Path is the espeak-ng to run: a path, or a name that is searched for in PATH. Default espeak-ng.
	Path string `env:"ESPEAK_PATH" envDefault:"espeak-ng"`
	// Timeout is the time one piece of a text may take. Default 8 s; a sentence takes 0.02 s. 0 means 8 s too.
	Timeout time.Duration `env:"ESPEAK_TIMEOUT" envDefault:"8s"`
}

// voices are those for Mandarin, the better first. In espeak-ng 1.51 "cmn" spells the readings of characters in English ("hen three"
// for 很); "cmn-latn-pinyin" speaks them. Which of them a machine's espeak-ng can is tried out.
var voices = []string{"cmn-latn-pinyin", "cmn"}

// usualRate is the speed 1, in espeak-ng's words a minute: 3.6 syllables a second, a little below the rate of news.
const usualRate = 160

// Voice is a voice of espeak-ng. It is safe for concurrent use.
type Voice struct {
	program *local.Program
	voice   string
}

var _ tts.Synthesizer = (*Voice)(nil)

// New finds espeak-ng and tries its voices. The error says how to install it, or wraps [tts.ErrNoVoice] when it speaks no Chinese.
func New(ctx context.Context, cfg Config) (*Voice, error) {
	name := cfg.Path
	if name == "" {
		name = "espeak-ng"
	}
	program, err := local.Find(name, "ESPEAK_PATH", "espeak-ng", cfg.Timeout)
	if err != nil {
		return nil, err
	}
	for _, voice := range voices {
		v := &Voice{program, voice}
		if _, err = v.Speak(ctx, tts.Request{Text: "你好，请再读一遍。", Language: "zh-CN", Voice: voice, Speed: 1}); err == nil {
			return v, nil
		}
	}
	return nil, fmt.Errorf("try espeak-ng's voices for Chinese: %w", err)
}

// Name implements [tts.Synthesizer].
func (v *Voice) Name() string { return "espeak-ng" }

// Voice implements [tts.Synthesizer]: the one voice, for Chinese.
func (v *Voice) Voice(language string) (string, error) {
	if base, _, _ := strings.Cut(language, "-"); !strings.EqualFold(base, "zh") {
		return "", fmt.Errorf("%w: espeak-ng speaks Chinese here, not %s", tts.ErrNoVoice, language)
	}
	return v.voice, nil
}

// Speak implements [tts.Synthesizer]. Text may have Chinese characters, digits and punctuation; Latin letters, which the voice would
// take for Pinyin, and characters that it does not know are refused with [tts.ErrNoVoice]: what comes out is never a guess.
func (v *Voice) Speak(ctx context.Context, r tts.Request) (audio.Clip, error) {
	if _, err := v.Voice(r.Language); err != nil {
		return audio.Clip{}, err
	}
	if r.Voice != v.voice {
		return audio.Clip{}, fmt.Errorf("%w: espeak-ng has no voice %q", tts.ErrNotInstalled, r.Voice)
	}
	if !(r.Speed > 0) || len(r.Phones) > 0 {
		return audio.Clip{}, fmt.Errorf("%w: at speed %v, with %d phones", tts.ErrUnspeakable, r.Speed, len(r.Phones))
	}
	text, characters, err := spoken(r.Text)
	if err != nil {
		return audio.Clip{}, err
	}
	rate := min(450, max(80, int(usualRate*r.Speed+0.5))) // what espeak-ng has
	c, said, err := v.program.Speak(ctx, text, func(in, out string) []string {
		return []string{"-b", "1", "-v", r.Voice, "-s", strconv.Itoa(rate), "-x", "-f", in, "-w", out}
	})
	if err != nil {
		return audio.Clip{}, fmt.Errorf("speak with espeak-ng: %w", err)
	}
	if err := understood(said, characters); err != nil {
		return audio.Clip{}, err
	}
	return c, nil
}

// spoken makes the text that is read, and counts its characters.
func spoken(text string) (line string, characters int, err error) {
	var b strings.Builder
	readable := false
	for _, r := range text {
		switch {
		case unicode.Is(unicode.Han, r):
			characters++
			readable = true
			b.WriteRune(r)
		case unicode.IsLetter(r):
			return "", 0, fmt.Errorf("%w: %q is not Chinese", tts.ErrNoVoice, r)
		case '0' <= r && r <= '9':
			readable = true
			b.WriteRune(r)
		case strings.ContainsRune("，。！？、；：,.!?;:", r):
			b.WriteRune(r)
		default:
			b.WriteByte(' ')
		}
	}
	if !readable {
		return "", 0, fmt.Errorf("%w: nothing in it can be read", tts.ErrUnspeakable)
	}
	return b.String() + "\n", characters, nil
}

// errUnread is for characters that espeak-ng has no reading for.
var errUnread = errors.New("espeak-ng cannot read all of its characters")

// understood judges by the phonemes that espeak-ng prints what it spoke: each character is a syllable, and none is in another language, which
// it marks with "(en)".
func understood(phonemes string, characters int) error {
	syllables := 0
	for piece := range strings.FieldsFuncSeq(phonemes, func(r rune) bool { return unicode.IsSpace(r) || r == '|' || r == '_' }) {
		if strings.Contains(piece, "(") {
			return fmt.Errorf("%w: %w", tts.ErrNoVoice, errUnread)
		}
		if strings.ContainsAny(piece, "12345") {
			syllables++
		}
	}
	if syllables < characters {
		return fmt.Errorf("%w: %w: %d syllables of %d", tts.ErrNoVoice, errUnread, syllables, characters)
	}
	return nil
}
