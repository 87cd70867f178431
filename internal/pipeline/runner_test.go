package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
	"oktalk/internal/pipeline/pipelinetest"
)

var (
	timing = pipelinetest.Timing{Lease: 4 * time.Second, Beat: time.Second, Block: 2 * time.Second}
	stage  = evaluation.Stage{
		Name: evaluation.StageFeedback, Artifact: evaluation.FeedbackText, Deadline: 12 * time.Second, Attempts: 4,
		Backoff: []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second}, Crashes: 3,
	}
	errFlaky = errors.New("the vendor is confused")
)

// handler is a handler of functions. Without them it succeeds, and falls back with a text.
type handler struct {
	handle   func(ctx context.Context, j pipeline.Job) (pipeline.Result, error)
	fallback func(ctx context.Context, j pipeline.Job, cause error) (pipeline.Result, error)

	mu    sync.Mutex
	calls []call
}

// call is a call of handle: when it began since the start of the test, and the attempt.
type call struct {
	at      time.Duration
	attempt int
}

func (h *handler) Handle(ctx context.Context, j pipeline.Job) (pipeline.Result, error) {
	h.mu.Lock()
	h.calls = append(h.calls, call{time.Since(epoch), j.Attempt})
	h.mu.Unlock()
	if h.handle == nil {
		return ready(), nil
	}
	return h.handle(ctx, j)
}

func (h *handler) Fallback(ctx context.Context, j pipeline.Job, cause error) (pipeline.Result, error) {
	if h.fallback == nil {
		return pipeline.Result{Artifact: evaluation.Artifact{Kind: evaluation.FeedbackText, State: evaluation.StateFallback, Text: "simple"}}, nil
	}
	return h.fallback(ctx, j, cause)
}

func (h *handler) made() []call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.calls)
}

func (h *handler) count() int { return len(h.made()) }

// epoch is when every synctest bubble begins.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func ready() pipeline.Result {
	return pipeline.Result{Artifact: evaluation.Artifact{Kind: evaluation.FeedbackText, State: evaluation.StateReady, Text: "well done"}}
}

// bench is a stage with its ledger and handler.
type bench struct {
	t       *testing.T
	broker  *pipelinetest.Broker
	ledger  *pipelinetest.Ledger
	books   pipeline.Ledger // what runners use: ledger unless set
	handler *handler
	limiter pipeline.Limiter // of runners that are started; nil: none
	cfg     pipeline.Config
	stage   evaluation.Stage
	log     *textLog
	obs     *observer
}

// inBubble runs a test with fake time.
func inBubble(t *testing.T, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := pipelinetest.NewLedger()
		test(&bench{
			t: t, broker: pipelinetest.NewBroker(timing), ledger: l, books: l, handler: &handler{}, stage: stage,
			cfg: pipeline.Config{Concurrency: 4, DrainTimeout: 30 * time.Second}, log: &textLog{}, obs: &observer{},
		})
	})
}

// add adds n jobs and their entries.
func (b *bench) add(n int) []pipeline.Entry {
	entries := pipelinetest.Entries(n)
	for _, e := range entries {
		b.ledger.Add(e.JobID)
	}
	b.broker.Add(entries...)
	return entries
}

