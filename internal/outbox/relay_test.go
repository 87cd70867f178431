package outbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"oktalk/internal/evaluation"
	"oktalk/internal/outbox"
	"oktalk/internal/pipeline"
)

type sendFunc = func(context.Context, pipeline.Outgoing) []pipeline.Destination

// store is an outbox in memory: each id is a job of stage demo, an evaluation that changed and one that was deleted.
type store struct {
	mu      sync.Mutex
	rows    map[pipeline.Destination][]string
	unnamed []string // jobs of stage demo whose rows name no destination; they are claimed with the snapshots
	claims  int
	deletes []string
	err     error
}

var toDemo = pipeline.ToStage(evaluation.StageDemo)

func (s *store) add(ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rows == nil {
		s.rows = map[pipeline.Destination][]string{}
	}
	for _, to := range []pipeline.Destination{toDemo, pipeline.ToSnapshots} {
		s.rows[to] = append(s.rows[to], ids...)
	}
}

func (s *store) left(to pipeline.Destination) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rows[to])
}

func (s *store) claimed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claims
}

func (s *store) Claim(ctx context.Context, to []pipeline.Destination, limit int, send sendFunc) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claims++
	if s.err != nil {
		return 0, s.err
	}
	var b pipeline.Outgoing
	taken := map[pipeline.Destination]int{}
	for _, d := range to {
		taken[d] = min(limit, len(s.rows[d]))
		for _, id := range s.rows[d][:taken[d]] {
			if d == toDemo {
				b.Jobs = append(b.Jobs, pipeline.Entry{JobID: id, Stage: evaluation.StageDemo})
			} else {
				b.Changed, b.Deleted = append(b.Changed, &evaluation.Evaluation{ID: id}), append(b.Deleted, id)
			}
		}
	}
	unnamed := 0
	if slices.Contains(to, pipeline.ToSnapshots) {
		unnamed = min(limit, len(s.unnamed))
	}
	for _, id := range s.unnamed[:unnamed] {
		b.Jobs = append(b.Jobs, pipeline.Entry{JobID: id, Stage: evaluation.StageDemo})
	}
	if len(b.Jobs)+len(b.Changed) == 0 {
		return 0, nil
	}
	failed, n := send(ctx, b), unnamed
	if !slices.Contains(failed, toDemo) {
		s.unnamed = s.unnamed[unnamed:]
	}
	for d, k := range taken {
		n += k
		if !slices.Contains(failed, d) {
			s.rows[d] = s.rows[d][k:]
		}
	}
	return n, nil
}

func (s *store) Delete(_ context.Context, rows []pipeline.Row, changed []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deletes = append(s.deletes, fmt.Sprint(len(rows), " rows, ", changed))
	return s.err
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
func start(t *testing.T, s *store, q, snapshots *receiver) (*outbox.Relay, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	relay := outbox.NewRelay(outbox.Config{}, s, q, snapshots, slog.New(slog.NewTextHandler(&out, nil)))
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
		relay, _ := start(t, s, r, r)
		now := time.Now()
		s.add("a")
		for range 10 {
			relay.Nudge()
		}
		synctest.Wait()
		arrived, at, _ := r.seen()
		slices.Sort(arrived)
		if got := strings.Join(arrived, ", "); got != "evaluations 1, jobs 1, removals 1" || !at.Equal(now) {
			t.Errorf("after a nudge arrived %q, %v later, want all at once", got, at.Sub(now))
		}
	})
}

// left is what a commit left: a job and the state of an evaluation.
func left(id string, version, row int64) pipeline.Left {
	return pipeline.Left{
		Outgoing: pipeline.Outgoing{
			Jobs: []pipeline.Entry{{JobID: id, Stage: evaluation.StageDemo}}, Changed: []*evaluation.Evaluation{{ID: id, Version: version}},
		},
		Rows: []pipeline.Row{{To: toDemo, ID: row}, {To: pipeline.ToSnapshots, ID: row + 1}}, Since: time.Now(),
	}
}

