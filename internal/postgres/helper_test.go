package postgres_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/oklog/ulid/v2"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
	"oktalk/internal/postgres"
	"oktalk/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// stores is one database and everything over it.
type stores struct {
	url         string
	db          *postgres.DB
	evaluations *postgres.Evaluations
	jobs        *postgres.Jobs
	outbox      *postgres.Outbox
	spool       *postgres.Spool
	idempotency *postgres.Idempotency
	accounts    *postgres.Accounts
	upkeep      *postgres.Upkeep
	user        string
}

const spoolMax = 1000

func setup(t testing.TB) *stores {
	t.Helper()
	return open(t, testkit.Database(t, postgres.Migrate))
}

func open(t testing.TB, url string) *stores {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: url, MaxConns: 8, SpoolMaxBytes: spoolMax}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("Open = %v", err)
	}
	t.Cleanup(db.Close)
	s := &stores{
		url: url, db: db, evaluations: postgres.NewEvaluations(db), jobs: postgres.NewJobs(db), outbox: postgres.NewOutbox(db),
		spool: postgres.NewSpool(db), idempotency: postgres.NewIdempotency(db), accounts: postgres.NewAccounts(db), upkeep: postgres.NewUpkeep(db),
	}
	s.user, err = s.accounts.EnsureUser(t.Context(), "ann")
	if err != nil {
		t.Fatalf("EnsureUser = %v", err)
	}
	return s
}

func newEvaluation(user string) *evaluation.Evaluation {
	now := time.Now().UTC().Truncate(time.Microsecond)
	id := "eval_" + strings.ToLower(ulid.Make().String())
	e := &evaluation.Evaluation{
		ID: id, UserID: user, Version: 1, CreatedAt: now, UpdatedAt: now, TargetText: "I like apples", Language: "en-US",
		Category: evaluation.CategorySentence, FeedbackLanguage: "en", NativeLanguage: "zh", DemoMode: evaluation.DemoAuto,
		Recording: evaluation.Recording{
			ObjectKey: "evaluations/" + id + "/recording.wav", Format: "wav", ContentType: "audio/wav", Bytes: 9, SHA256: []byte{1, 2},
			Duration: 1840 * time.Millisecond,
		},
		Assessment: &evaluation.Assessment{
			Assessor: "offline", Level: evaluation.LevelB, Scores: evaluation.Scores{Overall: 77, Accuracy: 75, Fluency: 82, Integrity: 100},
			Words: []evaluation.Word{
				{Text: "I", Score: 95, Error: evaluation.WordCorrect, Offset: 100 * time.Millisecond, Duration: 90 * time.Millisecond},
				{Text: "like", Score: 91, Error: evaluation.WordCorrect, Approximate: true},
				{
					Text: "apples", Score: 58, Error: evaluation.WordMispronunciation,
					Phonemes:  []evaluation.Phoneme{{ARPAbet: "AE", Score: 41, Heard: "EH", Confidence: 0.87, Offset: 900 * time.Millisecond, Duration: 110 * time.Millisecond}},
					Syllables: []evaluation.Syllable{{Phonemes: 1, Score: 41, Stress: evaluation.StressPrimary, Heard: evaluation.StressNone, Offset: 900 * time.Millisecond, Duration: 110 * time.Millisecond}},
				},
			},
		},
	}
	e.Plan()
	return e
}

// create stores a new evaluation.
func (s *stores) create(t testing.TB) *evaluation.Evaluation {
	t.Helper()
	e := newEvaluation(s.user)
	if err := s.evaluations.Create(t.Context(), e, evaluation.CreateOptions{Traceparent: "00-a-b-01"}); err != nil {
		t.Fatalf("Create = %v", err)
	}
	return e
}

func (s *stores) get(t testing.TB, id string) *evaluation.Evaluation {
	t.Helper()
	e, err := s.evaluations.Get(t.Context(), s.user, id)
	if err != nil {
		t.Fatalf("Get(%s) = %v", id, err)
	}
	return e
}

// entry is the entry of an evaluation's open job of a stage.
func (s *stores) entry(t testing.TB, id string, stage evaluation.StageName) pipeline.Entry {
	t.Helper()
	entries, err := s.upkeep.OpenJobs(t.Context(), stage, "", 100_000)
	if err != nil {
		t.Fatalf("OpenJobs = %v", err)
	}
	for _, e := range entries {
		if e.EvaluationID == id {
			e.ID = "1-0"
			return e
		}
	}
	t.Fatalf("no open job of %s for %s", stage, id)
	return pipeline.Entry{}
}

// begin begins the job of a stage for a consumer; everybody else counts as dead.
func (s *stores) begin(t testing.TB, id string, stage evaluation.StageName, owner string) pipeline.Job {
	t.Helper()
	j, err := s.jobs.Begin(t.Context(), s.entry(t, id, stage), owner, nobody)
	if err != nil {
		t.Fatalf("Begin(%s) = %v", stage, err)
	}
	return j
}

func nobody(context.Context, string) (bool, error)    { return false, nil }
func everybody(context.Context, string) (bool, error) { return true, nil }

func result(kind evaluation.ArtifactKind) pipeline.Result {
	return pipeline.Result{Artifact: ready(kind), InputHash: "abc", Provider: "offline", Usage: []byte(`{"characters":9}`)}
}

func ready(kind evaluation.ArtifactKind) evaluation.Artifact {
	a := evaluation.Artifact{Kind: kind, State: evaluation.StateReady, Provider: "offline"}
	if kind == evaluation.FeedbackText {
		a.Text = "Well done."
	} else {
		a.ObjectKey, a.ContentType = "evaluations/x/"+string(kind)+".mp3", "audio/mpeg"
		if kind == evaluation.DemoAudio {
			a.ContrastKey = "evaluations/x/contrast.mp3"
		}
	}
	return a
}

// batch is what the outbox asked to send.
type batch struct {
	Jobs        []pipeline.Entry
	Evaluations []*evaluation.Evaluation
	Deleted     []string
}

type sendFunc = func(context.Context, pipeline.Outgoing) []pipeline.Destination

// into makes a send function that collects.
func into(b *batch) sendFunc {
	return func(_ context.Context, out pipeline.Outgoing) []pipeline.Destination {
		b.Jobs = append(b.Jobs, out.Jobs...)
		b.Evaluations = append(b.Evaluations, out.Changed...)
		b.Deleted = append(b.Deleted, out.Deleted...)
		return nil
	}
}

// claim empties the outbox and returns what it asked to send.
func (s *stores) claim(t testing.TB) batch {
	t.Helper()
	var all batch
	for {
		n, err := s.outbox.Claim(t.Context(), pipeline.Destinations(), 100, into(&all))
		if err != nil {
			t.Fatalf("Claim = %v", err)
		}
		if n < 100 {
			return all
		}
	}
}

// query reads one value with a connection of its own.
func query[T any](t testing.TB, url, sql string, args ...any) (v T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// exec runs a statement with a connection of its own.
func exec(t testing.TB, url, sql string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// rowsWith counts the rows of every table that hold a text anywhere.
func rowsWith(t testing.TB, url, text string) map[string]int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	rows, err := conn.Query(t.Context(), `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, table := range tables {
		var n int
		if err := conn.QueryRow(t.Context(), fmt.Sprintf(`SELECT count(*) FROM %s r WHERE r::text LIKE '%%' || $1 || '%%'`, table), text).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			found[table] = n
		}
	}
	return found
}
