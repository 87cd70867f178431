package chaos

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"oktalk/internal/evaluation"
)

// settle waits until nothing is left to do; it returns what is, when the time is up.
func (s *system) settle(ctx context.Context, f form) string {
	deadline := time.Now().Add(f.recover)
	for {
		left := s.unfinished(ctx, f.slow)
		if left == "" || time.Now().After(deadline) || ctx.Err() != nil {
			return left
		}
		pause(ctx, 200*time.Millisecond)
	}
}

// unfinished describes what is left to do, first in the database, then in Redis. The second erasure comes a minute after DELETE.
func (s *system) unfinished(ctx context.Context, erasures bool) string {
	var evaluations, jobs, outbox int
	err := s.db.QueryRow(ctx, `
		SELECT (SELECT count(*) FROM evaluations WHERE status <> 'completed' AND deleted_at IS NULL),
			(SELECT count(*) FROM jobs WHERE state = 'open' AND (stage <> 'erase' OR $1)),
			(SELECT count(*) FROM outbox)`, erasures).Scan(&evaluations, &jobs, &outbox)
	if err != nil {
		return err.Error()
	}
	if evaluations+jobs+outbox > 0 {
		return fmt.Sprintf("%d evaluations to complete, %d open jobs, %d rows in the outbox", evaluations, jobs, outbox)
	}
	var left []string
	for _, stage := range stages {
		st, err := s.producer.Stats(ctx, stage)
		if err != nil {
			return err.Error()
		}
		if st.Lag+st.Pending+st.Delayed > 0 {
			left = append(left, fmt.Sprintf("%d unread, %d pending and %d delayed entries of %s", st.Lag, st.Pending, st.Delayed, stage))
		}
	}
	return strings.Join(left, ", ")
}

