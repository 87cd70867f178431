package rediskv_test

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
	"oktalk/internal/pipeline/pipelinetest"
	"oktalk/internal/redisconn"
	"oktalk/internal/rediskv"
	"oktalk/internal/redisstream"
	"oktalk/internal/testkit"
)

// swift is the timing of these tests: a fifth of the defaults. usual is for those that count permits: on a busy machine a holder may
// not get to renew its lease in a fifth, its permits are free for others then, as they should be, and there is one too many.
var (
	swift = rediskv.LimiterConfig{Lease: 800 * time.Millisecond, Beat: 200 * time.Millisecond}
	usual = rediskv.LimiterConfig{Lease: 4 * time.Second, Beat: time.Second}
)

// limits are limits on a server, under names of the test's own.
type limits struct {
	url, prefix string
	timing      rediskv.LimiterConfig
	shared      []pipeline.Shared
}

func onServer(t *testing.T, shared ...pipeline.Shared) *limits {
	t.Helper()
	return &limits{testkit.RedisURL(t), testkit.Prefix(t), swift, shared}
}

// patient makes the timing usual.
func (l *limits) patient() *limits {
	l.timing = usual
	return l
}

func atOnce(n int) pipeline.Shared {
	return pipeline.Shared{Of: "vendor:slow", Limit: pipeline.Limit{AtOnce: n}, Requests: 1}
}

func pace(perSecond, burst int) pipeline.Shared {
	return pipeline.Shared{Of: "vendor:paced", Limit: pipeline.Limit{Rate: perSecond, Per: time.Second, Burst: burst}, Requests: 1}
}

// holder is a limiter with a connection of its own.
type holder struct {
	*rediskv.Limiter
	stop func() // gives back
	die  func() // does not
}

func (l *limits) holder(t *testing.T, name string, shared ...pipeline.Shared) holder {
	t.Helper()
	if len(shared) == 0 {
		shared = l.shared
	}
	client, err := redisconn.Work(redisconn.Config{URL: l.url, PoolSize: 2})
	if err != nil {
		t.Fatal(err)
	}
	limiter := rediskv.NewLimiter(l.timing, client, l.prefix, name, shared, discard())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); limiter.Run(ctx) }()
	h := holder{
		Limiter: limiter,
		stop:    func() { cancel(); <-done; _ = client.Close() },
		die:     func() { _ = client.Close() },
	}
	t.Cleanup(h.stop)
	return h
}

// acquire waits for a permit and fails the test when none comes.
func acquire(t *testing.T, h holder) (release func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	release, err := h.Acquire(ctx)
	if err != nil {
		t.Fatalf("Acquire() = %v, want a permit", err)
	}
	return release
}

// refused checks that no permit comes for a while.
func refused(t *testing.T, h holder, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if _, err := h.Acquire(ctx); err == nil {
		t.Fatalf("Acquire() = a permit within %v, want none", d)
	}
}

// open lets the time pass in which a new limit gives nothing.
func (l *limits) open(t *testing.T) {
	t.Helper()
	h := l.holder(t, "opener")
	acquire(t, h)()
	h.stop()
}

// work lets holders use as many permits for d, and reports how many each got and the most at a time.
func work(t *testing.T, holders map[string]holder, each int, lasts, d time.Duration) (got map[string]int, most int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var (
		mu       sync.Mutex
		now, top atomic.Int64
		wg       sync.WaitGroup
	)
	got = map[string]int{}
	for name, h := range holders {
		for range each {
			wg.Go(func() {
				for {
					release, err := h.Acquire(ctx)
					if err != nil {
						return
					}
					n := now.Add(1)
					for old := top.Load(); n > old && !top.CompareAndSwap(old, n); old = top.Load() {
					}
					mu.Lock()
					got[name]++
					mu.Unlock()
					if lasts > 0 {
						<-time.After(lasts)
					}
					now.Add(-1)
					release()
				}
			})
		}
	}
	wg.Wait()
	return got, top.Load()
}

func sum(got map[string]int) (n int) {
	for _, v := range got {
		n += v
	}
	return n
}

