package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"oktalk/internal/evaluation"
)

const tenMinutes = 10 * time.Minute

// announce notes a recording as it was some minutes ago.
func (s *stores) announce(t *testing.T, id string, minutes int) {
	t.Helper()
	if err := s.evaluations.Announce(t.Context(), id); err != nil {
		t.Fatalf("Announce = %v", err)
	}
	exec(t, s.url, `UPDATE unclaimed_recordings SET created_at = created_at - make_interval(mins => $2) WHERE evaluation_id = $1`, id, minutes)
}

func (s *stores) unclaimed(t *testing.T) int {
	t.Helper()
	return query[int](t, s.url, `SELECT count(*) FROM unclaimed_recordings`)
}

func (s *stores) giveUp(t *testing.T, limit int) []string {
	t.Helper()
	ids, err := s.upkeep.GiveUp(t.Context(), tenMinutes, limit)
	if err != nil {
		t.Fatalf("GiveUp = %v", err)
	}
	return ids
}

func TestUnclaimedRecordings(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.announce(t, "eval_oldest", 30)
	s.announce(t, "eval_old", 20)
	s.announce(t, "eval_young", 9)
	if diff := cmp.Diff([]string{"eval_oldest"}, s.giveUp(t, 1)); diff != "" {
		t.Errorf("GiveUp of one (-want +got):\n%s", diff)
	}
	// Until it is forgotten it comes again.
	sorted := cmpopts.SortSlices(func(a, b string) bool { return a < b })
	if diff := cmp.Diff([]string{"eval_old", "eval_oldest"}, s.giveUp(t, 10), sorted); diff != "" {
		t.Errorf("GiveUp (-want +got):\n%s", diff)
	}
	for range 2 { // it may be repeated
		if err := s.upkeep.Forget(t.Context(), "eval_oldest"); err != nil {
			t.Errorf("Forget = %v", err)
		}
	}
	if diff := cmp.Diff([]string{"eval_old"}, s.giveUp(t, 10)); diff != "" {
		t.Errorf("GiveUp after Forget (-want +got):\n%s", diff)
	}
}

func TestCreateClaimsItsRecording(t *testing.T) {
	t.Parallel()
	s := setup(t)
	e := newEvaluation(s.user)
	s.announce(t, e.ID, 0)
	if err := s.evaluations.Create(t.Context(), e, evaluation.CreateOptions{Announced: true}); err != nil {
		t.Fatalf("Create = %v", err)
	}
	if n := s.unclaimed(t); n != 0 {
		t.Errorf("%d recordings are unclaimed, want none", n)
	}
}

// An evaluation that cannot be stored claims nothing.
func TestFailedCreateLeavesItsRecordingUnclaimed(t *testing.T) {
	t.Parallel()
	s := setup(t)
	e := newEvaluation(s.user)
	s.announce(t, e.ID, 0)
	opt := evaluation.CreateOptions{Announced: true, Spooled: make([]byte, spoolMax+1)}
	if err := s.evaluations.Create(t.Context(), e, opt); !errors.Is(err, evaluation.ErrFull) {
		t.Fatalf("Create = %v, want ErrFull", err)
	}
	if n := s.unclaimed(t); n != 1 {
		t.Errorf("%d recordings are unclaimed, want 1", n)
	}
}

// A request that was frozen until its recording was given up, as on a laptop that slept, stores nothing, whether the recording is in
// the object store or comes along: what is being removed must not become an evaluation's.
func TestCreateTooLate(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]evaluation.CreateOptions{
		"stored": {Announced: true}, "spooled": {Announced: true, Spooled: []byte("recording")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			e := newEvaluation(s.user)
			s.announce(t, e.ID, 11)
			s.giveUp(t, 10)
			for range 2 {
				if err := s.evaluations.Create(t.Context(), e, opt); !errors.Is(err, evaluation.ErrUnavailable) {
					t.Errorf("Create = %v, want ErrUnavailable", err)
				}
				if err := s.upkeep.Forget(t.Context(), e.ID); err != nil { // and then its row is gone
					t.Fatal(err)
				}
			}
			if found := rowsWith(t, s.url, e.ID); len(found) != 0 {
				t.Errorf("rows with the evaluation = %v, want none", found)
			}
		})
	}
}

// Giving up waits for an evaluation that is being stored, and leaves it its recording.
func TestGiveUpWaitsForCreate(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.announce(t, "eval_1", 11)
	conn, err := pgx.Connect(t.Context(), s.url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	for _, sql := range []string{`begin`, `DELETE FROM unclaimed_recordings WHERE evaluation_id = 'eval_1' AND NOT given_up`} { // as Create does
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	given := make(chan []string, 1)
	go func() {
		ids, err := s.upkeep.GiveUp(t.Context(), tenMinutes, 10)
		if err != nil {
			t.Errorf("GiveUp = %v", err)
		}
		given <- ids
	}()
	waits := func() bool {
		return query[bool](t, s.url, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`)
	}
	for deadline := time.Now().Add(10 * time.Second); !waits(); {
		if time.Now().After(deadline) {
			t.Fatal("GiveUp does not wait for the row")
		}
	}
	if _, err := conn.Exec(t.Context(), `commit`); err != nil {
		t.Fatal(err)
	}
	if ids := <-given; len(ids) != 0 {
		t.Errorf("GiveUp = %v, want none", ids)
	}
}

// An evaluation that stands beside its row keeps its objects.
func TestGiveUpSparesEvaluations(t *testing.T) {
	t.Parallel()
	s := setup(t)
	e := s.create(t)
	s.announce(t, e.ID, 11)
	if ids := s.giveUp(t, 10); len(ids) != 0 || s.unclaimed(t) != 0 {
		t.Errorf("GiveUp = %v with %d rows left, want neither", ids, s.unclaimed(t))
	}
}