// start runs a worker until the returned function is called, which waits for its end, or the test ends.
func (b *bench) start(consumer string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	r := pipeline.NewRunner(b.cfg, b.stage, b.broker.Source(consumer), b.books, b.handler, b.obs, slog.New(slog.NewTextHandler(b.log, nil)))
	if b.limiter != nil {
		r.LimitBy(b.limiter)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Run(ctx); err != nil {
			b.t.Errorf("Run: %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	b.t.Cleanup(stop)
	return stop
}

// after lets fake time pass.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (b *bench) outcomes() string {
	var s []string
	for _, r := range b.ledger.Runs() {
		s = append(s, string(r.Outcome))
	}
	return strings.Join(s, " ")
}

// ended checks how the only job ended and that nothing is left in the source.
func (b *bench) ended(outcomes string, dead int) {
	b.t.Helper()
	if got := b.outcomes(); got != outcomes {
		b.t.Errorf("outcomes %q, want %q", got, outcomes)
	}
	if n := b.broker.Left(); n != 0 {
		b.t.Errorf("%d entries are left in the source, want 0", n)
	}
	if got := b.broker.Dead(); len(got) != dead {
		b.t.Errorf("%d entries are set aside, want %d: %v", len(got), dead, got)
	}
	if b.ledger.Open() != 0 {
		b.t.Error("a job is open")
	}
}

// textLog keeps what is logged.
type textLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *textLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *textLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// observer notes what it is told.
type observer struct {
	mu sync.Mutex
	observed
}

type observed struct {
	ended               []string
	inFlight, most      int
	waits               []string
	abandoned, returned int
}

func (o *observer) seen() observed {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.observed
}

func (o *observer) RunEnded(_, outcome string, _ time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = append(o.ended, outcome)
}

func (o *observer) InFlight(_ string, delta int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.inFlight += delta
	o.most = max(o.most, o.inFlight)
}

func (o *observer) Waited(_, what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waits = append(o.waits, what)
}

func (o *observer) Admitted(string, time.Duration) {}

func (o *observer) Abandoned(_ string, delta int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if delta > 0 {
		o.abandoned++
	} else {
		o.returned++
	}
}

func TestRunnerSettlesEveryJobOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.handler.handle = func(context.Context, pipeline.Job) (pipeline.Result, error) {
			<-time.After(time.Second)
			return ready(), nil
		}
		b.add(40)
		b.start("one")
		b.start("two")
		after(time.Minute)
		if n := b.handler.count(); n != 40 {
			b.t.Errorf("handler was called %d times, want 40", n)
		}
		b.ended(strings.TrimSpace(strings.Repeat("done ", 40)), 0)
		if seen := b.obs.seen(); seen.most > 8 || len(seen.ended) != 40 || seen.inFlight != 0 {
			b.t.Errorf("observer: at most %d in flight, %d ended, %d in flight now; want 8, 40, 0", seen.most, len(seen.ended), seen.inFlight)
		}
	})
}

func TestRunnerRetriesWithBackoffThenFallsBack(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.handler.handle = func(context.Context, pipeline.Job) (pipeline.Result, error) { return pipeline.Result{}, errFlaky }
		b.add(1)
		b.start("one")
		after(time.Minute)
		b.ended("retried retried retried fallback", 0)
		calls := b.handler.made()
		for i, want := range stage.Backoff {
			pause := calls[i+1].at - calls[i].at
			if pause < want || pause > want+want/5 || calls[i].attempt != i+1 {
				b.t.Errorf("attempt %d was followed after %v, want attempt %d and %v to a fifth more", calls[i].attempt, pause, i+1, want)
			}
		}
		if last := b.ledger.Runs()[3]; !errors.Is(last.Cause, errFlaky) || last.Result.Artifact.Text != "simple" {
			b.t.Errorf("fallback recorded %+v, want the cause and the simple text", last)
		}
	})
}

func TestRunnerHonoursRetryAfter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ asked, want time.Duration }{
		"longer than the backoff":  {time.Minute, time.Minute},
		"shorter than the backoff": {time.Second, 2 * time.Second},
		"too long":                 {time.Hour, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(b *bench) {
				b.handler.handle = func(_ context.Context, j pipeline.Job) (pipeline.Result, error) {
					if j.Attempt == 1 {
						return pipeline.Result{}, fmt.Errorf("write: %w", pipeline.RetryAfter(c.asked, errFlaky))
					}
					return ready(), nil
				}
				b.add(1)
				b.start("one")
				after(10 * time.Minute)
				b.ended("retried done", 0)
				if pause := b.handler.made()[1].at - b.handler.made()[0].at; pause < c.want || pause > c.want+time.Second {
					b.t.Errorf("second attempt came after %v, want %v", pause, c.want)
				}
			})
		})
	}
}

