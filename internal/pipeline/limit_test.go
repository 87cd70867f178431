package pipeline_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

func TestLimitsFromText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]pipeline.Limits{
		"":              {},
		"feedback=10/s": {"feedback": {Rate: 10, Per: time.Second, Burst: 1}},
		"feedback=20,":  {"feedback": {AtOnce: 20}},
		" feedback=10/s, feedback=20 ": {
			"feedback": {Rate: 10, Per: time.Second, Burst: 1, AtOnce: 20},
		},
		"feedback=20,feedback=10/s": {
			"feedback": {Rate: 10, Per: time.Second, Burst: 1, AtOnce: 20},
		},
		"open.ai-2=500/min burst 20,flite=100/h": {
			"open.ai-2": {Rate: 500, Per: time.Minute, Burst: 20},
			"flite":     {Rate: 100, Per: time.Hour, Burst: 1},
		},
	} {
		var got pipeline.Limits
		if err := got.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("UnmarshalText(%q) = %v", text, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("UnmarshalText(%q) (-want +got):\n%s", text, diff)
		}
	}
}

func TestLimitsRefuseWhatTheyCannotRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"feedback":                    "name=limit",
		"=10/s":                       "name=limit",
		"Feed{back}=10/s":             "name=limit",
		"feedback=":                   "10/s",
		"feedback=fast":               "10/s",
		"feedback=10/ms":              "10/s",
		"feedback=0.5/s":              "100/h",
		"feedback=10 burst 5":         "burst",
		"feedback=10/s burst":         "burst",
		"feedback=10/s bursts 5":      "burst",
		"feedback=10/s burst five":    "burst",
		"feedback=0":                  "pause it",
		"feedback=-1/s":               "pause it",
		"feedback=10/s burst 0":       "pause it",
		"feedback=9999999/s":          "1000000",
		"feedback=10/s,feedback=9/s":  "two rates",
		"feedback=10,feedback=9":      "two numbers",
		"feedback=10,speech=x,demo=y": "demo=y",
	} {
		var l pipeline.Limits
		if err := l.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("UnmarshalText(%q) = %v, want an error with %q", text, err, want)
		}
	}
}

func FuzzLimits(f *testing.F) {
	for _, text := range []string{"", "feedback=10/s,feedback=20", "a=500/min burst 20", "a=1/h,b=2, c=3/s", "a==", ",,a=0/s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var first, second pipeline.Limits
		if first.UnmarshalText([]byte(text)) != nil {
			return
		}
		for name, l := range first {
			if l.AtOnce < 0 || l.Rate < 0 || l.AtOnce == 0 && l.Rate == 0 || l.Rate > 0 && (l.Burst < 1 || l.Every() <= 0) {
				t.Errorf("UnmarshalText(%q) has %s=%+v", text, name, l)
			}
		}
		again, err := first.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		if err := second.UnmarshalText(again); err != nil {
			t.Fatalf("UnmarshalText(%q), as written for %q: %v", again, text, err)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("%q is not what %q is:\n%s", again, text, diff)
		}
	})
}

func TestLimitConfigNamesStagesThatDoNotExist(t *testing.T) {
	t.Parallel()
	c := pipeline.LimitConfig{StageLimits: pipeline.Limits{"feedback": {AtOnce: 1}, "openai": {AtOnce: 1}}}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), `"openai"`) || !strings.Contains(err.Error(), "VENDOR_LIMITS") {
		t.Errorf("Validate() = %v, want it to name openai and VENDOR_LIMITS", err)
	}
	delete(c.StageLimits, "openai")
	if err := c.Validate(); err != nil {
		t.Errorf("Validate() = %v, want nil", err)
	}
}

// vendored is a handler that asks a vendor twice.
type vendored struct{ handler }

func (*vendored) Vendor() (name string, requests int) { return "openai", 2 }

func TestLimitConfigKnowsAStagesLimits(t *testing.T) {
	t.Parallel()
	own, theirs := pipeline.Limit{AtOnce: 20}, pipeline.Limit{Rate: 3, Per: time.Second, Burst: 1}
	c := pipeline.LimitConfig{
		StageLimits:  pipeline.Limits{"feedback": own},
		VendorLimits: pipeline.Limits{"openai": theirs, "flite": own},
	}
	want := []pipeline.Shared{{Of: "stage:feedback", Limit: own, Requests: 1}, {Of: "vendor:openai", Limit: theirs, Requests: 2}}
	if diff := cmp.Diff(want, c.For(evaluation.StageFeedback, &vendored{})); diff != "" {
		t.Errorf("For(feedback) (-want +got):\n%s", diff)
	}
	if got := c.For(evaluation.StageSpeech, &handler{}); got != nil {
		t.Errorf("For(speech) of a handler without a vendor = %v, want none", got)
	}
	if got, want := theirs.Every(), 333334*time.Microsecond; got != want {
		t.Errorf("Every() of 3/s = %v, want %v: rounded up, so that the rate is never exceeded", got, want)
	}
}

// gate is a limiter whose permits the test hands out.
type gate struct {
	permits chan struct{}

	mu               sync.Mutex
	running          bool
	waiting          int
	asked, held, max int
}

func newGate(permits int) *gate {
	g := &gate{permits: make(chan struct{}, 1000)}
	g.allow(permits)
	return g
}

