package replay_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/oklog/ulid/v2"
	"github.com/redis/go-redis/v9"

	"oktalk/internal/audio"
	"oktalk/internal/erasure"
	"oktalk/internal/evaluation"
	"oktalk/internal/feedback"
	"oktalk/internal/feedback/coach"
	"oktalk/internal/objectstore"
	"oktalk/internal/outbox"
	"oktalk/internal/pipeline"
	"oktalk/internal/postgres"
	"oktalk/internal/redisconn"
	"oktalk/internal/rediskv"
	"oktalk/internal/redisstream"
	"oktalk/internal/replay"
	"oktalk/internal/testkit"
	"oktalk/internal/tts"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// world is a whole installation in this process, on real servers: relay and runners of all stages with their real handlers, over a
// vendor and a voice of the test's own.
type world struct {
	url         string
	prefix      string
	user        string
	redis       redis.UniversalClient
	evaluations *postgres.Evaluations
	replays     *postgres.Replays
	producer    *redisstream.Producer
	snapshots   *rediskv.Snapshots
	objects     *objectstore.Store
	vendor      *vendor
	voice       *voice
	service     *replay.Service
}

func setup(t *testing.T) *world {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	w := &world{url: testkit.Database(t, postgres.Migrate), prefix: testkit.Prefix(t), vendor: &vendor{}, voice: &voice{}}
	db, err := postgres.Open(t.Context(), postgres.Config{URL: w.url, MaxConns: 8}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	cfg := redisconn.Config{URL: testkit.RedisURL(t), Prefix: w.prefix}
	if w.redis, err = redisconn.Work(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.redis.Close() })
	blocking, err := redisconn.Blocking(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = blocking.Close() })
	b := testkit.Bucket(t)
	w.objects, err = objectstore.New(objectstore.Config{Endpoint: b.Endpoint, Bucket: b.Bucket, Region: b.Region, AccessKeyID: b.AccessKey, SecretAccessKey: b.SecretKey}, log)
	if err != nil {
		t.Fatal(err)
	}
	w.evaluations, w.replays = postgres.NewEvaluations(db), postgres.NewReplays(db)
	w.producer, w.snapshots = redisstream.NewProducer(w.redis, w.prefix), rediskv.NewSnapshots(w.redis, w.prefix, time.Hour)
	if w.user, err = postgres.NewAccounts(db).EnsureUser(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	voices := replay.Provider{Name: "parrot", Models: []string{"polly", "jaco"}}
	w.service = replay.NewService(w.replays, w.producer, w.objects, replay.Catalog{
		evaluation.StageFeedback: {{Name: "vendor", Models: []string{"m1", "m2"}}, {Name: "offline", Prompts: []string{coach.Version}}},
		evaluation.StageSpeech:   {voices}, evaluation.StageDemo: {voices},
	}, log)

	speech, err := tts.NewSpeech(tts.Config{Speed: 1, DemoSpeed: 1}, w.voice, encoder{}, w.objects, log)
	if err != nil {
		t.Fatal(err)
	}
	demo, err := tts.NewDemo(tts.Config{Speed: 1, DemoSpeed: 1}, w.voice, encoder{}, w.objects, log)
	if err != nil {
		t.Fatal(err)
	}
	relay := outbox.NewRelay(outbox.Config{Poll: 50 * time.Millisecond}, postgres.NewOutbox(db), w.producer, w.snapshots, log)
	db.OnOutbox(relay.Nudge)
	parts := []func(context.Context) error{relay.Run}
	for name, h := range map[evaluation.StageName]pipeline.Handler{
		evaluation.StageFeedback: feedback.NewStage(feedback.Config{}, w.vendor, coach.New(), log),
		evaluation.StageSpeech:   speech, evaluation.StageDemo: demo,
		evaluation.StageErase: erasure.NewStage(w.evaluations, w.objects, w.snapshots),
	} {
		stage, _ := evaluation.StageByName(name)
		stage.Backoff = []time.Duration{10 * time.Millisecond}
		src := redisstream.NewSource(redisstream.Config{}, w.redis, blocking, w.prefix, name, redisstream.ConsumerName("test"), log)
		parts = append(parts, pipeline.NewRunner(pipeline.Config{Concurrency: 2, DrainTimeout: time.Second}, stage, src, postgres.NewJobs(db), h, nil, log).Run)
	}
	w.run(t, parts)
	return w
}

