package rediskv_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"oktalk/internal/evaluation"
	"oktalk/internal/redisconn"
	"oktalk/internal/rediskv"
	"oktalk/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// servers are the fake and a real server, which must agree. Each gives a client and a key prefix of the test's own.
var servers = map[string]func(t *testing.T) (client redis.UniversalClient, prefix string){
	"miniredis": func(t *testing.T) (redis.UniversalClient, string) {
		t.Helper()
		return open(t, "redis://"+miniredis.RunT(t).Addr()), "oktalk"
	},
	"redis": func(t *testing.T) (redis.UniversalClient, string) {
		t.Helper()
		return open(t, testkit.RedisURL(t)), testkit.Prefix(t)
	},
}

func open(t *testing.T, url string) redis.UniversalClient {
	t.Helper()
	client, err := redisconn.Blocking(redisconn.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// scored is an evaluation at a version.
func scored(id string, version int64) *evaluation.Evaluation {
	e := &evaluation.Evaluation{
		ID: id, UserID: "user_1", Version: version, TargetText: "I like <apples>", Language: "en-US",
		CreatedAt: time.Date(2026, 1, 22, 10, 35, 0, 0, time.UTC),
		Assessment: &evaluation.Assessment{
			Assessor: "offline", Scores: evaluation.Scores{Overall: 77, Accuracy: 75, Fluency: 82, Integrity: 100}, Level: evaluation.LevelB,
			Words: []evaluation.Word{{Text: "apples", Score: 58, Error: evaluation.WordMispronunciation}},
		},
	}
	e.Plan()
	return e
}

// completed is the same with all artifacts settled.
func completed(id string, version int64) *evaluation.Evaluation {
	e := scored(id, version)
	for _, kind := range []evaluation.ArtifactKind{evaluation.FeedbackText, evaluation.FeedbackAudio, evaluation.DemoAudio} {
		e.Settle(evaluation.Artifact{Kind: kind, State: evaluation.StateReady, Text: "Open your mouth wider."})
	}
	return e
}

func publish(t *testing.T, s *rediskv.Snapshots, es ...*evaluation.Evaluation) {
	t.Helper()
	if err := s.Publish(t.Context(), es); err != nil {
		t.Fatalf("Publish() = %v", err)
	}
}

func get(t *testing.T, s *rediskv.Snapshots, ids ...string) map[string]evaluation.Snapshot {
	t.Helper()
	got, err := s.Get(t.Context(), ids)
	if err != nil {
		t.Fatalf("Get() = %v", err)
	}
	return got
}

func TestPublishStoresTheFields(t *testing.T) {
	t.Parallel()
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, prefix := server(t)
			s := rediskv.NewSnapshots(client, prefix, time.Hour)
			e := completed("eval_1", 5)
			publish(t, s, scored("eval_1", 1), e)
			got, err := client.HGetAll(t.Context(), prefix+":eval:result:eval_1").Result()
			if err != nil {
				t.Fatal(err)
			}
			var view evaluation.View
			if err := json.Unmarshal([]byte(got["json"]), &view); err != nil || view.Version != 5 || view.Words != nil {
				t.Errorf("field json = %s, want the view of version 5 without words (%v)", got["json"], err)
			}
			delete(got, "json")
			want := map[string]string{
				"user_id": "user_1", "target_text": "I like <apples>", "overall_score": "77", "accuracy_score": "75", "fluency_score": "82",
				"integrity_score": "100", "feedback_level": "B", "feedback_text": "Open your mouth wider.",
				"feedback_audio_url": "/v1/evaluations/eval_1/feedback-audio", "demo_audio_url": "/v1/evaluations/eval_1/demo-audio",
				"demo_type": "word", "created_at": "2026-01-22T10:35:00Z", "status": "completed", "version": "5",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
			if ttl := client.PTTL(t.Context(), prefix+":eval:result:eval_1").Val(); ttl <= 59*time.Minute || ttl > time.Hour {
				t.Errorf("TTL = %v, want 1h", ttl)
			}
		})
	}
}

func TestGetReturnsWhatWasPublished(t *testing.T) {
	t.Parallel()
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, prefix := server(t)
			s := rediskv.NewSnapshots(client, prefix, 0)
			publish(t, s, scored("a", 1), completed("b", 7), &evaluation.Evaluation{ID: "c", UserID: "user_1", Version: 1, Status: evaluation.StatusPending})
			if err := client.Set(t.Context(), prefix+":eval:result:wrong", "a string", 0).Err(); err != nil {
				t.Fatal(err)
			}
			got := get(t, s, "wrong", "a", "b", "c", "missing")
			want := map[string]evaluation.Snapshot{}
			for _, e := range []*evaluation.Evaluation{scored("a", 1), completed("b", 7), {ID: "c", UserID: "user_1", Version: 1, Status: evaluation.StatusPending}} {
				snapshot, err := e.Snapshot()
				if err != nil {
					t.Fatal(err)
				}
				want[e.ID] = snapshot
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Get() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOlderVersionsAreDropped(t *testing.T) {
	t.Parallel()
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, prefix := server(t)
			s := rediskv.NewSnapshots(client, prefix, 0)
			w := watch(t, client, prefix)
			w.add("e")
			// 10 after 9: versions are numbers, not texts.
			for _, version := range []int64{2, 1, 2, 9, 10, 9, 3, 11} {
				publish(t, s, scored("e", version))
			}
			for _, want := range []int64{2, 9, 10, 11} {
				if got := w.next(); got.Version != want {
					t.Fatalf("delivered version %d, want %d", got.Version, want)
				}
			}
			if got := get(t, s, "e")["e"].Version; got != 11 {
				t.Errorf("stored version = %d, want 11", got)
			}
		})
	}
}

