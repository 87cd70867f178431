package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"oktalk/internal/client"
	"oktalk/internal/evaluation"
)

const key = "okt_key"

func setup(t *testing.T, mux *http.ServeMux) *client.Client {
	t.Helper()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	c, err := client.New(s.URL+"/", key)
	if err != nil {
		t.Fatalf("New = %v", err)
	}
	return c
}

func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func TestCreate(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/evaluations", func(w http.ResponseWriter, r *http.Request) {
		file, header, err := r.FormFile("audio")
		if err != nil {
			t.Errorf("audio: %v", err)
			return
		}
		audio, _ := io.ReadAll(file)
		_, hasCategory := r.MultipartForm.Value["category"]
		got := fmt.Sprint(string(audio), header.Filename, r.FormValue("target_text"), r.FormValue("demo"), hasCategory, r.Header.Get("Idempotency-Key"), r.Header.Get("Authorization"))
		if want := fmt.Sprint("RIFF", "me.wav", "I like apples", "never", false, "k", "Bearer "+key); got != want {
			t.Errorf("form = %s, want %s", got, want)
		}
		reply(w, 201, `{"evaluation_id":"eval_1","version":1,"ticket":"t"}`)
	})
	c := setup(t, mux)
	v, err := c.Create(t.Context(), client.Recording{Audio: []byte("RIFF"), FileName: "me.wav", TargetText: "I like apples", Demo: "never", IdempotencyKey: "k"})
	if err != nil || v.ID != "eval_1" || v.Ticket != "t" {
		t.Errorf("Create = %+v, %v", v, err)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/evaluations/{id}", func(w http.ResponseWriter, r *http.Request) {
		switch r.PathValue("id") {
		case "missing":
			reply(w, 404, `{"type":"/problems/not-found","title":"Not found","status":404,"detail":"None.","request_id":"r1"}`)
		case "busy":
			w.Header().Set("Retry-After", "7")
			reply(w, 503, `{"type":"/problems/unavailable","title":"Away","status":503,"detail":"Later.","request_id":"r2"}`)
		default:
			reply(w, 502, `<html>bad gateway</html>`)
		}
	})
	c := setup(t, mux)
	_, err := c.Get(t.Context(), "missing")
	var p *client.Problem
	if !errors.As(err, &p) || !errors.Is(err, evaluation.ErrNotFound) || p.Name() != "not-found" || p.RequestID != "r1" || !strings.Contains(err.Error(), "None.") {
		t.Errorf("Get(missing) = %v", err)
	}
	_, err = c.Get(t.Context(), "busy")
	if !errors.As(err, &p) || !errors.Is(err, evaluation.ErrUnavailable) || p.RetryAfter != 7*time.Second {
		t.Errorf("Get(busy) = %v", err)
	}
	_, err = c.Get(t.Context(), "proxy")
	if !errors.As(err, &p) || p.Status != 502 || !strings.Contains(err.Error(), "not from an OKTalk server") {
		t.Errorf("Get through a broken proxy = %v", err)
	}
}

func TestOtherCalls(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/evaluations", func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.RawQuery; got != "cursor=a%26b&limit=5" {
			t.Errorf("query = %q", got)
		}
		reply(w, 200, `{"items":[{"evaluation_id":"eval_1"}],"next_cursor":"n"}`)
	})
	mux.HandleFunc("DELETE /v1/evaluations/eval_1", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	mux.HandleFunc("POST /v1/evaluations/eval_1/tickets", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 201, `{"ticket":"t","progress_url":"/p?ticket=t","expires_in":60}`)
	})
	mux.HandleFunc("GET /v1/me", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 200, `{"user_id":"u","name":"ann","key_id":"k"}`)
	})
	c := setup(t, mux)
	if p, err := c.List(t.Context(), 5, "a&b"); err != nil || len(p.Items) != 1 || *p.NextCursor != "n" {
		t.Errorf("List = %+v, %v", p, err)
	}
	if err := c.Delete(t.Context(), "eval_1"); err != nil {
		t.Errorf("Delete = %v", err)
	}
	if k, err := c.Ticket(t.Context(), "eval_1"); err != nil || k != (client.Ticket{Ticket: "t", ProgressURL: "/p?ticket=t", ExpiresIn: 60}) {
		t.Errorf("Ticket = %+v, %v", k, err)
	}
	if m, err := c.Me(t.Context()); err != nil || m.Name != "ann" {
		t.Errorf("Me = %+v, %v", m, err)
	}
}

func TestFetch(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /store/{name}", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the key was sent to the object store")
		}
		if r.PathValue("name") == "expired" {
			w.WriteHeader(403)
			return
		}
		w.Header().Set("Content-Type", "audio/mpeg")
		_, _ = io.WriteString(w, "MP3")
	})
	mux.HandleFunc("GET /v1/evaluations/{id}/{kind}", func(w http.ResponseWriter, r *http.Request) {
		address := map[string]string{
			"recording": "data:audio/wav;base64,UklGRg==", "feedback-audio": "http://" + r.Host + "/store/a?sig=secret", "demo-audio": "http://" + r.Host + "/store/expired?sig=secret",
		}[r.PathValue("kind")]
		_ = json.NewEncoder(w).Encode(map[string]string{"url": address, "expires_at": "2026-01-25T10:35:00Z"})
	})
	c := setup(t, mux)
	for audio, want := range map[client.Audio]string{client.RecordingAudio: "audio/wav RIFF", client.FeedbackAudio: "audio/mpeg MP3"} {
		contentType, body, err := c.Fetch(t.Context(), "eval_1", audio)
		if got := contentType + " " + string(body); err != nil || got != want {
			t.Errorf("Fetch(%s) = %s, %v, want %s", audio, got, err, want)
		}
	}
	if _, _, err := c.Fetch(t.Context(), "eval_1", client.DemoAudio); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("Fetch of an expired address = %v, want an error without the signature", err)
	}
}