func (w *world) run(t *testing.T, parts []func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	for _, part := range parts {
		wg.Go(func() {
			if err := part(ctx); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("a part ended: %v", err)
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
}

// vendor writes texts; it fails while down.
type vendor struct {
	mu   sync.Mutex
	down bool
}

func (v *vendor) Name() string { return "vendor" }

func (v *vendor) setDown(down bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.down = down
}

const (
	text1 = `Well done. Now say "apples" again.`
	text2 = `Good work. Now say "apples" once more.`
)

func (v *vendor) Write(_ context.Context, r feedback.Request) (feedback.Text, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.down {
		return feedback.Text{}, errors.New("vendor is down")
	}
	text := feedback.Text{Body: text1, Provider: "vendor", Model: "m1", Usage: []byte(`{"tokens":7}`)}
	if r.Model == "m2" {
		text.Body, text.Model = text2, "m2"
	}
	return text, nil
}

// voice speaks by making one sample of each byte; it counts what it spoke and fails while down.
type voice struct {
	mu     sync.Mutex
	spoken []string
	down   bool
}

func (v *voice) setDown(down bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.down = down
}

func (v *voice) said() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.spoken)
}

func (v *voice) Name() string                 { return "parrot" }
func (v *voice) Voice(string) (string, error) { return "polly", nil }
func (v *voice) Speak(_ context.Context, r tts.Request) (audio.Clip, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.down {
		return audio.Clip{}, tts.ErrNotInstalled
	}
	v.spoken = append(v.spoken, r.Voice+": "+r.Text)
	c := audio.Clip{Rate: 16000}
	for _, b := range []byte(r.Voice + ": " + r.Text) {
		c.Samples = append(c.Samples, int16(b))
	}
	return c, nil
}

// encoder makes text of the samples again.
type encoder struct{}

func (encoder) MP3(_ context.Context, c audio.Clip, _ string) ([]byte, error) {
	var b []byte
	for _, s := range c.Samples {
		if s != 0 {
			b = append(b, byte(s))
		}
	}
	return b, nil
}

// completed is a new evaluation that ran through all stages.
func (w *world) completed(t *testing.T) *evaluation.Evaluation {
	t.Helper()
	now := time.Now().UTC()
	id := "eval_" + strings.ToLower(ulid.Make().String())
	phones := func(arpabet ...string) (ps []evaluation.Phoneme) {
		for _, a := range arpabet {
			ps = append(ps, evaluation.Phoneme{ARPAbet: a, Score: 95})
		}
		return ps
	}
	e := &evaluation.Evaluation{
		ID: id, UserID: w.user, Version: 1, CreatedAt: now, UpdatedAt: now, TargetText: "I like apples", Language: "en-US",
		Category: evaluation.CategorySentence, FeedbackLanguage: "en", DemoMode: evaluation.DemoAuto,
		Recording: evaluation.Recording{ObjectKey: "evaluations/" + id + "/recording.wav", Format: "wav", ContentType: "audio/wav", SHA256: []byte{1}},
		Assessment: &evaluation.Assessment{
			Assessor: "offline", Level: evaluation.LevelB, Scores: evaluation.Scores{Overall: 77, Accuracy: 75, Fluency: 92, Integrity: 100},
			Words: []evaluation.Word{
				{Text: "I", Score: 95, Error: evaluation.WordCorrect, Phonemes: phones("AY")},
				{Text: "like", Score: 91, Error: evaluation.WordCorrect, Phonemes: phones("L", "AY", "K")},
				{
					Text: "apples", Score: 58, Error: evaluation.WordMispronunciation,
					Phonemes: append([]evaluation.Phoneme{{ARPAbet: "AE", Score: 41, Heard: "EH"}}, phones("P", "AH", "L", "Z")...),
				},
			},
		},
	}
	e.Plan()
	if err := w.evaluations.Create(t.Context(), e, evaluation.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	testkit.WaitFor(t, 30*time.Second, "the evaluation to be completed", func() bool { return w.get(t, id).Status == evaluation.StatusCompleted })
	return w.get(t, id)
}

func (w *world) get(t *testing.T, id string) *evaluation.Evaluation {
	t.Helper()
	e, err := w.evaluations.Get(t.Context(), w.user, id)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (w *world) object(t *testing.T, key string) string {
	t.Helper()
	b, _, err := w.objects.Get(t.Context(), key)
	if err != nil {
		return fmt.Sprint(err)
	}
	return string(b)
}

// replayed asks for a replay and waits until its jobs have ended.
func (w *world) replayed(t *testing.T, r replay.Request) replay.Diff {
	t.Helper()
	if r.Actor == "" {
		r.Actor, r.Why = "qa@host", "to compare"
	}
	res, err := w.service.Replay(t.Context(), r)
	if err != nil || res.Replay == nil {
		t.Fatalf("Replay(%+v) = %+v, %v", r, res, err)
	}
	return w.ended(t, res.Replay.ID)
}

// ended waits until the jobs of a replay have ended: the last of a chain is started by the one before.
func (w *world) ended(t *testing.T, id string) (d replay.Diff) {
	t.Helper()
	testkit.WaitFor(t, 30*time.Second, "the replay to end", func() bool {
		open := w.query(t, `SELECT count(*) FROM jobs WHERE replay_id = $1 AND state = 'open'`, id)
		return open == "0"
	})
	d, err := w.service.Diff(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// query reads one value as text with a connection of its own.
func (w *world) query(t *testing.T, sql string, args ...any) (s string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), w.url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if err := conn.QueryRow(t.Context(), `SELECT coalesce((`+sql+`)::text, '')`, args...).Scan(&s); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return s
}
