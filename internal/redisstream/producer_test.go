package redisstream_test

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"oktalk/internal/pipeline"
	"oktalk/internal/pipeline/pipelinetest"
	"oktalk/internal/redisstream"
	"oktalk/internal/testkit"
)

func lines(s string) iter.Seq[string] { return strings.Lines(s) }

func (s *stage) stats(t *testing.T) redisstream.Stats {
	t.Helper()
	st, err := s.Stats(t.Context(), pipelinetest.StageName)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func TestPresentKnowsUnreadPendingAndDelayed(t *testing.T) {
	t.Parallel()
	s := open(t, testkit.RedisURL(t), quick)
	empty, err := s.Present(t.Context(), pipelinetest.StageName)
	if err != nil || len(empty) != 0 {
		t.Fatalf("Present of an empty stage = %v, %v", empty, err)
	}
	entries := pipelinetest.Entries(2500)
	entries[7].Due = time.Now().Add(time.Hour)
	entries[8].Low = true
	s.Add(t, entries...)
	all, err := s.Present(t.Context(), pipelinetest.StageName)
	if err != nil || len(all) != 2500 {
		t.Fatalf("Present before the first read has %d jobs, %v, want 2500", len(all), err)
	}
	src := s.source(t, "one")
	run(t, src)
	got := read(t, src, 100)
	ack(t, src, got[:40]...)
	present, err := s.Present(t.Context(), pipelinetest.StageName)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]struct{}{}
	for _, e := range entries {
		want[e.JobID] = struct{}{}
	}
	for _, e := range got[:40] {
		delete(want, e.JobID)
	}
	if d := cmp.Diff(want, present); d != "" {
		t.Errorf("Present differs (-want +got):\n%s", d)
	}
	st := s.stats(t)
	if st.Lag != 2399 || st.Pending != 60 || st.Delayed != 1 || st.Consumers != 1 || st.Dead != 0 {
		t.Errorf("Stats = %+v, want lag 2399, pending 60, delayed 1, consumers 1, dead 0", st)
	}
}

func TestTrimKeepsWhatIsPendingOrUnread(t *testing.T) {
	t.Parallel()
	s := open(t, testkit.RedisURL(t), quick)
	trim := func(retention time.Duration, most int64) {
		t.Helper()
		if err := s.Trim(t.Context(), pipelinetest.StageName, retention, most); err != nil {
			t.Fatal(err)
		}
	}
	length := func() int64 { return s.work.XLen(context.Background(), s.key("stream")).Val() }
	s.Add(t, pipelinetest.Entries(3000)...)
	trim(0, 0)
	if n := length(); n != 3000 {
		t.Errorf("%d entries are left of 3000 that nobody read, want all", n)
	}
	src := s.source(t, "one")
	run(t, src)
	got := read(t, src, 1000)
	ack(t, src, got[:400]...)
	trim(time.Hour, 1_000_000)
	if n := length(); n != 3000 {
		t.Errorf("%d entries are left, want 3000: none is old", n)
	}
	trim(time.Hour, 2900)
	if n := length(); n != 2900 {
		t.Errorf("%d entries are left, want 2900", n)
	}
	trim(time.Hour, 0)
	if n := length(); n != 2600 {
		t.Errorf("%d entries are left, want 2600: 600 are pending and 2000 unread", n)
	}
	if st := s.stats(t); st.Lag != 2000 || st.Pending != 600 {
		t.Errorf("Stats = %+v after trimming, want lag 2000 and 600 pending", st)
	}
	ack(t, src, got[400:]...)
	trim(0, 1_000_000)
	if n := length(); n != 2001 { // the last that was delivered stays
		t.Errorf("%d entries are left, want 2001", n)
	}
}

func TestPausedStageDeliversNothing(t *testing.T) {
	t.Parallel()
	s := open(t, testkit.RedisURL(t), quick)
	src := s.source(t, "one")
	run(t, src)
	readFor(t, src, 1, quick.Beat)
	if err := s.SetPaused(t.Context(), pipelinetest.StageName, true); err != nil {
		t.Fatal(err)
	}
	readFor(t, src, 1, 2*quick.Beat) // it has heard of it
	s.Add(t, pipelinetest.Entries(1)...)
	if got := readFor(t, src, 1, 2*quick.Lease); len(got) > 0 || !s.stats(t).Paused {
		t.Fatalf("a paused stage delivered %v; its stats are %+v", got, s.stats(t))
	}
	if err := s.SetPaused(t.Context(), pipelinetest.StageName, false); err != nil {
		t.Fatal(err)
	}
	ack(t, src, read(t, src, 1)...)
}

