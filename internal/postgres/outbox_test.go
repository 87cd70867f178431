package postgres_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"oktalk/internal/evaluation"
	"oktalk/internal/outbox"
	"oktalk/internal/pipeline"
	"oktalk/internal/postgres"
)

// A relay that dies after sending, or is told that nothing arrived, has the rows sent again.
func TestClaimSendsAgain(t *testing.T) {
	t.Parallel()
	s := setup(t)
	e := s.create(t)
	var first, second, third batch
	if n, err := s.outbox.Claim(t.Context(), pipeline.Destinations(), 100, func(ctx context.Context, b pipeline.Outgoing) []pipeline.Destination {
		into(&first)(ctx, b)
		return pipeline.Destinations()
	}); n != 3 || err != nil {
		t.Errorf("Claim with nothing sent = %d, %v, want 3 rows", n, err)
	}
	ctx, die := context.WithCancel(t.Context())
	if _, err := s.outbox.Claim(ctx, pipeline.Destinations(), 100, func(ctx context.Context, b pipeline.Outgoing) []pipeline.Destination {
		die() // between sending and committing
		return into(&second)(ctx, b)
	}); !errors.Is(err, context.Canceled) {
		t.Errorf("Claim of a relay that dies = %v, want context.Canceled", err)
	}
	n, err := s.outbox.Claim(t.Context(), pipeline.Destinations(), 100, into(&third))
	if n != 3 || err != nil {
		t.Errorf("Claim = %d, %v, want 3 rows", n, err)
	}
	for _, b := range []batch{first, second, third} {
		if len(b.Jobs) != 2 || len(b.Evaluations) != 1 || b.Evaluations[0].ID != e.ID {
			t.Errorf("sent %+v, want two jobs and one evaluation each time", b)
		}
	}
	if n, err := s.outbox.Claim(t.Context(), pipeline.Destinations(), 100, into(&third)); n != 0 || err != nil {
		t.Errorf("Claim of an empty outbox = %d, %v, want 0", n, err)
	}
}

func TestClaimCoalescesAndDrops(t *testing.T) {
	t.Parallel()
	s := setup(t)
	ctx := t.Context()
	e := s.create(t)
	due := time.Now().Add(time.Hour)
	if err := s.jobs.Retry(ctx, s.begin(t, e.ID, evaluation.StageDemo, "w1"), errors.New("x"), due); err != nil {
		t.Fatal(err)
	}
	if err := s.jobs.Settle(ctx, s.begin(t, e.ID, evaluation.StageFeedback, "w1"), result(evaluation.FeedbackText), pipeline.OutcomeDone, nil); err != nil {
		t.Fatal(err)
	}
	exec(t, s.url, `INSERT INTO outbox (kind, evaluation_id) VALUES ('of a newer version', $1)`, e.ID)
	b := s.claim(t)
	if len(b.Evaluations) != 1 || b.Evaluations[0].Version != 2 || len(b.Evaluations[0].Artifacts) != 3 {
		t.Errorf("evaluations sent = %+v, want version 2 once", b.Evaluations)
	}
	if len(b.Jobs) != 2 {
		t.Fatalf("jobs sent = %+v, want demo and speech", b.Jobs)
	}
	for _, j := range b.Jobs {
		switch {
		case j.Stage == evaluation.StageDemo && j.Attempt == 2 && j.Due.Sub(due).Abs() < time.Millisecond:
		case j.Stage == evaluation.StageSpeech && j.Attempt == 1 && j.Due.IsZero():
		default:
			t.Errorf("job sent = %+v", j)
		}
	}
	if st, err := s.outbox.Stats(ctx); st.Rows != 1 || st.Oldest <= 0 || err != nil {
		t.Errorf("Stats = %+v, %v, want the row of an unknown kind", st, err)
	}
}