func (g *gate) allow(n int) {
	for range n {
		g.permits <- struct{}{}
	}
}

func (g *gate) change(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
}

func (g *gate) Run(ctx context.Context) {
	g.change(func() { g.running = true })
	<-ctx.Done()
	g.change(func() { g.running = false })
}

func (g *gate) Acquire(ctx context.Context) (func(), error) {
	g.change(func() { g.waiting++; g.asked++; g.max = max(g.max, g.waiting) })
	defer g.change(func() { g.waiting-- })
	select {
	case <-g.permits:
		g.change(func() { g.held++ })
		return sync.OnceFunc(func() { g.change(func() { g.held-- }) }), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestRunnerBeginsWithAPermit(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		g := newGate(1)
		b.limiter = g
		b.handler.handle = func(context.Context, pipeline.Job) (pipeline.Result, error) {
			g.change(func() {
				if g.held == 0 {
					b.t.Error("no permit is held while the handler runs")
				}
			})
			return ready(), nil
		}
		entries := b.add(6)
		stop := b.start("one")
		after(time.Minute)
		if n := b.handler.count(); n != 1 {
			b.t.Errorf("handler was called %d times with one permit, want once", n)
		}
		g.change(func() {
			if g.max != 1 {
				b.t.Errorf("%d entries waited for a permit at a time, want 1: the others stay in the stream", g.max)
			}
		})
		if s := b.ledger.Job(entries[1].JobID); s.Run != 0 {
			b.t.Errorf("a job that waits for its permit has run %d, want it not begun", s.Run)
		}
		g.allow(5)
		after(time.Second)
		b.ended(strings.TrimSpace(strings.Repeat("done ", 6)), 0)
		g.change(func() {
			if g.held != 0 || !g.running {
				b.t.Errorf("%d permits are held, running is %v, want none and true", g.held, g.running)
			}
		})
		stop()
		if g.running {
			b.t.Error("limiter runs after the runner has ended")
		}
	})
}

func TestRunnerThatWaitsForAPermitDrainsAtOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.limiter = newGate(0)
		entries := b.add(2)
		stop := b.start("one")
		after(time.Minute)
		start := time.Now()
		stop()
		if took := time.Since(start); took > 100*time.Millisecond {
			b.t.Errorf("drain took %v, want it to give back at once", took)
		}
		b.limiter = nil
		b.start("two")
		after(time.Second)
		b.ended("done done", 0)
		if s := b.ledger.Job(entries[0].JobID); s.Attempts != 0 || s.Crashes != 0 || s.Run != 1 {
			b.t.Errorf("job is %+v, want no attempt, no crash and one run", s)
		}
	})
}

func TestRunnerThatDiesWhileItWaitsForAPermitCountsNoCrash(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		entries := b.add(1)
		frozen := pipeline.NewRunner(b.cfg, b.stage, lapsing{b.broker.Source("frozen")}, b.ledger, b.handler, nil, slog.New(slog.DiscardHandler))
		frozen.LimitBy(newGate(0))
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- frozen.Run(ctx) }()
		b.t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				b.t.Error(err)
			}
		})
		after(time.Second)
		if b.broker.Pending() != 1 {
			b.t.Errorf("%d entries are pending, want the one that waits", b.broker.Pending())
		}
		b.start("two")
		after(time.Minute)
		if s := b.ledger.Job(entries[0].JobID); !s.Settled || s.Crashes != 0 || s.Run != 1 {
			b.t.Errorf("job is %+v, want it settled in its first run, without a crash", s)
		}
	})
}

func TestRunnerReadsOnAfterWhatNeedsNoPermit(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		g := newGate(3)
		b.limiter = g
		b.broker.AddRaw(map[string]string{"job": "\xff"})
		b.add(3)
		b.start("one")
		after(time.Second)
		b.ended("done done done", 1)
	})
}

// Permits that were kept while the ledger was away would all be used at once when it is back.
func TestRunnerKeepsNoPermitWhileTheLedgerIsAway(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		g := newGate(1000)
		b.limiter = g
		b.ledger.SetAway(evaluation.ErrUnavailable)
		b.add(3)
		b.start("one")
		after(10 * time.Second)
		g.change(func() {
			if g.held != 0 || g.asked < 10 {
				b.t.Errorf("%d permits are held after %d were asked for, want none, and a new one for each try", g.held, g.asked)
			}
		})
		b.ledger.SetAway(nil)
		after(time.Minute)
		b.ended("done done done", 0)
	})
}

func TestRunnerGivesThePermitBackWhenTheHandlerHasReturned(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		g := newGate(10)
		b.limiter = g
		b.handler.handle = func(context.Context, pipeline.Job) (pipeline.Result, error) {
			b.ledger.SetAway(evaluation.ErrUnavailable) // before the result is recorded
			return ready(), nil
		}
		b.add(1)
		b.start("one")
		after(time.Second)
		g.change(func() {
			if g.asked == 0 || g.held != 0 {
				b.t.Errorf("%d of %d permits are held while the result waits for the ledger, want none", g.held, g.asked)
			}
		})
		b.ledger.SetAway(nil)
		after(time.Minute)
		b.ended("done", 0)
	})
}
