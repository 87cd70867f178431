package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"oktalk/internal/client"
	"oktalk/internal/evaluation"
)

const sentence = "I like apples and oranges"

// follow watches an evaluation to its end and returns all messages. Versions that do not rise, or a first message that is
// no snapshot, fail the test.
func follow(t *testing.T, c *client.Client, id string) []client.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var all []client.Message
	err := c.Follow(ctx, id, func(m client.Message) error {
		if n := len(all); n > 0 && (m.Version <= all[n-1].Version || m.Evaluation.Progress.Percent < all[n-1].Evaluation.Progress.Percent) {
			return fmt.Errorf("version %d at %d%% after version %d at %d%%", m.Version, m.Evaluation.Progress.Percent,
				all[n-1].Version, all[n-1].Evaluation.Progress.Percent)
		}
		all = append(all, m)
		return nil
	})
	if err != nil {
		t.Errorf("Follow(%s) = %v after %d messages", id, err, len(all))
	}
	return all
}

func TestOneRecordingAllTheWay(t *testing.T) {
	t.Parallel()
	s := start(t, false)
	poster, watcher := s.user(t, "ann", 0), s.user(t, "ann", 1)
	wrong := say(t, "slt", "I like bananas and oranges")
	tests := []struct {
		format string
		audio  []byte
	}{
		{"wav", wrong},
		{"mp3", convert(t, wrong, "a.mp3")},
		{"ogg", convert(t, wrong, "a.ogg", "-c:a", "libopus")},
		{"webm", convert(t, wrong, "a.webm", "-c:a", "libopus")},
		{"m4a", convert(t, wrong, "a.m4a", "-c:a", "aac")},
		{"flac", convert(t, wrong, "a.flac", "-ar", "44100", "-ac", "2")},
	}
	for _, tt := range tests {
		v, err := poster.Create(t.Context(), client.Recording{Audio: tt.audio, FileName: "me.bin", TargetText: sentence})
		if err != nil {
			t.Errorf("%s: Create() = %v", tt.format, err)
			continue
		}
		if v.Audio.Format != tt.format || v.Status != evaluation.StatusProcessing || v.Version != 1 || v.Progress.Percent != 40 || v.Ticket == "" {
			t.Errorf("%s: Create() = format %s, status %s, version %d, %d%%", tt.format, v.Audio.Format, v.Status, v.Version, v.Progress.Percent)
		}
		if worst := worstWord(v); worst != "apples" {
			t.Errorf("%s: worst word is %q, want apples", tt.format, worst)
		}
		messages := follow(t, watcher, v.ID)
		checkMessages(t, tt.format, messages)
		checkDone(t, watcher, v.ID)
	}
}

func worstWord(v evaluation.View) string {
	text, score := "", 101
	for _, w := range *v.Words {
		if w.Score != nil && *w.Score < score {
			text, score = w.Text, *w.Score
		}
	}
	return text
}

func checkMessages(t *testing.T, name string, messages []client.Message) {
	t.Helper()
	if len(messages) == 0 {
		t.Errorf("%s: no messages", name)
		return
	}
	first, last := messages[0], messages[len(messages)-1]
	if len(messages) > 1 && first.Type != evaluation.MessageSnapshot {
		t.Errorf("%s: first message is %s, want snapshot", name, first.Type)
	}
	if last.Type != evaluation.MessageDone || last.Evaluation.Status != evaluation.StatusCompleted || last.Evaluation.Progress.Percent != 100 {
		t.Errorf("%s: last message is %s, %s, %d%%", name, last.Type, last.Evaluation.Status, last.Evaluation.Progress.Percent)
	}
	for _, m := range messages[:len(messages)-1] {
		if m.Type == evaluation.MessageDone || m.Evaluation.Words != nil {
			t.Errorf("%s: message %d is %s, with words: %t", name, m.Version, m.Type, m.Evaluation.Words != nil)
		}
	}
}

