package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"oktalk/internal/evaluation"
	"oktalk/internal/testkit"
)

// tool runs oktalk with args and an environment and returns what it printed to standard output and standard error.
func tool(t *testing.T, env map[string]string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	err = run(t.Context(), args, func(name string) string { return env[name] }, &out, &errs)
	return out.String(), errs.String(), err
}

func TestKeysAndMigrations(t *testing.T) {
	t.Parallel()
	env := map[string]string{"DATABASE_URL": testkit.Database(t, nil)}
	if _, _, err := tool(t, env, "keys", "list"); err == nil || !strings.Contains(err.Error(), "oktalk migrate up") {
		t.Errorf("keys list on an empty database = %v, want what to do", err)
	}
	if out, _, err := tool(t, env, "migrate", "status"); err != nil || !strings.Contains(out, "00001_first_schema.sql") {
		t.Errorf("migrate status = %q, %v", out, err)
	}
	for range 2 { // again changes nothing
		if _, _, err := tool(t, env, "migrate", "up"); err != nil {
			t.Fatalf("migrate up = %v", err)
		}
	}
	out, _, err := tool(t, env, "keys", "create", "--user", "ann")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if key := lines[len(lines)-1]; err != nil || len(key) != 47 || !strings.HasPrefix(key, "okt_") {
		t.Errorf("keys create = %q, %v, want the key alone on the last line", out, err)
	}
	var key struct {
		ID     string `json:"id"`
		UserID string `json:"user_id"`
		Key    string `json:"key"`
	}
	out, _, err = tool(t, env, "keys", "create", "--user", "ann", "--json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &key)
	}
	if err != nil || key.ID == "" || key.UserID == "" || key.Key == "" {
		t.Fatalf("keys create --json = %q, %v", out, err)
	}
	if out, _, err := tool(t, env, "keys", "revoke", key.ID, "--why", "lost"); err != nil || !strings.Contains(out, "revoked") {
		t.Errorf("keys revoke = %q, %v", out, err)
	}
	out, _, err = tool(t, env, "keys", "list")
	if err != nil || strings.Count(out, "ann") != 2 || !strings.Contains(out, key.Key[:10]) || strings.Contains(out, key.Key) {
		t.Errorf("keys list = %q, %v, want two keys of ann without their secrets", out, err)
	}
	var list []listedKey
	out, _, err = tool(t, env, "keys", "list", "--json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &list)
	}
	if err != nil || len(list) != 2 || list[0].ID != key.ID || list[0].RevokedAt == nil || list[1].RevokedAt != nil {
		t.Errorf("keys list --json = %q, %v", out, err)
	}
	if _, _, err := tool(t, env, "keys", "revoke", "key_none"); err == nil || !strings.Contains(err.Error(), "no key") {
		t.Errorf("keys revoke of nothing = %v", err)
	}
	if _, _, err := tool(t, env, "keys", "create"); err == nil {
		t.Error("keys create without --user succeeded")
	}
	if _, _, err := tool(t, env, "migrate", "down"); err != nil {
		t.Errorf("migrate down = %v", err)
	}
}

func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	env := map[string]string{"DATABASE_URL": "postgres://u:secret@" + addr + "/x"}
	for _, args := range [][]string{{"keys", "list"}, {"migrate", "up"}, {"migrate", "status"}} {
		_, _, err := tool(t, env, args...)
		if err == nil || !strings.Contains(err.Error(), addr+" cannot be reached") || !strings.Contains(err.Error(), "make run") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v = %v, want a sentence that says what to do and no password", args, err)
		}
	}
}

func TestServerAway(t *testing.T) {
	t.Parallel()
	env := map[string]string{"OKTALK_URL": "http://" + freeAddr(t), "OKTALK_KEY": "k"}
	for _, args := range [][]string{{"watch", "eval_1"}, {"demo"}} {
		if _, _, err := tool(t, env, args...); err == nil || !strings.HasPrefix(err.Error(), "no running stack found: start one with make run") {
			t.Errorf("%v = %v, want a sentence that says what to do", args, err)
		}
	}
}

// fakeAPI plays the API for one evaluation, which is completed while it is watched. It keeps what was posted.
type fakeAPI struct {
	audio []byte
	text  string
}

