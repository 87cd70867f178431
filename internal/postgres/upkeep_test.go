package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
	"oktalk/internal/postgres"
	"oktalk/internal/testkit"
)

// Ten processes that start at once migrate once.
func TestMigrateTogether(t *testing.T) {
	t.Parallel()
	url := testkit.Database(t, nil)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if err := postgres.Migrate(t.Context(), url); err != nil {
				t.Errorf("Migrate = %v", err)
			}
		})
	}
	wg.Wait()
	list, err := postgres.MigrationStatus(t.Context(), url)
	if err != nil || len(list) == 0 {
		t.Fatalf("MigrationStatus = %v, %v", list, err)
	}
	for _, m := range list {
		if !m.Applied || m.AppliedAt.IsZero() || !strings.HasSuffix(m.Name, ".sql") {
			t.Errorf("migration %+v is not applied", m)
		}
	}
}

func TestMigrateDownAndUp(t *testing.T) {
	t.Parallel()
	ctx, url := t.Context(), testkit.Database(t, nil)
	tables := func() string {
		return query[string](t, url, `SELECT coalesce(string_agg(tablename, ' ' ORDER BY tablename), '') FROM pg_tables
			WHERE schemaname = 'public' AND tablename <> 'goose_db_version'`)
	}
	if err := postgres.Migrate(ctx, url); err != nil {
		t.Fatal(err)
	}
	s := open(t, url)
	if err := s.db.CheckSchema(ctx); err != nil {
		t.Errorf("CheckSchema after Migrate = %v", err)
	}
	up := tables()
	status, err := postgres.MigrationStatus(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	for range status {
		if err := postgres.MigrateDown(ctx, url); err != nil {
			t.Fatal(err)
		}
	}
	if left := tables(); left != "" {
		t.Errorf("after all the way down there is %s", left)
	}
	if err := s.db.CheckSchema(ctx); err == nil || !strings.Contains(err.Error(), "oktalk migrate up") {
		t.Errorf("CheckSchema of an old schema = %v, want a sentence with `oktalk migrate up`", err)
	}
	if err := postgres.Migrate(ctx, url); err != nil {
		t.Fatal(err)
	}
	if again := tables(); again != up {
		t.Errorf("up again there is %s, want %s", again, up)
	}
}

func TestCheckSchemaOfAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: testkit.Database(t, nil)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.CheckSchema(t.Context()); err == nil || !strings.Contains(err.Error(), "oktalk migrate up") {
		t.Errorf("CheckSchema = %v, want a sentence with `oktalk migrate up`", err)
	}
}