func TestRunnerDoesNotRetryPermanentErrors(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.handler.handle = func(context.Context, pipeline.Job) (pipeline.Result, error) {
			return pipeline.Result{}, fmt.Errorf("write: %w", pipeline.Permanent(errFlaky))
		}
		b.handler.fallback = func(_ context.Context, _ pipeline.Job, cause error) (pipeline.Result, error) {
			return pipeline.Result{Artifact: evaluation.Artifact{Kind: evaluation.FeedbackText, State: evaluation.StateFailed, Reason: "refused"}}, nil
		}
		b.add(1)
		b.start("one")
		after(time.Minute)
		b.ended("failed", 1)
		if dead := b.broker.Dead()[0]; !strings.Contains(dead.Reason, errFlaky.Error()) {
			b.t.Errorf("set aside because %q, want the cause", dead.Reason)
		}
	})
}

func TestRunnerWaitsForTheEnvironment(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.handler.handle = func(context.Context, pipeline.Job) (pipeline.Result, error) {
			if time.Since(epoch) < 2*time.Minute {
				return pipeline.Result{}, fmt.Errorf("store audio: %w", pipeline.WaitFor("s3", errFlaky))
			}
			return ready(), nil
		}
		b.add(1)
		b.start("one")
		after(time.Minute)
		if j := b.ledger.Job("job_0"); j.Attempts != 0 || j.Waits < 5 || j.Settled {
			b.t.Errorf("after a minute of outage the job is %+v, want no attempts and at least 5 waits", j)
		}
		after(2 * time.Minute)
		b.ended("done", 0)
		calls := b.handler.made()
		for i, c := range calls {
			if i == 0 {
				continue
			}
			want := min(30*time.Second, time.Second<<(i-1))
			if pause := c.at - calls[i-1].at; pause < want || pause > want+want/5 || c.attempt != 1 {
				b.t.Errorf("call %d came after %v as attempt %d, want %v and attempt 1", i, pause, c.attempt, want)
			}
		}
		if waits := b.obs.seen().waits; len(waits) == 0 || waits[0] != "s3" {
			b.t.Errorf("observer was told of waits for %v, want s3", waits)
		}
	})
}

func TestRunnerBoundsARunByItsDeadline(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.handler.handle = func(ctx context.Context, j pipeline.Job) (pipeline.Result, error) {
			if j.Attempt == 1 {
				<-ctx.Done()
				return pipeline.Result{}, ctx.Err()
			}
			return ready(), nil
		}
		b.add(1)
		b.start("one")
		after(stage.Deadline - time.Second)
		if b.outcomes() != "" {
			b.t.Errorf("outcomes %q before the deadline", b.outcomes())
		}
		after(time.Minute)
		b.ended("retried done", 0)
	})
}

// However slow the model is, the fallback begins within the budget, which counts from the first begin.
func TestRunnerKeepsTheBudget(t *testing.T) {
	t.Parallel()
	hang := func(ctx context.Context, _ pipeline.Job) (pipeline.Result, error) {
		<-ctx.Done()
		return pipeline.Result{}, ctx.Err()
	}
	ignore := func(context.Context, pipeline.Job) (pipeline.Result, error) {
		<-time.After(time.Hour)
		return ready(), nil
	}
	fail := func(context.Context, pipeline.Job) (pipeline.Result, error) { return pipeline.Result{}, errFlaky }
	busy := func(context.Context, pipeline.Job) (pipeline.Result, error) {
		return pipeline.Result{}, pipeline.RetryAfter(25*time.Second, errFlaky)
	}
	for _, tc := range []struct {
		name     string
		handle   func(context.Context, pipeline.Job) (pipeline.Result, error)
		attempts int
		from, to time.Duration // when the fallback is made
	}{
		{"hangs", hang, 2, 26 * time.Second, 30 * time.Second},
		{"does not return", ignore, 2, 28 * time.Second, 30 * time.Second},
		{"fails at once", fail, 4, 14 * time.Second, 18 * time.Second},
		{"asks for time", busy, 2, 25 * time.Second, 30 * time.Second},
		{"asks for too much", func(context.Context, pipeline.Job) (pipeline.Result, error) {
			return pipeline.Result{}, pipeline.RetryAfter(time.Minute, errFlaky)
		}, 1, 0, time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(b *bench) {
				b.stage.Budget = 30 * time.Second
				b.handler.handle = tc.handle
				var at time.Duration
				b.handler.fallback = func(context.Context, pipeline.Job, error) (pipeline.Result, error) {
					at = time.Since(epoch)
					return pipeline.Result{Artifact: evaluation.Artifact{Kind: evaluation.FeedbackText, State: evaluation.StateFallback, Text: "simple"}}, nil
				}
				b.add(1)
				b.start("one")
				after(2 * time.Hour)
				b.ended(strings.Repeat("retried ", tc.attempts-1)+"fallback", 0)
				first := b.handler.made()[0].at
				if n := b.handler.count(); n != tc.attempts || at-first < tc.from || at-first > tc.to {
					b.t.Errorf("%d attempts and the fallback %v after the first began, want %d and %v to %v", n, at-first, tc.attempts, tc.from, tc.to)
				}
			})
		})
	}
}