func (f *fakeAPI) start(t *testing.T) map[string]string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/evaluations", func(w http.ResponseWriter, r *http.Request) {
		file, _, err := r.FormFile("audio")
		if err != nil {
			t.Errorf("audio: %v", err)
			return
		}
		f.audio, _ = io.ReadAll(file)
		f.text = r.FormValue("target_text")
		answer(w, http.StatusCreated, fakeEvaluation(false).FullView())
	})
	mux.HandleFunc("GET /v1/evaluations/{id}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("id") != fakeID {
			answer(w, http.StatusNotFound, map[string]any{"type": "/problems/not-found", "title": "Not found", "detail": "There is no such evaluation."})
			return
		}
		answer(w, http.StatusOK, fakeEvaluation(true).FullView())
	})
	mux.HandleFunc("GET /v1/evaluations/{id}/progress", func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		send(r.Context(), conn, fakeEvaluation(false), true)
		send(r.Context(), conn, fakeEvaluation(true), false)
		_ = conn.Close(websocket.StatusNormalClosure, "")
	})
	mux.HandleFunc("GET /v1/evaluations/{id}/{audio}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]any{"url": "http://" + r.Host + "/store/" + r.PathValue("audio"), "expires_at": time.Now()})
	})
	mux.HandleFunc("GET /store/{audio}", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "MP3 "+r.PathValue("audio")) })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return map[string]string{"OKTALK_URL": s.URL, "OKTALK_KEY": "k"}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func send(ctx context.Context, conn *websocket.Conn, e *evaluation.Evaluation, first bool) {
	s, _ := e.Snapshot()
	b, _ := json.Marshal(s.Message(first))
	_ = conn.Write(ctx, websocket.MessageText, b)
}

const fakeID = "eval_01jd3k8v5n9q2w7x4y6z0a1b2c"

func fakeEvaluation(completed bool) *evaluation.Evaluation {
	e := &evaluation.Evaluation{
		ID: fakeID, Version: 1, TargetText: "I like red apples", Assessment: &evaluation.Assessment{
			Assessor: "offline", Level: "B", Scores: evaluation.Scores{Overall: 77, Accuracy: 75, Fluency: 82, Integrity: 75},
			Words: []evaluation.Word{
				{Text: "I", Score: 95, Error: evaluation.WordCorrect},
				{Text: "like", Score: 70, Error: evaluation.WordCorrect, Phonemes: []evaluation.Phoneme{{ARPAbet: "L", Score: 70}}},
				{Text: "red", Error: evaluation.WordOmission},
				{Text: "um", Error: evaluation.WordInsertion},
				{Text: "apples", Score: 48, Error: evaluation.WordMispronunciation, Phonemes: []evaluation.Phoneme{{ARPAbet: "AE", Score: 20, Heard: "EH"}, {ARPAbet: "P", Score: 90}}},
			},
		},
	}
	e.Plan()
	if completed {
		e.Version = 4
		e.Settle(evaluation.Artifact{Kind: evaluation.FeedbackText, State: evaluation.StateReady, Text: "Open your mouth wider for the first sound of “apples”."})
		e.Settle(evaluation.Artifact{Kind: evaluation.FeedbackAudio, State: evaluation.StateReady, ObjectKey: "x"})
		e.Settle(evaluation.Artifact{Kind: evaluation.DemoAudio, State: evaluation.StateFailed, Reason: "voice-unavailable", Message: "The voice is away."})
	}
	return e
}

