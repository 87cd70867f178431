package redisstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
	"oktalk/internal/pipeline/pipelinetest"
	"oktalk/internal/redisconn"
	"oktalk/internal/redisstream"
	"oktalk/internal/testkit"
)

func TestFlushedServer(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s := open(t, srv.url(), quick)
	one, two := s.source(t, "one"), s.source(t, "two")
	run(t, one)
	run(t, two)
	s.Add(t, pipelinetest.Entries(1)...)
	mine := read(t, one, 1)[0]
	if err := s.SetMarker(t.Context(), pipelinetest.StageName, "g1"); err != nil {
		t.Fatal(err)
	}

	waiting := make(chan []pipeline.Entry, 1)
	go func() { waiting <- readFor(t, two, 1, slow) }() // is blocked at the server, most likely
	if err := s.work.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if m, err := s.Marker(t.Context(), pipelinetest.StageName); m != "" || err != nil {
		t.Errorf("Marker = %q, %v after all was lost, want none", m, err)
	}
	if alive, err := two.Alive(t.Context(), "one"); !alive || err != nil {
		t.Errorf("Alive(one) = %v, %v right after all was lost, want true: it had no time to register", alive, err)
	}
	again := pipelinetest.Entries(2)
	s.Add(t, again...)
	if got := <-waiting; len(got) != 1 {
		t.Fatal("the waiting consumer got nothing after all was lost")
	}
	if err := pipelinetest.Ack(t.Context(), one, mine); !errors.Is(err, pipeline.ErrNotOwner) {
		t.Errorf("Ack of a lost entry = %v, want ErrNotOwner", err)
	}
	ack(t, one, read(t, one, 1)...)
}

func TestRestartedServer(t *testing.T) {
	t.Parallel()
	srv := startServer(t, "--appendonly", "yes", "--appendfsync", "always")
	s := open(t, srv.url(), quick)
	src := s.source(t, "one")
	run(t, src)
	s.Add(t, pipelinetest.Entries(3)...)
	held := read(t, src, 2)

	srv.kill()
	if err := pipelinetest.Ack(t.Context(), src, held[0]); !errors.Is(err, evaluation.ErrUnavailable) {
		t.Errorf("Ack while the server is down = %v, want ErrUnavailable", err)
	}
	if err := s.Enqueue(t.Context(), pipelinetest.Entries(1)); !errors.Is(err, evaluation.ErrUnavailable) {
		t.Errorf("Enqueue while the server is down = %v, want ErrUnavailable", err)
	}
	if _, err := src.Alive(t.Context(), "one"); !errors.Is(err, evaluation.ErrUnavailable) {
		t.Errorf("Alive while the server is down = %v, want ErrUnavailable", err)
	}
	srv.start()
	ack(t, src, held...)
	ack(t, src, read(t, src, 1)...)
	if got := readFor(t, src, 1, 2*quick.Lease); len(got) > 0 {
		t.Errorf("%v came again", got)
	}
}

// After a pause of the server all leases have run out at once. That must not look like the death of everybody.
func TestFrozenServerKillsNobody(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s := open(t, srv.url(), quick)
	one, two := s.source(t, "one"), s.source(t, "two")
	run(t, one)
	run(t, two)
	s.Add(t, pipelinetest.Entries(2)...)
	held := map[*redisstream.Source][]pipeline.Entry{one: read(t, one, 1), two: read(t, two, 1)}
	readFor(t, two, 1, 2*quick.Lease) // the table of leases is old enough to be believed
	srv.signal(syscall.SIGSTOP)
	pause(2 * quick.Lease)
	srv.signal(syscall.SIGCONT)
	for _, src := range []*redisstream.Source{one, two} {
		for _, other := range []string{"one", "two"} {
			if alive, err := src.Alive(t.Context(), other); err == nil && !alive {
				t.Errorf("%s is seen as dead after the server was frozen", other)
			}
		}
		if got := readFor(t, src, 1, 2*quick.Lease); len(got) > 0 {
			t.Errorf("%s took over %v after the server was frozen", src.Consumer(), got)
		}
		testkit.WaitFor(t, slow, "the server to be usable", func() bool { return pipelinetest.Ack(context.Background(), src, held[src][0]) == nil })
	}
}