// What a job waits for the environment does not count against its budget.
func TestRunnerBudgetLeavesOutWaits(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.stage.Budget = 30 * time.Second
		b.handler.handle = func(ctx context.Context, j pipeline.Job) (pipeline.Result, error) {
			switch {
			case time.Since(epoch) < 10*time.Minute:
				return pipeline.Result{}, pipeline.WaitFor("s3", errFlaky)
			case j.Attempt == 1:
				return pipeline.Result{}, errFlaky
			default:
				return ready(), nil
			}
		}
		b.add(1)
		b.start("one")
		after(12 * time.Minute)
		b.ended("retried done", 0)
	})
}

// A job whose budget was over before a worker could have it goes to the fallback without an attempt.
func TestRunnerDoesNotTryAfterTheBudget(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.stage.Budget = 30 * time.Second
		b.handler.handle = func(context.Context, pipeline.Job) (pipeline.Result, error) { return pipeline.Result{}, errFlaky }
		b.add(1)
		stop := b.start("one")
		after(time.Second)
		stop()
		after(time.Minute)
		b.start("two")
		after(time.Minute)
		b.ended("retried fallback", 0)
		if n := b.handler.count(); n != 1 {
			b.t.Errorf("%d attempts, want 1", n)
		}
	})
}

// A failed artifact that the handler itself returns is settled; no person has to look at it.
func TestRunnerSettlesAnExpectedFailure(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.handler.handle = func(context.Context, pipeline.Job) (pipeline.Result, error) {
			return pipeline.Result{Artifact: evaluation.Artifact{Kind: evaluation.FeedbackText, State: evaluation.StateFailed, Reason: "no-voice"}}, nil
		}
		b.add(1)
		b.start("one")
		after(time.Minute)
		b.ended("failed", 0)
	})
}

// A result that does not settle the stage's artifact is refused, and counts as a failed attempt.
func TestRunnerRefusesAnotherStagesResult(t *testing.T) {
	t.Parallel()
	for _, a := range []evaluation.Artifact{
		{}, {Kind: evaluation.DemoAudio, State: evaluation.StateReady}, {Kind: evaluation.FeedbackText, State: evaluation.StatePending},
	} {
		inBubble(t, func(b *bench) {
			b.handler.handle = func(context.Context, pipeline.Job) (pipeline.Result, error) { return pipeline.Result{Artifact: a}, nil }
			b.add(1)
			b.start("one")
			after(time.Minute)
			b.ended("retried retried retried fallback", 0)
		})
	}
}

func TestRunnerAbandonsAHandlerThatIgnoresItsDeadline(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.cfg.Concurrency = 1
		b.handler.handle = func(_ context.Context, j pipeline.Job) (pipeline.Result, error) {
			if j.Attempt == 1 {
				<-time.After(time.Hour)
			}
			return ready(), nil
		}
		b.add(1)
		b.start("one")
		after(time.Minute)
		b.ended("retried done", 0)
		if seen := b.obs.seen(); seen.abandoned != 1 || seen.returned != 0 {
			b.t.Errorf("%d handlers abandoned and %d returned, want 1 and 0", seen.abandoned, seen.returned)
		}
		after(time.Hour)
		if seen := b.obs.seen(); seen.returned != 1 || b.outcomes() != "retried done" {
			b.t.Errorf("%d abandoned handlers returned, outcomes %q; want 1 and no change", seen.returned, b.outcomes())
		}
	})
}