func TestOneUsersFloodGoesToTheLowLane(t *testing.T) {
	t.Parallel()
	s := open(t, testkit.RedisURL(t), quick)
	flood := pipelinetest.Entries(20)
	for i := range flood {
		flood[i].UserID = "flooder"
	}
	s.Add(t, flood...)
	s.Add(t, pipelinetest.Entries(3)...)
	if st := s.stats(t); st.Lag != 23 || st.Low != 20-redisstream.FairShare {
		t.Errorf("Stats = %+v, want lag 23 with %d of them low", st, 20-redisstream.FairShare)
	}
	src := s.source(t, "one")
	run(t, src)
	for got := 0; got < 23; {
		es := read(t, src, 1)
		ack(t, src, es...)
		got += len(es)
	}
	if n := s.work.HLen(t.Context(), s.key("open")).Val(); n != 0 {
		t.Errorf("%d users have open entries after all were settled, want 0", n)
	}
}

// Every way to settle an entry keeps the count of open entries right.
func TestOpenEntriesAreCounted(t *testing.T) {
	t.Parallel()
	s := open(t, testkit.RedisURL(t), quick)
	entries := pipelinetest.Entries(4)
	for i := range entries {
		entries[i].UserID = "user"
	}
	s.Add(t, entries...)
	src := s.source(t, "one")
	run(t, src)
	got := read(t, src, 4)
	open := func() string { return s.work.HGet(context.Background(), s.key("open"), "user").Val() }
	if open() != "4" {
		t.Errorf("%s open, want 4", open())
	}
	ctx := t.Context()
	for _, err := range []error{
		pipelinetest.Ack(ctx, src, got[0]), src.SetAside(ctx, got[1], "because"), src.GiveBack(ctx, got[2]), src.Delay(ctx, got[3], time.Now().Add(50*time.Millisecond)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if open() != "2" {
		t.Errorf("%s open, want 2: one was acknowledged and one set aside", open())
	}
	ack(t, src, read(t, src, 2)...)
	if open() != "" {
		t.Errorf("%s open, want none", open())
	}
}

func TestDelayedEntryAddedTwiceComesOnce(t *testing.T) {
	t.Parallel()
	s := open(t, testkit.RedisURL(t), quick)
	e := pipelinetest.Entries(1)
	e[0].Due = time.Now().Add(300 * time.Millisecond)
	s.Add(t, e...)
	s.Add(t, e...)
	src := s.source(t, "one")
	run(t, src)
	ack(t, src, read(t, src, 1)...)
	if got := readFor(t, src, 1, 2*quick.Beat); len(got) > 0 {
		t.Errorf("it came again: %v", got)
	}
	if n := s.work.HLen(t.Context(), s.key("open")).Val(); n != 0 {
		t.Errorf("%d users have open entries, want 0", n)
	}
}

func TestMarker(t *testing.T) {
	t.Parallel()
	s := open(t, testkit.RedisURL(t), quick)
	if m, err := s.Marker(t.Context(), pipelinetest.StageName); m != "" || err != nil {
		t.Errorf("Marker = %q, %v, want none", m, err)
	}
	if err := s.SetMarker(t.Context(), pipelinetest.StageName, "g1"); err != nil {
		t.Fatal(err)
	}
	if m, err := s.Marker(t.Context(), pipelinetest.StageName); m != "g1" || err != nil {
		t.Errorf("Marker = %q, %v, want g1", m, err)
	}
}

func TestEnqueueMixesStages(t *testing.T) {
	t.Parallel()
	s := open(t, testkit.RedisURL(t), quick)
	entries := pipelinetest.Entries(6)
	for i := range entries {
		if i%2 == 1 {
			entries[i].Stage = "speech"
		}
	}
	s.Add(t, entries...)
	for _, stage := range []string{"feedback", "speech"} {
		key := s.prefix + ":stage:{" + stage + "}:stream"
		if n := s.work.XLen(t.Context(), key).Val(); n != 3 {
			t.Errorf("%s has %d entries, want 3", key, n)
		}
	}
	if err := s.Enqueue(t.Context(), nil); err != nil {
		t.Errorf("Enqueue of nothing: %v", err)
	}
}

// A record with more fields than a call can carry is set aside whole too.
func TestHugePoisonIsSetAside(t *testing.T) {
	t.Parallel()
	s := open(t, testkit.RedisURL(t), quick)
	values := make([]any, 0, 6000)
	for i := range 3000 {
		values = append(values, "field"+strconv.Itoa(i), "value")
	}
	if err := s.work.XAdd(t.Context(), &redis.XAddArgs{Stream: s.key("stream"), Values: values}).Err(); err != nil {
		t.Fatal(err)
	}
	src := s.source(t, "one")
	run(t, src)
	e := read(t, src, 1)[0]
	if err := src.SetAside(t.Context(), e, e.DecodeErr.Error()); err != nil {
		t.Fatal(err)
	}
	dead := s.work.XRange(t.Context(), s.key("dead"), "-", "+").Val()
	if len(dead) != 1 || !strings.Contains(fmt.Sprint(dead[0].Values["dead_fields"]), "field2999") {
		t.Errorf("the dead stream has %d entries, want one with all fields", len(dead))
	}
}

func TestDelayedPoisonIsSetAside(t *testing.T) {
	t.Parallel()
	s := open(t, testkit.RedisURL(t), quick)
	for i, member := range []string{"", "{", "[]", `["0"]`, `["0","job"]`, `{"a":1}`, "\xff\x00", `["0",["nested"],"x"]`} {
		if err := s.work.ZAdd(t.Context(), s.key("delayed"), redis.Z{Score: float64(i), Member: member}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	s.Add(t, pipelinetest.Entries(1)...)
	src := s.source(t, "one")
	run(t, src)
	ack(t, src, read(t, src, 1)...)
	testkit.WaitFor(t, slow, "all to be set aside", func() bool {
		st, err := s.Stats(context.Background(), pipelinetest.StageName)
		return err == nil && st.Delayed == 0 && st.Dead == 8
	})
}

func TestAnIdleSourceSendsTwoCommandsASecond(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	timing := pipelinetest.Timing{Lease: 4 * time.Second, Beat: time.Second, Block: 2 * time.Second}
	s := open(t, srv.url(), timing)
	src := s.source(t, "one")
	run(t, src)
	readFor(t, src, 1, time.Second)
	calls := func() (n int) {
		info, err := s.work.Info(t.Context(), "commandstats").Result()
		if err != nil {
			t.Fatal(err)
		}
		for line := range lines(info) { // what the source sends itself: scripts and reads
			for _, name := range []string{"cmdstat_evalsha:calls=", "cmdstat_eval:calls=", "cmdstat_xreadgroup:calls="} {
				if rest, ok := strings.CutPrefix(line, name); ok {
					count, _, _ := strings.Cut(rest, ",")
					k, _ := strconv.Atoi(count)
					n += k
				}
			}
		}
		return n
	}
	before := calls()
	readFor(t, src, 1, 4*time.Second)
	if n := calls() - before; n > 9 {
		t.Errorf("%d commands in 4 s, want at most 2 a second", n)
	}
}

func TestQueuedEntryIsSmall(t *testing.T) {
	t.Parallel()
	s := open(t, testkit.RedisURL(t), quick)
	entries := make([]pipeline.Entry, 10_000)
	for i := range entries {
		entries[i] = pipeline.Entry{
			Stage: pipelinetest.StageName, JobID: fmt.Sprintf("job_%026d", i), EvaluationID: fmt.Sprintf("eval_%026d", i),
			UserID: fmt.Sprintf("user_%026d", i%500), Attempt: 1,
		}
	}
	s.Add(t, entries...)
	var bytes int64
	for _, name := range []string{"stream", "stream:low", "open"} {
		n, err := s.work.MemoryUsage(t.Context(), s.key(name), 0).Result()
		if err != nil {
			t.Fatal(err)
		}
		bytes += n
	}
	per := bytes / int64(len(entries))
	t.Logf("%d bytes an entry", per)
	if per > 250 {
		t.Errorf("%d bytes an entry, want at most 250", per)
	}
}
