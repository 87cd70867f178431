package flite_test

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
	"oktalk/internal/provider/flite"
	"oktalk/internal/tts"
)

func voice(t testing.TB, cfg flite.Config) *flite.Voice {
	t.Helper()
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Minute // of a machine that is busy with other tests
	}
	v, err := flite.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func speak(t testing.TB, v *flite.Voice, text string) audio.Clip {
	t.Helper()
	c, err := v.Speak(t.Context(), request(text))
	if err != nil {
		t.Fatalf("Speak(%q) = %v", text, err)
	}
	return c
}

func request(text string) tts.Request {
	return tts.Request{Text: text, Language: "en-US", Voice: "slt", Speed: 1}
}

// TestSpeak speaks with every voice, and slower.
func TestSpeak(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"slt", "rms", "awb", "kal16"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := voice(t, flite.Config{Voice: name})
			r := request("I like apples and bananas very much.")
			var err error
			if r.Voice, err = v.Voice("en-US"); err != nil || r.Voice != name {
				t.Fatalf("Voice(en-US) = %q, %v, want %s", r.Voice, err, name)
			}
			natural, err := v.Speak(t.Context(), r)
			if err != nil || natural.Rate != 16000 || audio.Check(natural) != nil {
				t.Fatalf("got %v at %d Hz, %v, %v", natural.Duration(), natural.Rate, err, audio.Check(natural))
			}
			r.Speed = 0.5
			slow, err := v.Speak(t.Context(), r)
			ratio := slow.Duration().Seconds() / natural.Duration().Seconds()
			if err != nil || ratio < 1.8 || ratio > 2.2 {
				t.Errorf("half the speed is %.2f times as long, %v", ratio, err)
			}
		})
	}
}

// TestSpeakPhones speaks sounds in the place of a text: those of a word sound like the word, another one like another word.
func TestSpeakPhones(t *testing.T) {
	t.Parallel()
	v := voice(t, flite.Config{})
	phones := func(list string) audio.Clip {
		r := request("think")
		r.Phones = strings.Fields(list)
		c, err := v.Speak(t.Context(), r)
		if err != nil {
			t.Fatalf("Speak(%s) = %v", list, err)
		}
		return c
	}
	meant, heard := phones("TH IH NG K"), phones("S IH NG K")
	if audio.Check(meant) != nil || audio.Check(heard) != nil || slices.Equal(meant.Samples, heard.Samples) {
		t.Errorf("meant lasts %v, heard %v: want two clear words that differ", meant.Duration(), heard.Duration())
	}
	if weak, full := phones("AH B AW T"), phones("AA B AW T"); slices.Equal(weak.Samples, full.Samples) {
		t.Error("a weak vowel sounds like a full one")
	}
}

// TestSpeakSame gives the same samples for the same text however it is written, and whatever it begins with.
func TestSpeakSame(t *testing.T) {
	t.Parallel()
	v := voice(t, flite.Config{})
	for text, plain := range map[string]string{
		"It’s “fine”":                   `It's "fine"`,
		"café naïve":                    "cafe naive",
		"<b>apples</b> and <br/> pears": "apples and pears",
		"**Well done!** Try `apples`.":  "Well done! Try apples .",
		"The first sound (/æ/) is open": "The first sound is open",
		"Say /θ/ with your tongue":      "Say with your tongue",
		"good 👍 work":                   "good work",
		"tabs\tand\nlines\x00\x1b":      "tabs and lines",
		"--help":                        "help",
		"-o /tmp/x":                     "-o /tmp/x",
		"&":                             "and",
	} {
		if got, want := speak(t, v, text), speak(t, v, plain); !slices.Equal(got.Samples, want.Samples) {
			t.Errorf("%q sounds other than %q: %v and %v", text, plain, got.Duration(), want.Duration())
		}
	}
}

