package espeak_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"oktalk/internal/audio"
	"oktalk/internal/command"
	"oktalk/internal/evaluation"
	"oktalk/internal/provider/espeak"
	"oktalk/internal/tts"
)

func voice(t testing.TB) *espeak.Voice {
	t.Helper()
	v, err := espeak.New(t.Context(), espeak.Config{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func request(t testing.TB, v *espeak.Voice, text string) tts.Request {
	t.Helper()
	name, err := v.Voice("zh-CN")
	if err != nil {
		t.Fatal(err)
	}
	return tts.Request{Text: text, Language: "zh-CN", Voice: name, Speed: 1}
}

func TestSpeak(t *testing.T) {
	t.Parallel()
	v := voice(t)
	r := request(t, v, "很好，每个词我都听清楚了。第3个词再读13遍！")
	c, err := v.Speak(t.Context(), r)
	if err != nil || audio.Check(c) != nil {
		t.Fatalf("Speak = %v of speech, %v, %v", c.Duration(), err, audio.Check(c))
	}
	// Nineteen characters and a number: read in English letter by letter it would be twice as long.
	if d := c.Duration(); d < 4*time.Second || d > 9*time.Second {
		t.Errorf("it lasts %v, want about 6 s", d)
	}
	r.Speed = 0.7
	slow, err := v.Speak(t.Context(), r)
	if err != nil || slow.Duration() < c.Duration()*11/10 {
		t.Errorf("slower it lasts %v, %v; want more than %v", slow.Duration(), err, c.Duration())
	}
	again, err := v.Speak(t.Context(), r)
	if err != nil || !slices.Equal(slow.Samples, again.Samples) {
		t.Errorf("the same request gives other samples, %v", err)
	}
}

func TestSpeakRefuses(t *testing.T) {
	t.Parallel()
	v := voice(t)
	with := func(change func(*tts.Request)) tts.Request {
		r := request(t, v, "你好")
		change(&r)
		return r
	}
	for name, tc := range map[string]struct {
		r    tts.Request
		want error
	}{
		"English":           {with(func(r *tts.Request) { r.Language = "en-US" }), tts.ErrNoVoice},
		"Latin letters":     {request(t, v, "请读 apple"), tts.ErrNoVoice},
		"phoneme marks":     {request(t, v, "[[h@'loU]]"), tts.ErrNoVoice},
		"Korean":            {request(t, v, "사과"), tts.ErrNoVoice},
		"unknown character": {request(t, v, "请读𰻝𰻝"), tts.ErrNoVoice},
		"nothing":           {request(t, v, "，…！"), tts.ErrUnspeakable},
		"no speed":          {with(func(r *tts.Request) { r.Speed = 0 }), tts.ErrUnspeakable},
		"phones":            {with(func(r *tts.Request) { r.Phones = []string{"AE"} }), tts.ErrUnspeakable},
		"another voice":     {with(func(r *tts.Request) { r.Voice = "en-us" }), tts.ErrNotInstalled},
	} {
		if c, err := v.Speak(t.Context(), tc.r); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v of speech, %v, want %v", name, c.Duration(), err, tc.want)
		}
	}
}

// stand makes a stand-in for espeak-ng that prints phonemes and writes no audio.
func stand(t *testing.T, body string) espeak.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "espeak-ng")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return espeak.Config{Path: path, Timeout: time.Minute}
}

// TestNew refuses what is not installed, and an espeak-ng that spells Chinese in English, as one of its voices does.
func TestNew(t *testing.T) {
	t.Parallel()
	_, err := espeak.New(t.Context(), espeak.Config{Path: "/nonexistent/espeak-ng"})
	if !errors.Is(err, command.ErrMissing) || !strings.Contains(err.Error(), "apt-get install espeak-ng") || !strings.Contains(err.Error(), "ESPEAK_PATH") {
		t.Errorf("without espeak-ng: %v, want it to say how to install it", err)
	}
	// The stand-in always uses the voice that spells: -b 1 -v VOICE … becomes -b 1 -v cmn ….
	if _, err := espeak.New(t.Context(), stand(t, `shift 4; exec espeak-ng -b 1 -v cmn "$@"`)); !errors.Is(err, tts.ErrNoVoice) {
		t.Errorf("with a voice that spells in English: %v, want none", err)
	}
	short := stand(t, "sleep 60")
	short.Timeout = 300 * time.Millisecond
	if _, err := espeak.New(t.Context(), short); !errors.Is(err, evaluation.ErrUnavailable) {
		t.Errorf("on a machine that is too busy: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := espeak.New(ctx, espeak.Config{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func FuzzSpoken(f *testing.F) {
	for _, s := range []string{"很好。", "第3个", "[[a]]", "\x00\xff", "<b>好</b>", "你 好\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out, n, err := espeak.Spoken(text)
		if err != nil {
			return
		}
		if strings.ContainsAny(out, "[]<>&\x00\"`$") || strings.Count(out, "\n") != 1 || n > len(out) {
			t.Errorf("Spoken(%q) = %q, %d", text, out, n)
		}
	})
}