func TestLimiterKeepsTheRateOfAllProcesses(t *testing.T) {
	t.Parallel()
	for _, burst := range []int{1, 20} {
		t.Run(fmt.Sprintf("burst %d", burst), func(t *testing.T) {
			t.Parallel()
			const rate = 50
			l := onServer(t, pace(rate, burst)).patient()
			l.open(t)
			holders := map[string]holder{}
			for i := range 5 {
				name := fmt.Sprintf("replica-%d", i)
				holders[name] = l.holder(t, name)
			}
			start := time.Now()
			got, _ := work(t, holders, 4, 0, 2*time.Second)
			took := time.Since(start)
			n, most := sum(got), burst+int(took.Seconds()*rate)+1
			t.Logf("%d permits in %v at %d/s, burst %d: %v", n, took.Round(time.Millisecond), rate, burst, got)
			if n > most {
				t.Errorf("%d permits in %v, want at most %d", n, took, most)
			}
			if len(got) != len(holders) {
				t.Errorf("permits of each replica: %v, want some for everybody", got)
			}
		})
	}
}

func TestLimiterCountsRequestsOfAJob(t *testing.T) {
	t.Parallel()
	two := pace(50, 1)
	two.Requests = 2
	l := onServer(t, two).patient()
	l.open(t)
	start := time.Now()
	got, _ := work(t, map[string]holder{"one": l.holder(t, "one")}, 3, 0, time.Second)
	if n, most := sum(got), 2+int(time.Since(start).Seconds()*25); n > most || n == 0 {
		t.Errorf("%d permits in a second at 50 requests a second and two for each, want at most %d", n, most)
	}
}

func TestLimiterBoundsThoseAtOnce(t *testing.T) {
	t.Parallel()
	l := onServer(t, atOnce(4)).patient()
	l.open(t)
	holders := map[string]holder{}
	for i := range 5 {
		name := fmt.Sprintf("replica-%d", i)
		holders[name] = l.holder(t, name)
	}
	got, most := work(t, holders, 3, 30*time.Millisecond, 2*time.Second)
	t.Logf("%d permits of 30 ms in 2 s, at most %d at once: %v", sum(got), most, got)
	if most != 4 {
		t.Errorf("%d permits at once, want 4", most)
	}
	if len(got) != len(holders) {
		t.Errorf("permits of each replica: %v, want some for everybody", got)
	}
}

func TestLimiterFreesPermitsOfTheDeadOnly(t *testing.T) {
	t.Parallel()
	l := onServer(t, atOnce(2))
	l.open(t)
	dead, alive, waiting := l.holder(t, "dead"), l.holder(t, "alive"), l.holder(t, "waiting")
	acquire(t, dead)
	acquire(t, alive)
	refused(t, waiting, 3*swift.Lease/2) // both renew
	dead.die()
	start := time.Now()
	acquire(t, waiting)
	if took := time.Since(start); took > swift.Lease+2*time.Second {
		t.Errorf("the permit of the dead was free after %v, want a lease, %v", took, swift.Lease)
	}
	refused(t, l.holder(t, "one more"), 3*swift.Lease/2)
}

func TestLimiterGivesBackWhenItStops(t *testing.T) {
	t.Parallel()
	l := onServer(t, atOnce(1))
	l.open(t)
	one, two := l.holder(t, "one"), l.holder(t, "two")
	acquire(t, one)
	one.stop()
	ctx, cancel := context.WithTimeout(t.Context(), swift.Lease/2)
	defer cancel()
	if _, err := two.Acquire(ctx); err != nil {
		t.Errorf("Acquire() = %v, want the permit of the one that stopped before its lease ends", err)
	}
}

func TestLimiterForgetsWhoGaveUp(t *testing.T) {
	t.Parallel()
	l := onServer(t, atOnce(1))
	l.open(t)
	one, two := l.holder(t, "one"), l.holder(t, "two")
	release := acquire(t, one)
	refused(t, two, 150*time.Millisecond)
	release()
	release() // does nothing
	release = acquire(t, one)
	refused(t, one, 150*time.Millisecond)
	release()
	acquire(t, two)
}

