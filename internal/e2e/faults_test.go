package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/redis/go-redis/v9"

	"oktalk/internal/client"
	"oktalk/internal/evaluation"
	"oktalk/internal/testkit"
)

// While the store is away recordings are taken in and served, coaching text arrives, and the evaluation says what its audio waits
// for. The audio comes when the store is back.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	s := start(t, true)
	c := s.user(t, "ann", 0)
	audio := say(t, "slt", "I like bananas and oranges")
	s.S3.Stop(t.Context())
	v, err := c.Create(t.Context(), client.Recording{Audio: audio, TargetText: sentence, Demo: "always"})
	if err != nil {
		t.Fatalf("Create() without the store = %v", err)
	}
	waits := errors.New("it waits with its text")
	err = c.Follow(t.Context(), v.ID, func(m client.Message) error {
		if w := m.Evaluation.Progress.WaitingFor; w != nil && *w == "s3" && m.Evaluation.Feedback.Text != nil {
			return waits
		}
		return nil
	})
	if !errors.Is(err, waits) {
		t.Fatalf("Follow() = %v, want text and waiting_for s3", err)
	}
	if _, body, err := c.Fetch(t.Context(), v.ID, client.RecordingAudio); err != nil || len(body) != len(audio) {
		t.Errorf("Fetch(recording) without the store = %d bytes, %v, want %d", len(body), err, len(audio))
	}
	if err := s.S3.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkMessages(t, "store back", follow(t, c, v.ID))
	checkDone(t, c, v.ID)
	testkit.WaitFor(t, time.Minute, "the recording to leave the spool", func() bool {
		keys, err := s.Objects(t.Context(), s.Bucket, "evaluations/"+v.ID+"/recording")
		var spooled int
		if err == nil {
			err = s.db.QueryRow(t.Context(), `SELECT count(*) FROM object_spool`).Scan(&spooled)
		}
		return err == nil && len(keys) == 1 && spooled == 0
	})
	s.checkSettledOnce(t, 1)
}

// Everything in Redis is lost while evaluations run: they complete all the same.
func TestRedisWiped(t *testing.T) {
	t.Parallel()
	s := start(t, true)
	c := s.user(t, "ann", 0)
	audio := say(t, "slt", "I like bananas and oranges")
	s.workers["worker-tts"].Stop(t.Context())
	var ids []string
	for range 8 {
		v, err := c.Create(t.Context(), client.Recording{Audio: audio, TargetText: sentence, Demo: "always"})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, v.ID)
	}
	o, err := redis.ParseURL(s.RedisURL)
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(o)
	defer func() { _ = rdb.Close() }()
	if err := rdb.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.workers["worker-tts"].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		checkMessages(t, id, follow(t, c, id))
	}
	s.checkSettledOnce(t, len(ids))
}

// An open socket is told when its evaluation is deleted.
func TestDeleteClosesSockets(t *testing.T) {
	t.Parallel()
	s := start(t, false)
	c, other := s.user(t, "ann", 0), s.user(t, "ann", 1)
	s.workers["worker-feedback"].Stop(t.Context()) // so that it does not complete
	v, err := c.Create(t.Context(), client.Recording{Audio: say(t, "slt", sentence), TargetText: sentence})
	if err != nil {
		t.Fatal(err)
	}
	deleted := make(chan error, 1)
	err = other.Follow(t.Context(), v.ID, func(m client.Message) error {
		if m.Type == evaluation.MessageSnapshot {
			go func() { deleted <- c.Delete(t.Context(), v.ID) }()
		}
		return nil
	})
	if closed, ok := errors.AsType[*client.ClosedError](err); !ok || closed.Code != 4504 {
		t.Errorf("Follow() of a deleted evaluation = %v, want close code 4504", err)
	}
	if err := <-deleted; err != nil {
		t.Errorf("Delete() = %v", err)
	}
}

// The three ways to follow an evaluation, as a client without our library uses them, by key and by ticket.
func TestWaysToFollow(t *testing.T) {
	t.Parallel()
	s := start(t, false)
	key := s.key(t, "ann")
	c := s.client(t, key, 0)
	v, err := c.Create(t.Context(), client.Recording{Audio: say(t, "slt", sentence), TargetText: sentence})
	if err != nil {
		t.Fatal(err)
	}
	follow(t, c, v.ID)

	if !strings.Contains(v.ProgressURL, "?ticket=") {
		t.Errorf("progress_url of the answer to POST is %q, want a ticket in it", v.ProgressURL)
	}
	if got := socketMessages(t, s.url[1]+v.ProgressURL); got != "done 1000" {
		t.Errorf("socket with a ticket: %s, want done 1000", got)
	}
	if code := statusOf(t, s.url[0]+v.ProgressURL, ""); code != http.StatusUnauthorized {
		t.Errorf("the same ticket again: %d, want 401", code)
	}

	req := request(t, s.url[1]+"/v1/evaluations/"+v.ID+"/progress", key)
	req.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var events []string
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			events = append(events, name)
		}
	}
	if fmt.Sprint(events) != "[done]" {
		t.Errorf("event stream: %v, want done", events)
	}

	resp, err = http.DefaultClient.Do(request(t, s.url[0]+"/v1/evaluations/"+v.ID+"/progress?after=0&wait=20", key))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var m client.Message
	if err := json.NewDecoder(resp.Body).Decode(&m); err != nil || m.Type != evaluation.MessageDone || m.Evaluation.ID != v.ID {
		t.Errorf("long poll: %s of %s, %v, want done", m.Type, m.Evaluation.ID, err)
	}
}

// socketMessages reads a socket to its end and names the message types and the close code.
func socketMessages(t *testing.T, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(url, "http"), nil) //nolint:bodyclose // the library closes it
	if err != nil {
		return fmt.Sprintf("refused: %v", err)
	}
	defer func() { _ = conn.CloseNow() }()
	var seen []string
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			return strings.Join(append(seen, fmt.Sprint(int(websocket.CloseStatus(err)))), " ")
		}
		var m client.Message
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		seen = append(seen, string(m.Type))
	}
}

func statusOf(t *testing.T, url, key string) int {
	t.Helper()
	resp, err := http.DefaultClient.Do(request(t, url, key))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func request(t *testing.T, url, key string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	return req
}
