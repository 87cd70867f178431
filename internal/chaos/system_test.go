package chaos

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/oklog/ulid/v2"
	"github.com/redis/go-redis/v9"

	"oktalk/internal/devstack"
	"oktalk/internal/evaluation"
	"oktalk/internal/postgres"
	"oktalk/internal/redisconn"
	"oktalk/internal/redisstream"
	"oktalk/internal/testkit"
)

//go:embed observer.sql
var observer string

// replicas is how many processes play each role.
var replicas = []struct {
	role string
	n    int
}{{keeperRole, 2}, {feedbackRole, 2}, {speechRole, 2}}

// users is how many learners there are: few enough that some have more than their fair share open.
const users = 30

// prefix begins all keys.
const prefix = "chaos"

// system is servers, workers, and the suite's own ways to look at them, past all proxies.
type system struct {
	stack       *devstack.Stack
	workers     []*worker
	db          *pgxpool.Pool
	evaluations *postgres.Evaluations
	upkeep      *postgres.Upkeep
	rdb         redis.UniversalClient
	producer    *redisstream.Producer
	journal     *journal
	users       []string
	logs        string // folder of the workers' logs

	redisFault, postgresFault sync.Mutex // held by the fault that has the server

	mu      sync.Mutex
	created []*evaluation.Evaluation
	deleted map[string]bool
}

// worker is a worker process and its ways to the servers.
type worker struct {
	name, role, log     string // log is a file
	process             *devstack.Process
	redis, postgres, s3 *proxy
	fault               sync.Mutex // held by the fault that has the process
}

func start(t *testing.T, seed uint64) *system {
	t.Helper()
	s := &system{stack: testkit.OwnServers(t), journal: newJournal(), deleted: map[string]bool{}, logs: t.ArtifactDir()}
	if err := postgres.Migrate(t.Context(), s.stack.DatabaseURL); err != nil {
		t.Fatal(err)
	}
	s.connect(t)
	if _, err := s.db.Exec(t.Context(), observer); err != nil {
		t.Fatal(err)
	}
	for _, r := range replicas {
		for i := range r.n {
			s.workers = append(s.workers, s.launch(t, r.role, i, seed))
		}
	}
	return s
}

// connect opens the suite's own connections.
func (s *system) connect(t *testing.T) {
	t.Helper()
	var err error
	if s.db, err = pgxpool.New(t.Context(), s.stack.DatabaseURL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.db.Close)
	db, err := postgres.Open(t.Context(), postgres.Config{URL: s.stack.DatabaseURL}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	s.evaluations, s.upkeep = postgres.NewEvaluations(db), postgres.NewUpkeep(db)
	if s.rdb, err = redisconn.Work(redisconn.Config{URL: s.stack.RedisURL}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.rdb.Close() })
	s.producer = redisstream.NewProducer(s.rdb, prefix)
	for i := range users {
		id, err := postgres.NewAccounts(db).EnsureUser(t.Context(), fmt.Sprint("learner-", i))
		if err != nil {
			t.Fatal(err)
		}
		s.users = append(s.users, id)
	}
}

// launch starts a worker process behind proxies of its own.
func (s *system) launch(t *testing.T, role string, i int, seed uint64) *worker {
	t.Helper()
	name := fmt.Sprintf("%s-%d", role, i+1)
	w := &worker{name: name, role: role, log: filepath.Join(s.logs, name+".log")}
	env := append(os.Environ(), "METRICS_ADDR=off", "LOG_FORMAT=json", "LOG_LEVEL=info", "WORKER_CONCURRENCY=16", "REDIS_PREFIX="+prefix,
		"S3_BUCKET="+s.stack.Bucket, "AWS_ACCESS_KEY_ID="+s.stack.S3AccessKey, "AWS_SECRET_ACCESS_KEY="+s.stack.S3SecretKey,
		"DRAIN_TIMEOUT=3s", fmt.Sprint("TRIAL_SEED=", seed))
	w.postgres, env = through(t, env, "DATABASE_URL", s.stack.DatabaseURL)
	w.redis, env = through(t, env, "REDIS_URL", s.stack.RedisURL)
	w.s3, env = through(t, env, "S3_ENDPOINT", s.stack.S3Endpoint)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(w.log)
	if err != nil {
		t.Fatal(err)
	}
	w.process = devstack.NewProcess(devstack.Command{
		Name: w.name, Path: self, Args: []string{asWorker, role}, Env: env,
		Output: func(line string) {
			if !s.journal.read(w.name, line) {
				_, _ = fmt.Fprintln(log, line)
			}
		},
	})
	if err := w.process.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.process.Stop(context.Background())
		_ = log.Close()
	})
	return w
}