// A stage with a limit of its own shares a vendor with another stage. While it waits for its own, it must not hold the vendor's.
func TestLimiterOfTwoLimitsHoldsNeitherAlone(t *testing.T) {
	t.Parallel()
	stage := pipeline.Shared{Of: "stage:speech", Limit: pipeline.Limit{AtOnce: 1}, Requests: 1}
	l := onServer(t, stage, atOnce(2))
	l.open(t)
	first, second, other := l.holder(t, "first"), l.holder(t, "second"), l.holder(t, "other", atOnce(2))
	release := acquire(t, first)
	refused(t, second, 150*time.Millisecond) // the stage is full, the vendor is not
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	waiting := make(chan struct{})
	go func() {
		defer close(waiting)
		if _, err := second.Acquire(ctx); err != nil {
			t.Errorf("Acquire() = %v, want a permit when the stage has room", err)
		}
	}()
	acquire(t, other)
	refused(t, other, 3*swift.Lease/2) // now the vendor is full
	release()
	select {
	case <-waiting:
	case <-time.After(patience):
		t.Error("no permit of both limits came when both had room")
	}
}

func TestLimiterCallsNobodyWithoutNeed(t *testing.T) {
	t.Parallel()
	l := onServer(t, atOnce(2), pace(1000, 10))
	l.open(t)
	client, err := redisconn.Work(redisconn.Config{URL: l.url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	var calls atomic.Int64
	client.AddHook(counting{&calls})
	limiter := rediskv.NewLimiter(swift, client, l.prefix, "idle", l.shared, discard())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); limiter.Run(ctx) }()
	release := acquire(t, holder{Limiter: limiter})
	release()
	observer := open(t, l.url)
	testkit.WaitFor(t, patience, "the permit to be given back", func() bool {
		known, err := observer.HExists(context.Background(), l.prefix+":limit:{limits}:vendor:slow", "h:idle").Result()
		return err == nil && !known
	})
	before := calls.Load()
	<-time.After(3 * swift.Lease)
	if n := calls.Load() - before; n != 0 {
		t.Errorf("%d calls while nothing was held or wanted, want none", n)
	}
	cancel()
	<-done
	if n := calls.Load(); n > 4 { // the script may go twice, by its hash and by its text
		t.Errorf("%d calls for one permit, want one to get it and one to give it back", n)
	}
}

// counting counts commands.
type counting struct{ calls *atomic.Int64 }

func (c counting) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c counting) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.calls.Add(1)
		return next(ctx, cmd)
	}
}

