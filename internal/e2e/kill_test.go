package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"oktalk/internal/client"
	"oktalk/internal/devstack"
)

// Each process is killed in turn while 50 evaluations run. All of them complete and nothing is settled twice.
func TestKillEachProcessInTurn(t *testing.T) {
	t.Parallel()
	s := start(t, true)
	key := s.key(t, "ann")
	audio := say(t, "slt", "I like bananas and oranges")
	victims := []*devstack.Process{s.workers["worker-feedback"], s.workers["worker-tts"], s.api[0], s.Redis, s.S3, s.Postgres, s.api[1]}

	const evaluations = 50
	posted := make(chan string, evaluations)
	var posting sync.WaitGroup
	posting.Go(func() {
		defer close(posted)
		for i := range evaluations {
			id, err := s.post(t.Context(), key, client.Recording{
				Audio: audio, TargetText: sentence, Demo: "always", IdempotencyKey: fmt.Sprintf("post-%d", i),
			})
			if err != nil {
				t.Errorf("post %d: %v", i, err)
				return
			}
			posted <- id
		}
	})
	var watching sync.WaitGroup
	next := 0
	for id := range posted {
		watcher := s.client(t, key, next%2)
		watching.Go(func() { checkMessages(t, id, follow(t, watcher, id)) })
		if next++; next%7 == 0 && len(victims) > 0 {
			victim := victims[0]
			victims = victims[1:]
			if err := victim.Kill(); err != nil {
				t.Fatalf("kill %s: %v", victim.Name(), err)
			}
			watching.Go(func() { // as a supervisor would
				if err := victim.Restart(t.Context()); err != nil {
					t.Errorf("start %s again: %v", victim.Name(), err)
				}
			})
		}
	}
	posting.Wait()
	watching.Wait()
	if len(victims) > 0 {
		t.Errorf("%d processes were not killed", len(victims))
	}
	s.checkSettledOnce(t, evaluations)
}

// post posts as a careful client does: with an idempotency key, again on another node while there is no answer.
func (s *stack) post(ctx context.Context, key string, rec client.Recording) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for try := 0; ; try++ {
		c, err := client.New(s.url[try%2], key)
		if err != nil {
			return "", err
		}
		v, err := c.Create(ctx, rec)
		var p *client.Problem
		switch {
		case err == nil:
			return v.ID, nil
		case ctx.Err() != nil:
			return "", ctx.Err()
		case errors.As(err, &p) && p.Status < http.StatusInternalServerError && p.Status != http.StatusConflict:
			return "", err
		}
		select { // no answer, or one that says to come back
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// checkSettledOnce compares what the database recorded: each evaluation is completed, each of its jobs was settled by one run, and its
// version counts the changes that a client could see: one for each artifact, and pairs for beginning and ending to wait.
func (s *stack) checkSettledOnce(t *testing.T, want int) {
	t.Helper()
	var completed, artifacts int
	err := s.db.QueryRow(t.Context(), `
		SELECT count(*) FILTER (WHERE status = 'completed'),
		       (SELECT count(*) FROM artifacts WHERE state IN ('ready', 'fallback'))
		FROM evaluations`).Scan(&completed, &artifacts)
	if err != nil || completed != want || artifacts != 3*want {
		t.Errorf("%d evaluations completed with %d artifacts, %v, want %d and %d", completed, artifacts, err, want, 3*want)
	}
	rows, err := s.db.Query(t.Context(), `
		SELECT evaluation_id || ' ' || stage, count(*) FROM stage_runs
		WHERE outcome IN ('done', 'fallback', 'failed', 'dead') GROUP BY 1 HAVING count(*) > 1`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var job string
		var n int
		if err := rows.Scan(&job, &n); err != nil {
			t.Fatal(err)
		}
		t.Errorf("%s was settled %d times", job, n)
	}
	var miscounted int
	err = s.db.QueryRow(t.Context(), `
		SELECT count(*) FROM evaluations e WHERE version < 1 + 3
			OR version > 1 + 3 + 2 * (SELECT count(*) FROM jobs j WHERE j.evaluation_id = e.id AND j.run > 1)`).Scan(&miscounted)
	if err != nil || miscounted != 0 {
		t.Errorf("%d evaluations have versions that do not fit their changes, %v, want none", miscounted, err)
	}
	var open int
	if err := s.db.QueryRow(t.Context(), `SELECT count(*) FROM jobs WHERE state = 'open'`).Scan(&open); err != nil || open != 0 {
		t.Errorf("%d jobs are open, %v, want none", open, err)
	}
}