func TestRunnerSurvivesAPanic(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.handler.handle = func(_ context.Context, j pipeline.Job) (pipeline.Result, error) {
			if j.Attempt == 1 {
				panic("index out of range")
			}
			return ready(), nil
		}
		b.add(1)
		b.start("one")
		after(time.Minute)
		b.ended("retried done", 0)
		if !strings.Contains(b.log.String(), "runner_test.go") {
			b.t.Error("the log has no stack of the panic")
		}
	})
}

func TestRunnerFailsTheArtifactWhenTheFallbackFails(t *testing.T) {
	t.Parallel()
	for name, fallback := range map[string]func(context.Context, pipeline.Job, error) (pipeline.Result, error){
		"error": func(context.Context, pipeline.Job, error) (pipeline.Result, error) {
			return pipeline.Result{}, errFlaky
		},
		"panic": func(context.Context, pipeline.Job, error) (pipeline.Result, error) { panic("no fallback") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(b *bench) {
				b.handler.handle = func(context.Context, pipeline.Job) (pipeline.Result, error) {
					return pipeline.Result{}, pipeline.Permanent(errFlaky)
				}
				b.handler.fallback = fallback
				b.add(1)
				b.start("one")
				after(time.Minute)
				b.ended("failed", 1)
				if a := b.ledger.Runs()[0].Result.Artifact; a.State != evaluation.StateFailed || a.Kind != evaluation.FeedbackText || a.Message == "" {
					b.t.Errorf("settled with %+v, want a failed feedback_text with a message", a)
				}
			})
		})
	}
}

func TestRunnerSetsAsideAJobThatKillsItsWorkers(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		e := b.add(1)[0]
		dead := func(context.Context, string) (bool, error) { return false, nil }
		for i := range 3 {
			if _, err := b.ledger.Begin(b.t.Context(), e, fmt.Sprintf("killed-%d", i), dead); err != nil {
				b.t.Fatal(err)
			}
		}
		b.start("one")
		after(time.Minute)
		b.ended("dead", 1)
		if b.handler.count() != 0 {
			b.t.Error("the handler was called again")
		}
		if a := b.ledger.Runs()[0].Result.Artifact; a.Text != "simple" {
			b.t.Errorf("settled with %+v, want the fallback", a)
		}
	})
}

func TestRunnerCountsACrashOfADeadOwner(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		e := b.add(1)[0]
		if _, err := b.ledger.Begin(b.t.Context(), e, "killed", nil); err != nil {
			b.t.Fatal(err)
		}
		b.start("one")
		after(time.Minute)
		b.ended("done", 0)
		if j := b.ledger.Job("job_0"); j.Crashes != 1 || j.Attempts != 0 {
			b.t.Errorf("job %+v, want one crash and no failed attempt", j)
		}
	})
}

func TestRunnerPutsOffAJobWhoseOwnerLives(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.handler.handle = func(context.Context, pipeline.Job) (pipeline.Result, error) {
			<-time.After(8 * time.Second)
			return ready(), nil
		}
		e := b.add(1)[0]
		b.start("one")
		after(time.Second)
		b.broker.Add(e) // the same job again, as after a loss of Redis
		b.start("two")
		after(time.Minute)
		if b.handler.count() != 1 {
			b.t.Errorf("handler was called %d times, want once", b.handler.count())
		}
		b.ended("done", 0)
	})
}

func TestRunnerPutsOffASecondEntryOfAJobInFlight(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.handler.handle = func(context.Context, pipeline.Job) (pipeline.Result, error) {
			<-time.After(8 * time.Second)
			return ready(), nil
		}
		e := b.add(1)[0]
		b.broker.Add(e)
		b.start("one")
		after(time.Minute)
		if b.handler.count() != 1 {
			b.t.Errorf("handler was called %d times, want once", b.handler.count())
		}
		b.ended("done", 0)
	})
}

