package housekeeping_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"oktalk/internal/evaluation"
	"oktalk/internal/housekeeping"
	"oktalk/internal/objectstore"
	"oktalk/internal/pipeline"
	"oktalk/internal/postgres"
	"oktalk/internal/redisstream"
)

var (
	_ housekeeping.Upkeep  = (*postgres.Upkeep)(nil)
	_ housekeeping.Objects = (*objectstore.Store)(nil)
	_ housekeeping.Spool   = (*postgres.Spool)(nil)
	_ housekeeping.Streams = (*redisstream.Producer)(nil)
)

var errAway = fmt.Errorf("away: %w", evaluation.ErrUnavailable)

// world is everything that is kept, in memory.
type world struct {
	mu       sync.Mutex
	start    time.Time
	open     map[string]pipeline.Entry // by job id
	touched  map[string]time.Time
	entries  map[string]int // by job id: times enqueued
	markers  map[evaluation.StageName]string
	redis    error
	wipeAt   int // loses everything at this call of Enqueue, counted from 1
	enqueues int // calls that succeed before redis goes away for good; -1: no limit
	requeued []string
	spool    map[string]string
	objects  map[string]string
	s3       error
	puts     int
	trims    int
	expiries int
	months   int
	oldJobs  int
	// arguments of calls
	forgotFrom []time.Duration
	dropped    []time.Time
	waiting    map[string]time.Time // announced recordings, by evaluation
	letters    []string             // jobs of dead letters of the demo stage; "" for one that names none
	dead       []string             // jobs that are dead
}

func newWorld() *world {
	return &world{
		start: time.Now(), open: map[string]pipeline.Entry{}, touched: map[string]time.Time{}, entries: map[string]int{},
		markers: map[evaluation.StageName]string{}, spool: map[string]string{}, objects: map[string]string{}, enqueues: -1,
		waiting: map[string]time.Time{},
	}
}

func (w *world) Lead(ctx context.Context, fn func(context.Context) error) error { return fn(ctx) }

func (w *world) Generations(context.Context) (map[evaluation.StageName]string, error) {
	g := map[evaluation.StageName]string{}
	for _, s := range evaluation.Stages() {
		g[s.Name] = "generation of " + string(s.Name)
	}
	return g, nil
}

func (w *world) PausedStages(context.Context) (map[evaluation.StageName]bool, error) {
	return nil, nil
}

func (w *world) Paused(context.Context, evaluation.StageName) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return false, w.redis
}

func (w *world) SetPaused(context.Context, evaluation.StageName, bool) error {
	return errors.New("nothing is paused")
}

func (w *world) OpenJobs(_ context.Context, stage evaluation.StageName, after string, limit int) ([]pipeline.Entry, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var page []pipeline.Entry
	for _, id := range slices.Sorted(maps.Keys(w.open)) {
		if e := w.open[id]; e.Stage == stage && id > after && len(page) < limit {
			page = append(page, e)
		}
	}
	return page, nil
}

func (w *world) Stale(ctx context.Context, stage evaluation.StageName, olderThan time.Duration, after string, limit int) ([]string, error) {
	all, _ := w.OpenJobs(ctx, stage, after, len(w.open))
	w.mu.Lock()
	defer w.mu.Unlock()
	var ids []string
	for _, e := range all {
		if time.Since(w.touched[e.JobID]) > olderThan && len(ids) < limit {
			ids = append(ids, e.JobID)
		}
	}
	return ids, nil
}

// Requeue stands for the way through the outbox too.
func (w *world) Requeue(_ context.Context, ids []string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requeued = append(w.requeued, ids...)
	for _, id := range ids {
		w.entries[id]++
	}
	return nil
}

func (w *world) NotDead(_ context.Context, ids []string) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return slices.Contains(w.dead, id) }), nil
}

func (w *world) DeadLetters(_ context.Context, stage evaluation.StageName, _ int) (letters []pipeline.DeadLetter, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range w.letters {
		if stage == evaluation.StageDemo {
			letters = append(letters, pipeline.DeadLetter{ID: "letter of " + id, JobID: id})
		}
	}
	return letters, w.redis
}

func (w *world) DropDeadLetters(_ context.Context, _ evaluation.StageName, ids, _ []string) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.letters)
	w.letters = slices.DeleteFunc(w.letters, func(id string) bool { return slices.Contains(ids, "letter of "+id) })
	return n - len(w.letters), w.redis
}