// checkDone checks an evaluation whose artifacts are all ready, through another node than the one it was posted to.
func checkDone(t *testing.T, c *client.Client, id string) {
	t.Helper()
	v, err := c.Get(t.Context(), id)
	if err != nil {
		t.Errorf("Get(%s) = %v", id, err)
		return
	}
	if v.Feedback.Text == nil || len(strings.Fields(*v.Feedback.Text)) < 8 || v.Feedback.TextState != evaluation.StateReady || len(v.Degraded) != 0 {
		t.Errorf("feedback of %s is %+v, degraded %v", id, v.Feedback, v.Degraded)
	}
	for _, a := range []client.Audio{client.FeedbackAudio, client.DemoAudio} {
		kind, body, err := c.Fetch(t.Context(), id, a)
		if err != nil || kind != "audio/mpeg" {
			t.Errorf("Fetch(%s, %s) = %s, %v", id, a, kind, err)
			continue
		}
		if d := duration(t, body); d < 0.4 || d > 60 {
			t.Errorf("%s of %s lasts %.2f s", a, id, d)
		}
	}
	if kind, body, err := c.Fetch(t.Context(), id, client.RecordingAudio); err != nil || len(body) == 0 {
		t.Errorf("Fetch(%s, recording) = %s, %d bytes, %v", id, kind, len(body), err)
	}
}