func TestRunnerKeepsAResultWhileTheLedgerIsAway(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.handler.handle = func(context.Context, pipeline.Job) (pipeline.Result, error) {
			b.ledger.SetAway(fmt.Errorf("connect: %w", evaluation.ErrUnavailable))
			return ready(), nil
		}
		b.add(1)
		b.start("one")
		after(5 * time.Minute)
		if b.outcomes() != "" || b.broker.Pending() != 1 {
			b.t.Errorf("outcomes %q with %d pending while the ledger is away, want none and 1", b.outcomes(), b.broker.Pending())
		}
		b.ledger.SetAway(nil)
		after(31 * time.Second)
		b.ended("done", 0)
		if n := strings.Count(b.log.String(), "until it is back\" stage=feedback part=ledger"); b.handler.count() != 1 || n != 1 {
			b.t.Errorf("handler called %d times and outage logged %d times, want once each", b.handler.count(), n)
		}
	})
}

func TestRunnerBeginsWhenTheLedgerIsBack(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.ledger.SetAway(evaluation.ErrUnavailable)
		b.add(3)
		b.start("one")
		after(time.Minute)
		b.ledger.SetAway(nil)
		after(31 * time.Second)
		b.ended("done done done", 0)
	})
}

func TestRunnerReadsAgainWhenTheSourceIsBack(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.start("one")
		after(time.Second)
		b.broker.SetAway(evaluation.ErrUnavailable)
		b.add(1)
		after(time.Minute)
		b.broker.SetAway(nil)
		after(5 * time.Second)
		b.ended("done", 0)
		if n := strings.Count(b.log.String(), "until it is back\" stage=feedback part=source "); n != 1 {
			b.t.Errorf("outage logged %d times, want once", n)
		}
	})
}

func TestRunnerAcknowledgesWhenTheSourceIsBack(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.handler.handle = func(context.Context, pipeline.Job) (pipeline.Result, error) {
			b.broker.SetAway(evaluation.ErrUnavailable)
			return ready(), nil
		}
		b.add(1)
		b.start("one")
		after(time.Minute)
		if b.outcomes() != "done" {
			b.t.Errorf("outcomes %q, want done: the ledger is there", b.outcomes())
		}
		b.broker.SetAway(nil)
		after(5 * time.Second)
		b.ended("done", 0)
		if b.handler.count() != 1 {
			b.t.Errorf("handler was called %d times, want once", b.handler.count())
		}
	})
}

func TestRunnerDropsTheResultOfACancelledJob(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.handler.handle = func(_ context.Context, j pipeline.Job) (pipeline.Result, error) {
			b.ledger.Cancel(j.ID)
			return ready(), nil
		}
		b.add(1)
		b.start("one")
		after(10 * time.Second)
		b.ended("superseded", 0)
	})
}

func TestRunnerThatWasTakenOverChangesNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.cfg.Concurrency = 1
		b.handler.handle = func(_ context.Context, j pipeline.Job) (pipeline.Result, error) {
			if j.Owner == "frozen" {
				<-time.After(9 * time.Second)
			}
			r := ready()
			r.Artifact.Text = j.Owner
			return r, nil
		}
		b.add(1)
		src := b.broker.Source("frozen")
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		frozen := pipeline.NewRunner(b.cfg, b.stage, lapsing{src}, b.ledger, b.handler, nil, slog.New(slog.DiscardHandler))
		go func() { done <- frozen.Run(ctx) }()
		after(time.Second)
		b.start("one")
		after(time.Minute)
		cancel()
		if err := <-done; err != nil {
			b.t.Error(err)
		}
		b.ended("done superseded", 0)
		if got := b.ledger.Runs()[0].Result.Artifact.Text; got != "one" {
			b.t.Errorf("the job was settled by %s, want one", got)
		}
	})
}

// lapsing is a source that renews its lease once only, like a process that is frozen.
type lapsing struct{ *pipelinetest.Source }

func (s lapsing) Run(ctx context.Context) error {
	once, cancel := context.WithTimeout(ctx, timing.Beat/2)
	defer cancel()
	err := s.Source.Run(once)
	<-ctx.Done()
	return err
}

func TestRunnerSetsAsideWhatItCannotDecode(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.broker.AddRaw(map[string]string{"x": "\x00"})
		b.add(1)
		b.start("one")
		after(time.Second)
		b.ended("done", 1)
	})
}