func (w *world) EnsurePartitions(context.Context, time.Time) error { return w.count(&w.months) }

func (w *world) ForgetJobs(_ context.Context, d time.Duration, limit int) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forgotFrom = append(w.forgotFrom, d)
	n := min(limit, w.oldJobs)
	w.oldJobs -= n
	return n, w.redis
}

func (w *world) DropPartitions(_ context.Context, before time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dropped = append(w.dropped, before)
	return nil
}

func (w *world) ExpireIdempotency(_ context.Context, d time.Duration) error {
	if d != 24*time.Hour {
		return errors.New("not a day")
	}
	return w.count(&w.expiries)
}

func (w *world) Trim(_ context.Context, _ evaluation.StageName, d time.Duration, n int64) error {
	if d != 168*time.Hour || n != 1_000_000 {
		return errors.New("not the defaults")
	}
	return w.count(&w.trims)
}

func (w *world) count(n *int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	*n++
	return nil
}

func (w *world) Enqueue(_ context.Context, entries []pipeline.Entry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.redis != nil {
		return w.redis
	}
	if w.enqueues == 0 {
		w.redis = errAway
		return w.redis
	}
	w.enqueues--
	if w.wipeAt--; w.wipeAt == 0 { // before these are added
		clear(w.entries)
		clear(w.markers)
	}
	for _, e := range entries {
		w.entries[e.JobID]++
	}
	return nil
}

func (w *world) Marker(_ context.Context, stage evaluation.StageName) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.markers[stage], w.redis
}

func (w *world) SetMarker(_ context.Context, stage evaluation.StageName, g string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.redis == nil {
		w.markers[stage] = g
	}
	return w.redis
}

func (w *world) ReplaceMarker(_ context.Context, stage evaluation.StageName, from, to string) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.redis != nil || w.markers[stage] != from {
		return false, w.redis
	}
	w.markers[stage] = to
	return true, nil
}

func (w *world) Present(context.Context, evaluation.StageName) (map[string]struct{}, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	present := map[string]struct{}{}
	for id := range w.entries {
		present[id] = struct{}{}
	}
	return present, w.redis
}

func (w *world) Oldest(_ context.Context, limit int) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	keys := slices.Sorted(maps.Keys(w.spool))
	return keys[:min(limit, len(keys))], nil
}

func (w *world) Get(_ context.Context, key string) (string, []byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	body, ok := w.spool[key]
	if !ok || body == "deleted" { // between Oldest and Get
		delete(w.spool, key)
		return "", nil, evaluation.ErrNotFound
	}
	return "audio/wav", []byte(body), nil
}

func (w *world) Remove(_ context.Context, key string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.spool, key)
	return nil
}

func (w *world) Put(_ context.Context, key, contentType string, body []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.puts++
	if w.s3 == nil {
		w.objects[key] = contentType + " " + string(body)
	}
	return w.s3
}

func (w *world) DeletePrefix(_ context.Context, prefix string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.s3 == nil {
		maps.DeleteFunc(w.objects, func(key, _ string) bool { return strings.HasPrefix(key, prefix) })
	}
	return w.s3
}

func (w *world) GiveUp(_ context.Context, olderThan time.Duration, limit int) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(w.waiting)) {
		if time.Since(w.waiting[id]) > olderThan && len(ids) < limit {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (w *world) Forget(_ context.Context, id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.waiting, id)
	return nil
}

func (w *world) add(stage evaluation.StageName, n int) {
	for i := range n {
		id := fmt.Sprintf("job_%s_%06d", stage, i)
		w.open[id] = pipeline.Entry{JobID: id, Stage: stage}
		w.touched[id] = time.Now()
	}
}

func (w *world) size(m map[string]int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(m)
}

// set changes or checks something under the lock.
func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// keep runs a keeper until the test's bubble ends; the log it returns may be read when all goroutines wait.
func keep(t *testing.T, w *world) *bytes.Buffer {
	t.Helper()
	return keepWith(t, w, housekeeping.Config{})
}

func keepWith(t *testing.T, w *world, cfg housekeeping.Config) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	k := housekeeping.New(cfg, w, w, w, w, log)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	return &out
}

// pass lets time pass.
func pass(d time.Duration) {
	<-time.After(d) // fake time: every caller is in a synctest bubble
	synctest.Wait()
}

