package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
	"oktalk/internal/postgres"
	"oktalk/internal/replay"
)

// BenchmarkJob begins and settles: what each stage of each evaluation costs.
func BenchmarkJob(b *testing.B) {
	s := setup(b)
	var entries []pipeline.Entry
	for range b.N {
		e := newEvaluation(s.user)
		if err := s.evaluations.Create(b.Context(), e, evaluation.CreateOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	entries, err := s.upkeep.OpenJobs(b.Context(), evaluation.StageFeedback, "", b.N)
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for _, e := range entries {
		j, err := s.jobs.Begin(b.Context(), e, "w1", nobody)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.jobs.Settle(b.Context(), j, result(evaluation.FeedbackText), pipeline.OutcomeDone, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCreate(b *testing.B) {
	s := setup(b)
	for b.Loop() {
		if err := s.evaluations.Create(b.Context(), newEvaluation(s.user), evaluation.CreateOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkClaim claims and reads full batches; one operation is one row.
func BenchmarkClaim(b *testing.B) {
	s := setup(b)
	for range b.N/3 + 1 {
		s.create(b)
	}
	b.ResetTimer()
	for {
		n, err := s.outbox.Claim(b.Context(), pipeline.Destinations(), 200, func(context.Context, pipeline.Outgoing) []pipeline.Destination { return nil })
		if err != nil {
			b.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

// million is the number of runs among which entries are chosen.
const million = 1_000_000

// fill makes a million runs of three stages and all they belong to, with indexes and statistics as they are in the long run.
const fill = `
	INSERT INTO users (id, name) SELECT 'user_' || n, 'name' || n FROM generate_series(1, 1000) n;
	INSERT INTO evaluations (id, user_id, status, version, created_at, updated_at, target_text, language, category, feedback_language,
		demo_mode, recording_key, audio_format, audio_type, audio_bytes, audio_sha256, audio_duration_ms)
	SELECT 'eval_' || lpad(n::text, 26, '0'), 'user_' || (1 + n %% 1000), 'completed', 4, now() - n * interval '1 second', now(),
		'the quick brown fox number ' || n || ' jumps over the lazy dog', 'en-US', 'sentence', 'en', 'auto', 'k', 'wav', 'audio/wav', 1, '', 1
	FROM generate_series(1, %[1]d / 3) n;
	INSERT INTO artifacts (evaluation_id, kind, state, text)
	SELECT id, 'feedback_text', 'ready', 'Well done with ' || target_text || '. Put the tip of your tongue between your teeth, and let the air flow.'
	FROM evaluations;
	INSERT INTO jobs (id, stage, evaluation_id, user_id, state, run, owner, entry_id, last_error, created_at, updated_at)
	SELECT 'job_' || lpad((n * 3 + i)::text, 26, '0'), (ARRAY['feedback', 'speech', 'demo'])[i + 1], 'eval_' || lpad(n::text, 26, '0'),
		'user_' || (1 + n %% 1000), CASE WHEN n %% 500 = 0 THEN 'dead' ELSE 'done' END, 1, 'w', n || '-' || i,
		CASE WHEN n %% 500 = 0 THEN 'voice broke at ' || n ELSE '' END, now() - n * interval '1 second', now()
	FROM generate_series(1, %[1]d / 3) n, generate_series(0, 2) i;
	INSERT INTO stage_runs (started_at, job_id, run, stage, evaluation_id, user_id, entry_id, owner, attempt, outcome, provider, error, output)
	SELECT created_at, id, 1, stage, evaluation_id, user_id, entry_id, owner, 1, CASE state WHEN 'dead' THEN 'failed' ELSE 'done' END, 'offline', last_error,
		'{"state": "ready", "text": "Well done."}'
	FROM jobs;
	ANALYZE;`

// Choosing among a million runs, and explaining one evaluation of them.
func BenchmarkMillionRuns(b *testing.B) {
	s := setup(b)
	exec(b, s.url, fmt.Sprintf(fill, million))
	replays := postgres.NewReplays(s.db)
	for name, f := range map[string]replay.Filter{
		"newest":       {Limit: 100},
		"ten_thousand": {Limit: 10_000},
		"since_status": {Since: time.Now().Add(-2 * time.Hour), Status: replay.StatusDead, Limit: 100},
		"user":         {User: "name7", Limit: 100},
		"entry":        {IDs: []string{"5000-0"}, Limit: 100},
		"rare_text":    {Grep: "number 77777 jumps", Limit: 100},
		"common_text":  {Grep: "tongue", Limit: 100},
		"error":        {Grep: "broke at 100000", Limit: 100},
		"nothing":      {Grep: "no such words", Limit: 100},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := replays.Entries(b.Context(), evaluation.StageFeedback, f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("explain", func(b *testing.B) {
		for b.Loop() {
			if _, err := replays.History(b.Context(), fmt.Sprintf("eval_%026d", 4321)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
