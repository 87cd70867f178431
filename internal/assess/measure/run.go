package measure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"oktalk/internal/assess/corpus"
	"oktalk/internal/evaluation"
)

// Assessor scores 16 kHz samples against a text; [*evaluation.Refusal] is its error for what it will not score.
type Assessor interface {
	Assess(ctx context.Context, samples []int16, text, language string) (*evaluation.Assessment, error)
}

// Outcome is what an assessor made of a recording.
type Outcome struct {
	corpus.Recording
	Assessment *evaluation.Assessment // nil when it was refused
	Refusal    string                 // the problem with which it was refused
}

// Run makes all recordings and has the panel score them, as many at once as there are cores, and writes its progress. The outcomes are in the
// order of the recordings. An error other than a refusal ends it.
func Run(ctx context.Context, panel Panel, m *corpus.Maker, all []corpus.Recording, progress io.Writer) ([]Outcome, error) {
	out := make([]Outcome, len(all))
	p := startProgress(progress, len(all))
	defer p.end()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, r := range all {
		g.Go(func() error {
			samples, made, err := m.Make(ctx, r)
			if err != nil {
				return err
			}
			out[i], err = score(ctx, panel(r.Voice), r, samples)
			p.add(made)
			return err
		})
	}
	return out, g.Wait()
}

func score(ctx context.Context, a Assessor, r corpus.Recording, samples []int16) (Outcome, error) {
	o := Outcome{Recording: r}
	var err error
	o.Assessment, err = a.Assess(ctx, samples, r.Text, "en-US")
	var refusal *evaluation.Refusal
	switch {
	case err == nil:
		if n := len(targetWords(o.Assessment)); n != len(r.Words) {
			return o, fmt.Errorf("score %s: %d words of the text in the assessment, want %d", r.ID, n, len(r.Words))
		}
		return o, nil
	case errors.As(err, &refusal):
		o.Refusal = refusal.Problem
		return o, nil
	default:
		return o, fmt.Errorf("score %s: %w", r.ID, err)
	}
}

// progress tells a person how far a run is.
type progress struct {
	w          io.Writer
	all        int
	start      time.Time
	done, made atomic.Int64
	stop       chan struct{}
	stopped    chan struct{}
}

// tell is how often progress is written.
const tell = 5 * time.Second

func startProgress(w io.Writer, all int) *progress {
	p := &progress{w: w, all: all, start: time.Now(), stop: make(chan struct{}), stopped: make(chan struct{})}
	go func() {
		defer close(p.stopped)
		tick := time.NewTicker(tell)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.write()
			case <-p.stop:
				p.write()
				return
			}
		}
	}()
	return p
}

func (p *progress) add(made bool) {
	if made {
		p.made.Add(1)
	}
	p.done.Add(1)
}

func (p *progress) end() {
	close(p.stop)
	<-p.stopped
}

func (p *progress) write() {
	done, past := p.done.Load(), time.Since(p.start)
	left := "?"
	if done > 0 {
		left = (past * time.Duration(int64(p.all)-done) / time.Duration(done)).Round(time.Second).String()
	}
	_, _ = fmt.Fprintf(p.w, "%d of %d recordings scored, %d of them made, in %v; about %s left\n", done, p.all, p.made.Load(), past.Round(time.Second), left)
}