func (w *world) marked(t *testing.T, want bool) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	whole := 0
	for stage, marker := range w.markers {
		if marker == "generation of "+string(stage) {
			whole++
		}
	}
	if got := whole == len(evaluation.Stages()); got != want {
		t.Errorf("after %v: all stages marked = %v, want %v", time.Since(w.start), got, want)
	}
}

func TestNewSystemIsMarkedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		keep(t, w)
		synctest.Wait()
		w.marked(t, true)
	})
}

func TestRebuildAfterLoss(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		keep(t, w)
		synctest.Wait()
		w.set(func() {
			w.add(evaluation.StageFeedback, 2500)
			w.add(evaluation.StageErase, 1)
			clear(w.markers)
			clear(w.entries)
		})
		pass(6 * time.Second) // not before live consumers could register again
		w.marked(t, false)
		if n := w.size(w.entries); n != 0 {
			t.Errorf("%d jobs enqueued before a lease has passed", n)
		}
		pass(2 * time.Second)
		w.marked(t, true)
		if n := w.size(w.entries); n != 2501 {
			t.Errorf("%d jobs enqueued within 8 s, want 2501", n)
		}
		pass(time.Minute)
		w.set(func() {
			for id, n := range w.entries {
				if n != 1 {
					t.Errorf("%s was enqueued %d times, want once", id, n)
				}
			}
		})
	})
}

// The marker comes last: a rebuild that is cut off begins anew.
func TestRebuildCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.add(evaluation.StageFeedback, 2500)
		w.enqueues = 2
		out := keep(t, w)
		pass(30 * time.Second)
		w.marked(t, false)
		if n := strings.Count(out.String(), "held up"); n < 1 || n > 3 {
			t.Errorf("the outage is told %d times, want once for each duty:\n%s", n, out)
		}
		w.set(func() { w.redis, w.enqueues = nil, -1 })
		pass(8 * time.Second)
		w.marked(t, true)
		if n := w.size(w.entries); n != 2500 {
			t.Errorf("%d jobs enqueued, want 2500", n)
		}
	})
}

// An entry that was lost while the marker is there is found by the sweep, within 30 s of the job's last change; jobs that have entries are left
// alone.
// Redis is wiped again while a stage is rebuilt: the marker is not written, and the rebuild is done again.
func TestWipedWhileRebuilt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for i := range 2500 {
			id := fmt.Sprintf("job_%04d", i)
			w.open[id], w.touched[id] = pipeline.Entry{JobID: id, Stage: evaluation.StageFeedback}, time.Now()
		}
		w.wipeAt = 2
		out := keep(t, w)
		pass(6 * time.Second) // a lease is waited for, then the second batch is cut off
		w.marked(t, false)
		pass(10 * time.Second)
		w.marked(t, true)
		w.set(func() {
			if len(w.entries) != 2500 {
				t.Errorf("%d of 2500 jobs have entries, want all: the sweep is not due yet", len(w.entries))
			}
		})
		if !strings.Contains(out.String(), "lost again") {
			t.Errorf("the log does not tell:\n%s", out)
		}
	})
}

func TestSweepFindsLostEntries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		keep(t, w)
		synctest.Wait()
		lost := "job_speech_001234"
		w.set(func() {
			w.add(evaluation.StageSpeech, 1500)
			for id := range w.open {
				w.entries[id] = 1
			}
			delete(w.entries, lost)
		})
		pass(19 * time.Second)
		w.set(func() {
			if len(w.requeued) != 0 {
				t.Errorf("%v requeued before they are stale", w.requeued)
			}
		})
		pass(12 * time.Second)
		w.set(func() {
			if !slices.Equal(w.requeued, []string{lost}) {
				t.Errorf("requeued %v within 31 s, want %s alone", w.requeued, lost)
			}
		})
		pass(time.Minute)
		w.set(func() {
			if len(w.requeued) != 1 {
				t.Errorf("requeued %v, want it once", w.requeued)
			}
		})
	})
}

// A sweep does not race the rebuild of a stage that lost everything.
func TestSweepLeavesLossToRebuild(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.add(evaluation.StageDemo, 10)
		for id := range w.touched {
			w.touched[id] = time.Now().Add(-time.Hour)
		}
		keep(t, w)
		pass(time.Minute)
		w.set(func() {
			if len(w.requeued) != 0 || len(w.entries) != 10 {
				t.Errorf("%d requeued, %d enqueued, want 0 and 10", len(w.requeued), len(w.entries))
			}
		})
	})
}