// progress serves sockets one after another, each by its script.
func progress(t *testing.T, scripts ...func(w http.ResponseWriter, r *http.Request)) *client.Client {
	t.Helper()
	var next atomic.Int32
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/evaluations/eval_1/progress", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+key {
			t.Errorf("Authorization = %q", r.Header.Get("Authorization"))
		}
		i := int(next.Add(1)) - 1
		if i >= len(scripts) {
			t.Errorf("connection %d was not expected", i+1)
			w.WriteHeader(404)
			return
		}
		scripts[i](w, r)
	})
	return setup(t, mux)
}

// socket sends messages and closes with a code; 0 cuts the connection.
func socket(code int, messages ...string) func(w http.ResponseWriter, r *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		for _, m := range messages {
			_ = conn.Write(r.Context(), websocket.MessageText, []byte(m))
		}
		if code == 0 {
			_ = conn.CloseNow()
			return
		}
		_ = conn.Close(websocket.StatusCode(code), "reason")
	}
}

func message(kind string, version int) string {
	return fmt.Sprintf(`{"type":%q,"version":%d,"evaluation":{"evaluation_id":"eval_1"}}`, kind, version)
}

func follow(ctx context.Context, c *client.Client) (seen []string, err error) {
	err = c.Follow(ctx, "eval_1", func(m client.Message) error {
		seen = append(seen, fmt.Sprintf("%s %d", m.Type, m.Version))
		return nil
	})
	return seen, err
}

func TestFollowConnectsAgain(t *testing.T) {
	t.Parallel()
	c := progress(t,
		socket(4001, message("snapshot", 1), `{"type":"estimate","queue_position":3}`, message("progress", 3)),
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
		socket(0, message("snapshot", 3)), // nothing new, then cut
		socket(1000, message("snapshot", 2), message("progress", 4), message("done", 6)),
	)
	seen, err := follow(t.Context(), c)
	if want := []string{"snapshot 1", "progress 3", "progress 4", "done 6"}; err != nil || !slices.Equal(seen, want) {
		t.Errorf("Follow = %v, %v, want %v", seen, err, want)
	}
}

func TestFollowEndsForGood(t *testing.T) {
	t.Parallel()
	c := progress(t, socket(4504, message("snapshot", 1)))
	var closed *client.ClosedError
	if seen, err := follow(t.Context(), c); !errors.As(err, &closed) || closed.Code != 4504 || len(seen) != 1 {
		t.Errorf("Follow of a deleted evaluation = %v, %v", seen, err)
	}
	c = progress(t, func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 404, `{"type":"/problems/not-found","title":"Not found","detail":"None."}`)
	})
	if _, err := follow(t.Context(), c); !errors.Is(err, evaluation.ErrNotFound) {
		t.Errorf("Follow of nothing = %v, want ErrNotFound", err)
	}
}

func TestFollowEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	c := progress(t, socket(4001, message("snapshot", 1)))
	if err := c.Follow(t.Context(), "eval_1", func(client.Message) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("Follow = %v, want the caller's error", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c = progress(t, func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err == nil {
			cancel()
			_, _, _ = conn.Read(context.Background())
		}
	})
	if _, err := follow(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("Follow = %v, want context.Canceled", err)
	}
}

func TestFindStack(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	deep := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(filepath.Join(root, ".oktalk"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	none := func(string) string { return "" }
	if _, err := client.Find(none, deep); !errors.Is(err, client.ErrNoStack) {
		t.Errorf("Find without a stack = %v, want ErrNoStack", err)
	}
	file := filepath.Join(root, ".oktalk", "dev.json")
	if err := os.WriteFile(file, []byte(`{"url":"http://127.0.0.1:8123","key":"k"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := client.Find(none, deep); err != nil || c.URL() != "http://127.0.0.1:8123" {
		t.Errorf("Find = %v, %v", c, err)
	}
	env := map[string]string{"OKTALK_URL": "https://talk.example", "OKTALK_KEY": "k"}
	if c, err := client.Find(func(k string) string { return env[k] }, deep); err != nil || c.URL() != "https://talk.example" {
		t.Errorf("Find with OKTALK_URL = %v, %v", c, err)
	}
	delete(env, "OKTALK_KEY")
	if _, err := client.Find(func(k string) string { return env[k] }, deep); err == nil || !strings.Contains(err.Error(), "OKTALK_KEY") {
		t.Errorf("Find without OKTALK_KEY = %v", err)
	}
	if err := os.WriteFile(file, []byte(`{`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Find(none, root); err == nil || errors.Is(err, client.ErrNoStack) {
		t.Errorf("Find with a damaged file = %v", err)
	}
	for _, bad := range []string{"", "127.0.0.1:8080", "ftp://x", "http://"} {
		if _, err := client.New(bad, "k"); err == nil {
			t.Errorf("New(%q) succeeded", bad)
		}
	}
}

func ExampleClient_Follow() {
	c, err := client.Find(os.Getenv, ".")
	if err != nil {
		return // no stack is running here
	}
	ctx := context.Background()
	v, err := c.Create(ctx, client.Recording{Audio: []byte("…"), TargetText: "I like apples"})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = c.Follow(ctx, v.ID, func(m client.Message) error {
		fmt.Println(m.Evaluation.Progress.Percent)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
}