func TestGenerations(t *testing.T) {
	t.Parallel()
	s := setup(t)
	var answers [4]map[evaluation.StageName]string
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			var err error
			if answers[i], err = s.upkeep.Generations(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, stage := range evaluation.Stages() {
		g := answers[0][stage.Name]
		if g == "" || seen[g] {
			t.Errorf("generation of %s = %q, want one of its own", stage.Name, g)
		}
		seen[g] = true
		for _, a := range answers[1:] {
			if a[stage.Name] != g {
				t.Errorf("generation of %s = %q for one and %q for another", stage.Name, g, a[stage.Name])
			}
		}
	}
}

func TestPartitions(t *testing.T) {
	t.Parallel()
	s := setup(t)
	e := s.create(t)
	j := s.begin(t, e.ID, evaluation.StageFeedback, "w1")
	if err := s.jobs.Settle(t.Context(), j, result(evaluation.FeedbackText), pipeline.OutcomeDone, nil); err != nil {
		t.Fatal(err)
	}
	where := func() string {
		return query[string](t, s.url, `SELECT string_agg(tableoid::regclass::text, ' ') FROM stage_runs`)
	}
	if got := where(); got != "stage_runs_default" {
		t.Errorf("before its partition exists, the row is in %s", got)
	}
	now := time.Now()
	for range 2 {
		if err := s.upkeep.EnsurePartitions(t.Context(), now); err != nil {
			t.Fatalf("EnsurePartitions = %v", err)
		}
	}
	if got, want := where(), now.UTC().Format("stage_runs_200601"); got != want {
		t.Errorf("the row is in %s, want %s", got, want)
	}
	if n := query[int](t, s.url, `SELECT count(*) FROM pg_inherits WHERE inhparent = 'stage_runs'::regclass`); n != 5 {
		t.Errorf("%d partitions, want 5: the default, this month and three more", n)
	}
	indexes := `SELECT count(*) FROM pg_indexes WHERE tablename = $1`
	want := query[int](t, s.url, indexes, "stage_runs")
	if n := query[int](t, s.url, indexes, now.UTC().Format("stage_runs_200601")); n != want {
		t.Errorf("the new partition has %d indexes, want %d as the table", n, want)
	}
}

// Partitions are made while runs are being recorded; none is lost or refused.
func TestPartitionsUnderLoad(t *testing.T) {
	t.Parallel()
	s := setup(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	settled := 0
	wg.Go(func() {
		for {
			e := s.create(t)
			if err := s.jobs.Settle(t.Context(), s.begin(t, e.ID, evaluation.StageFeedback, "w"), result(evaluation.FeedbackText), pipeline.OutcomeDone, nil); err != nil {
				t.Errorf("Settle = %v", err)
			}
			settled++
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for i := range 4 {
		if err := s.upkeep.EnsurePartitions(t.Context(), time.Now().AddDate(0, -i, 0)); err != nil {
			t.Errorf("EnsurePartitions = %v", err)
		}
	}
	close(stop)
	wg.Wait()
	if n := query[int](t, s.url, `SELECT count(*) FROM stage_runs`); n != settled {
		t.Errorf("%d runs recorded, want %d", n, settled)
	}
}

// One process leads; when its connection is cut it stops at once and another takes over.
func TestLead(t *testing.T) {
	t.Parallel()
	s := setup(t)
	type event struct {
		who   int
		leads bool
	}
	events := make(chan event, 100)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			err := s.upkeep.Lead(ctx, func(ctx context.Context) error {
				events <- event{i, true}
				<-ctx.Done()
				events <- event{i, false}
				return nil
			})
			if err != nil {
				t.Errorf("Lead = %v", err)
			}
		})
	}
	next := func() event {
		t.Helper()
		select {
		case e := <-events:
			return e
		case <-time.After(15 * time.Second):
			t.Fatal("nothing happened within 15 s")
			return event{}
		}
	}
	first := next()
	if !first.leads {
		t.Fatalf("first event = %+v", first)
	}
	cut := time.Now()
	exec(t, s.url, `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
	stopped, took := false, false
	for !stopped || !took {
		switch e := next(); {
		case !e.leads && e.who == first.who:
			stopped = true
		case e.leads:
			took = true
		}
	}
	if d := time.Since(cut); d > 7*time.Second {
		t.Errorf("stopping and taking over took %v, want about 5 s at most", d)
	}
	cancel()
	wg.Wait()
}

// PostgreSQL is killed and started again: calls fail as unavailable, then work again through the same pool.
func TestRestart(t *testing.T) {
	t.Parallel()
	servers := testkit.OwnServers(t)
	if err := postgres.Migrate(t.Context(), servers.DatabaseURL); err != nil {
		t.Fatal(err)
	}
	s := open(t, servers.DatabaseURL)
	e := s.create(t)
	j := s.begin(t, e.ID, evaluation.StageFeedback, "w1")
	if err := servers.Postgres.Kill(); err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"Ready": func() error { return s.db.Ready(t.Context()) },
		"Get":   func() error { _, err := s.evaluations.Get(t.Context(), s.user, e.ID); return err },
		"Settle": func() error {
			return s.jobs.Settle(t.Context(), j, result(evaluation.FeedbackText), pipeline.OutcomeDone, nil)
		},
		"Begin": func() error {
			_, err := s.jobs.Begin(t.Context(), pipeline.Entry{JobID: j.ID, Stage: j.Stage}, "w1", nobody)
			return err
		},
	} {
		if err := call(); !errors.Is(err, evaluation.ErrUnavailable) {
			t.Errorf("%s while the server is away = %v, want ErrUnavailable", name, err)
		}
	}
	if err := servers.Postgres.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if err = s.jobs.Settle(t.Context(), j, result(evaluation.FeedbackText), pipeline.OutcomeDone, nil); !errors.Is(err, evaluation.ErrUnavailable) {
			break
		}
	}
	if err != nil {
		t.Fatalf("Settle after the restart = %v", err)
	}
	if got := s.get(t, e.ID); got.Version != 2 {
		t.Errorf("version = %d, want 2", got.Version)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: "postgres://nobody@127.0.0.1:1/none"}, nil)
	if err != nil {
		t.Fatalf("Open with the server away = %v, want a pool", err)
	}
	defer db.Close()
	if err := db.Ready(t.Context()); !errors.Is(err, evaluation.ErrUnavailable) {
		t.Errorf("Ready = %v, want ErrUnavailable", err)
	}
	if _, err := postgres.Open(t.Context(), postgres.Config{URL: "postgres://%zz"}, nil); err == nil || !strings.Contains(fmt.Sprint(err), "DATABASE_URL") {
		t.Errorf("Open with an unreadable URL = %v, want a sentence with DATABASE_URL", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Ready(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, evaluation.ErrUnavailable) {
		t.Errorf("Ready after cancel = %v, want context.Canceled alone", err)
	}
}

func TestNotDead(t *testing.T) {
	t.Parallel()
	s := setup(t)
	e := s.create(t)
	j := s.begin(t, e.ID, evaluation.StageFeedback, "w1")
	ids := []string{j.ID, "job_none"}
	for state, want := range map[string]int{"open": 2, "dead": 1} {
		exec(t, s.url, `UPDATE jobs SET state = '`+state+`'`)
		got, err := s.upkeep.NotDead(t.Context(), ids)
		if err != nil || len(got) != want || !slices.Contains(got, "job_none") {
			t.Errorf("NotDead of a job that is %s and of none = %v, %v, want %d", state, got, err, want)
		}
	}
}
