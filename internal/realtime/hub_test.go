package realtime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/evaluation"
	"oktalk/internal/realtime"
)

// start runs a hub in a bubble of fake time until the test ends.
func start(t *testing.T, db *database, c cache) (*realtime.Hub, *wire) {
	t.Helper()
	w := newWire()
	h := realtime.NewHub(realtime.Config{}, db, &keyring{}, c, w, discard())
	t.Cleanup(run(t, h))
	<-w.running
	synctest.Wait()
	return h, w
}

// pass lets fake time pass.
func pass(d time.Duration) { <-time.After(d) }

func subscribe(t *testing.T, h *realtime.Hub, id string, after int64) *realtime.Subscription {
	t.Helper()
	sub, err := h.Subscribe(t.Context(), id, after)
	if err != nil {
		t.Fatalf("Subscribe(%s) = %v", id, err)
	}
	return sub
}

// next gives the version of the next state within limit; 0 if there is none, -1 if it is deleted.
func next(t *testing.T, sub *realtime.Subscription, limit time.Duration) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	s, err := sub.Next(ctx)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return 0
	case err != nil:
		t.Fatalf("Next() = %v", err)
	case s.Deleted:
		return -1
	}
	return s.Version
}

func wantNext(t *testing.T, sub *realtime.Subscription, limit time.Duration, want int64) {
	t.Helper()
	if got := next(t, sub, limit); got != want {
		t.Fatalf("Next() within %v = version %d, want %d (0: none, -1: deleted)", limit, got, want)
	}
}

func TestVersionsRise(t *testing.T) {
	t.Parallel()
	db := newDatabase(processing("e", 3))
	synctest.Test(t, func(t *testing.T) {
		h, w := start(t, db, nil)
		sub := subscribe(t, h, "e", 0)
		defer sub.Close()
		wantNext(t, sub, time.Second, 3)
		for _, version := range []int64{2, 3, 5} {
			w.publish(t, processing("e", version))
		}
		wantNext(t, sub, time.Second, 5)
		for _, version := range []int64{6, 8, 7} { // a slow reader gets the latest alone
			w.publish(t, processing("e", version))
		}
		wantNext(t, sub, time.Second, 8)
		w.deliver(evaluation.Snapshot{ID: "e", Deleted: true})
		wantNext(t, sub, time.Second, -1)
	})
}

// TestFirstStateIsCurrent checks that a message that overtakes the check does not hide that the store knows better.
func TestFirstStateIsCurrent(t *testing.T) {
	t.Parallel()
	db := newDatabase(processing("e", 9))
	synctest.Test(t, func(t *testing.T) {
		h, w := start(t, db, newCache(t, processing("e", 4)))
		sub := subscribe(t, h, "e", 0)
		defer sub.Close()
		w.publish(t, processing("e", 5)) // Redis was wiped: it publishes an old state as new
		wantNext(t, sub, time.Second, 9)
		wantNext(t, sub, time.Minute, 0)

		again := subscribe(t, h, "e", 9)
		defer again.Close()
		wantNext(t, again, time.Minute, 0)
	})
}

func TestMissingEvaluation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, _ := start(t, newDatabase(), nil)
		sub := subscribe(t, h, "e", 0)
		defer sub.Close()
		wantNext(t, sub, time.Second, -1)
		if _, err := h.Wait(t.Context(), "e", 0, time.Second); !errors.Is(err, evaluation.ErrNotFound) {
			t.Errorf("Wait() = %v, want ErrNotFound", err)
		}
	})
}

func TestBodyComesFromTheCacheOfTheSameVersion(t *testing.T) {
	t.Parallel()
	db := newDatabase(processing("same", 4), processing("old", 4), processing("new", 4))
	synctest.Test(t, func(t *testing.T) {
		h, _ := start(t, db, newCache(t, processing("same", 4), processing("old", 3), processing("new", 5)))
		for id, wantLoads := range map[string]int{"same": 0, "old": 1, "new": 1} {
			sub := subscribe(t, h, id, 0)
			wantNext(t, sub, time.Second, 4)
			if _, loads := db.counts(); loads != wantLoads {
				t.Errorf("%s: loaded %d from the store, want %d", id, loads, wantLoads)
			}
			sub.Close()
		}
	})
}

// TestLostMessages changes the store alone: nothing is published.
func TestLostMessages(t *testing.T) {
	t.Parallel()
	db := newDatabase(processing("e", 1))
	synctest.Test(t, func(t *testing.T) {
		h, w := start(t, db, nil)
		sub := subscribe(t, h, "e", 0)
		defer sub.Close()
		wantNext(t, sub, time.Second, 1)

		db.put(processing("e", 2))
		wantNext(t, sub, 19*time.Second, 2) // the periodic check: 15 s, a fifth more, and the tick

		db.put(processing("e", 3))
		w.setDown(true)
		w.setDown(false)
		wantNext(t, sub, 20*time.Millisecond, 3) // the check after a new connection

		w.setDown(true)
		for version := int64(4); version < 8; version++ { // polling
			wantNext(t, sub, 30*time.Millisecond, 0)
			db.put(processing("e", version))
			wantNext(t, sub, 1100*time.Millisecond, version)
		}
		db.remove("e")
		wantNext(t, sub, 1100*time.Millisecond, -1)
	})
}