// TestSpeakRefuses never reads what it cannot: other languages, other scripts, nothing.
func TestSpeakRefuses(t *testing.T) {
	t.Parallel()
	v := voice(t, flite.Config{})
	with := func(change func(*tts.Request)) tts.Request {
		r := request("hello")
		change(&r)
		return r
	}
	for name, tc := range map[string]struct {
		r    tts.Request
		want error
	}{
		"Chinese":               {with(func(r *tts.Request) { r.Language = "zh-CN" }), tts.ErrNoVoice},
		"Chinese said to be en": {request("你的发音很好 apples"), tts.ErrNoVoice},
		"Russian said to be en": {request("яблоко"), tts.ErrNoVoice},
		"no language":           {with(func(r *tts.Request) { r.Language = "" }), tts.ErrNoVoice},
		"another voice":         {with(func(r *tts.Request) { r.Voice = "http://127.0.0.1/x.flitevox" }), tts.ErrNotInstalled},
		"no words":              {request(" … /ʃ/ 👍"), tts.ErrUnspeakable},
		"no speed":              {with(func(r *tts.Request) { r.Speed = 0 }), tts.ErrUnspeakable},
		"no sound of English":   {with(func(r *tts.Request) { r.Phones = []string{"HH", "X"} }), tts.ErrUnspeakable},
		"an option":             {with(func(r *tts.Request) { r.Phones = []string{"HH", "-o /tmp/x"} }), tts.ErrUnspeakable},
	} {
		if c, err := v.Speak(t.Context(), tc.r); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v of speech, %v, want %v", name, c.Duration(), err, tc.want)
		}
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	_, err := flite.New(flite.Config{Path: "/nonexistent/flite"})
	if !errors.Is(err, command.ErrMissing) || !strings.Contains(err.Error(), "apt-get install flite") || !strings.Contains(err.Error(), "FLITE_PATH") {
		t.Errorf("without flite: %v, want it to say how to install it", err)
	}
	_, err = flite.New(flite.Config{Voice: "alloy"})
	if err == nil || !strings.Contains(err.Error(), "rms, slt, awb, kal16") || !strings.Contains(err.Error(), "TTS_VOICE") {
		t.Errorf("with another voice: %v, want it to list them", err)
	}
}

// stand makes a stand-in for flite.
func stand(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "flite")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSpeakFailures tells failures that may pass from those that do not.
func TestSpeakFailures(t *testing.T) {
	t.Parallel()
	lasting := func(err error) bool {
		return errors.Is(err, tts.ErrNoVoice) || errors.Is(err, tts.ErrNotInstalled) || errors.Is(err, tts.ErrUnspeakable)
	}
	for name, tc := range map[string]struct {
		body    string
		timeout time.Duration
		busy    bool // the machine is to blame
	}{
		"crashes":           {"kill -SEGV $$", time.Minute, false},
		"writes nothing":    {"exit 0", time.Minute, false},
		"computes for ever": {"while :; do :; done", time.Minute, false},
		"waits":             {"sleep 60", 300 * time.Millisecond, true},
		"is killed":         {"kill -KILL $$", time.Minute, true},
	} {
		v := voice(t, flite.Config{Path: stand(t, tc.body), Timeout: tc.timeout})
		_, err := v.Speak(t.Context(), request("hello"))
		if err == nil || lasting(err) {
			t.Errorf("%s: %v, want an error that may pass", name, err)
		}
		if busy := errors.Is(err, evaluation.ErrUnavailable); busy != tc.busy {
			t.Errorf("%s: %v, blamed on the machine: %t", name, err, busy)
		}
	}
	path := stand(t, "")
	v := voice(t, flite.Config{Path: path})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Speak(t.Context(), request("hello")); !errors.Is(err, tts.ErrNotInstalled) {
		t.Errorf("removed: %v, want it to be missing", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Speak(ctx, request("hello")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v, want it cancelled", err)
	}
}

// TestSpeakLeavesNothing looks for the learner's text while it is spoken: it is in no folder that would outlive this process.
func TestSpeakLeavesNothing(t *testing.T) { //nolint:paralleltest // it changes the environment
	temp, clean := t.TempDir(), filepath.Join(t.TempDir(), "clean")
	v := voice(t, flite.Config{Path: stand(t, `[ -z "$(ls -A `+temp+`)" ] && : > `+clean)})
	t.Setenv("TMPDIR", temp)
	if _, err := v.Speak(t.Context(), request("hello")); err == nil {
		t.Error("a voice that says nothing gave no error")
	}
	if _, err := os.Stat(clean); err != nil {
		t.Error("while flite runs there is a file in the folder")
	}
}

func FuzzSpoken(f *testing.F) {
	for _, s := range []string{"apples", "/θ/ <b>", "你好", "\x00\xff", "(/æ/) & 5%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out, err := flite.Spoken(text)
		if err != nil && !errors.Is(err, tts.ErrNoVoice) && !errors.Is(err, tts.ErrUnspeakable) {
			t.Errorf("Spoken(%q) = %v", text, err)
		}
		for _, r := range out {
			if r < ' ' || r > '~' {
				t.Errorf("Spoken(%q) = %q, with %q", text, out, r)
			}
		}
	})
}

func BenchmarkSpeak(b *testing.B) {
	v := voice(b, flite.Config{})
	for b.Loop() {
		speak(b, v, "I like apples and bananas very much.")
	}
}