// duration asks ffprobe for the length of audio in seconds.
func duration(t *testing.T, audio []byte) float64 {
	t.Helper()
	file := filepath.Join(t.TempDir(), "audio")
	if err := os.WriteFile(file, audio, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", file).Output()
	if err != nil {
		t.Fatalf("ffprobe: %v", err)
	}
	d, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPerfectReadingIsPraisedAndNeedsNoDemo(t *testing.T) {
	t.Parallel()
	s := start(t, false)
	c := s.user(t, "ann", 0)
	for _, voice := range []string{"slt", "rms", "awb", "kal16"} {
		v, err := c.Create(t.Context(), client.Recording{Audio: say(t, voice, sentence), TargetText: sentence})
		if err != nil {
			t.Errorf("%s: Create() = %v", voice, err)
			continue
		}
		if v.Scores.Overall < 90 || *v.Level != evaluation.LevelS || v.Demo.State != evaluation.StateSkipped || v.Demo.Type != nil {
			t.Errorf("%s: scores %+v, level %s, demo %+v, want at least 90, S, skipped", voice, *v.Scores, *v.Level, v.Demo)
		}
		messages := follow(t, c, v.ID)
		checkMessages(t, voice, messages)
		if text := messages[len(messages)-1].Evaluation.Feedback.Text; text == nil || !praise.MatchString(*text) {
			t.Errorf("%s: coaching text is %v, want praise", voice, text)
		}
		_, _, err = c.Fetch(t.Context(), v.ID, client.DemoAudio)
		if p, ok := errors.AsType[*client.Problem](err); !ok || p.Name() != "not-ready" || p.State != "skipped" {
			t.Errorf("%s: demo audio of a perfect reading = %v, want not-ready, skipped", voice, err)
		}
	}
}

// praise is what the coach says of a reading without a weak word.
var praise = regexp.MustCompile(`(?i)excellent|beautiful|great work|wonderful|well done|good work|nice|every word was clear|came across well|well read`)

// A sound that was replaced is found, named, coached and read aloud as it should be.
func TestWrongSoundIsNamedAndCoached(t *testing.T) {
	t.Parallel()
	s := start(t, false)
	c := s.user(t, "ann", 0)
	// "I like led apples"
	v, err := c.Create(t.Context(), client.Recording{Audio: sayPhones(t, "pau ay l ay k l eh d ae p ax l z pau"), TargetText: "I like red apples"})
	if err != nil {
		t.Fatal(err)
	}
	red := (*v.Words)[2]
	if red.Error != evaluation.WordMispronunciation || red.Phonemes[0].Heard == nil || *red.Phonemes[0].Heard != "L" {
		t.Errorf("word %+v, want a mispronunciation with L heard for R", red)
	}
	messages := follow(t, c, v.ID)
	last := messages[len(messages)-1].Evaluation
	if last.Feedback.Text == nil || !strings.Contains(*last.Feedback.Text, `"red"`) {
		t.Errorf("coaching text %v, want it to name the word", last.Feedback.Text)
	}
	if last.Demo.Type == nil || *last.Demo.Type != evaluation.DemoWord || *last.Demo.Text != "red" {
		t.Errorf("demo %+v, want the word", last.Demo)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, false)
	c := s.user(t, "ann", 0)
	good := say(t, "slt", sentence)
	png := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x10\x00\x00\x00\x10\x08\x02\x00\x00\x00"), make([]byte, 1<<20)...)
	tests := []struct {
		name, text string
		audio      []byte
		status     int
		problem    string
	}{
		{"silence", sentence, generate(t, "anullsrc=r=16000:d=3"), 422, "no-speech"},
		{"too short", sentence, generate(t, "sine=d=0.1"), 422, "too-short"},
		{"too long", sentence, generate(t, "sine=d=62"), 422, "too-long"},
		{"another text", sentence, say(t, "slt", "The weather will be cold tomorrow morning in the mountains"), 422, "text-mismatch"},
		{"picture named .wav", sentence, png, 415, "unsupported-audio"},
		{"11 MB", sentence, append(bytes.Clone(good), make([]byte, 11<<20)...), 413, "audio-too-large"},
		{"empty", sentence, nil, 415, "unsupported-audio"},
		{"Chinese text", "我喜欢苹果和橙子", good, 422, "unsupported-language"},
		{"600 characters", strings.Repeat("apples ", 86)[:600], good, 422, "invalid-text"},
		{"NUL", "I like\x00apples", good, 422, "invalid-text"},
		{"control character", "I like\x07apples", good, 422, "invalid-text"},
	}
	for _, tt := range tests {
		_, err := c.Create(t.Context(), client.Recording{Audio: tt.audio, FileName: "me.wav", TargetText: tt.text})
		var p *client.Problem
		if !errors.As(err, &p) || p.Status != tt.status || p.Name() != tt.problem || p.Detail == "" || p.RequestID == "" {
			t.Errorf("%s: Create() = %v, want %d %s", tt.name, err, tt.status, tt.problem)
		}
	}
	page, err := c.List(t.Context(), 10, "")
	if err != nil || len(page.Items) != 0 {
		t.Errorf("after refusals List() = %d items, %v, want none", len(page.Items), err)
	}
	var n int
	if err := s.db.QueryRow(t.Context(), `SELECT count(*) FROM jobs`).Scan(&n); err != nil || n != 0 {
		t.Errorf("after refusals there are %d jobs, %v, want none", n, err)
	}
}

func TestOthersSeeNothing(t *testing.T) {
	t.Parallel()
	s := start(t, false)
	ann, bob := s.user(t, "ann", 0), s.user(t, "bob", 1)
	v, err := ann.Create(t.Context(), client.Recording{Audio: say(t, "slt", sentence), TargetText: sentence})
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]func() error{
		"get":    func() error { _, err := bob.Get(t.Context(), v.ID); return err },
		"delete": func() error { return bob.Delete(t.Context(), v.ID) },
		"follow": func() error { return bob.Follow(t.Context(), v.ID, func(client.Message) error { return nil }) },
		"ticket": func() error { _, err := bob.Ticket(t.Context(), v.ID); return err },
		"audio":  func() error { _, _, err := bob.Fetch(t.Context(), v.ID, client.RecordingAudio); return err },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, evaluation.ErrNotFound) {
			t.Errorf("%s as another user = %v, want not found", name, err)
		}
	}
	if page, err := bob.List(t.Context(), 10, ""); err != nil || len(page.Items) != 0 {
		t.Errorf("List() of another user = %d items, %v, want none", len(page.Items), err)
	}
	stranger := s.client(t, "okt_nobody", 0)
	if _, err := stranger.Get(t.Context(), v.ID); !errors.Is(err, evaluation.ErrUnauthorized) {
		t.Errorf("Get() with an unknown key = %v, want unauthorized", err)
	}
}

func TestRepeatedPostMakesOneEvaluation(t *testing.T) {
	t.Parallel()
	s := start(t, false)
	key := s.key(t, "ann")
	rec := client.Recording{Audio: say(t, "slt", sentence), TargetText: sentence, IdempotencyKey: "one"}
	ids := make([]string, 6)
	var wg sync.WaitGroup
	for i := range ids {
		c := s.client(t, key, i%2)
		wg.Go(func() {
			for {
				v, err := c.Create(t.Context(), rec)
				var p *client.Problem
				if errors.As(err, &p) && p.Status == http.StatusConflict {
					continue // the first one is still running
				}
				if err != nil {
					t.Errorf("Create() = %v", err)
				}
				ids[i] = v.ID
				return
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Errorf("the same POST made %v, want one evaluation", ids)
			break
		}
	}
	c := s.client(t, key, 0)
	if err := c.Delete(t.Context(), ids[0]); err != nil {
		t.Fatal(err)
	}
	if v, err := c.Create(t.Context(), rec); !errors.Is(err, evaluation.ErrNotFound) {
		t.Errorf("the same POST after DELETE = %s, %v, want not found: what was deleted stays deleted", v.ID, err)
	}
}