// through puts a proxy before a server and its address into an environment.
func through(t *testing.T, env []string, name, server string) (*proxy, []string) {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	p := newProxy(t, u.Host)
	u.Host = p.addr()
	return p, append(env, name+"="+u.String())
}

// create stores n evaluations, evenly over a time, and deletes some again, as their learners would. It goes on through outages.
func (s *system) create(ctx context.Context, n int, over time.Duration, dice *rand.Rand) error {
	begin := time.Now()
	var deleting sync.WaitGroup
	defer deleting.Wait()
	for i := range n {
		pause(ctx, time.Until(begin.Add(over*time.Duration(i)/time.Duration(n))))
		user := s.users[dice.IntN(len(s.users))]
		if dice.IntN(4) == 0 {
			user = s.users[0] // one who floods
		}
		e := newEvaluation(user, dice)
		if err := s.insist(ctx, func() error { return s.store(ctx, e) }); err != nil {
			return err
		}
		s.mu.Lock()
		s.created = append(s.created, e)
		s.mu.Unlock()
		if dice.IntN(40) == 0 {
			wait := time.Duration(dice.IntN(3000)) * time.Millisecond
			deleting.Go(func() {
				pause(ctx, wait)
				s.remove(ctx, e)
			})
		}
	}
	return nil
}

// store stores an evaluation; one that is there already was stored by a call whose answer was lost.
func (s *system) store(ctx context.Context, e *evaluation.Evaluation) error {
	if got, err := s.evaluations.Load(ctx, []string{e.ID}); err != nil || len(got) > 0 {
		return err
	}
	return s.evaluations.Create(ctx, e, evaluation.CreateOptions{})
}

func (s *system) remove(ctx context.Context, e *evaluation.Evaluation) {
	err := s.insist(ctx, func() error { return s.evaluations.Delete(ctx, e.UserID, e.ID) })
	if err == nil || errors.Is(err, evaluation.ErrNotFound) { // that of a call whose answer was lost
		s.mu.Lock()
		s.deleted[e.ID] = true
		s.mu.Unlock()
	}
}

// insist repeats a call while the database is away.
func (s *system) insist(ctx context.Context, call func() error) error {
	for {
		err := call()
		if !errors.Is(err, evaluation.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// newEvaluation makes up a scored evaluation.
func newEvaluation(user string, dice *rand.Rand) *evaluation.Evaluation {
	now := time.Now().UTC().Truncate(time.Microsecond)
	id := "eval_" + strings.ToLower(ulid.Make().String())
	fruit := fmt.Sprintf("fruit%d", dice.IntN(100_000)) // readings of their own, so that most have to be made
	e := &evaluation.Evaluation{
		ID: id, UserID: user, Version: 1, CreatedAt: now, UpdatedAt: now, TargetText: "I like " + fruit, Language: "en-US",
		Category: evaluation.CategorySentence, FeedbackLanguage: "en", DemoMode: evaluation.DemoAuto,
		Recording: evaluation.Recording{
			ObjectKey: "evaluations/" + id + "/recording.wav", Format: "wav", ContentType: "audio/wav", Bytes: 9, SHA256: []byte{1}, Duration: time.Second,
		},
		Assessment: &evaluation.Assessment{
			Assessor: "offline", Level: evaluation.LevelB, Scores: evaluation.Scores{Overall: 77, Accuracy: 75, Fluency: 82, Integrity: 100},
			Words: []evaluation.Word{
				{Text: "I", Score: 95, Error: evaluation.WordCorrect},
				{Text: "like", Score: 91, Error: evaluation.WordCorrect},
				{
					Text: fruit, Score: 58, Error: evaluation.WordMispronunciation,
					Phonemes: []evaluation.Phoneme{{ARPAbet: "AE", Score: 41, Heard: "EH"}},
				},
			},
		},
	}
	if dice.IntN(10) == 0 {
		e.DemoMode = evaluation.DemoNever
	}
	e.Plan()
	return e
}

// pause rests, or less when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
