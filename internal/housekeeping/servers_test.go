package housekeeping_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"oktalk/internal/evaluation"
	"oktalk/internal/housekeeping"
	"oktalk/internal/postgres"
	"oktalk/internal/redisconn"
	"oktalk/internal/redisstream"
	"oktalk/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// servers is a keeper over real servers.
type servers struct {
	conn     *pgx.Conn
	redis    redis.UniversalClient
	prefix   string
	upkeep   *postgres.Upkeep
	producer *redisstream.Producer
	keeper   *housekeeping.Keeper
}

func setup(t *testing.T) *servers {
	t.Helper()
	url := testkit.Database(t, postgres.Migrate)
	db, err := postgres.Open(t.Context(), postgres.Config{URL: url}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	s := &servers{prefix: testkit.Prefix(t), upkeep: postgres.NewUpkeep(db)}
	if s.conn, err = pgx.Connect(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.conn.Close(context.WithoutCancel(t.Context())) })
	if s.redis, err = redisconn.Work(redisconn.Config{URL: testkit.RedisURL(t), Prefix: s.prefix}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.redis.Close() })
	s.producer = redisstream.NewProducer(s.redis, s.prefix)
	s.keeper = housekeeping.New(housekeeping.Config{}, s.upkeep, s.producer, postgres.NewSpool(db), newWorld(), slog.New(slog.DiscardHandler))
	return s
}

// add makes open jobs of stage feedback that nobody touched for a minute.
func (s *servers) add(t *testing.T, n int) {
	t.Helper()
	_, err := s.conn.Exec(t.Context(), `
		INSERT INTO jobs (id, stage, evaluation_id, user_id, updated_at, not_before)
		SELECT 'job_' || lpad(n::text, 7, '0'), 'feedback', 'eval_' || n, 'user_' || n, now() - interval '1 minute', now() - interval '1 minute'
		FROM generate_series(1, $1) n`, n)
	if err != nil {
		t.Fatal(err)
	}
}

func (s *servers) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.keeper.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

// until waits for a condition.
func until(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(limit)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("not within %v: %s", limit, what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *servers) marked(t *testing.T) bool {
	t.Helper()
	for _, stage := range evaluation.Stages() {
		if m, err := s.producer.Marker(t.Context(), stage.Name); err != nil || m == "" {
			return false
		}
	}
	return true
}

// All keys are lost with open jobs in the database: every job is in its stream again, and then the marker.
func TestRealRebuild(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.run(t)
	until(t, 10*time.Second, "a new system is marked", func() bool { return s.marked(t) })
	const jobs = 3000
	s.add(t, jobs)
	keys, err := s.redis.Keys(t.Context(), s.prefix+"*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys { // a cluster refuses to delete keys of several slots at once
		if err := s.redis.Del(t.Context(), key).Err(); err != nil {
			t.Fatal(err)
		}
	}
	wiped := time.Now()
	until(t, 30*time.Second, "the stages are whole", func() bool { return s.marked(t) })
	t.Logf("%d jobs were enqueued again %v after the loss", jobs, time.Since(wiped))
	present, err := s.producer.Present(t.Context(), evaluation.StageFeedback)
	if err != nil || len(present) != jobs {
		t.Errorf("%d jobs have entries, %v, want %d", len(present), err, jobs)
	}
}

// Redis lost one entry of many and has its marker: that job alone goes through the outbox again.
func TestRealSweep(t *testing.T) {
	t.Parallel()
	s := setup(t)
	generations, err := s.upkeep.Generations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for stage, generation := range generations {
		if err := s.producer.SetMarker(t.Context(), stage, generation); err != nil {
			t.Fatal(err)
		}
	}
	s.add(t, 50)
	entries, err := s.upkeep.OpenJobs(t.Context(), evaluation.StageFeedback, "", 100)
	if err != nil || len(entries) != 50 {
		t.Fatalf("OpenJobs = %d, %v", len(entries), err)
	}
	lost := entries[17]
	entries = append(entries[:17:17], entries[18:]...)
	entries[3].Due = time.Now().Add(time.Hour) // delayed entries count too
	if err := s.producer.Enqueue(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	s.run(t)
	rows := func() (jobs []string) {
		result, err := s.conn.Query(t.Context(), `SELECT job_id FROM outbox`)
		if err != nil {
			t.Fatal(err)
		}
		jobs, err = pgx.CollectRows(result, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return jobs
	}
	until(t, 10*time.Second, "the lost job is in the outbox", func() bool { return len(rows()) > 0 })
	if got := rows(); len(got) != 1 || got[0] != lost.JobID {
		t.Errorf("outbox holds %v, want %s alone", got, lost.JobID)
	}
}

// A stage is paused as the database says, also after Redis lost the pause.
func TestPausesFollowTheDatabase(t *testing.T) {
	t.Parallel()
	s := setup(t)
	if _, err := s.upkeep.Generations(t.Context()); err != nil { // makes the rows
		t.Fatal(err)
	}
	set := func(paused bool) {
		t.Helper()
		if _, err := s.conn.Exec(t.Context(), `UPDATE stages SET paused = $1 WHERE name = 'speech'`, paused); err != nil {
			t.Fatal(err)
		}
	}
	is := func(want bool) func() bool {
		return func() bool {
			paused, err := s.producer.Paused(t.Context(), evaluation.StageSpeech)
			return err == nil && paused == want
		}
	}
	set(true)
	s.run(t)
	until(t, 10*time.Second, "the pause", is(true))
	if err := s.redis.Del(t.Context(), s.prefix+":stage:{speech}:paused").Err(); err != nil {
		t.Fatal(err)
	}
	until(t, 10*time.Second, "the pause to be restored", is(true))
	set(false)
	until(t, 10*time.Second, "the stage to go on", is(false))
	if paused, err := s.producer.Paused(t.Context(), evaluation.StageFeedback); paused || err != nil {
		t.Errorf("stage feedback is paused too (%v)", err)
	}
}
