package e2e_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"oktalk/internal/client"
	"oktalk/internal/evaluation"
	"oktalk/internal/testkit"
)

// Evaluations are deleted at every stage of their course, while workers run; nothing of them may be left or come back.
func TestDeleteLeavesNothing(t *testing.T) {
	t.Parallel()
	s := start(t, true)
	c := s.user(t, "ann", 0)
	audio := say(t, "slt", "I like bananas and oranges")
	var ids []string
	for i := range 12 {
		v, err := c.Create(t.Context(), client.Recording{Audio: audio, TargetText: sentence})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, v.ID)
		reached := errors.New("reached")
		if i%4 > 0 {
			err := c.Follow(t.Context(), v.ID, func(m client.Message) error {
				if m.Evaluation.Progress.Percent >= 40+20*(i%4-1) {
					return reached
				}
				return nil
			})
			if err != nil && !errors.Is(err, reached) {
				t.Fatal(err)
			}
		}
		if err := c.Delete(t.Context(), v.ID); err != nil {
			t.Fatalf("Delete(%s) = %v", v.ID, err)
		}
		if _, err := c.Get(t.Context(), v.ID); !errors.Is(err, evaluation.ErrNotFound) {
			t.Errorf("Get(%s) after Delete = %v, want not found", v.ID, err)
		}
	}
	for _, id := range ids {
		testkit.WaitFor(t, evaluation.LongestDeadline()+time.Minute, "everything of "+id+" to be gone", func() bool {
			left := s.traces(t, id)
			if len(left) > 0 {
				t.Log(left)
			}
			return len(left) == 0
		})
	}
}

// traces lists what PostgreSQL, Redis and the object store still hold of an evaluation. Entries of the streams' log are
// references, not content, and are not counted once they are settled.
func (s *stack) traces(t *testing.T, id string) []string {
	t.Helper()
	var left []string
	rows, err := s.db.Query(t.Context(), `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		var n int
		query := fmt.Sprintf(`SELECT count(*) FROM %s x WHERE x::text LIKE '%%' || $1 || '%%'`, pgx.Identifier{table}.Sanitize())
		if err := s.db.QueryRow(t.Context(), query, id).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			left = append(left, fmt.Sprintf("%d rows of %s", n, table))
		}
	}
	o, err := redis.ParseURL(s.RedisURL)
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(o)
	defer func() { _ = rdb.Close() }()
	keys, err := rdb.Keys(t.Context(), "*"+id+"*").Result()
	if err != nil {
		t.Fatal(err)
	}
	return append(append(left, keys...), s.objects(t, id)...)
}

// objects lists what the object store holds of an evaluation.
func (s *stack) objects(t *testing.T, id string) []string {
	t.Helper()
	keys, err := s.Objects(t.Context(), s.Bucket, "evaluations/"+id)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}
