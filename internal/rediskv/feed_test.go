package rediskv_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"oktalk/internal/evaluation"
	"oktalk/internal/rediskv"
	"oktalk/internal/testkit"
)

// patience bounds every wait in these tests.
const patience = 20 * time.Second

// watcher runs a feed and collects what it says.
type watcher struct {
	t         *testing.T
	feed      *rediskv.Feed
	delivered chan evaluation.Snapshot
	connected chan bool
	stop      func()
}

// watch starts a feed and waits until it is connected.
func watch(t *testing.T, client redis.UniversalClient, prefix string) *watcher {
	t.Helper()
	w := start(t, client, prefix)
	w.awaitConnected(true)
	return w
}

func start(t *testing.T, client redis.UniversalClient, prefix string) *watcher {
	t.Helper()
	w := &watcher{
		t: t, feed: rediskv.NewFeed(client, prefix, discard()),
		delivered: make(chan evaluation.Snapshot, 10_000), connected: make(chan bool, 1000),
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- w.feed.Run(ctx, func(s evaluation.Snapshot) { w.delivered <- s }, func(up bool) { w.connected <- up })
	}()
	stopped := false
	w.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run() = %v", err)
			}
		case <-time.After(patience):
			t.Error("Run() does not return")
		}
	}
	t.Cleanup(w.stop)
	return w
}

func (w *watcher) awaitConnected(want bool) {
	w.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case got := <-w.connected:
			if got == want {
				return
			}
		case <-limit:
			w.t.Fatalf("waited in vain for connected(%v)", want)
		}
	}
}

func (w *watcher) add(id string) {
	w.t.Helper()
	if err := w.feed.Add(w.t.Context(), id); err != nil {
		w.t.Fatalf("Add(%s) = %v", id, err)
	}
}

func (w *watcher) next() evaluation.Snapshot {
	w.t.Helper()
	select {
	case s := <-w.delivered:
		return s
	case <-time.After(patience):
		w.t.Fatal("waited in vain for a delivery")
		return evaluation.Snapshot{}
	}
}

func TestFeedDeliversWhatIsAdded(t *testing.T) {
	t.Parallel()
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, prefix := server(t)
			s := rediskv.NewSnapshots(client, prefix, 0)
			w := watch(t, client, prefix)
			w.add("a")
			publish(t, s, scored("b", 1), scored("a", 1))
			if got := w.next(); got.ID != "a" || got.Version != 1 {
				t.Errorf("delivered %s version %d, want a version 1", got.ID, got.Version)
			}
			w.feed.Drop("a")
			w.add("b") // confirmed after a's end, in order
			publish(t, s, scored("a", 2), scored("b", 2))
			if got := w.next(); got.ID != "b" || got.Version != 2 {
				t.Errorf("delivered %s version %d, want b version 2", got.ID, got.Version)
			}
		})
	}
}

// TestFeedAddAfterDrop checks that what is asked last holds, however fast.
func TestFeedAddAfterDrop(t *testing.T) {
	t.Parallel()
	client, prefix := open(t, testkit.RedisURL(t)), testkit.Prefix(t)
	s := rediskv.NewSnapshots(client, prefix, 0)
	w := watch(t, client, prefix)
	for i := range int64(200) {
		w.add("e")
		publish(t, s, scored("e", i+1))
		if got := w.next(); got.Version != i+1 {
			t.Fatalf("delivered version %d, want %d", got.Version, i+1)
		}
		w.feed.Drop("e")
	}
	testkit.WaitFor(t, patience, "the channel to be left", func() bool {
		return client.PubSubNumSub(t.Context(), prefix+":eval:progress:e").Val()[prefix+":eval:progress:e"] == 0
	})
}

func TestFeedManyChannels(t *testing.T) {
	t.Parallel()
	client, prefix := open(t, testkit.RedisURL(t)), testkit.Prefix(t)
	s := rediskv.NewSnapshots(client, prefix, 0)
	w := watch(t, client, prefix)
	const channels = 2500
	errs := make(chan error, channels)
	for i := range channels {
		go func() { errs <- w.feed.Add(t.Context(), fmt.Sprint("e", i)) }()
	}
	for range channels {
		if err := <-errs; err != nil {
			t.Fatalf("Add() = %v", err)
		}
	}
	var es []*evaluation.Evaluation
	for i := range channels {
		es = append(es, scored(fmt.Sprint("e", i), 1))
	}
	publish(t, s, es...)
	seen := map[string]bool{}
	for range channels {
		seen[w.next().ID] = true
	}
	if len(seen) != channels {
		t.Errorf("delivered %d evaluations, want %d", len(seen), channels)
	}
}

// TestFeedResubscribes cuts the connection and checks that everything is watched again before connected(true).
func TestFeedResubscribes(t *testing.T) {
	t.Parallel()
	stack := testkit.OwnServers(t)
	client := open(t, stack.RedisURL)
	s := rediskv.NewSnapshots(client, "p", 0)
	w := watch(t, client, "p")
	version := int64(0)
	w.add("a")
	check := func(when string, ids ...string) {
		t.Helper()
		version++
		for _, id := range ids {
			publish(t, s, scored(id, version))
			if got := w.next(); got.ID != id || got.Version != version {
				t.Fatalf("%s: delivered %s version %d, want %s version %d", when, got.ID, got.Version, id, version)
			}
		}
	}
	check("at first", "a")

	if err := client.Do(t.Context(), "CLIENT", "KILL", "TYPE", "pubsub").Err(); err != nil {
		t.Fatal(err)
	}
	w.awaitConnected(false)
	w.awaitConnected(true)
	check("after CLIENT KILL", "a")

	if err := stack.Redis.Kill(); err != nil {
		t.Fatal(err)
	}
	w.awaitConnected(false)
	if err := w.feed.Add(t.Context(), "b"); !errors.Is(err, evaluation.ErrUnavailable) {
		t.Errorf("Add(b) without Redis = %v, want ErrUnavailable", err)
	}
	if err := stack.Redis.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.awaitConnected(true)
	version += 100 // above whatever Redis kept
	check("after kill -9", "a", "b")

	if err := stack.Redis.Suspend(); err != nil {
		t.Fatal(err)
	}
	w.awaitConnected(false) // noticed by unanswered pings alone
	if err := stack.Redis.Resume(); err != nil {
		t.Fatal(err)
	}
	w.awaitConnected(true)
	check("after a freeze", "a", "b")
}

func TestFeedStartsWithoutRedis(t *testing.T) {
	t.Parallel()
	w := start(t, open(t, "redis://127.0.0.1:1"), "p")
	if err := w.feed.Add(t.Context(), "a"); !errors.Is(err, evaluation.ErrUnavailable) {
		t.Errorf("Add() = %v, want ErrUnavailable", err)
	}
	w.feed.Drop("a")
	w.feed.Drop("a")
	w.stop()
}

// TestFeedLeavesNothing checks that no goroutine and no connection outlives Run. It does not run in parallel: it counts.
func TestFeedLeavesNothing(t *testing.T) { //nolint:paralleltest // counts the goroutines of the program
	client, prefix := open(t, testkit.RedisURL(t)), testkit.Prefix(t)
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	for range 5 {
		w := watch(t, client, prefix)
		w.add("a")
		w.stop()
	}
	testkit.WaitFor(t, patience, "the goroutines to end", func() bool { return runtime.NumGoroutine() <= before })
	testkit.WaitFor(t, patience, "the channel to be left", func() bool {
		return client.PubSubNumSub(t.Context(), prefix+":eval:progress:a").Val()[prefix+":eval:progress:a"] == 0
	})
}