// What could not be sent to one destination stays; the rest is done with.
func TestClaimKeepsWhatFailed(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.create(t)
	exec(t, s.url, `UPDATE outbox SET destination = '' WHERE destination = 'demo'`) // as an older program writes it
	var first, second, third batch
	if n, err := s.outbox.Claim(t.Context(), pipeline.Destinations(), 100, func(ctx context.Context, b pipeline.Outgoing) []pipeline.Destination {
		into(&first)(ctx, b)
		return []pipeline.Destination{pipeline.ToStage(evaluation.StageDemo)}
	}); n != 3 || err != nil {
		t.Errorf("Claim = %d, %v, want 3 rows", n, err)
	}
	others := []pipeline.Destination{pipeline.ToStage(evaluation.StageFeedback), pipeline.ToStage(evaluation.StageErase)}
	if n, err := s.outbox.Claim(t.Context(), others, 100, into(&second)); n != 0 || err != nil {
		t.Errorf("Claim for others = %d, %v, want nothing", n, err)
	}
	if n, err := s.outbox.Claim(t.Context(), pipeline.Destinations(), 100, into(&third)); n != 1 || err != nil {
		t.Errorf("Claim afterwards = %d, %v, want the row that was kept", n, err)
	}
	if len(first.Jobs) != 2 || len(first.Evaluations) != 1 || len(third.Jobs) != 1 || third.Jobs[0].Stage != evaluation.StageDemo {
		t.Errorf("sent %+v, then %+v, want all, then the demo job", first, third)
	}
}