// TestQuietStop loses the feed before and at the end: only the first is worth a warning.
func TestQuietStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		w := newWire()
		w.last = func() { w.setDown(true) }
		h := realtime.NewHub(realtime.Config{}, newDatabase(), &keyring{}, nil, w, slog.New(slog.NewTextHandler(&log, nil)))
		stop := run(t, h)
		synctest.Wait()
		w.setDown(true)
		w.setDown(false)
		stop()
		if n := strings.Count(log.String(), "redis is away"); n != 1 {
			t.Errorf("the log says %d times that redis is away, want once:\n%s", n, log.String())
		}
	})
}

func TestStoreAway(t *testing.T) {
	t.Parallel()
	db := newDatabase(processing("cached", 4), processing("uncached", 4))
	db.fail(evaluation.ErrUnavailable)
	synctest.Test(t, func(t *testing.T) {
		h, w := start(t, db, newCache(t, processing("cached", 3)))
		cached, uncached := subscribe(t, h, "cached", 0), subscribe(t, h, "uncached", 0)
		defer cached.Close()
		defer uncached.Close()
		wantNext(t, cached, time.Second, 3) // old, but better than nothing
		if _, err := h.Wait(t.Context(), "uncached", 0, time.Second); !errors.Is(err, evaluation.ErrUnavailable) {
			t.Errorf("Wait() = %v, want ErrUnavailable", err)
		}
		w.publish(t, processing("uncached", 2))
		wantNext(t, uncached, 2*time.Second, 2)
		db.fail(nil)
		wantNext(t, cached, 2*time.Second, 4)
		wantNext(t, uncached, 2*time.Second, 4)
	})
}

// TestChecksAreBatched counts the queries for many connections.
func TestChecksAreBatched(t *testing.T) {
	t.Parallel()
	const connections = 500
	db := newDatabase()
	for i := range connections {
		db.put(processing(fmt.Sprint("e", i), 1))
	}
	synctest.Test(t, func(t *testing.T) {
		h, w := start(t, db, nil)
		var subs []*realtime.Subscription
		for i := range connections {
			subs = append(subs, subscribe(t, h, fmt.Sprint("e", i), 0))
		}
		for _, sub := range subs {
			wantNext(t, sub, time.Second, 1)
		}
		if queries, _ := db.counts(); queries != 1 {
			t.Errorf("%d queries for %d first states, want 1", queries, connections)
		}
		w.setDown(true)
		pass(10*time.Second + 500*time.Millisecond)
		if queries, _ := db.counts(); queries < 10 || queries > 12 {
			t.Errorf("%d queries in 10 s of polling, want one a second", queries)
		}
		w.setDown(false)
		pass(time.Second)
		db.counts()
		pass(60 * time.Second)
		if queries, _ := db.counts(); queries > 60 {
			t.Errorf("%d queries in 60 s of periodic checks, want at most one a second", queries)
		}
		want := realtime.Stats{Subscriptions: connections, Evaluations: connections, FeedUp: true}
		if diff := cmp.Diff(want, h.Stats()); diff != "" {
			t.Errorf("Stats() (-want +got):\n%s", diff)
		}
		for _, sub := range subs {
			sub.Close()
			sub.Close()
		}
		if diff := cmp.Diff(realtime.Stats{FeedUp: true}, h.Stats()); diff != "" || w.watching() != 0 {
			t.Errorf("after Close: %d channels, Stats() (-want +got):\n%s", w.watching(), diff)
		}
	})
}

func TestChannelIsKeptForTheLast(t *testing.T) {
	t.Parallel()
	db := newDatabase(processing("e", 1))
	synctest.Test(t, func(t *testing.T) {
		h, w := start(t, db, nil)
		first, second := subscribe(t, h, "e", 0), subscribe(t, h, "e", 0)
		wantNext(t, first, time.Second, 1)
		first.Close()
		if w.watching() != 1 {
			t.Errorf("watching %d channels, want 1", w.watching())
		}
		w.publish(t, processing("e", 2))
		wantNext(t, second, time.Second, 2)
		second.Close()
		if w.watching() != 0 {
			t.Errorf("watching %d channels, want 0", w.watching())
		}
	})
}