func TestSpoolIsUploadedWhenS3IsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.s3 = errAway
		for i := range 30 {
			w.spool[fmt.Sprintf("evaluations/e%02d/recording.wav", i)] = "body"
		}
		w.spool["evaluations/e15/recording.wav"] = "deleted"
		keep(t, w)
		pass(10 * time.Minute)
		w.set(func() {
			if w.puts > 15 {
				t.Errorf("%d tries in 10 minutes, want pauses that grow to a minute", w.puts)
			}
			w.s3 = nil
		})
		pass(time.Minute)
		w.set(func() {
			if len(w.spool) != 0 || len(w.objects) != 29 || w.objects["evaluations/e00/recording.wav"] != "audio/wav body" {
				t.Errorf("%d left in the spool, %d stored, want 0 and 29", len(w.spool), len(w.objects))
			}
		})
	})
}

func TestUnclaimedRecordingsAreRemoved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for i := range 250 {
			id := fmt.Sprintf("eval_%03d", i)
			w.waiting[id], w.objects["evaluations/"+id+"/recording.wav"] = time.Now(), "recording"
		}
		w.objects["evaluations/eval_claimed/recording.wav"] = "recording"
		keep(t, w)
		pass(10 * time.Minute)
		w.set(func() {
			if len(w.objects) != 251 {
				t.Errorf("%d recordings after 10 minutes, want all 251: their requests may still run", len(w.objects))
			}
			w.s3 = errAway
		})
		pass(5 * time.Minute)
		w.set(func() {
			if len(w.waiting) != 250 {
				t.Errorf("%d recordings are not forgotten while the object store is away, want 250", len(w.waiting))
			}
			w.s3 = nil
		})
		pass(2 * time.Minute)
		w.set(func() {
			if _, kept := w.objects["evaluations/eval_claimed/recording.wav"]; len(w.objects) != 1 || !kept || len(w.waiting) != 0 {
				t.Errorf("%d recordings and %d notes are left, want the claimed recording alone", len(w.objects), len(w.waiting))
			}
		})
	})
}

func TestRoutine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		keep(t, w)
		pass(time.Hour - time.Second)
		w.set(func() {
			if n := w.trims / len(evaluation.Stages()); n != 60 {
				t.Errorf("trimmed %d times in an hour, want 60", n)
			}
			if w.expiries != 6 || w.months != 1 {
				t.Errorf("expired keys %d times and made partitions %d times in an hour, want 6 and 1", w.expiries, w.months)
			}
		})
	})
}

// Letters of jobs that were put right go; those of dead jobs, and those that name no job, are for people to look at.
func TestDropsDeadLettersOfJobsThatAreNotDead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.letters, w.dead = []string{"job_right", "job_dead", "", "job_right"}, []string{"job_dead"}
		keep(t, w)
		pass(time.Second)
		w.set(func() {
			if want := []string{"job_dead", ""}; !slices.Equal(w.letters, want) {
				t.Errorf("letters of %q are left, want %q", w.letters, want)
			}
			w.dead = nil
		})
		pass(5 * time.Minute)
		w.set(func() {
			if want := []string{""}; !slices.Equal(w.letters, want) {
				t.Errorf("letters of %q are left after the job was put right, want %q", w.letters, want)
			}
		})
	})
}

// Settled jobs and records of runs go when they are old, in batches; without a retention they stay.
func TestForgetsWhatIsOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.oldJobs = 2500
		keepWith(t, w, housekeeping.Config{JobRetention: 24 * time.Hour, RunRetention: 48 * time.Hour})
		pass(time.Second)
		w.set(func() {
			if w.oldJobs != 0 || len(w.forgotFrom) != 3 || w.forgotFrom[0] != 24*time.Hour {
				t.Errorf("%d old jobs left after calls with %v, want three batches of a thousand", w.oldJobs, w.forgotFrom)
			}
			if len(w.dropped) != 1 || !w.dropped[0].Equal(w.start.Add(-48*time.Hour)) {
				t.Errorf("dropped partitions before %v, want two days ago", w.dropped)
			}
		})
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.oldJobs = 1
		keep(t, w)
		pass(2 * time.Hour)
		w.set(func() {
			if w.oldJobs != 1 || len(w.dropped) != 0 {
				t.Errorf("%d old jobs and %v dropped without a retention, want all kept", w.oldJobs, w.dropped)
			}
		})
	})
}