func TestRunnerDrainLetsWorkEnd(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.handler.handle = func(ctx context.Context, _ pipeline.Job) (pipeline.Result, error) {
			select {
			case <-time.After(10 * time.Second):
				return ready(), nil
			case <-ctx.Done():
				return pipeline.Result{}, ctx.Err()
			}
		}
		b.add(6) // four are begun, two wait in the source
		stop := b.start("one")
		after(time.Second)
		stop()
		if b.outcomes() != "done done done done" || b.broker.Left() != 2 || b.broker.Pending() != 0 {
			b.t.Errorf("outcomes %q, %d left, %d pending; want four done, 2, 0", b.outcomes(), b.broker.Left(), b.broker.Pending())
		}
		if took := time.Since(epoch); took > 11*time.Second {
			b.t.Errorf("drain ended after %v, want when the work ended", took)
		}
	})
}

func TestRunnerDrainGivesBackWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.stage.Deadline = time.Hour
		b.handler.handle = func(ctx context.Context, j pipeline.Job) (pipeline.Result, error) {
			if j.Owner == "one" {
				<-ctx.Done()
				return pipeline.Result{}, ctx.Err()
			}
			return ready(), nil
		}
		b.add(2)
		stop := b.start("one")
		after(time.Second)
		b.start("two")
		stop()
		if took := time.Since(epoch); took < 31*time.Second || took > 32*time.Second {
			b.t.Errorf("drain ended after %v, want after the drain time of 30 s", took)
		}
		after(500 * time.Millisecond)
		b.ended("done done", 0)
		if j := b.ledger.Job("job_0"); j.Attempts != 0 || j.Crashes != 0 {
			b.t.Errorf("job %+v, want no attempt and no crash counted", j)
		}
	})
}

func TestRunnerDrainIsNotHeldUpByAHandlerThatIgnoresIt(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.stage.Deadline = time.Hour
		b.handler.handle = func(_ context.Context, j pipeline.Job) (pipeline.Result, error) {
			if j.Owner == "one" {
				<-time.After(30 * time.Minute)
			}
			return ready(), nil
		}
		b.add(1)
		stop := b.start("one")
		after(time.Second)
		b.start("two")
		stop()
		if took := time.Since(epoch); took > 40*time.Second {
			b.t.Errorf("drain ended after %v, want soon after 30 s", took)
		}
		after(6 * time.Second)
		b.ended("done", 0)
		after(time.Hour) // the handler returns
		b.ended("done", 0)
	})
}

func TestRunnerDrainGivesBackWhatItCouldNotBegin(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.ledger.SetAway(evaluation.ErrUnavailable)
		b.add(2)
		stop := b.start("one")
		after(20 * time.Second)
		begin := time.Now()
		stop()
		if took := time.Since(begin); took > time.Second || b.broker.Pending() != 0 || b.broker.Left() != 2 {
			b.t.Errorf("drain took %v with %d pending and %d left, want at once, 0 and 2", took, b.broker.Pending(), b.broker.Left())
		}
	})
}

func TestRunnerDrainLeavesPendingWhatTheLedgerDoesNotTake(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.handler.handle = func(_ context.Context, j pipeline.Job) (pipeline.Result, error) {
			if j.Owner == "one" {
				b.ledger.SetAway(evaluation.ErrUnavailable)
			}
			return ready(), nil
		}
		b.add(1)
		stop := b.start("one")
		after(time.Second)
		stop()
		if took := time.Since(epoch); took > 45*time.Second || b.broker.Pending() != 1 {
			b.t.Errorf("drain ended after %v with %d pending, want soon after 30 s and 1", took, b.broker.Pending())
		}
		b.ledger.SetAway(nil)
		b.start("two")
		after(10 * time.Second)
		b.ended("done", 0)
	})
}

// stubborn is a ledger that refuses some results for a reason of its own.
type stubborn struct {
	pipeline.Ledger
	refuse func(pipeline.Result) bool
}

func (s stubborn) Settle(ctx context.Context, j pipeline.Job, r pipeline.Result, o pipeline.Outcome, cause error) error {
	if s.refuse(r) {
		return errors.New("invalid byte sequence")
	}
	return s.Ledger.Settle(ctx, j, r, o, cause)
}