func TestFrozenConsumerIsTakenOverAndComesBack(t *testing.T) {
	t.Parallel()
	s := open(t, testkit.RedisURL(t), quick)
	frozen := s.source(t, "frozen")
	freeze := run(t, frozen)
	s.Add(t, pipelinetest.Entries(1)...)
	mine := read(t, frozen, 1)[0]
	freeze()
	other := s.source(t, "other")
	run(t, other)
	taken := read(t, other, 1)[0]
	if taken.JobID != mine.JobID || taken.ID != mine.ID {
		t.Errorf("took over %+v, want %+v", taken, mine)
	}
	testkit.WaitFor(t, slow, "the dead consumer to be removed", func() bool {
		consumers, err := s.work.XInfoConsumers(context.Background(), s.key("stream"), "workers").Result()
		return err == nil && len(consumers) == 1
	})
	run(t, frozen) // it goes on
	if err := pipelinetest.Ack(t.Context(), frozen, mine); !errors.Is(err, pipeline.ErrNotOwner) {
		t.Errorf("Ack of what was taken over = %v, want ErrNotOwner", err)
	}
	ack(t, other, taken)
	s.Add(t, pipelinetest.Entries(1)...)
	ack(t, frozen, read(t, frozen, 1)...)
}

// A consumer that has no lease at all, as when the table was lost, is found too.
func TestConsumerWithoutALeaseIsTakenOver(t *testing.T) {
	t.Parallel()
	s := open(t, testkit.RedisURL(t), quick)
	lost := s.source(t, "lost")
	kill := run(t, lost)
	s.Add(t, pipelinetest.Entries(1)...)
	read(t, lost, 1)
	kill()
	if err := s.work.ZRem(t.Context(), s.key("leases"), "lost").Err(); err != nil {
		t.Fatal(err)
	}
	src := s.source(t, "one")
	run(t, src)
	ack(t, src, read(t, src, 1)...)
}

func TestScriptsAreSentAgainWhenTheServerForgotThem(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s := open(t, srv.url(), quick)
	src := s.source(t, "one")
	run(t, src)
	for range 3 {
		s.Add(t, pipelinetest.Entries(1)...)
		e := read(t, src, 1)
		if err := s.work.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		ack(t, src, e...)
	}
}

// proxy stands between a client and a server and does what networks do.
type proxy struct {
	t      *testing.T
	listen net.Listener
	server string
	deaf   atomic.Bool // replies are dropped

	mu    sync.Mutex
	conns []net.Conn
}

func startProxy(t *testing.T, server string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, listen: l, server: server}
	var wg sync.WaitGroup
	wg.Go(func() { p.accept(&wg) })
	t.Cleanup(func() { _ = l.Close(); p.cut(); wg.Wait() })
	return p
}

func (p *proxy) url() string { return "redis://" + p.listen.Addr().String() }

func (p *proxy) accept(wg *sync.WaitGroup) {
	for {
		client, err := p.listen.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		p.mu.Unlock()
		wg.Go(func() { _, _ = io.Copy(server, client); _ = server.Close() })
		wg.Go(func() { p.replies(client, server); _ = client.Close() })
	}
}