func TestPublishReplacesAForeignKey(t *testing.T) {
	t.Parallel()
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, prefix := server(t)
			s := rediskv.NewSnapshots(client, prefix, 0)
			if err := client.Set(t.Context(), prefix+":eval:result:e", "a string", 0).Err(); err != nil {
				t.Fatal(err)
			}
			publish(t, s, scored("e", 1))
			if got := get(t, s, "e")["e"].Version; got != 1 {
				t.Errorf("stored version = %d, want 1", got)
			}
		})
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, prefix := server(t)
			s := rediskv.NewSnapshots(client, prefix, 0)
			w := watch(t, client, prefix)
			w.add("a")
			w.add("b")
			publish(t, s, scored("a", 3))
			if got := w.next(); got.Version != 3 {
				t.Fatalf("delivered %+v, want version 3", got)
			}
			if err := s.Remove(t.Context(), []string{"a", "b"}); err != nil {
				t.Fatalf("Remove() = %v", err)
			}
			for _, id := range []string{"a", "b"} {
				if diff := cmp.Diff(evaluation.Snapshot{ID: id, Deleted: true}, w.next()); diff != "" {
					t.Errorf("delivered (-want +got):\n%s", diff)
				}
			}
			keys, err := client.Keys(t.Context(), prefix+":*").Result()
			if err != nil || len(keys) > 0 {
				t.Errorf("keys after Remove() = %v, %v, want none", keys, err)
			}
		})
	}
}

func TestOnce(t *testing.T) {
	t.Parallel()
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, prefix := server(t)
			o := rediskv.NewOnce(client, prefix)
			for i, want := range []bool{true, false, false} {
				if first, err := o.Mark(t.Context(), "ticket", time.Minute); err != nil || first != want {
					t.Errorf("Mark(ticket) number %d = %v, %v, want %v", i+1, first, err, want)
				}
			}
			if ttl := client.PTTL(t.Context(), prefix+":once:ticket").Val(); ttl <= 0 || ttl > time.Minute {
				t.Errorf("TTL = %v, want up to 1m", ttl)
			}
			if _, err := o.Mark(t.Context(), "ticket", 0); err == nil || errors.Is(err, evaluation.ErrUnavailable) {
				t.Errorf("Mark(ttl 0) = %v, want it refused", err)
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	client := open(t, "redis://127.0.0.1:1")
	s := rediskv.NewSnapshots(client, "p", 0)
	_, getErr := s.Get(t.Context(), []string{"e"})
	_, onceErr := rediskv.NewOnce(client, "p").Mark(t.Context(), "x", time.Minute)
	for op, err := range map[string]error{
		"Publish": s.Publish(t.Context(), []*evaluation.Evaluation{scored("e", 1)}),
		"Remove":  s.Remove(t.Context(), []string{"e"}),
		"Get":     getErr,
		"Mark":    onceErr,
		"Add":     rediskv.NewFeed(client, "p", discard()).Add(t.Context(), "e"),
	} {
		if !errors.Is(err, evaluation.ErrUnavailable) {
			t.Errorf("%s = %v, want ErrUnavailable", op, err)
		}
	}
	if err := s.Publish(t.Context(), nil); err != nil {
		t.Errorf("Publish(nothing) = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Remove(ctx, []string{"e"}); !errors.Is(err, context.Canceled) || errors.Is(err, evaluation.ErrUnavailable) {
		t.Errorf("Remove() after giving up = %v, want context.Canceled", err)
	}
}

// TestManyInOneRoundTrip publishes and reads more than a relay's batch.
func TestManyInOneRoundTrip(t *testing.T) {
	t.Parallel()
	s := rediskv.NewSnapshots(open(t, testkit.RedisURL(t)), testkit.Prefix(t), 0)
	var es []*evaluation.Evaluation
	var ids []string
	for i := range 1000 {
		ids = append(ids, fmt.Sprint("e", i))
		es = append(es, scored(ids[i], 1))
	}
	publish(t, s, es...)
	if got := get(t, s, ids...); len(got) != 1000 {
		t.Errorf("Get() = %d snapshots, want 1000", len(got))
	}
}

func TestMessagesOfOthersAreIgnored(t *testing.T) {
	t.Parallel()
	client, prefix := open(t, testkit.RedisURL(t)), testkit.Prefix(t)
	w := watch(t, client, prefix)
	w.add("e")
	for _, m := range []string{
		"", "nonsense", "null", "[]", `{"id":"e"}`, `{"id":"e","version":-1,"body":{}}`, `{"id":"e","version":1,"body":7}`,
		`{"id":"other","deleted":true}`, `{"version":1,"body":{}}`, strings.Repeat("[", 20_000),
		`{"id":"e","version":4,"body":{}}`,
	} {
		if err := client.Publish(t.Context(), prefix+":eval:progress:e", m).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.next(); got.Version != 4 {
		t.Errorf("delivered %+v, want only version 4", got)
	}
}
