package tts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"oktalk/internal/audio"
	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

const contentType = "audio/mpeg"

// maker makes and stores the audio of both stages.
type maker struct {
	voice Synthesizer
	enc   Encoder
	store *known
	log   *slog.Logger
}

// recipe is everything that decides the bytes of an object, and nothing else.
type recipe struct {
	Parts    []part // spoken one after another, with a pause between
	Twice    bool   `json:",omitempty"` // all of it is heard again
	Language string
	Voice    string
	Title    string
	Provider string
	Encoder  string
}

type part struct {
	Text   string
	Phones []string `json:",omitempty"` // to be spoken for the text
	Speed  float64
}

func (r recipe) hash() string {
	b, _ := json.Marshal(r) // strings and finite numbers always encode
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func (r recipe) characters() int {
	n := 0
	for _, p := range r.Parts {
		n += utf8.RuneCountInString(p.Text)
	}
	return n
}

// provider names who speaks a language.
func (m maker) provider(language string) string {
	if v, ok := m.voice.(interface{ Provider(language string) string }); ok {
		return v.Provider(language)
	}
	return m.voice.Name()
}

// voiceOf names the voice that speaks for a job: the one for the language, or the one that a replay asks for.
func (m maker) voiceOf(j pipeline.Job, language string) (string, error) {
	voice, err := m.voice.Voice(language)
	if err != nil || j.Replay == nil {
		return voice, err
	}
	if p := j.Replay.Provider; p != "" && p != m.voice.Name() && p != m.provider(language) {
		return "", fmt.Errorf("%w: this worker speaks %s with %s, not with %s", ErrNotInstalled, language, m.provider(language), p)
	}
	if j.Replay.Model != "" {
		voice = j.Replay.Model
	}
	return voice, nil
}

// keyOf is where the audio of a job is kept: under key, or apart when it is a replay's.
func keyOf(j pipeline.Job, key string, r recipe) string {
	if j.Replay == nil {
		return key
	}
	return j.Replay.Prefix(j.EvaluationID) + string(j.Stage) + "-" + r.hash()[:16] + ".mp3"
}

// make makes the object of a recipe if it is not stored, and returns its key and how many characters were spoken. A replay is always
// spoken: how long that takes is what it is for.
func (m maker) make(ctx context.Context, j pipeline.Job, say script, key string, r recipe) (stored string, characters int, err error) {
	key = keyOf(j, key, r)
	shared := say.shared && j.Replay == nil
	exists, err := m.store.exists(ctx, j, key, shared)
	if err != nil {
		return "", 0, storeError("look for "+key, err)
	}
	if exists && j.Replay == nil {
		return key, 0, nil
	}
	mp3, err := m.speakInTime(ctx, r)
	if err != nil {
		return "", 0, classify(err)
	}
	if err := m.store.put(ctx, key, mp3, shared); err != nil {
		return "", 0, storeError("store "+key, err)
	}
	m.log.DebugContext(ctx, "audio made", "object_key", key, "provider", r.Provider, "bytes", len(mp3))
	return key, r.characters(), nil
}

// speakingTime bounds the speaking and encoding of one recipe, well within the stages' deadlines: what takes longer was put off by a busy
// machine, and that is no failure of the job.
const speakingTime = 25 * time.Second

func (m maker) speakInTime(ctx context.Context, r recipe) ([]byte, error) {
	within, cancel := context.WithTimeout(ctx, speakingTime)
	defer cancel()
	mp3, err := m.speak(within, r)
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: not spoken within %v: %w", evaluation.ErrUnavailable, speakingTime, err)
	}
	return mp3, err
}

func (m maker) speak(ctx context.Context, r recipe) ([]byte, error) {
	var clips []audio.Clip
	for i, p := range r.Parts {
		if err := speakable(p.Text); err != nil {
			return nil, err
		}
		c, err := m.voice.Speak(ctx, Request{Text: p.Text, Phones: p.Phones, Language: r.Language, Voice: r.Voice, Speed: p.Speed})
		if err != nil {
			return nil, fmt.Errorf("speak with %s: %w", r.Provider, err)
		}
		if i > 0 {
			clips = append(clips, audio.Silence(c.Rate, wordPause))
		}
		clips = append(clips, c)
	}
	once := audio.Join(clips...)
	if r.Twice {
		once = audio.Join(once, audio.Silence(once.Rate, wordPause), once)
	}
	return m.enc.MP3(ctx, once, r.Title)
}

// speakable refuses what no voice is given. Whether there is anything to say in a text is the voice's to judge: "&" is a word.
func speakable(text string) error {
	if n := utf8.RuneCountInString(text); n > MaxCharacters {
		return fmt.Errorf("%w: it has %d characters, at most %d are spoken", ErrUnspeakable, n, MaxCharacters)
	}
	if text == "" {
		return fmt.Errorf("%w: it is empty", ErrUnspeakable)
	}
	return nil
}

// classify marks an error that trying again does not change, and one of a machine that is too busy to speak.
func classify(err error) error {
	switch {
	case errors.Is(err, ErrNotInstalled):
		return pipeline.Permanent(err)
	case errors.Is(err, evaluation.ErrUnavailable):
		return pipeline.WaitFor("voice", err)
	default:
		return err
	}
}

func storeError(what string, err error) error {
	err = fmt.Errorf("%s: %w", what, err)
	if errors.Is(err, evaluation.ErrUnavailable) {
		return pipeline.WaitFor("s3", err)
	}
	return err
}

// failed is the result of a job whose audio could not be made.
func failed(kind evaluation.ArtifactKind, provider, language, message string, cause error) pipeline.Result {
	a := evaluation.Artifact{Kind: kind, State: evaluation.StateFailed, Provider: provider, Reason: "voice-unavailable", Message: message}
	switch {
	case errors.Is(cause, ErrNoVoice):
		a.Reason, a.Message = "no-voice", fmt.Sprintf("This server has no voice for %s.", language)
	case errors.Is(cause, ErrUnspeakable):
		a.Reason, a.Message = "unspeakable", "This text cannot be spoken."
	}
	return pipeline.Result{Artifact: a, Provider: provider}
}

// fold makes one line of a text, with single spaces.
func fold(text string) string { return strings.Join(strings.Fields(text), " ") }

// normalize folds white space and the capital letters that do not change how a text is read, so that one model reading serves "Apples"
// and "apples". Letters of every script stay. Words with several capitals may be abbreviations, and one with a full stop after it may be a
// title ("Mr."), which voices read differently: those stay as they are. Exactly what is returned is spoken.
func normalize(text string) string {
	words := strings.Fields(text)
	for i, w := range words {
		capitals := 0
		for _, r := range w {
			if unicode.IsUpper(r) {
				capitals++
			}
		}
		last := i == len(words)-1
		if capitals == 1 && (last || !strings.HasSuffix(w, ".")) {
			words[i] = strings.ToLower(w)
		}
	}
	return strings.Join(words, " ")
}
