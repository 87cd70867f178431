package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"oktalk/internal/outbox"
	"oktalk/internal/postgres"
	"oktalk/internal/rediskv"
)

// poolSize is how many connections to PostgreSQL a process has, ours and River's.
const poolSize = 16

// whole is ours with all that a worker has: the ledger in PostgreSQL, and a relay that sends entries and snapshots.
type whole struct {
	*engine
	db    *postgres.DB
	pool  *pgxpool.Pool // to make jobs and to count
	relay *outbox.Relay
	stop  context.CancelFunc
	done  sync.WaitGroup
}

func prepareWhole(ctx context.Context, s space) error { return postgres.Migrate(ctx, s.Database) }

func openWhole(ctx context.Context, s space) (contender, error) {
	pool, err := pgxpool.New(ctx, s.Database)
	if err != nil {
		return nil, err
	}
	e, err := newEngine(s, nil)
	if err != nil {
		return nil, err
	}
	db, err := postgres.Open(ctx, postgres.Config{URL: s.Database, MaxConns: poolSize}, e.log)
	if err != nil {
		return nil, err
	}
	e.ledger = postgres.NewJobs(db)
	w := &whole{engine: e, db: db, pool: pool}
	w.relay = outbox.NewRelay(outbox.Config{}, postgres.NewOutbox(db), e.producer, rediskv.NewSnapshots(e.work, prefix, 0), e.log)
	db.OnOutbox(w.relay.Nudge)
	db.OnLeft(w.relay.Take)
	relaying, stop := context.WithCancel(context.WithoutCancel(ctx))
	w.stop = stop
	w.done.Go(func() { _ = w.relay.Run(relaying) }) // nil, always
	return w, nil
}

func (w *whole) Close() {
	w.stop()
	w.done.Wait()
	w.db.Close()
	w.pool.Close()
	w.engine.Close()
}

// words are the scores of one word, so that reading an evaluation costs what it costs.
const words = `[{"text":"apples","score":58,"error":"mispronunciation","offset_ms":900,"duration_ms":400,
	"phonemes":[{"arpabet":"AE","score":41,"heard":"EH","offset_ms":900,"duration_ms":110},{"arpabet":"P","score":91,"offset_ms":1010,"duration_ms":90}]}]`

// makeJobs are the statements that make evaluations of which only the model reading is missing. $1 are numbers, $2 users.
var makeJobs = []string{
	`INSERT INTO users (id, name) SELECT DISTINCT 'user_' || lpad(u::text, 26, '0'), 'bench ' || u FROM unnest($2::bigint[]) u
		WHERE cardinality($1::bigint[]) > 0 ON CONFLICT DO NOTHING`,
	`INSERT INTO evaluations (id, user_id, status, version, created_at, updated_at, target_text, language, category, feedback_language,
			demo_mode, recording_key, audio_format, audio_type, audio_bytes, audio_sha256, audio_duration_ms, assessor, overall, accuracy,
			fluency, integrity, level, words)
		SELECT 'eval_' || lpad(n::text, 26, '0'), 'user_' || lpad(u::text, 26, '0'), 'processing', 1, now(), now(), 'I like apples', 'en-US',
			'sentence', 'en', 'auto', 'bench.wav', 'wav', 'audio/wav', 90000, '\x01', 1840, 'offline', 77, 75, 82, 100, 'B', '` + words + `'::jsonb
		FROM unnest($1::bigint[], $2::bigint[]) t(n, u)`,
	`INSERT INTO artifacts (evaluation_id, kind, state, text, demo_type)
		SELECT 'eval_' || lpad(n::text, 26, '0'), kind, state, 'apples', demo
		FROM unnest($1::bigint[], $2::bigint[]) t(n, u), (VALUES ('feedback_text', 'ready', ''), ('feedback_audio', 'ready', ''),
			('demo_audio', 'pending', 'word')) a(kind, state, demo)`,
	`INSERT INTO jobs (id, stage, evaluation_id, user_id)
		SELECT 'job_' || lpad(n::text, 26, '0'), 'demo', 'eval_' || lpad(n::text, 26, '0'), 'user_' || lpad(u::text, 26, '0')
		FROM unnest($1::bigint[], $2::bigint[]) t(n, u)`,
	`INSERT INTO outbox (kind, destination, job_id, evaluation_id)
		SELECT 'enqueue', 'demo', 'job_' || lpad(n::text, 26, '0'), 'eval_' || lpad(n::text, 26, '0') FROM unnest($1::bigint[], $2::bigint[]) t(n, u)`,
}

// Enqueue commits the jobs with their rows in the outbox, as the API does, and the relay sends them.
func (w *whole) Enqueue(ctx context.Context, jobs []job) error {
	for len(jobs) > 0 {
		n := min(len(jobs), enqueueMost)
		numbers, users := make([]int64, n), make([]int64, n)
		for i, j := range jobs[:n] {
			numbers[i], users[i] = int64(j.n), int64(j.user)
		}
		b := &pgx.Batch{} // one batch is one transaction
		for _, sql := range makeJobs {
			b.Queue(sql, numbers, users)
		}
		if err := w.pool.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
		w.relay.Nudge()
		jobs = jobs[n:]
	}
	return nil
}

// Flush implements [flusher].
func (w *whole) Flush(ctx context.Context) error {
	err := await(ctx, 10*time.Millisecond, func() (bool, error) {
		var empty bool
		err := w.pool.QueryRow(ctx, `SELECT NOT EXISTS (SELECT FROM outbox)`).Scan(&empty)
		return empty, err
	})
	return errors.Join(err, analyze(ctx, w.pool))
}

// analyze gives the planner the statistics that it would have of tables that were not filled a moment ago.
func analyze(ctx context.Context, pool *pgxpool.Pool) error {
	_, err := pool.Exec(ctx, "VACUUM ANALYZE")
	return err
}

func (w *whole) Left(ctx context.Context) (int, error) {
	var open int
	err := w.pool.QueryRow(ctx, `SELECT count(*) FROM jobs WHERE state = 'open'`).Scan(&open)
	entries, statsErr := w.engine.Left(ctx)
	return max(open, entries), errors.Join(err, statsErr)
}