func (c counting) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// startRedis starts a server of the test's own, which is a cluster of one node if it is to be.
func startRedis(t *testing.T, cluster bool) (url string, client *redis.Client) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	_ = ln.Close()
	args := []string{"--port", port, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", ""}
	if cluster {
		args = append(args, "--cluster-enabled", "yes")
	}
	cmd := exec.Command("redis-server", args...)
	if err := cmd.Start(); err != nil {
		t.Fatalf("start redis-server (apt-get install redis-server): %v", err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	client = redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	testkit.WaitFor(t, patience, "redis-server to answer", func() bool { return client.Ping(context.Background()).Err() == nil })
	if !cluster {
		return "redis://" + addr, client
	}
	if err := client.ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	testkit.WaitFor(t, patience, "the cluster to be whole", func() bool {
		return client.Set(context.Background(), "x", 1, 0).Err() == nil
	})
	return "redis-cluster://" + addr, client
}

func TestLimiterOnCluster(t *testing.T) {
	t.Parallel()
	url, _ := startRedis(t, true)
	stage := pipeline.Shared{Of: "stage:speech", Limit: pipeline.Limit{AtOnce: 1}, Requests: 1}
	l := &limits{url, "oktalk", swift, []pipeline.Shared{stage, pace(1000, 1)}}
	one, two := l.holder(t, "one"), l.holder(t, "two")
	release := acquire(t, one)
	refused(t, two, 150*time.Millisecond)
	release()
	acquire(t, two)
}

// When Redis loses all, permits that are held are known again before new ones are given.
func TestLimiterSurvivesALossOfRedis(t *testing.T) {
	t.Parallel()
	url, client := startRedis(t, false)
	l := &limits{url, "oktalk", swift, []pipeline.Shared{atOnce(2)}}
	one, two := l.holder(t, "one"), l.holder(t, "two")
	release := acquire(t, one)
	acquire(t, one)
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	refused(t, two, 2*swift.Lease)
	release()
	acquire(t, two)
}

// A limit is not exceeded because Redis is away, for longer than a lease; work waits, and goes on by itself.
func TestLimiterWaitsWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	url, client := startRedis(t, false)
	l := &limits{url, "oktalk", swift, []pipeline.Shared{atOnce(2)}}
	one, two := l.holder(t, "one"), l.holder(t, "two")
	release := acquire(t, one)
	acquire(t, two)
	if err := client.Do(t.Context(), "CLIENT", "PAUSE", (3 * swift.Lease).Milliseconds()).Err(); err != nil {
		t.Fatal(err)
	}
	refused(t, one, 5*swift.Lease)
	release()
	acquire(t, one)
}

// Whole replicas, with sources and a ledger, on one stage: nothing is lost, and the limits hold for all of them together.
func TestRunnersShareLimits(t *testing.T) {
	t.Parallel()
	const jobs, replicas, most, rate = 60, 4, 3, 40
	l := onServer(t, atOnce(most), pace(rate, 1))
	l.open(t)
	work, blocking := open(t, l.url), open(t, l.url)
	ledger := pipelinetest.NewLedger()
	entries := pipelinetest.Entries(jobs)
	for _, e := range entries {
		ledger.Add(e.JobID)
	}
	if err := redisstream.NewProducer(work, l.prefix).Enqueue(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	h := &slowHandler{done: make(chan struct{}, jobs)}
	stage, _ := evaluation.StageByName(pipelinetest.StageName)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	start := time.Now()
	for i := range replicas {
		name := "replica-" + strconv.Itoa(i)
		src := redisstream.NewSource(redisstream.Config{}, work, blocking, l.prefix, pipelinetest.StageName, name, discard())
		r := pipeline.NewRunner(pipeline.Config{Concurrency: 8}, stage, src, ledger, h, nil, discard())
		r.LimitBy(rediskv.NewLimiter(swift, work, l.prefix, name, l.shared, discard()))
		wg.Go(func() {
			if err := r.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	for range jobs {
		select {
		case <-h.done:
		case <-time.After(patience):
			t.Fatalf("%d jobs are open after %v", ledger.Open(), patience)
		}
	}
	took := time.Since(start)
	cancel()
	wg.Wait()
	t.Logf("%d jobs of %v in %v, at most %d at once", jobs, slowHandlerTime, took.Round(time.Millisecond), h.top.Load())
	if n := h.top.Load(); n > most {
		t.Errorf("%d jobs ran at once, want at most %d", n, most)
	}
	if least := time.Duration(jobs-1) * time.Second / rate; took < least-10*time.Millisecond {
		t.Errorf("%d jobs took %v, want at least %v at %d/s", jobs, took, least, rate)
	}
	if ledger.Open() != 0 {
		t.Errorf("%d jobs are open, want none", ledger.Open())
	}
}

const slowHandlerTime = 50 * time.Millisecond

// slowHandler counts how many of it run at once.
type slowHandler struct {
	now, top atomic.Int64
	done     chan struct{}
}

func (h *slowHandler) Handle(context.Context, pipeline.Job) (pipeline.Result, error) {
	n := h.now.Add(1)
	for old := h.top.Load(); n > old && !h.top.CompareAndSwap(old, n); old = h.top.Load() {
	}
	<-time.After(slowHandlerTime)
	h.now.Add(-1)
	h.done <- struct{}{}
	return pipeline.Result{Artifact: evaluation.Artifact{Kind: evaluation.FeedbackText, State: evaluation.StateReady}}, nil
}

func (h *slowHandler) Fallback(context.Context, pipeline.Job, error) (pipeline.Result, error) {
	return pipeline.Result{}, context.Canceled
}