func (p *proxy) replies(client, server net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		if p.deaf.Load() {
			continue
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

// A reply that is lost leaves its entries pending for a living consumer: they must come all the same.
func TestLostRepliesBecomeGhostsAndAreFound(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	through := startProxy(t, srv.addr())
	s := open(t, srv.url(), quick)
	blocking, err := redisconn.Blocking(redisconn.Config{URL: through.url()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = blocking.Close() })
	src := redisstream.NewSource(s.cfg, s.work, blocking, s.prefix, pipelinetest.StageName, "one", logger(t))
	run(t, src)
	readFor(t, src, 1, quick.Beat)

	got := make(chan []pipeline.Entry, 1)
	go func() { got <- readFor(t, src, 5, slow) }()
	waitForReader(t, s)
	through.deaf.Store(true)
	s.Add(t, pipelinetest.Entries(5)...)
	testkit.WaitFor(t, slow, "the server to deliver into the void", func() bool {
		st, err := s.Stats(context.Background(), pipelinetest.StageName)
		return err == nil && st.Pending > 0
	})
	through.deaf.Store(false)
	through.cut()
	entries := <-got
	if len(entries) != 5 {
		t.Fatalf("%d of 5 entries came after their reply was lost", len(entries))
	}
	ack(t, src, entries...)
}

// waitForReader waits until a consumer is blocked at the server.
func waitForReader(t *testing.T, s *stage) {
	t.Helper()
	testkit.WaitFor(t, slow, "a reader to wait at the server", func() bool {
		info, err := s.work.Info(context.Background(), "clients").Result()
		var blocked int
		for line := range lines(info) {
			_, _ = fmt.Sscanf(line, "blocked_clients:%d", &blocked)
		}
		return err == nil && blocked > 0
	})
}

// Connections are cut at random moments while many entries pass: none is lost, and none is settled twice by its owner.
func TestCutConnections(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	through := startProxy(t, srv.addr())
	direct := open(t, srv.url(), quick)
	s := openWith(t, redisconn.Config{URL: through.url()}, quick)
	s.prefix = direct.prefix
	const n = 300
	direct.Add(t, pipelinetest.Entries(n)...)

	ledger := pipelinetest.NewLedger()
	for _, e := range pipelinetest.Entries(n) {
		ledger.Add(e.JobID)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 3 {
		src := s.source(t, fmt.Sprintf("consumer-%d", i))
		r := pipeline.NewRunner(pipeline.Config{Concurrency: 4, DrainTimeout: time.Second}, feedback(t), src, ledger, quickHandler{}, nil, logger(t))
		wg.Go(func() {
			if err := r.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	cuts := time.NewTicker(150 * time.Millisecond)
	defer cuts.Stop()
	for end := time.Now().Add(slow); ledger.Open() > 0; <-cuts.C {
		if time.Now().After(end) {
			t.Fatalf("%d of %d jobs are still open", ledger.Open(), n)
		}
		through.cut()
	}
	testkit.WaitFor(t, slow, "all entries to be settled", func() bool {
		st, err := direct.Stats(context.Background(), pipelinetest.StageName)
		return err == nil && st.Pending+st.Lag+st.Delayed == 0
	})
	stop()
	wg.Wait()
	done := map[string]int{}
	for _, r := range ledger.Runs() {
		if r.Outcome == pipeline.OutcomeDone {
			done[r.JobID]++
		}
	}
	for id, times := range done {
		if times != 1 {
			t.Errorf("%s was settled %d times", id, times)
		}
	}
}

// quickHandler works for ten milliseconds.
type quickHandler struct{}

func (quickHandler) Handle(context.Context, pipeline.Job) (pipeline.Result, error) {
	pause(10 * time.Millisecond)
	return pipeline.Result{Artifact: evaluation.Artifact{Kind: evaluation.FeedbackText, State: evaluation.StateReady}}, nil
}

func (quickHandler) Fallback(context.Context, pipeline.Job, error) (pipeline.Result, error) {
	return pipeline.Result{Artifact: evaluation.Artifact{Kind: evaluation.FeedbackText, State: evaluation.StateFallback}}, nil
}

func feedback(t testing.TB) evaluation.Stage {
	t.Helper()
	st, ok := evaluation.StageByName(evaluation.StageFeedback)
	if !ok {
		t.Fatal("there is no stage feedback")
	}
	return st
}

// Counts of open entries whose records were lost do not keep a user in the low lane for ever.
func TestOpenCountsHeal(t *testing.T) {
	t.Parallel()
	s := open(t, testkit.RedisURL(t), quick)
	if err := s.work.HSet(t.Context(), s.key("open"), "user_0", 100).Err(); err != nil {
		t.Fatal(err)
	}
	src := s.source(t, "one")
	run(t, src)
	s.Add(t, pipelinetest.Entries(1)...)
	held := read(t, src, 1)
	readFor(t, src, 1, 8*quick.Beat)
	if n := s.work.HGet(t.Context(), s.key("open"), "user_0").Val(); n != "101" {
		t.Errorf("%s open entries while one is pending, want 101: nothing is sure yet", n)
	}
	ack(t, src, held...)
	testkit.WaitFor(t, slow, "the count to be cleared", func() bool {
		n, err := s.work.Exists(context.Background(), s.key("open")).Result()
		return err == nil && n == 0
	})
}

// Workers come and go under load: nothing is lost, nothing is done twice, and no consumer is left behind.
func TestScaleUpAndDown(t *testing.T) {
	t.Parallel()
	s := open(t, testkit.RedisURL(t), quick)
	const n, workers = 2000, 20
	ledger := pipelinetest.NewLedger()
	entries := pipelinetest.Entries(n)
	for _, e := range entries {
		ledger.Add(e.JobID)
	}
	var stops []func()
	start := func(i int) {
		ctx, cancel := context.WithCancel(context.Background())
		r := pipeline.NewRunner(pipeline.Config{Concurrency: 4, DrainTimeout: 5 * time.Second}, feedback(t), s.source(t, fmt.Sprintf("worker-%d", i)), ledger, quickHandler{}, nil, logger(t))
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		stop := sync.OnceFunc(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
		t.Cleanup(stop)
		stops = append(stops, stop)
	}
	start(0)
	s.Add(t, entries...)
	for i := 1; i < workers; i++ {
		start(i)
	}
	testkit.WaitFor(t, slow, "half of the jobs to end", func() bool { return ledger.Open() < n/2 })
	for _, stop := range stops[1:] {
		go stop()
	}
	testkit.WaitFor(t, slow, "all jobs to end", func() bool { return ledger.Open() == 0 })
	for _, stop := range stops {
		stop()
	}
	if runs := ledger.Runs(); len(runs) != n {
		t.Errorf("%d runs were recorded, want %d: each job ends once", len(runs), n)
	}
	if st := s.stats(t); st.Lag+st.Pending+st.Delayed+st.Dead+st.Consumers != 0 {
		t.Errorf("Stats = %+v, want nothing left", st)
	}
	if left, err := s.work.XInfoConsumers(t.Context(), s.key("stream"), "workers").Result(); err != nil || len(left) != 0 {
		t.Errorf("%d consumers are left, %v, want 0", len(left), err)
	}
}

// A user who sends nine times what the stage can do does not make others wait. It runs alone, and counts the best of three, since
// it measures time on a machine that may be busy, with bounds that leave room for that: without lanes the others wait seconds and the
// flooder gets all. The aims, a quarter of a job and 40 %, are measured by the benchmarks.
func TestFloodDoesNotStarveOthers(t *testing.T) {
	const slots, work, lasts = 8, 200 * time.Millisecond, 3 * time.Second
	capacity := float64(slots) / work.Seconds() // jobs a second
	var p95 time.Duration
	var share float64
	for range 3 {
		flooded, others := flood(t, slots, work, lasts, capacity)
		slices.Sort(others)
		p95, share = others[len(others)*95/100], float64(flooded)/(capacity*lasts.Seconds())
		t.Logf("others waited %v (p95 of %d), the flooder got %.0f %% of the capacity", p95, len(others), 100*share)
		if p95 <= work/2 && share >= 0.3 {
			return
		}
	}
	t.Errorf("others waited %v (p95), want at most %v, half of a job; the flooder got %.0f %%, want at least 30 %%", p95, work/2, 100*share)
}

// flood lets one user send nine times the capacity while 50 others send 30 % of it together.
func flood(t *testing.T, slots int, work, lasts time.Duration, capacity float64) (flooded int, others []time.Duration) {
	t.Helper()
	s := open(t, testkit.RedisURL(t), quick)
	h := &waits{work: work, took: map[string][]time.Duration{}}
	r := pipeline.NewRunner(pipeline.Config{Concurrency: slots}, feedback(t), s.source(t, "one"), h, h, nil, logger(t))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()

	var wg sync.WaitGroup
	send := func(rate float64, user func(i int) string) {
		tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
		defer tick.Stop()
		end := time.After(lasts)
		for i := 0; ; i++ {
			select {
			case <-end:
				return
			case <-tick.C:
			}
			e := pipelinetest.Entries(1)[0]
			e.UserID = user(i)
			e.JobID, e.EnqueuedAt = fmt.Sprintf("%s-%d", e.UserID, i), time.Now()
			if err := s.Enqueue(ctx, []pipeline.Entry{e}); err != nil {
				t.Errorf("Enqueue: %v", err)
			}
		}
	}
	wg.Go(func() { send(9*capacity, func(int) string { return "flooder" }) })
	wg.Go(func() { send(0.3*capacity, func(i int) string { return fmt.Sprintf("user-%d", i%50) }) })
	wg.Wait()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	return h.seen()
}

// waits is a ledger and a handler that note how long jobs waited.
type waits struct {
	counter
	work time.Duration

	mu   sync.Mutex
	took map[string][]time.Duration // flooder or others
}

func (w *waits) Begin(ctx context.Context, e pipeline.Entry, owner string, alive func(context.Context, string) (bool, error)) (pipeline.Job, error) {
	w.mu.Lock()
	who := "others"
	if e.UserID == "flooder" {
		who = "flooder"
	}
	w.took[who] = append(w.took[who], time.Since(e.EnqueuedAt))
	w.mu.Unlock()
	return w.counter.Begin(ctx, e, owner, alive)
}

func (w *waits) Handle(context.Context, pipeline.Job) (pipeline.Result, error) {
	pause(w.work)
	return pipeline.Result{Artifact: evaluation.Artifact{Kind: evaluation.FeedbackText, State: evaluation.StateReady}}, nil
}

func (w *waits) seen() (flooded int, others []time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.took["flooder"]), slices.Clone(w.took["others"])
}
