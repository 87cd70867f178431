package redisstream_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"

	"oktalk/internal/pipeline"
	"oktalk/internal/pipeline/pipelinetest"
	"oktalk/internal/testkit"
)

func TestInspect(t *testing.T) {
	t.Parallel()
	s := open(t, testkit.RedisURL(t), quick)
	add := func(lane, at, job string) string {
		t.Helper()
		id, err := s.work.XAdd(t.Context(), &redis.XAddArgs{Stream: s.key(lane), ID: at, Values: []any{
			"job", job, "evaluation_id", "eval_1", "user_id", "user_1", "attempt", 1, "enqueued_at", 1, "traceparent", "",
		}}).Result()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	first, low := add("stream", "*", "job_1"), add("stream:low", "6-6", "job_2") // ids of one moment may be the same in both
	locate := func() []pipeline.Location {
		t.Helper()
		found, err := s.Locate(t.Context(), pipelinetest.StageName, []string{first, low, "7-7", "not an id", ""})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	want := []pipeline.Location{{EntryID: first, JobID: "job_1"}, {EntryID: low, JobID: "job_2", Low: true}}
	if diff := cmp.Diff(want, locate(), cmpopts.IgnoreFields(pipeline.Location{}, "AddedAt")); diff != "" {
		t.Errorf("Locate before anybody read (-want +got):\n%s", diff)
	}
	if err := s.work.XGroupCreate(t.Context(), s.key("stream"), "workers", "0").Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.work.XReadGroup(t.Context(), &redis.XReadGroupArgs{Group: "workers", Consumer: "c1", Streams: []string{s.key("stream"), ">"}, Count: 1}).Err(); err != nil {
		t.Fatal(err)
	}
	found := locate()
	if found[0].Consumer != "c1" || found[0].Deliveries != 1 || time.Since(found[0].AddedAt) > time.Minute {
		t.Errorf("Locate of a delivered entry = %+v", found[0])
	}
	now := time.Now().UnixMilli()
	s.work.ZAdd(t.Context(), s.key("leases"), redis.Z{Score: float64(now + 60_000), Member: "c1"}, redis.Z{Score: float64(now - 60_000), Member: "c2"})
	alive, err := s.Alive(t.Context(), pipelinetest.StageName, []string{"c1", "c2", "c3"})
	if diff := cmp.Diff(map[string]bool{"c1": true, "c2": false, "c3": false}, alive); diff != "" || err != nil {
		t.Errorf("Alive, %v (-want +got):\n%s", err, diff)
	}
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	s := open(t, testkit.RedisURL(t), quick)
	for _, fields := range [][]any{
		{"dead_entry", "5-0", "dead_reason", "voice away", "dead_deliveries", 2, "job", "job_1", "evaluation_id", "eval_1", "attempt", 4, "enqueued_at", 1},
		{"dead_entry", "6-0", "dead_reason", "no entry", "junk", "\xff"},
		{"dead_reason", "x", "job", "job_1", "evaluation_id", "eval_1", "attempt", 4, "enqueued_at", 1},
	} {
		if err := s.work.XAdd(t.Context(), &redis.XAddArgs{Stream: s.key("dead"), Values: fields}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	letters, err := s.DeadLetters(t.Context(), pipelinetest.StageName, 2)
	if err != nil || len(letters) != 2 || letters[0].JobID != "job_1" || letters[1].JobID != "" {
		t.Fatalf("DeadLetters = %+v, %v, want the newest two", letters, err)
	}
	if l := letters[1]; l.EntryID != "6-0" || l.Reason != "no entry" || !cmp.Equal(l.Fields, map[string]string{"junk": "\xff"}) {
		t.Errorf("undecodable letter = %+v", l)
	}
	n, err := s.DropDeadLetters(t.Context(), pipelinetest.StageName, []string{letters[1].ID, "odd"}, []string{"job_1"})
	if n != 3 || err != nil {
		t.Errorf("DropDeadLetters = %d, %v, want 3", n, err)
	}
	if n, err := s.DropDeadLetters(t.Context(), pipelinetest.StageName, nil, []string{"job_1"}); n != 0 || err != nil {
		t.Errorf("second DropDeadLetters = %d, %v, want 0", n, err)
	}
}