// An evaluation that is deleted between reading and sending it is removed after it was sent.
func TestDeleteWhileSending(t *testing.T) {
	t.Parallel()
	s := setup(t)
	e := s.create(t)
	var order []string
	if _, err := s.outbox.Claim(t.Context(), pipeline.Destinations(), 100, func(_ context.Context, b pipeline.Outgoing) []pipeline.Destination {
		if err := s.evaluations.Delete(t.Context(), s.user, e.ID); err != nil {
			t.Error(err)
		}
		order = append(order, s.claim(t).Deleted...) // another relay
		for range b.Changed {
			order = append(order, "publish")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	order = append(order, s.claim(t).Deleted...)
	if diff := cmp.Diff([]string{e.ID, "publish", e.ID}, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

// What a commit leaves is given to the process that committed it, as a relay would read it, and held for it.
func TestLeft(t *testing.T) {
	t.Parallel()
	s := setup(t)
	ctx := t.Context()
	var given []pipeline.Left
	s.db.OnLeft(func(l pipeline.Left) { given = append(given, l) })
	e := s.create(t)
	if err := s.jobs.Settle(ctx, s.begin(t, e.ID, evaluation.StageFeedback, "w1"), result(evaluation.FeedbackText), pipeline.OutcomeDone, nil); err != nil {
		t.Fatal(err)
	}
	if n, err := s.outbox.Claim(ctx, pipeline.Destinations(), 100, into(&batch{})); n != 0 || err != nil {
		t.Errorf("Claim of held rows = %d, %v, want 0", n, err)
	}
	if len(given) != 2 {
		t.Fatalf("given %+v, want what two commits left", given)
	}
	exec(t, s.url, `UPDATE outbox SET held_until = now() - interval '1 second'`)
	read := s.claim(t)
	byTime := cmpopts.EquateApproxTime(time.Second)
	if diff := cmp.Diff(read.Evaluations, given[1].Changed, cmpopts.IgnoreFields(evaluation.Evaluation{}, "UpdatedAt"), byTime); diff != "" {
		t.Errorf("state given (-as read +as given):\n%s", diff)
	}
	if e := given[0].Changed[0]; e.Version != 1 || e.Assessment.Words != nil || len(given[0].Rows) != 3 || len(given[1].Rows) != 2 {
		t.Errorf("given %+v and %d rows, then %d, want version 1 without words and 3, then 2", e, len(given[0].Rows), len(given[1].Rows))
	}
	var jobs []pipeline.Entry
	for _, j := range append(given[0].Jobs, given[1].Jobs...) {
		if j.Stage != evaluation.StageFeedback { // it is settled, and not to be enqueued any more
			jobs = append(jobs, j)
		}
	}
	if diff := cmp.Diff(read.Jobs, jobs, cmpopts.SortSlices(func(a, b pipeline.Entry) bool { return a.JobID < b.JobID }), byTime); diff != "" {
		t.Errorf("jobs given (-as read +as given):\n%s", diff)
	}
}

// Of rows that were sent by whoever held them, those of an evaluation that is deleted by then stay, and ask for its removal.
func TestDeleteLeft(t *testing.T) {
	t.Parallel()
	s := setup(t)
	var given []pipeline.Left
	s.db.OnLeft(func(l pipeline.Left) { given = append(given, l) })
	kept, deleted := s.create(t), s.create(t)
	if err := s.evaluations.Delete(t.Context(), s.user, deleted.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.evaluations.Erase(t.Context(), deleted.ID); err != nil {
		t.Fatal(err)
	}
	s.claim(t) // what the deletion left
	for _, l := range given {
		if err := s.outbox.Delete(t.Context(), l.Rows, []string{l.Changed[0].ID}); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, s.url, `UPDATE outbox SET held_until = '-infinity'`)
	if diff := cmp.Diff(batch{Deleted: []string{deleted.ID}}, s.claim(t)); diff != "" {
		t.Errorf("%s was kept; sent afterwards (-want +got):\n%s", kept.ID, diff)
	}
}

// Relays side by side send every row once and do not wait for one that is stuck in sending.
func TestRelaysInParallel(t *testing.T) {
	t.Parallel()
	s := setup(t)
	const count = 300
	want := map[string]bool{}
	for range count {
		want[s.create(t).ID] = true
	}
	stuck, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := s.outbox.Claim(t.Context(), pipeline.Destinations(), 10, func(context.Context, pipeline.Outgoing) []pipeline.Destination {
			close(stuck)
			<-release
			return pipeline.Destinations()
		}); err != nil {
			t.Error(err)
		}
	})
	<-stuck
	var mu sync.Mutex
	var all batch
	relay := func() {
		for {
			n, err := s.outbox.Claim(t.Context(), pipeline.Destinations(), 7, func(ctx context.Context, b pipeline.Outgoing) []pipeline.Destination {
				mu.Lock()
				defer mu.Unlock()
				return into(&all)(ctx, b)
			})
			if err != nil {
				t.Error(err)
			}
			if n == 0 {
				return
			}
		}
	}
	var others sync.WaitGroup
	for range 4 {
		others.Go(relay)
	}
	others.Wait() // the stuck one holds 30 rows and nobody waited for it
	if n := len(all.Jobs) + len(all.Evaluations); n != 3*count-30 {
		t.Errorf("%d sent while one relay is stuck, want %d", n, 3*count-30)
	}
	close(release)
	wg.Wait()
	relay()
	if len(all.Jobs) != 2*count || len(all.Evaluations) != count {
		t.Errorf("sent %d jobs and %d evaluations, want %d and %d", len(all.Jobs), len(all.Evaluations), 2*count, count)
	}
	for _, e := range all.Evaluations {
		delete(want, e.ID)
	}
	if len(want) != 0 {
		t.Errorf("%d evaluations were never sent", len(want))
	}
}

func TestStaleAndRequeue(t *testing.T) {
	t.Parallel()
	s := setup(t)
	ctx := t.Context()
	stale := func() int {
		t.Helper()
		ids, err := s.upkeep.Stale(ctx, evaluation.StageFeedback, 20*time.Second, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		return len(ids)
	}
	e := s.create(t)
	old := func() {
		exec(t, s.url, `UPDATE jobs SET updated_at = now() - interval '21 s', not_before = now() - interval '21 s'`)
	}
	old()
	if n := stale(); n != 0 {
		t.Errorf("%d stale while waiting in the outbox, want 0", n)
	}
	s.claim(t)
	if n := stale(); n != 1 {
		t.Errorf("%d stale, want 1", n)
	}
	exec(t, s.url, `UPDATE jobs SET not_before = now() + interval '1 h'`)
	if n := stale(); n != 0 {
		t.Errorf("%d stale before they are due, want 0", n)
	}
	old()
	j := s.begin(t, e.ID, evaluation.StageFeedback, "w1")
	if n := stale(); n != 0 {
		t.Errorf("%d stale just after Begin, want 0", n)
	}
	for range 2 {
		if err := s.upkeep.Requeue(ctx, []string{j.ID, "job_none"}); err != nil {
			t.Fatal(err)
		}
	}
	if b := s.claim(t); len(b.Jobs) != 1 || b.Jobs[0].JobID != j.ID {
		t.Errorf("after Requeue twice, sent %+v, want the job once", b.Jobs)
	}
	if err := s.jobs.Settle(ctx, j, result(evaluation.FeedbackText), pipeline.OutcomeDone, nil); err != nil {
		t.Fatal(err)
	}
	s.claim(t)
	if err := s.upkeep.Requeue(ctx, []string{j.ID}); err != nil {
		t.Fatal(err)
	}
	if b := s.claim(t); len(b.Jobs) != 0 {
		t.Errorf("after Requeue of a settled job, sent %+v, want none", b.Jobs)
	}
}

func TestOpenJobsPages(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for range 5 {
		s.create(t)
	}
	got, after := 0, ""
	for {
		page, err := s.upkeep.OpenJobs(t.Context(), evaluation.StageDemo, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		got += len(page)
		after = page[len(page)-1].JobID
	}
	if got != 5 {
		t.Errorf("OpenJobs in pages of 2 gave %d, want 5", got)
	}
}

var _ outbox.Store = (*postgres.Outbox)(nil)
