package tts

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"oktalk/internal/audio"
)

// Voices speaks English with one voice, and Chinese with another, which leaves what is quoted or written in Latin letters to the first. It
// is safe for concurrent use if they are.
type Voices struct{ english, chinese Synthesizer }

var _ Synthesizer = (*Voices)(nil)

// NewVoices makes Voices. chinese may be nil: then there is no voice for Chinese.
func NewVoices(english, chinese Synthesizer) *Voices { return &Voices{english, chinese} }

// Name implements [Synthesizer]: it is that of the English voice, which speaks in every language.
func (v *Voices) Name() string { return v.english.Name() }

// Provider names who speaks a language: for Chinese both voices' providers, "espeak-ng+flite", in the order of the voices.
func (v *Voices) Provider(language string) string {
	if v.chinese == nil || !isChinese(language) {
		return v.english.Name()
	}
	return v.chinese.Name() + "+" + v.english.Name()
}

// Voice implements [Synthesizer]. For Chinese it names both voices, "cmn-latn-pinyin+rms".
func (v *Voices) Voice(language string) (string, error) {
	if !isChinese(language) {
		return v.english.Voice(language)
	}
	if v.chinese == nil {
		return "", fmt.Errorf("%w: this machine has none for %s", ErrNoVoice, language)
	}
	han, err := v.chinese.Voice(language)
	if err != nil {
		return "", err
	}
	latin, err := v.english.Voice(english)
	return han + "+" + latin, err
}

// Speak implements [Synthesizer]. A Chinese text is spoken piece by piece, each as loud as the others. A voice named without "+", as
// a replay may, is the English one.
func (v *Voices) Speak(ctx context.Context, r Request) (audio.Clip, error) {
	if !isChinese(r.Language) {
		return v.english.Speak(ctx, r)
	}
	both, err := v.Voice(r.Language)
	if err != nil {
		return audio.Clip{}, err
	}
	han, latin, _ := strings.Cut(both, "+")
	if first, second, ok := strings.Cut(r.Voice, "+"); ok {
		han, latin = first, second
	} else if r.Voice != "" {
		latin = r.Voice
	}
	var clips []audio.Clip
	for i, p := range split(r.Text) {
		part := Request{Text: p.text, Language: r.Language, Voice: han, Speed: r.Speed}
		voice := v.chinese
		if p.latin {
			part.Language, part.Voice, voice = english, latin, v.english
		}
		c, err := voice.Speak(ctx, part)
		if err != nil {
			return audio.Clip{}, err
		}
		if i > 0 {
			clips = append(clips, audio.Silence(c.Rate, p.pause))
		}
		clips = append(clips, audio.Level(c))
	}
	if len(clips) == 0 {
		return audio.Clip{}, fmt.Errorf("%w: nothing in it can be read", ErrUnspeakable)
	}
	return audio.Join(clips...), nil
}

// english is the language of what a Chinese text quotes.
const english = "en-US"

func isChinese(language string) bool {
	base, _, _ := strings.Cut(language, "-")
	return strings.EqualFold(base, "zh")
}

// piece is a part of a text for one voice.
type piece struct {
	text  string
	latin bool
	pause time.Duration // before it
}

// Pauses between pieces: at a change of voices inside a phrase, at a comma and at the end of a sentence.
const (
	changePause   = 60 * time.Millisecond
	commaPause    = 250 * time.Millisecond
	sentencePause = 450 * time.Millisecond
)

// latinText finds what the English voice reads: quoted words, numbers among them, and whatever has Latin letters.
var latinText = regexp.MustCompile(`“[^“”\p{Han}]+”|"[^"\p{Han}]+"|\p{Latin}[\p{Latin}\p{Mn}\d'’.-]*(?: +\p{Latin}[\p{Latin}\p{Mn}\d'’.-]*)*`)

// split cuts a Chinese text where the voice changes. Marks between two pieces become a pause; those inside one are left to its voice.
func split(text string) []piece {
	var pieces []piece
	pause := time.Duration(0)
	add := func(s string, latin bool) {
		body := strings.TrimLeftFunc(s, unread)
		pause = max(pause, changePause, pauseOf(s[:len(s)-len(body)]))
		if s, body = body, strings.TrimRightFunc(body, unread); body == "" {
			return
		}
		pieces = append(pieces, piece{body, latin, pause})
		pause = pauseOf(s[len(body):])
	}
	at := 0
	for _, m := range latinText.FindAllStringIndex(text, -1) {
		add(text[at:m[0]], false)
		add(text[m[0]:m[1]], true)
		at = m[1]
	}
	add(text[at:], false)
	return pieces
}

func unread(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }

func pauseOf(marks string) time.Duration {
	switch {
	case strings.ContainsAny(marks, "。！？.!?"):
		return sentencePause
	case strings.ContainsAny(marks, "，、；：,;:"):
		return commaPause
	default:
		return 0
	}
}