func TestWatch(t *testing.T) {
	t.Parallel()
	env := (&fakeAPI{}).start(t)
	out, _, err := tool(t, env, "watch", fakeID)
	if err != nil {
		t.Fatalf("watch = %v", err)
	}
	for _, want := range []string{" 40 %  feedback", "100 %  completed", "Open your mouth wider", "demo_audio: The voice is away. (failed)", env["OKTALK_URL"] + "/store/feedback-audio"} {
		if !strings.Contains(out, want) {
			t.Errorf("watch printed %q, want %q in it", out, want)
		}
	}
	if strings.Contains(out, "\x1b") || strings.Contains(out, "demo-audio (until") {
		t.Errorf("watch printed %q: colour without a terminal, or audio that is not there", out)
	}
	if _, _, err := tool(t, env, "watch", "eval_none"); err == nil || !strings.Contains(err.Error(), "There is no such evaluation") {
		t.Errorf("watch of nothing = %v", err)
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	f := &fakeAPI{}
	env := f.start(t)
	dir := t.TempDir()
	recording := filepath.Join(dir, "me.wav")
	if err := os.WriteFile(recording, []byte("RIFF"), 0o600); err != nil {
		t.Fatal(err)
	}
	env["FORCE_COLOR"] = "1"
	out, _, err := tool(t, env, "demo", "--audio", recording, "--text", "I like red apples", "--out", filepath.Join(dir, "out"))
	if err != nil {
		t.Fatalf("demo = %v", err)
	}
	if string(f.audio) != "RIFF" || f.text != "I like red apples" {
		t.Errorf("posted %q with %q", f.audio, f.text)
	}
	for _, want := range []string{
		"overall \x1b[33m77\x1b[0m", "\x1b[32mI\x1b[0m \x1b[33mlike\x1b[0m \x1b[31m(red: left out)\x1b[0m \x1b[2m(+um)\x1b[0m \x1b[31m*apples*\x1b[0m",
		"æ 20 (heard ɛ)", "100 %", "Open your mouth wider", "saved " + filepath.Join(dir, "out", fakeID+"-feedback-audio.mp3"),
	} {
		if !strings.Contains(out, want) {
			t.Errorf("demo printed %q, want %q in it", out, want)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "out", fakeID+"-feedback-audio.mp3")); err != nil || string(b) != "MP3 feedback-audio" {
		t.Errorf("saved %q, %v", b, err)
	}
	env["NO_COLOR"] = "1"
	if out, _, err := tool(t, env, "demo", "--audio", recording, "--text", "x", "--out", dir); err != nil || strings.Contains(out, "\x1b") {
		t.Errorf("demo with NO_COLOR = %q, %v", out, err)
	}
}

func TestDemoJSON(t *testing.T) {
	t.Parallel()
	f := &fakeAPI{}
	env := f.start(t)
	dir := t.TempDir()
	out, errs, err := tool(t, env, "demo", "--json", "--out", dir)
	var result struct {
		Evaluation evaluation.View   `json:"evaluation"`
		Files      map[string]string `json:"files"`
	}
	if err == nil {
		err = json.Unmarshal([]byte(out), &result)
	}
	if err != nil || result.Evaluation.Status != "completed" || result.Files["feedback-audio"] == "" || !strings.Contains(errs, "100 %") {
		t.Errorf("demo --json = %q, %q, %v", out, errs, err)
	}
	if !bytes.HasPrefix(f.audio, []byte("RIFF")) || f.text != demoText {
		t.Errorf("posted %d bytes with %q, want a recording made by flite", len(f.audio), f.text)
	}
	if _, _, err := tool(t, env, "demo", "--text", "Good morning", "--out", dir); err != nil || f.text != "Good morning" {
		t.Errorf("demo --text = %v, posted %q", err, f.text)
	}
	if _, _, err := tool(t, env, "demo", "--audio", "me.wav"); err == nil || !strings.Contains(err.Error(), "--text") {
		t.Errorf("demo --audio without --text = %v", err)
	}
}

// A progress line is drawn over on a terminal, and what is printed next starts below it.
func TestProgressOnATerminal(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	s := &screen{w: &b, terminal: true}
	s.progress(fakeEvaluation(false).View())
	s.progress(fakeEvaluation(true).View())
	s.printf("done\n")
	waiting := fakeEvaluation(false)
	waiting.WaitingFor = "s3"
	s.progress(waiting.View())
	if got, want := b.String(), fmt.Sprintf("\r\x1b[K[%s%s]  40 %%  feedback\r\x1b[K[%s] 100 %%  completed\ndone\n", strings.Repeat("█", 12), strings.Repeat("░", 18), strings.Repeat("█", 30)); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "feedback (waiting for s3)") {
		t.Errorf("terminal shows %q, want %q", got, want)
	}
}

// TestMakeDemoPassesTextAsItIs runs make with a stand-in for this program, which prints its arguments.
func TestMakeDemoPassesTextAsItIs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rules, err := filepath.Abs("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bin", "oktalk"), []byte("#!/bin/sh\nprintf '%s\\n' \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	const text, recording = `It's "$5", not $$HOME or $(shell echo more)`, `my $1 voice.wav`
	cmd := exec.CommandContext(t.Context(), "make", "--silent", "--no-print-directory", "-f", rules, "GO=true", "demo", "AUDIO="+recording, "TEXT="+text)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "MAKEFLAGS=") // of a make that runs the tests
	out, err := cmd.CombinedOutput()
	if want := "demo\n--audio\n" + recording + "\n--text\n" + text + "\n"; err != nil || string(out) != want {
		t.Errorf("make demo = %v, runs oktalk with %q, want %q", err, out, want)
	}
}

// TestDevTellsWhereItsDataAre starts nothing and makes nothing.
func TestDevTellsWhereItsDataAre(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	if out, _, err := tool(t, nil, "dev", "--where", "--state-dir", dir); err != nil || out != "" {
		t.Errorf("before the first start: %q, %v, want nothing", out, err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("it made the state folder")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, _, err := tool(t, nil, "dev", "--where", "--state-dir", dir); err != nil || !strings.HasSuffix(out, "/state\n") {
		t.Errorf("with a state folder: %q, %v, want its path", out, err)
	}
}
