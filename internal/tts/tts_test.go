package tts_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/audio"
	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
	"oktalk/internal/provider/flite"
	"oktalk/internal/tts"
)

// store is an object store in memory.
type store struct {
	mu      sync.Mutex
	objects map[string][]byte
	puts    int
	asked   int   // whether an object exists
	away    error // of Exists
	full    error // of Put
}

func (s *store) Exists(_ context.Context, key string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.objects[key]
	s.asked++
	return ok, s.away
}

func (s *store) Put(_ context.Context, key, contentType string, body []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full != nil {
		return s.full
	}
	if contentType != "audio/mpeg" {
		return fmt.Errorf("content type %q", contentType)
	}
	if old, ok := s.objects[key]; ok && !bytes.Equal(old, body) {
		return fmt.Errorf("other bytes under the same key %s", key)
	}
	if s.objects == nil {
		s.objects = map[string][]byte{}
	}
	s.objects[key], s.puts = body, s.puts+1
	return nil
}

func (s *store) keys() []string { return slices.Sorted(maps.Keys(s.objects)) }

// voice is a synthesizer that says how often, and what, it was asked.
type voice struct {
	mu    sync.Mutex
	name  string
	asked []tts.Request
	err   error
}

func (v *voice) Name() string {
	if v.name == "" {
		return "fake"
	}
	return v.name
}

func (v *voice) Voice(language string) (string, error) {
	if strings.HasPrefix(language, "en") {
		return "nova", nil
	}
	return "", fmt.Errorf("%w: %s", tts.ErrNoVoice, language)
}

func (v *voice) Speak(_ context.Context, r tts.Request) (audio.Clip, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked = append(v.asked, r)
	return audio.Clip{Rate: 16000, Samples: make([]int16, 1600*len(r.Text))}, v.err
}

// encoder writes down what it was given.
type encoder struct{ err error }

func (e encoder) MP3(_ context.Context, c audio.Clip, title string) ([]byte, error) {
	return fmt.Appendf(nil, "%s %v", title, c.Duration()), e.err
}

var config = tts.Config{Speed: 1, DemoSpeed: 0.85}

