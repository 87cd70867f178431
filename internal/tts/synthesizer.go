package tts

import (
	"context"
	"errors"
	"time"

	"oktalk/internal/audio"
)

// Request is a text to be spoken.
type Request struct {
	Text     string   // plain text of at most [MaxCharacters]
	Phones   []string // ARPAbet sounds to speak in its place, of the word that Text is; none: Text is spoken. Not every voice can
	Language string   // of the text, "en-US" or "en"
	Voice    string   // as [Synthesizer.Voice] names it
	Speed    float64  // 1 is the voice's natural speed, 0.85 slower; more than 0
}

// MaxCharacters is the longest text that is spoken, in Unicode code points: twice the longest target text.
const MaxCharacters = 1000

// Synthesizer speaks. It must be safe for concurrent use.
type Synthesizer interface {
	// Name is the provider's name as clients see it, "flite". One that has others speak some languages also has a method
	// Provider(language string) string, which names who speaks that one.
	Name() string
	// Voice names the voice that speaks a language. The error wraps ErrNoVoice when there is none.
	Voice(language string) (string, error)
	// Speak speaks a text. The same request gives the same samples. Errors wrap ErrNoVoice, ErrNotInstalled or ErrUnspeakable when trying
	// again would change nothing, and evaluation.ErrUnavailable when the voice or the machine is to blame and not the text.
	Speak(ctx context.Context, r Request) (audio.Clip, error)
}

// Errors of a synthesizer that trying again does not change.
var (
	// ErrNoVoice is for a language, or a script, that no voice speaks.
	ErrNoVoice = errors.New("no voice for this language")
	// ErrNotInstalled is for a program or a voice that this machine lacks.
	ErrNotInstalled = errors.New("voice is not installed")
	// ErrUnspeakable is for a text that is too long or has nothing to speak.
	ErrUnspeakable = errors.New("text cannot be spoken")
)

// Encoder makes MP3s: the same clip and title give the same bytes.
type Encoder interface {
	MP3(ctx context.Context, c audio.Clip, title string) ([]byte, error)
}

// Store keeps objects. Its errors wrap evaluation.ErrUnavailable when it is away.
type Store interface {
	// Exists reports whether an object is stored.
	Exists(ctx context.Context, key string) (bool, error)
	// Put stores an object, in the place of one with the same key.
	Put(ctx context.Context, key, contentType string, body []byte) error
}

// Config is how texts are spoken.
type Config struct {
	// Speed of the coaching text; 1 is the voice's natural speed. Default 1; from 0.5 to 2.
	Speed float64 `env:"TTS_SPEED" envDefault:"1.0"`
	// DemoSpeed of a model reading, slower so that learners hear each sound. Default 0.85; from 0.5 to 2.
	DemoSpeed float64 `env:"DEMO_SPEED" envDefault:"0.85"`
}

// wordPause separates the slow reading of a word from the natural one.
const wordPause = 600 * time.Millisecond
