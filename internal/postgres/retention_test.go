package postgres_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// Old settled jobs go, in batches; open ones, young ones, those of replays and erasures that were set aside stay.
func TestForgetJobs(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for range 3 {
		e := s.create(t)
		j := s.begin(t, e.ID, evaluation.StageFeedback, "w1")
		if err := s.jobs.Settle(t.Context(), j, result(evaluation.FeedbackText), pipeline.OutcomeDone, nil); err != nil {
			t.Fatal(err)
		}
	}
	const old = 24 * time.Hour
	forget := func() (counts []int) {
		for {
			n, err := s.upkeep.ForgetJobs(t.Context(), old, 2)
			if err != nil {
				t.Fatal(err)
			}
			counts = append(counts, n)
			if n < 2 {
				return counts
			}
		}
	}
	if diff := cmp.Diff([]int{0}, forget()); diff != "" {
		t.Errorf("jobs forgotten when none is old (-want +got):\n%s", diff)
	}
	exec(t, s.url, `UPDATE jobs SET id = 'job_00' || substr(id, 7), updated_at = updated_at - interval '25 h'`)
	exec(t, s.url, `INSERT INTO jobs (id, stage, evaluation_id, user_id, state, replay_of, replay_id, updated_at)
		SELECT 'job_00replay', stage, evaluation_id, user_id, 'done', id, 'replay_1', updated_at FROM jobs WHERE state = 'done' LIMIT 1`)
	exec(t, s.url, `INSERT INTO jobs (id, stage, evaluation_id, user_id, state, updated_at)
		SELECT 'job_00erase', 'erase', evaluation_id, user_id, 'dead', updated_at FROM jobs WHERE state = 'done' LIMIT 1`)
	if diff := cmp.Diff([]int{2, 1}, forget()); diff != "" {
		t.Errorf("jobs forgotten (-want +got):\n%s", diff)
	}
	if left := query[int](t, s.url, `SELECT count(*) FROM jobs WHERE state = 'open' OR replay_id IS NOT NULL OR stage = 'erase'`); left != 8 {
		t.Errorf("%d open jobs, jobs of replays and erasures left, want 8", left)
	}
}

func TestDropPartitions(t *testing.T) {
	t.Parallel()
	s := setup(t)
	now := time.Now().UTC()
	for _, at := range []time.Time{now, now.AddDate(0, -14, 0), now.AddDate(0, -20, 0)} {
		if err := s.upkeep.EnsurePartitions(t.Context(), at); err != nil {
			t.Fatal(err)
		}
	}
	for _, at := range []time.Time{now, now.AddDate(0, -12, 0), now.AddDate(0, -14, 0), now.AddDate(0, -20, 0), now.AddDate(0, -30, 0)} {
		exec(t, s.url, `INSERT INTO stage_runs (started_at, job_id, run, stage, evaluation_id, user_id, attempt, outcome)
			VALUES ('`+at.Format(time.RFC3339)+`', 'job_1', 1, 'demo', 'eval_1', 'user_1', 1, 'done')`)
	}
	before := now.AddDate(0, -13, 0)
	for range 2 {
		if err := s.upkeep.DropPartitions(t.Context(), before); err != nil {
			t.Fatal(err)
		}
	}
	if n := query[int](t, s.url, `SELECT count(*) FROM stage_runs`); n != 2 {
		t.Errorf("%d records left, want those of now and of a year ago", n)
	}
	first := query[string](t, s.url, `SELECT min(relname) FROM pg_class WHERE relname ~ '^stage_runs_\d{6}$'`)
	if want := before.Format("stage_runs_200601"); first != want {
		t.Errorf("the oldest partition left is %s, want %s", first, want)
	}
}
