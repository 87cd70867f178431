package redisstream_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
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

// BenchmarkEngine is the time of a job that does nothing, from queued to durably settled: begun and settled in a ledger in memory,
// acknowledged with the owner checked.
func BenchmarkEngine(b *testing.B) {
	for _, concurrency := range []int{8, 64, 256} {
		b.Run(fmt.Sprintf("concurrency=%d", concurrency), func(b *testing.B) {
			s := benchStage(b)
			h := &counter{want: b.N, done: make(chan struct{})}
			for from := 0; from < b.N; from += 10_000 {
				if err := s.Enqueue(b.Context(), benchEntries(from, min(b.N, from+10_000))); err != nil {
					b.Fatal(err)
				}
			}
			src := redisstream.NewSource(redisstream.Config{}, s.work, s.blocking, s.prefix, pipelinetest.StageName, "bench", slog.New(slog.DiscardHandler))
			r := pipeline.NewRunner(pipeline.Config{Concurrency: concurrency}, feedback(b), src, h, h, nil, slog.New(slog.DiscardHandler))
			ctx, stop := context.WithCancel(b.Context())
			var wg sync.WaitGroup
			before := cpuOf(b, s)
			b.ResetTimer()
			wg.Go(func() {
				if err := r.Run(ctx); err != nil {
					b.Error(err)
				}
			})
			<-h.done
			stop()
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
			used := cpuOf(b, s)
			b.ReportMetric(float64((used.client-before.client).Nanoseconds())/float64(b.N)/1000, "client-cpu-µs/job")
			b.ReportMetric(float64((used.server-before.server).Nanoseconds())/float64(b.N)/1000, "redis-cpu-µs/job")
			st, err := s.Stats(b.Context(), pipelinetest.StageName)
			if err != nil || st.Pending+st.Lag != 0 {
				b.Errorf("Stats = %+v, %v, want nothing left", st, err)
			}
		})
	}
}

// BenchmarkPickup is the time from adding an entry to an idle stage until its handler runs.
func BenchmarkPickup(b *testing.B) {
	s := benchStage(b)
	h := &counter{want: -1, began: make(chan struct{}, 1)}
	src := redisstream.NewSource(redisstream.Config{}, s.work, s.blocking, s.prefix, pipelinetest.StageName, "bench", slog.New(slog.DiscardHandler))
	r := pipeline.NewRunner(pipeline.Config{}, feedback(b), src, h, h, nil, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = r.Run(ctx) })
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		start := time.Now()
		if err := s.Enqueue(b.Context(), benchEntries(i, i+1)); err != nil {
			b.Fatal(err)
		}
		<-h.began
		took = append(took, time.Since(start))
		pause(2 * time.Millisecond) // idle again
	}
	stop()
	wg.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs-p99")
}

// BenchmarkEnqueue is the time to add an entry, 500 at a time as the relay does.
func BenchmarkEnqueue(b *testing.B) {
	s := benchStage(b)
	for from := 0; from < b.N; from += 500 {
		if err := s.Enqueue(b.Context(), benchEntries(from, min(b.N, from+500))); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

func benchStage(b *testing.B) *stage {
	b.Helper()
	conn := redisconn.Config{URL: startServer(b).url()}
	work, err := redisconn.Work(conn)
	if err != nil {
		b.Fatal(err)
	}
	blocking, err := redisconn.Blocking(conn)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _, _ = work.Close(), blocking.Close() })
	prefix := testkit.Prefix(b)
	return &stage{redisstream.Config{}, prefix, work, blocking, redisstream.NewProducer(work, prefix)}
}

func benchEntries(from, to int) []pipeline.Entry {
	entries := make([]pipeline.Entry, 0, to-from)
	for i := from; i < to; i++ {
		entries = append(entries, pipeline.Entry{
			Stage: pipelinetest.StageName, JobID: fmt.Sprintf("job_%026d", i), EvaluationID: fmt.Sprintf("eval_%026d", i),
			UserID: fmt.Sprintf("user_%026d", i), Attempt: 1,
		})
	}
	return entries
}

// counter is a ledger and a handler that count.
type counter struct {
	mu      sync.Mutex
	settled int
	want    int
	done    chan struct{}
	began   chan struct{}
}

func (c *counter) Begin(_ context.Context, e pipeline.Entry, owner string, _ func(context.Context, string) (bool, error)) (pipeline.Job, error) {
	return pipeline.Job{ID: e.JobID, Stage: e.Stage, EvaluationID: e.EvaluationID, Owner: owner, Run: 1, Attempt: 1}, nil
}

func (c *counter) Settle(context.Context, pipeline.Job, pipeline.Result, pipeline.Outcome, error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.settled++; c.settled == c.want {
		close(c.done)
	}
	return nil
}

func (c *counter) Retry(context.Context, pipeline.Job, error, time.Time) error        { return nil }
func (c *counter) Wait(context.Context, pipeline.Job, string, error, time.Time) error { return nil }
func (c *counter) Release(context.Context, pipeline.Job) error                        { return nil }

func (c *counter) Handle(context.Context, pipeline.Job) (pipeline.Result, error) {
	if c.began != nil {
		c.began <- struct{}{}
	}
	return pipeline.Result{Artifact: evaluation.Artifact{Kind: evaluation.FeedbackText, State: evaluation.StateReady}}, nil
}

func (c *counter) Fallback(context.Context, pipeline.Job, error) (pipeline.Result, error) {
	return pipeline.Result{}, nil
}

// cpu is the time that this process and the server have computed: on a busy machine it tells more than elapsed time.
type cpu struct{ client, server time.Duration }

func cpuOf(b *testing.B, s *stage) cpu {
	b.Helper()
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		b.Fatal(err)
	}
	info, err := s.work.Info(b.Context(), "cpu").Result()
	if err != nil {
		b.Fatal(err)
	}
	var server float64
	for line := range lines(info) {
		for _, name := range []string{"used_cpu_sys:", "used_cpu_user:"} {
			if rest, ok := strings.CutPrefix(line, name); ok {
				seconds, _ := strconv.ParseFloat(strings.TrimSpace(rest), 64)
				server += seconds
			}
		}
	}
	return cpu{time.Duration(own.Utime.Nano() + own.Stime.Nano()), time.Duration(server * float64(time.Second))}
}