func speech(t testing.TB, cfg tts.Config, v tts.Synthesizer, e tts.Encoder, s tts.Store) *tts.Stage {
	t.Helper()
	h, err := tts.NewSpeech(cfg, v, e, s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func demo(t testing.TB, cfg tts.Config, v tts.Synthesizer, e tts.Encoder, s tts.Store) *tts.Stage {
	t.Helper()
	h, err := tts.NewDemo(cfg, v, e, s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// job is a job of an evaluation with a coaching text and a demo.
func job(id, feedback string, kind evaluation.DemoType, text string) pipeline.Job {
	return pipeline.Job{EvaluationID: id, Evaluation: &evaluation.Evaluation{
		ID: id, UserID: "user_1", Language: "en-US", FeedbackLanguage: "en",
		Artifacts: evaluation.Artifacts{
			{Kind: evaluation.FeedbackText, State: evaluation.StateReady, Text: feedback},
			{Kind: evaluation.FeedbackAudio, State: evaluation.StatePending},
			{Kind: evaluation.DemoAudio, State: evaluation.StatePending, DemoType: kind, Text: text},
		},
	}}
}

// TestSpeech speaks a coaching text once, however often its job runs.
func TestSpeech(t *testing.T) {
	t.Parallel()
	v, s := &voice{}, &store{}
	h := speech(t, config, v, encoder{}, s)
	j := job("eval_1", " Well\ndone. ", evaluation.DemoWord, "apples")
	first, err := h.Handle(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	second, err := h.Handle(t.Context(), j)
	if err != nil || second.Artifact != first.Artifact || second.InputHash != first.InputHash {
		t.Errorf("the second run gives %+v, %v, want %+v", second, err, first)
	}
	want := evaluation.Artifact{
		Kind: evaluation.FeedbackAudio, State: evaluation.StateReady, ObjectKey: "evaluations/eval_1/feedback-" + first.InputHash[:16] + ".mp3",
		ContentType: "audio/mpeg", Provider: "fake",
	}
	if diff := cmp.Diff(want, first.Artifact); diff != "" {
		t.Errorf("artifact (-want +got):\n%s", diff)
	}
	if first.Provider != "fake" || first.Model != "nova" || string(first.Usage) != `{"characters":10}` || second.Usage != nil {
		t.Errorf("provider %q, voice %q, usage %s then %s", first.Provider, first.Model, first.Usage, second.Usage)
	}
	if diff := cmp.Diff([]tts.Request{{Text: "Well done.", Language: "en", Voice: "nova", Speed: 1}}, v.asked); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{want.ObjectKey}, s.keys()); diff != "" || s.puts != 1 {
		t.Errorf("%d puts, objects (-want +got):\n%s", s.puts, diff)
	}
}

// TestKeys gives every text, voice, speed and provider an object of its own.
func TestKeys(t *testing.T) {
	t.Parallel()
	s := &store{}
	fast := tts.Config{Speed: 1.2, DemoSpeed: 1}
	j := job("eval_1", "Well done.", evaluation.DemoWord, "apples")
	for _, h := range []pipeline.Handler{
		speech(t, config, &voice{}, encoder{}, s), speech(t, fast, &voice{}, encoder{}, s), speech(t, config, &voice{name: "other"}, encoder{}, s),
		demo(t, config, &voice{}, encoder{}, s), demo(t, fast, &voice{}, encoder{}, s), demo(t, config, &voice{name: "other"}, encoder{}, s),
	} {
		if _, err := h.Handle(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.objects); n != 6 {
		t.Errorf("%d objects, want 6: %q", n, s.keys())
	}
}

// TestDemo reads a word slowly and then naturally, a sentence slowly, once for all learners.
func TestDemo(t *testing.T) {
	t.Parallel()
	v, s := &voice{}, &store{}
	h := demo(t, config, v, encoder{}, s)
	for i, d := range []struct {
		kind evaluation.DemoType
		text string
	}{
		{evaluation.DemoWord, "Apples"}, {evaluation.DemoWord, "apples"}, {evaluation.DemoSentence, "I like  apples"}, {evaluation.DemoSentence, "i like\tapples"},
	} {
		r, err := h.Handle(t.Context(), job(fmt.Sprintf("eval_%d", i), "", d.kind, d.text))
		if err != nil {
			t.Fatal(err)
		}
		want := evaluation.Artifact{
			Kind: evaluation.DemoAudio, State: evaluation.StateReady, ObjectKey: "demo/en-US/nova/" + r.InputHash + ".mp3",
			ContentType: "audio/mpeg", Provider: "fake",
		}
		if diff := cmp.Diff(want, r.Artifact); diff != "" {
			t.Errorf("%q (-want +got):\n%s", d.text, diff)
		}
	}
	want := []tts.Request{
		{Text: "apples", Language: "en-US", Voice: "nova", Speed: 0.85},
		{Text: "apples", Language: "en-US", Voice: "nova", Speed: 1},
		{Text: "i like apples", Language: "en-US", Voice: "nova", Speed: 0.85},
	}
	if diff := cmp.Diff(want, v.asked); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	word := "apples " + (600*time.Millisecond + 2*600*time.Millisecond).String()
	if body := s.objects[s.keys()[0]]; string(body) != word && string(s.objects[s.keys()[1]]) != word {
		t.Errorf("no object is %q: %q", word, s.objects)
	}
}

// TestStoreIsAskedWhatIsNotKnown spares it questions about what cannot be there yet, and about what was there a moment ago.
func TestStoreIsAskedWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		spoken, read := speech(t, config, &voice{}, encoder{}, s), demo(t, config, &voice{}, encoder{}, s)
		run := func(h pipeline.Handler, id string, run int64) error {
			j := job(id, "Well done.", evaluation.DemoWord, "apples")
			j.Run = run
			_, err := h.Handle(t.Context(), j)
			return err
		}
		asked := func(what string, h pipeline.Handler, id string, n int64, want int) {
			before := s.asked
			if err := run(h, id, n); err != nil || s.asked-before != want {
				t.Errorf("%s: asked %d times, %v, want %d", what, s.asked-before, err, want)
			}
		}
		asked("first run of speech", spoken, "eval_1", 1, 0)
		asked("second run of speech", spoken, "eval_1", 2, 1)
		asked("first reading", read, "eval_1", 1, 1)
		asked("same reading for another", read, "eval_2", 1, 0)
		<-time.After(10 * time.Minute)
		asked("same reading later", read, "eval_3", 1, 1)

		s.full = fmt.Errorf("dial: %w", evaluation.ErrUnavailable)
		if err := run(spoken, "eval_4", 1); err == nil {
			t.Error("speech was stored while the store takes nothing")
		}
		s.full = nil
		asked("after an outage", spoken, "eval_5", 1, 1)
		asked("when the store has answered", spoken, "eval_6", 1, 0)
	})
}

// TestDemoCase keeps the case of words that it may change the reading of, and letters of every script.
func TestDemoCase(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"The USA and Mr. Smith": "the USA and Mr. smith", "It Works.": "it works.", "NASA": "NASA", "Éclair": "éclair", "苹果": "苹果", "I’m OK": "i’m OK",
	} {
		v := &voice{}
		if _, err := demo(t, config, v, encoder{}, &store{}).Handle(t.Context(), job("eval_1", "", evaluation.DemoSentence, text)); err != nil {
			t.Fatal(err)
		}
		if got := v.asked[0].Text; got != want {
			t.Errorf("%q is read as %q, want %q", text, got, want)
		}
	}
}

// TestFailures tells the runner what to do, and the client what happened.
func TestFailures(t *testing.T) {
	t.Parallel()
	away := fmt.Errorf("dial: %w", evaluation.ErrUnavailable)
	broken := errors.New("exit status 1")
	chinese := job("eval_1", "你好", evaluation.DemoWord, "apples")
	chinese.Evaluation.FeedbackLanguage, chinese.Evaluation.Language = "zh-CN", "zh-CN"
	long := job("eval_1", strings.Repeat("apples ", 200), evaluation.DemoSentence, strings.Repeat("apples ", 200))
	good := job("eval_1", "Well done.", evaluation.DemoWord, "apples")
	for _, tc := range []struct {
		name   string
		job    pipeline.Job
		voice  *voice
		enc    encoder
		store  *store
		want   string // transient, permanent, none, or what is waited for
		reason string
	}{
		{"store away", good, &voice{}, encoder{}, &store{away: away}, "s3", "voice-unavailable"},
		{"store away later", good, &voice{}, encoder{}, &store{full: away}, "s3", "voice-unavailable"},
		{"store refuses", good, &voice{}, encoder{}, &store{full: broken}, "transient", "voice-unavailable"},
		{"voice fails", good, &voice{err: broken}, encoder{}, &store{}, "transient", "voice-unavailable"},
		{"encoder fails", good, &voice{}, encoder{err: broken}, &store{}, "transient", "voice-unavailable"},
		{"voice is missing", good, &voice{err: tts.ErrNotInstalled}, encoder{}, &store{}, "permanent", "voice-unavailable"},
		{"other script", good, &voice{err: tts.ErrNoVoice}, encoder{}, &store{}, "none", "no-voice"},
		{"other language", chinese, &voice{}, encoder{}, &store{}, "none", "no-voice"},
		{"too long", long, &voice{}, encoder{}, &store{}, "none", "unspeakable"},
		{"no words", job("eval_1", "…", evaluation.DemoWord, "!"), &voice{err: tts.ErrUnspeakable}, encoder{}, &store{}, "none", "unspeakable"},
		{"nothing", job("eval_1", "", evaluation.DemoWord, ""), &voice{}, encoder{}, &store{}, "none", "unspeakable"},
		{"no evaluation", pipeline.Job{}, &voice{}, encoder{}, &store{}, "permanent", "voice-unavailable"},
	} {
		for kind, h := range map[evaluation.ArtifactKind]pipeline.Handler{
			evaluation.FeedbackAudio: speech(t, config, tc.voice, tc.enc, tc.store), evaluation.DemoAudio: demo(t, config, tc.voice, tc.enc, tc.store),
		} {
			r, err := h.Handle(t.Context(), tc.job)
			if got := class(err); got != tc.want {
				t.Errorf("%s, %s: %v is %s, want %s", tc.name, kind, err, got, tc.want)
			}
			if err != nil {
				var ferr error
				if r, ferr = h.Fallback(t.Context(), tc.job, err); ferr != nil {
					t.Errorf("%s, %s: Fallback = %v", tc.name, kind, ferr)
				}
			}
			a := r.Artifact
			if a.Kind != kind || a.State != evaluation.StateFailed || a.Reason != tc.reason || a.Message == "" || a.ObjectKey != "" {
				t.Errorf("%s, %s: %+v, want failed with %s", tc.name, kind, a, tc.reason)
			}
			if tc.name == "other language" && a.Message != "This server has no voice for zh-CN." {
				t.Errorf("message %q", a.Message)
			}
		}
	}
}

func class(err error) string {
	var wait *pipeline.EnvironmentError
	var lasting *pipeline.PermanentError
	switch {
	case err == nil:
		return "none"
	case errors.As(err, &wait):
		return wait.What
	case errors.As(err, &lasting):
		return "permanent"
	}
	return "transient"
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	if _, err := tts.NewSpeech(tts.Config{Speed: 3, DemoSpeed: 1}, nil, nil, nil, nil); err == nil || !strings.Contains(err.Error(), "TTS_SPEED") {
		t.Errorf("speed 3: %v, want an error that names TTS_SPEED", err)
	}
	if _, err := tts.NewDemo(tts.Config{Speed: 1}, nil, nil, nil, nil); err == nil || !strings.Contains(err.Error(), "DEMO_SPEED") {
		t.Errorf("demo speed 0: %v, want an error that names DEMO_SPEED", err)
	}
}

// TestRealVoice runs both stages with flite and ffmpeg, in several workers at once: all must write the same bytes.
func TestRealVoice(t *testing.T) {
	t.Parallel()
	v, err := flite.New(flite.Config{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	enc, err := audio.NewEncoder(audio.Config{FFmpegTimeout: time.Minute}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	dec, err := audio.NewDecoder(audio.Config{FFmpegTimeout: time.Minute}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := &store{}
	var wg sync.WaitGroup
	for i := range 3 {
		j := job("eval_1", "You read this well. Try the first sound of apples again.", evaluation.DemoWord, "apples")
		for _, h := range []pipeline.Handler{speech(t, config, v, enc, s), demo(t, config, v, enc, s)} {
			wg.Go(func() {
				if _, err := h.Handle(t.Context(), j); err != nil {
					t.Errorf("run %d: %v", i, err)
				}
			})
		}
	}
	wg.Wait()
	for key, body := range s.objects {
		c, info, err := dec.Decode(t.Context(), body)
		if err != nil || audio.Check(c) != nil {
			t.Errorf("%s: %+v, %v, %v", key, info, err, audio.Check(c))
		}
		least := 2500 * time.Millisecond
		if strings.HasPrefix(key, "demo/en-US/rms/") {
			least = 1500 * time.Millisecond // "apples" twice and a pause
		}
		if info.Duration < least || info.Duration > 2*least {
			t.Errorf("%s lasts %v, want about %v", key, info.Duration, least)
		}
	}
	if len(s.objects) != 2 {
		t.Errorf("objects %q, want 2", s.keys())
	}
}

// TestRealVoiceReadsAmpersand speaks the one target word that has neither letter nor digit.
func TestRealVoiceReadsAmpersand(t *testing.T) {
	t.Parallel()
	v, err := flite.New(flite.Config{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	s := &store{}
	r, err := demo(t, config, v, encoder{}, s).Handle(t.Context(), job("eval_1", "", evaluation.DemoWord, "&"))
	if err != nil || r.Artifact.State != evaluation.StateReady || len(s.objects) != 1 {
		t.Errorf("the model reading of & = %+v, %v, with %d objects, want one", r.Artifact, err, len(s.objects))
	}
}

// TestReplay keeps what a replay makes apart, speaks it even if the same audio is stored, and uses the voice that is asked for.
func TestReplay(t *testing.T) {
	t.Parallel()
	v, s := &voice{}, &store{}
	h := speech(t, config, v, encoder{}, s)
	j := job("eval_1", "Well done.", evaluation.DemoWord, "apples")
	j.Stage = evaluation.StageSpeech
	original, err := h.Handle(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	j.Replay = &pipeline.Replay{ID: "replay_1", Provider: "fake", Model: "alto"}
	for range 2 {
		made, err := h.Handle(t.Context(), j)
		if err != nil || !strings.HasPrefix(made.Artifact.ObjectKey, "replays/replay_1/eval_1/speech-") || made.Model != "alto" {
			t.Errorf("replay = %+v, %v", made, err)
		}
	}
	if len(v.asked) != 3 || v.asked[2].Voice != "alto" || s.objects[original.Artifact.ObjectKey] == nil || len(s.objects) != 2 {
		t.Errorf("spoken %+v, objects %q", v.asked, s.keys())
	}
	j.Replay.Provider = "other"
	var permanent *pipeline.PermanentError
	if _, err := h.Handle(t.Context(), j); !errors.As(err, &permanent) {
		t.Errorf("replay by a provider that the worker lacks = %v, want a permanent error", err)
	}
}
