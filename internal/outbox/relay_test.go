package outbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"oktalk/internal/evaluation"
	"oktalk/internal/outbox"
	"oktalk/internal/pipeline"
)

type sendFunc = func(context.Context, []pipeline.Entry, []*evaluation.Evaluation, []string) error

// store is an outbox in memory: rows are jobs.
type store struct {
	mu     sync.Mutex
	rows   []string
	claims int
	err    error
}

func (s *store) add(ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows = append(s.rows, ids...)
}

func (s *store) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rows)
}

func (s *store) claimed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claims
}

func (s *store) Claim(ctx context.Context, limit int, send sendFunc) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claims++
	n := min(limit, len(s.rows))
	if s.err != nil || n == 0 {
		return 0, s.err
	}
	var jobs []pipeline.Entry
	var changed []*evaluation.Evaluation
	for _, id := range s.rows[:n] {
		jobs = append(jobs, pipeline.Entry{JobID: id})
		changed = append(changed, &evaluation.Evaluation{ID: id})
	}
	if err := send(ctx, jobs, changed, s.rows[:n]); err != nil {
		return 0, err
	}
	s.rows = s.rows[n:]
	return n, nil
}

// receiver is Redis: it notes what arrives and when.
type receiver struct {
	mu      sync.Mutex
	arrived []string
	at      time.Time
	tries   int
	err     error
}

func (r *receiver) take(what string, n int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries++
	if r.err == nil {
		r.arrived = append(r.arrived, fmt.Sprint(what, " ", n))
		r.at = time.Now()
	}
	return r.err
}

// seen is what arrived, when the last of it did, and how often it was tried.
func (r *receiver) seen() (arrived []string, at time.Time, tries int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.arrived...), r.at, r.tries
}

func (r *receiver) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

func (r *receiver) Enqueue(_ context.Context, es []pipeline.Entry) error {
	return r.take("jobs", len(es))
}

func (r *receiver) Publish(_ context.Context, es []*evaluation.Evaluation) error {
	return r.take("evaluations", len(es))
}

func (r *receiver) Remove(_ context.Context, ids []string) error { return r.take("removals", len(ids)) }

// start runs a relay until the test's bubble ends.
func start(t *testing.T, s *store, r *receiver) (*outbox.Relay, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	relay := outbox.NewRelay(outbox.Config{}, s, r, r, slog.New(slog.NewTextHandler(&out, nil)))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- relay.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	synctest.Wait()
	return relay, &out
}

func TestNudgeSendsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := &store{}, &receiver{}
		relay, _ := start(t, s, r)
		now := time.Now()
		s.add("a")
		for range 10 {
			relay.Nudge()
		}
		synctest.Wait()
		arrived, at, _ := r.seen()
		if got := strings.Join(arrived, ", "); got != "jobs 1, evaluations 1, removals 1" || !at.Equal(now) {
			t.Errorf("after a nudge arrived %q, %v later, want all at once", got, at.Sub(now))
		}
	})
}

func TestPollFindsWhatOthersLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := &store{}, &receiver{}
		start(t, s, r)
		s.add("a")
		<-time.After(600 * time.Millisecond)
		synctest.Wait()
		if s.left() != 0 {
			t.Error("rows of another process were not sent within the poll interval")
		}
		before := s.claimed()
		<-time.After(time.Minute)
		synctest.Wait()
		if n := s.claimed() - before; n < 100 || n > 150 {
			t.Errorf("%d claims in an idle minute, want two a second, a fifth more or less", n)
		}
	})
}

func TestFullBatchesAreDrained(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := &store{}, &receiver{}
		for i := range 1050 {
			s.add(fmt.Sprint(i))
		}
		now := time.Now()
		start(t, s, r)
		arrived, at, _ := r.seen()
		if s.left() != 0 || !at.Equal(now) || arrived[0] != "jobs 200" {
			t.Errorf("%d rows left after the first drain, which began with %v, want 0 and jobs 200", s.left(), arrived)
		}
	})
}

func TestOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := &store{}, &receiver{err: errors.New("redis is away")}
		s.add("a")
		relay, out := start(t, s, r)
		for range 600 {
			relay.Nudge() // must not make it hammer
			<-time.After(time.Second)
		}
		synctest.Wait()
		_, _, tries := r.seen()
		if n := tries / 3; n < 100 || n > 200 {
			t.Errorf("%d tries in 10 minutes, want one every 5 s or so", n)
		}
		if n := strings.Count(out.String(), "level=WARN"); n != 1 {
			t.Errorf("the outage was told %d times, want once:\n%s", n, out)
		}
		r.fail(nil)
		back := time.Now()
		<-time.After(6 * time.Second)
		synctest.Wait()
		if _, at, _ := r.seen(); s.left() != 0 || at.Sub(back) > 6*time.Second {
			t.Errorf("%d rows left 6 s after the outage, want 0", s.left())
		}
		if !strings.Contains(out.String(), "sent again") {
			t.Errorf("the end of the outage was not told:\n%s", out)
		}
	})
}

// A failure of one receiver does not keep the others from being served.
func TestSnapshotsFailAlone(t *testing.T) {
	t.Parallel()
	s, q, snapshots := &store{}, &receiver{}, &receiver{err: errors.New("away")}
	s.add("a")
	relay := outbox.NewRelay(outbox.Config{Poll: time.Hour}, s, q, snapshots, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := relay.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if arrived, _, _ := q.seen(); len(arrived) == 0 || s.left() != 1 {
		t.Errorf("arrived %v and %d rows left, want the jobs and the row", arrived, s.left())
	}
}