func TestWait(t *testing.T) {
	t.Parallel()
	db := newDatabase(processing("e", 3), completed("f", 7))
	synctest.Test(t, func(t *testing.T) {
		h, w := start(t, db, nil)
		for name, test := range map[string]struct {
			id       string
			after    int64
			timeout  time.Duration
			publish  *evaluation.Evaluation // after 5 s
			want     evaluation.MessageType
			version  int64
			min, max time.Duration
		}{
			"no wait":             {id: "e", after: 3, want: evaluation.MessageSnapshot, version: 3},
			"newer already":       {id: "e", after: 2, timeout: 20 * time.Second, want: evaluation.MessageSnapshot, version: 3},
			"missing after":       {id: "e", timeout: 20 * time.Second, want: evaluation.MessageSnapshot, version: 3},
			"after what there is": {id: "e", after: 99, timeout: 20 * time.Second, want: evaluation.MessageSnapshot, version: 3, min: 20 * time.Second, max: 21 * time.Second},
			"final":               {id: "f", after: 7, timeout: 20 * time.Second, want: evaluation.MessageDone, version: 7},
			"nothing new in time": {id: "e", after: 3, timeout: 20 * time.Second, want: evaluation.MessageSnapshot, version: 3, min: 20 * time.Second, max: 21 * time.Second},
			"newer while waiting": {
				id: "e", after: 3, timeout: 20 * time.Second, publish: processing("e", 4),
				want: evaluation.MessageSnapshot, version: 4, min: 5 * time.Second, max: 6 * time.Second,
			},
			"done while waiting": {
				id: "e", after: 3, timeout: 20 * time.Second, publish: completed("e", 5),
				want: evaluation.MessageDone, version: 5, min: 5 * time.Second, max: 6 * time.Second,
			},
		} {
			start := time.Now()
			if test.publish != nil {
				time.AfterFunc(5*time.Second, func() { w.publish(t, test.publish) })
			}
			m, err := h.Wait(t.Context(), test.id, test.after, test.timeout)
			if err != nil || m.Type != test.want || m.Version != test.version {
				t.Errorf("%s: Wait() = %s %d, %v, want %s %d", name, m.Type, m.Version, err, test.want, test.version)
			}
			if took := time.Since(start); took < test.min || took > max(test.max, time.Second) {
				t.Errorf("%s: Wait() took %v, want %v to %v", name, took, test.min, test.max)
			}
		}
		time.AfterFunc(5*time.Second, func() { w.deliver(evaluation.Snapshot{ID: "e", Deleted: true}) })
		if _, err := h.Wait(t.Context(), "e", 3, 20*time.Second); !errors.Is(err, evaluation.ErrNotFound) {
			t.Errorf("Wait() for one that is deleted = %v, want ErrNotFound", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := h.Wait(ctx, "e", 3, 20*time.Second); !errors.Is(err, context.Canceled) {
			t.Errorf("Wait() of a client that left = %v, want context.Canceled", err)
		}
	})
}

// TestMessageLimit has the longest texts that are taken, of characters that JSON escapes.
func TestMessageLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := completed("e", 3)
		e.TargetText = strings.Repeat("&", evaluation.MaxTextCharacters)
		e.Artifacts[0].Text = strings.Repeat("é", 1500)
		e.Artifacts[2].Text = e.TargetText
		e.Assessment.Words = make([]evaluation.Word, 60)
		h, _ := start(t, newDatabase(e), nil)
		m, err := h.Wait(t.Context(), "e", 0, 0)
		if err != nil {
			t.Fatalf("Wait() = %v", err)
		}
		data, err := json.Marshal(m)
		if err != nil || len(data) > 16<<10 {
			t.Errorf("message has %d bytes (%v), want at most 16 KB", len(data), err)
		}
	})
}

func TestConfigNamesEverySetting(t *testing.T) {
	t.Parallel()
	if err := (realtime.Config{}).Validate(); err != nil {
		t.Errorf("Validate() of the zero Config = %v", err)
	}
	err := realtime.Config{CheckInterval: -1, PollInterval: 1, PingInterval: -1, WriteTimeout: -1, CloseSpread: -1}.Validate()
	for _, name := range []string{"CHECK_INTERVAL", "POLL_INTERVAL", "PING_INTERVAL", "WRITE_TIMEOUT", "CLOSE_SPREAD"} {
		if err == nil || !strings.Contains(err.Error(), "REALTIME_"+name) {
			t.Errorf("Validate() = %v, want it to name REALTIME_%s", err, name)
		}
	}
}

func TestClosedHub(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		h := realtime.NewHub(realtime.Config{}, newDatabase(processing("e", 3)), &keyring{}, cache{}, w, discard())
		stop := run(t, h)
		<-w.running
		sub := subscribe(t, h, "e", 0)
		wantNext(t, sub, time.Second, 3)
		polled := make(chan evaluation.Message)
		go func() {
			m, err := h.Wait(t.Context(), "e", 3, time.Hour)
			if err != nil {
				t.Errorf("Wait() = %v, want the state it has", err)
			}
			polled <- m
		}()
		synctest.Wait()
		time.AfterFunc(time.Second, stop)
		if m := <-polled; m.Version != 3 {
			t.Errorf("Wait() = version %d, want 3", m.Version)
		}
		stop()
		if _, err := sub.Next(t.Context()); !errors.Is(err, realtime.ErrClosed) {
			t.Errorf("Next() = %v, want ErrClosed", err)
		}
		if _, err := h.Subscribe(t.Context(), "e", 0); !errors.Is(err, realtime.ErrClosed) || !errors.Is(err, evaluation.ErrUnavailable) {
			t.Errorf("Subscribe() = %v, want ErrClosed", err)
		}
		if _, err := h.Wait(t.Context(), "e", 0, 0); !errors.Is(err, evaluation.ErrUnavailable) {
			t.Errorf("Wait() = %v, want ErrUnavailable", err)
		}
	})
}