func TestRunnerTriesAgainWhenAResultCannotBeRecorded(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.books = stubborn{b.ledger, func(r pipeline.Result) bool { return r.Artifact.State == evaluation.StateReady }}
		b.add(1)
		b.start("one")
		after(time.Minute)
		b.ended("retried retried retried fallback", 0)
	})
}

func TestRunnerDoesNotSpinWhenNothingCanBeRecorded(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		var refuse atomic.Bool
		refuse.Store(true)
		b.books = stubborn{b.ledger, func(pipeline.Result) bool { return refuse.Load() }}
		b.add(1)
		b.start("one")
		after(10 * time.Minute)
		if n := b.handler.count(); n > 5 {
			b.t.Errorf("handler was called %d times, want no more than there are attempts", n)
		}
		refuse.Store(false)
		after(time.Minute)
		if b.ledger.Open() != 0 || b.broker.Left() != 0 {
			b.t.Errorf("%d jobs open and %d entries left, want 0 and 0", b.ledger.Open(), b.broker.Left())
		}
	})
}

// Handlers return at once, late, never, with all kinds of errors, or panic, while processes are stopped and started: every job ends
// once, at most as many run as there are slots, and whoever was abandoned changes nothing when it returns.
func TestRunnerWithHandlersThatDoAnything(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		inBubble(t, func(b *bench) {
			rnd, mu := rand.New(rand.NewPCG(seed, 1)), sync.Mutex{}
			draw := func(n int) int {
				mu.Lock()
				defer mu.Unlock()
				return rnd.IntN(n)
			}
			act := func(ctx context.Context) (pipeline.Result, error) {
				switch draw(12) {
				case 0:
					<-time.After(time.Minute) // does not look at its context
				case 1:
					<-ctx.Done()
					return pipeline.Result{}, ctx.Err()
				case 2:
					<-time.After(12*time.Second + time.Duration(draw(4000))*time.Millisecond) // about when it is given up
				case 3:
					panic("odd")
				case 4:
					return pipeline.Result{}, errFlaky
				case 5:
					return pipeline.Result{}, pipeline.Permanent(errFlaky)
				case 6:
					return pipeline.Result{}, pipeline.WaitFor("s3", errFlaky)
				case 7, 8:
					<-time.After(time.Duration(draw(3000)) * time.Millisecond)
				}
				return ready(), nil
			}
			b.handler.handle = func(ctx context.Context, _ pipeline.Job) (pipeline.Result, error) { return act(ctx) }
			b.handler.fallback = func(ctx context.Context, _ pipeline.Job, _ error) (pipeline.Result, error) { return act(ctx) }
			b.cfg.DrainTimeout = 5 * time.Second
			const jobs = 60
			b.add(jobs)
			for i := range 4 {
				stop := b.start(fmt.Sprint("passing-", i))
				after(time.Duration(draw(20_000)) * time.Millisecond)
				stop()
			}
			b.start("last")
			for range 200 {
				after(time.Minute)
				if b.ledger.Open() == 0 && b.broker.Left() == 0 {
					break
				}
			}
			after(2 * time.Minute) // all that were abandoned return
			if open, left := b.ledger.Open(), b.broker.Left(); open != 0 || left != 0 {
				b.t.Errorf("seed %d: %d jobs are open and %d entries left", seed, open, left)
			}
			settled := map[string]int{}
			for _, r := range b.ledger.Runs() {
				if r.Outcome != pipeline.OutcomeRetried && r.Outcome != pipeline.OutcomeSuperseded {
					settled[r.JobID]++
				}
			}
			for id, n := range settled {
				if n != 1 {
					b.t.Errorf("seed %d: %s was settled %d times", seed, id, n)
				}
			}
			seen := b.obs.seen()
			if len(settled) != jobs || seen.inFlight != 0 || seen.most > b.cfg.Concurrency || seen.abandoned != seen.returned {
				b.t.Errorf("seed %d: %d jobs settled, %d in flight, %d at most of %d slots, %d abandoned and %d returned",
					seed, len(settled), seen.inFlight, seen.most, b.cfg.Concurrency, seen.abandoned, seen.returned)
			}
		})
	}
}