// judge compares what the database, Redis and the journal say with what was promised, and prints a table.
func (s *system) judge(t *testing.T, f form, done *injected, recovered time.Duration) {
	t.Helper()
	for _, err := range done.errs {
		t.Errorf("fault could not be injected: %v", err)
	}
	s.judgeEvaluations(t, f.slow)
	s.judgeNotes(t)
	s.judgeJobs(t)
	s.judgeObjects(t, f.slow)
	s.judgeStreams(t)
	overlaps, unexplained := s.journal.overlaps()
	for _, o := range unexplained {
		t.Errorf("a job was handled twice at once although its first worker kept its lease: %s", o)
	}
	for _, line := range append(s.journal.races, s.journal.panics...) {
		t.Errorf("worker: %s", line)
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	total := 0
	for _, name := range slices.Sorted(maps.Keys(done.counts)) {
		_, _ = fmt.Fprintf(w, "%d\t %s\n", done.counts[name], name)
		total += done.counts[name]
	}
	_, _ = fmt.Fprintf(w, "%d\t faults\n\t\n", total)
	s.table(t, w)
	_, _ = fmt.Fprintf(w, "%d\t handlings\n%d\t of them beside another of the same job, after its lease was lost\n%.1f\t seconds from the last fault to the last end\n",
		s.journal.handled(), overlaps, recovered.Seconds())
	_ = w.Flush()
	t.Log("\n" + b.String())
	if t.Failed() {
		for _, w := range s.workers {
			said, _ := os.ReadFile(w.log)
			t.Logf("%s said last (all of it with -artifacts):\n%s", w.name, said[max(0, len(said)-3000):])
		}
	}
}

// table prints what became of everything.
func (s *system) table(t *testing.T, w *tabwriter.Writer) {
	t.Helper()
	for _, q := range []string{
		`SELECT count(*), 'evaluations completed' FROM notes WHERE what = 'completed'`,
		`SELECT count(*), 'artifacts settled' FROM notes WHERE what = 'settled'`,
		`SELECT count(*), 'of them ' || state FROM artifacts GROUP BY state ORDER BY state`,
		`SELECT count(*), 'runs ' || outcome FROM stage_runs GROUP BY outcome ORDER BY outcome`,
		`SELECT coalesce(sum(run), 0), 'runs begun' FROM jobs`,
		`SELECT coalesce(sum(crashes), 0), 'of them after a crash' FROM jobs`,
		`SELECT coalesce(max(crashes), 0), 'crashes of one job at most' FROM jobs`,
	} {
		rows, err := s.db.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		var n int64
		var what string
		if _, err := pgx.ForEachRow(rows, []any{&n, &what}, func() error {
			_, _ = fmt.Fprintf(w, "%d\t %s\n", n, what)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = fmt.Fprintf(w, "%d\t evaluations stored\n%d\t deleted\n", len(s.created), len(s.deleted))
	for _, to := range []struct {
		way  way
		name string
	}{{toRedis, "redis"}, {toPostgres, "postgres"}} {
		lost, cuts := 0, 0
		for _, x := range s.workers {
			lost, cuts = lost+to.way(x).lost, cuts+to.way(x).cuts
		}
		_, _ = fmt.Fprintf(w, "%d\t replies of %s lost\n%d\t connections to it cut\n", lost, to.name, cuts)
	}
}

// judgeEvaluations: every one that was stored is completed, or deleted.
func (s *system) judgeEvaluations(t *testing.T, erased bool) {
	t.Helper()
	rows, err := s.db.Query(t.Context(), `SELECT id, status, deleted_at IS NOT NULL FROM evaluations`)
	if err != nil {
		t.Fatal(err)
	}
	var id, status string
	var deleted bool
	ended := map[string]bool{}
	if _, err := pgx.ForEachRow(rows, []any{&id, &status, &deleted}, func() error {
		ended[id] = true
		switch {
		case deleted != s.deleted[id]:
			t.Errorf("%s is deleted: %v, want %v", id, deleted, s.deleted[id])
		case !deleted && status != string(evaluation.StatusCompleted):
			t.Errorf("%s is %s, want completed", id, status)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, e := range s.created {
		if !ended[e.ID] && !s.deleted[e.ID] {
			t.Errorf("%s is gone", e.ID)
		}
		if erased && ended[e.ID] && s.deleted[e.ID] {
			t.Errorf("%s was deleted and is not erased", e.ID)
		}
	}
}

// judgeNotes: the database saw each artifact settled once and nothing that may not happen.
func (s *system) judgeNotes(t *testing.T) {
	t.Helper()
	s.none(t, `SELECT what || ': ' || id || ' ' || detail FROM notes WHERE what NOT IN ('settled', 'completed', 'job ended')`)
	s.none(t, `SELECT what || ' more than once: ' || id || ' ' || detail FROM notes
		WHERE what IN ('settled', 'completed') GROUP BY what, id, detail HAVING count(*) > 1`)
	s.none(t, `SELECT 'job ended more than once: ' || id FROM notes WHERE what = 'job ended' GROUP BY id HAVING count(*) > 1`)
	s.none(t, `SELECT 'artifact was never settled: ' || evaluation_id || ' ' || kind FROM artifacts a JOIN evaluations e ON e.id = evaluation_id
		WHERE deleted_at IS NULL AND state <> 'skipped'
			AND NOT EXISTS (SELECT FROM notes WHERE what = 'settled' AND notes.id = evaluation_id AND detail = kind)`)
}

// judgeJobs: each job was ended by one run, the last; its artifact is what that run made; the version counts the changes.
func (s *system) judgeJobs(t *testing.T) {
	t.Helper()
	const final = `('done', 'fallback', 'failed', 'dead')`
	s.none(t, `SELECT 'recorded as ended ' || count(*) || ' times: ' || job_id FROM stage_runs WHERE outcome IN `+final+` GROUP BY job_id HAVING count(*) > 1`)
	s.none(t, `SELECT 'ended by run ' || r.run || ' of ' || j.run || ': ' || j.id FROM stage_runs r JOIN jobs j ON j.id = job_id
		WHERE outcome IN `+final+` AND r.run <> j.run`)
	s.none(t, `SELECT 'job ' || state || ' without a recorded end: ' || id FROM jobs
		WHERE state IN ('done', 'dead') AND NOT EXISTS (SELECT FROM stage_runs WHERE job_id = jobs.id AND outcome IN `+final+`)`)
	s.none(t, `SELECT 'job of a completed evaluation is ' || state || ': ' || j.id FROM jobs j JOIN evaluations e ON e.id = evaluation_id
		WHERE deleted_at IS NULL AND state NOT IN ('done', 'dead')`)
	s.none(t, `SELECT 'artifact is not what its run made: ' || job_id FROM stage_runs r JOIN artifacts a ON a.evaluation_id = r.evaluation_id
		JOIN evaluations e ON e.id = a.evaluation_id
		WHERE deleted_at IS NULL AND outcome IN `+final+` AND output->>'kind' = kind
			AND (output->>'state' <> state OR coalesce(output->>'object_key', '') <> object_key)`)
	s.none(t, `SELECT 'version ' || version || ' is below what its artifacts need: ' || e.id FROM evaluations e
		WHERE deleted_at IS NULL AND version < 1 + (SELECT count(DISTINCT stage) FROM jobs WHERE evaluation_id = e.id AND state IN ('done', 'dead'))`)
}

// judgeObjects: the audio of every artifact that says so is stored, and nothing of what was deleted.
func (s *system) judgeObjects(t *testing.T, erased bool) {
	t.Helper()
	stored := map[string]bool{}
	for _, prefix := range []string{"evaluations/", "demo/"} {
		keys, err := s.stack.Objects(t.Context(), s.stack.Bucket, prefix)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			stored[key] = true
			if id := strings.Split(key, "/")[1]; erased && s.deleted[id] {
				t.Errorf("%s is left of a deleted evaluation", key)
			}
		}
	}
	rows, err := s.db.Query(t.Context(), `SELECT object_key FROM artifacts JOIN evaluations ON id = evaluation_id WHERE object_key <> '' AND deleted_at IS NULL`)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if !stored[key] {
			t.Errorf("%s is named by an artifact and not stored", key)
		}
	}
}

// judgeStreams: no consumer is left behind.
func (s *system) judgeStreams(t *testing.T) {
	t.Helper()
	for _, stage := range stages {
		st, err := s.producer.Stats(t.Context(), stage)
		if err != nil {
			t.Errorf("Stats(%s) = %v", stage, err)
			continue
		}
		if st.Consumers != 2 {
			t.Errorf("%d consumers of %s hold a lease, want 2", st.Consumers, stage)
		}
		consumers, err := s.rdb.XInfoConsumers(t.Context(), stageKey(stage, "stream"), "workers").Result()
		if err != nil || len(consumers) > 2 {
			t.Errorf("%d consumers in the group of %s, %v, want 2", len(consumers), stage, err)
		}
	}
}

// none reports each row of a query as an error; only the first ones are printed.
func (s *system) none(t *testing.T, query string) {
	t.Helper()
	rows, err := s.db.Query(t.Context(), query)
	if err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	for i, f := range found {
		if i == 10 {
			t.Errorf("and %d more", len(found)-i)
			return
		}
		t.Error(f)
	}
}