// What this process left itself is sent without a claim, and deleted a little later, together.
func TestTake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, q, snapshots := &store{}, &receiver{}, &receiver{}
		relay, _ := start(t, s, q, snapshots)
		now, claims := time.Now(), s.claimed()
		relay.Take(left("a", 2, 1))
		relay.Take(left("b", 1, 3))
		relay.Take(left("a", 1, 5))
		synctest.Wait()
		if arrived, at, _ := snapshots.seen(); !at.Equal(now) || s.claimed() != claims || len(arrived) == 0 {
			t.Errorf("%v arrived %v later after %d claims, want it at once and without", arrived, at.Sub(now), s.claimed()-claims)
		}
		<-time.After(200 * time.Millisecond)
		synctest.Wait()
		if want := []string{"6 rows, [a b]"}; !slices.Equal(s.deletes, want) {
			t.Errorf("deleted %q, want %q", s.deletes, want)
		}
		deletes, slow := len(s.deletes), left("late", 1, 9)
		slow.Since = time.Now().Add(-500 * time.Millisecond) // its commit took so long
		relay.Take(slow)
		<-time.After(200 * time.Millisecond)
		synctest.Wait()
		if len(s.deletes) != deletes {
			t.Errorf("deleted %q, want what was committed late to be left to a claim", s.deletes[deletes:])
		}
		snapshots.fail(errors.New("this half is away"))
		relay.Take(left("c", 1, 7))
		<-time.After(200 * time.Millisecond)
		synctest.Wait()
		if want := "1 rows, []"; s.deletes[len(s.deletes)-1] != want {
			t.Errorf("deleted %q, want %q: what could not be sent stays", s.deletes, want)
		}
	})
}

// What was sent is deleted when the process ends, and what it could not send is not held up by what it cannot.
func TestTakeAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := &store{}, &receiver{}
		relay := outbox.NewRelay(outbox.Config{}, s, r, r, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- relay.Run(ctx) }()
		relay.Take(left("a", 1, 1))
		synctest.Wait()
		cancel()
		if err := <-done; err != nil || len(s.deletes) != 1 {
			t.Errorf("Run = %v, deleted %q, want the rows that were sent", err, s.deletes)
		}
	})
}

func TestPollFindsWhatOthersLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := &store{}, &receiver{}
		start(t, s, r, r)
		s.add("a")
		<-time.After(600 * time.Millisecond)
		synctest.Wait()
		if s.left(toDemo)+s.left(pipeline.ToSnapshots) != 0 {
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
		start(t, s, r, r)
		arrived, at, _ := r.seen()
		if s.left(toDemo) != 0 || !at.Equal(now) || !slices.Contains(arrived, "jobs 200") {
			t.Errorf("%d rows left after the first drain, which sent %v, want 0 and jobs 200", s.left(toDemo), arrived)
		}
	})
}

func TestOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := &store{}, &receiver{err: errors.New("redis is away")}
		s.add("a")
		relay, out := start(t, s, r, r)
		for range 600 {
			relay.Nudge() // must not make it hammer
			<-time.After(time.Second)
		}
		synctest.Wait()
		_, _, tries := r.seen()
		if n := tries / 3; n < 100 || n > 200 {
			t.Errorf("%d tries in 10 minutes, want one every 5 s or so", n)
		}
		if n := strings.Count(out.String(), "level=WARN"); n != 2 {
			t.Errorf("the outage was told %d times, want once for each of the two destinations:\n%s", n, out)
		}
		r.fail(nil)
		back := time.Now()
		<-time.After(6 * time.Second)
		synctest.Wait()
		if _, at, _ := r.seen(); s.left(toDemo) != 0 || at.Sub(back) > 6*time.Second {
			t.Errorf("%d rows left 6 s after the outage, want 0", s.left(toDemo))
		}
		if n := strings.Count(out.String(), "is back"); n != 2 {
			t.Errorf("the end of the outage was told %d times, want 2:\n%s", n, out)
		}
	})
}

