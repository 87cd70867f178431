package realtime_test

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"oktalk/internal/evaluation"
	"oktalk/internal/realtime"
)

// patience bounds every wait in these tests.
const patience = 20 * time.Second

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// processing is an evaluation at a version that is not final.
func processing(id string, version int64) *evaluation.Evaluation {
	e := &evaluation.Evaluation{
		ID: id, UserID: "user_1", Version: version, TargetText: "I like apples", Language: "en-US",
		Assessment: &evaluation.Assessment{Scores: evaluation.Scores{Overall: 77}, Level: evaluation.LevelB},
	}
	e.Plan()
	return e
}

// completed is the same with all artifacts settled.
func completed(id string, version int64) *evaluation.Evaluation {
	e := processing(id, version)
	for _, kind := range []evaluation.ArtifactKind{evaluation.FeedbackText, evaluation.FeedbackAudio, evaluation.DemoAudio} {
		e.Settle(evaluation.Artifact{Kind: kind, State: evaluation.StateReady, Text: "Well done."})
	}
	return e
}

// database is a store in memory.
type database struct {
	mu      sync.Mutex
	rows    map[string]*evaluation.Evaluation
	err     error // of every call
	queries int   // calls of Versions
	loads   int   // evaluations loaded
}

func newDatabase(es ...*evaluation.Evaluation) *database {
	d := &database{rows: map[string]*evaluation.Evaluation{}}
	for _, e := range es {
		d.put(e)
	}
	return d
}

func (d *database) put(e *evaluation.Evaluation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rows[e.ID] = e
}

func (d *database) remove(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.rows, id)
}

func (d *database) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

// counts returns and resets the numbers of queries and of loaded evaluations.
func (d *database) counts() (queries, loads int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	queries, loads = d.queries, d.loads
	d.queries, d.loads = 0, 0
	return queries, loads
}

func (d *database) Versions(_ context.Context, ids []string) (map[string]int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queries++
	versions := map[string]int64{}
	for _, id := range ids {
		if e := d.rows[id]; e != nil {
			versions[id] = e.Version
		}
	}
	return versions, d.err
}

func (d *database) Load(_ context.Context, ids []string) ([]*evaluation.Evaluation, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var es []*evaluation.Evaluation
	for _, id := range ids {
		if e := d.rows[id]; e != nil {
			es = append(es, e)
			d.loads++
		}
	}
	slices.SortFunc(es, func(a, b *evaluation.Evaluation) int { return cmp.Compare(b.ID, a.ID) }) // any order will do
	return es, d.err
}

// keyring knows which keys were revoked.
type keyring struct {
	mu      sync.Mutex
	revoked map[string]bool
	asked   []string // of the last call
}

func (k *keyring) revoke(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.revoked = map[string]bool{id: true}
}

func (k *keyring) RevokedKeys(_ context.Context, ids []string) (revoked []string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = ids
	for _, id := range ids {
		if k.revoked[id] {
			revoked = append(revoked, id)
		}
	}
	return revoked, nil
}

// cache is a cache of snapshots in memory.
type cache map[string]evaluation.Snapshot

func newCache(t *testing.T, es ...*evaluation.Evaluation) cache {
	t.Helper()
	c := cache{}
	for _, e := range es {
		s, err := e.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		c[e.ID] = s
	}
	return c
}

func (c cache) Get(_ context.Context, ids []string) (map[string]evaluation.Snapshot, error) {
	found := map[string]evaluation.Snapshot{}
	for _, id := range ids {
		if s, ok := c[id]; ok {
			found[id] = s
		}
	}
	return found, nil
}

// wire is a feed without a network.
type wire struct {
	running   chan struct{} // closed when Run has begun
	deliver   func(evaluation.Snapshot)
	connected func(bool)
	last      func() // called when Run ends; may be nil

	mu      sync.Mutex
	down    bool
	watched map[string]int // Adds less Drops
}

func newWire() *wire { return &wire{running: make(chan struct{}), watched: map[string]int{}} }

func (w *wire) Run(ctx context.Context, deliver func(evaluation.Snapshot), connected func(bool)) error {
	w.deliver, w.connected = deliver, connected
	close(w.running)
	w.setDown(false)
	<-ctx.Done()
	if w.last != nil {
		w.last()
	}
	return nil
}

func (w *wire) setDown(down bool) {
	w.mu.Lock()
	w.down = down
	w.mu.Unlock()
	w.connected(!down)
}

func (w *wire) Add(_ context.Context, id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watched[id]++
	if w.down {
		return evaluation.ErrUnavailable
	}
	return nil
}

func (w *wire) Drop(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.watched, id)
}

func (w *wire) watching() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.watched)
}

// publish delivers an evaluation's state as Redis would.
func (w *wire) publish(t *testing.T, e *evaluation.Evaluation) {
	t.Helper()
	s, err := e.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	w.deliver(s)
}

// run starts a hub and gives what stops it and waits for it.
func run(t testing.TB, h *realtime.Hub) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run() = %v", err)
			}
		case <-time.After(patience):
			t.Error("Run() does not return")
		}
	})
}