// While one destination is away the others are served at once and only once, and rows that come for it wait.
func TestOneDestinationIsAway(t *testing.T) {
	t.Parallel()
	for _, away := range []pipeline.Destination{toDemo, pipeline.ToSnapshots} {
		t.Run(string(away), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, q, snapshots := &store{}, &receiver{}, &receiver{}
				broken, works, there := q, snapshots, pipeline.ToSnapshots
				if away == pipeline.ToSnapshots {
					broken, works, there = snapshots, q, toDemo
				}
				broken.fail(errors.New("this half is away"))
				relay, _ := start(t, s, q, snapshots)
				for i := range 300 { // more than a batch by the end
					now := time.Now()
					s.add(fmt.Sprint(i))
					relay.Nudge()
					synctest.Wait()
					if _, at, _ := works.seen(); s.left(there) != 0 || !at.Equal(now) {
						t.Fatalf("%d rows for %s wait after row %d, want them sent at once", s.left(there), there, i)
					}
					<-time.After(100 * time.Millisecond)
				}
				arrived, _, _ := works.seen()
				for _, what := range arrived {
					if !strings.HasSuffix(what, " 1") {
						t.Errorf("%q arrived, want each row once", what)
					}
				}
				if n := s.left(away); n != 300 {
					t.Errorf("%d rows for %s wait, want 300", n, away)
				}
				broken.fail(nil)
				<-time.After(6 * time.Second)
				synctest.Wait()
				if n := s.left(away); n != 0 {
					t.Errorf("%d rows for %s are left 6 s after it is back, want 0", n, away)
				}
			})
		})
	}
}

// Rows of an older program do not name their stage. While that is away they neither make the relay hammer nor hold up the snapshots.
func TestUnnamedRowsWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, q, snapshots := &store{}, &receiver{err: errors.New("this half is away")}, &receiver{err: errors.New("this one too")}
		for i := range 300 { // more than a batch
			s.unnamed = append(s.unnamed, fmt.Sprint(i))
		}
		s.add("a")
		relay, out := start(t, s, q, snapshots)
		snapshots.fail(nil)
		<-time.After(6 * time.Second)
		synctest.Wait()
		if n := s.left(pipeline.ToSnapshots); n != 0 {
			t.Errorf("%d rows for the snapshots are left 6 s after they were back, want 0", n)
		}
		before := s.claimed()
		<-time.After(time.Minute)
		synctest.Wait()
		if n := s.claimed() - before; n > 180 {
			t.Errorf("%d claims in a minute, want those of polls and retries", n)
		}
		if n := strings.Count(out.String(), "level=WARN"); n != 2 {
			t.Errorf("the outage was told %d times, want once for each of the two destinations:\n%s", n, out)
		}
		q.fail(nil)
		<-time.After(6 * time.Second)
		relay.Nudge()
		synctest.Wait()
		if s.mu.Lock(); len(s.unnamed) != 0 {
			t.Errorf("%d rows are left 6 s after the stage was back, want 0", len(s.unnamed))
		}
		s.mu.Unlock()
	})
}

// While the store is away its outage is told once, and nothing hammers it.
func TestStoreIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := &store{err: errors.New("the database is away")}, &receiver{}
		relay, out := start(t, s, r, r)
		for range 600 {
			relay.Nudge()
			<-time.After(time.Second)
		}
		synctest.Wait()
		if n := s.claimed(); n < 100 || n > 200 {
			t.Errorf("%d claims in 10 minutes, want one every 5 s or so", n)
		}
		if n := strings.Count(out.String(), "level=WARN"); n != 1 {
			t.Errorf("the outage was told %d times, want once:\n%s", n, out)
		}
	})
}
