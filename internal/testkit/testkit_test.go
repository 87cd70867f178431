package testkit_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"oktalk/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func migrate(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, `CREATE TABLE things (id int PRIMARY KEY)`)
	return err
}

// Two tests that write the same row each find their own database as migrated.
func TestDatabasesAreApart(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"first", "second"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := pgx.Connect(t.Context(), testkit.Database(t, migrate))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close(context.Background()) }()
			if _, err := conn.Exec(t.Context(), `INSERT INTO things VALUES (1)`); err != nil {
				t.Errorf("insert into the test's own database: %v", err)
			}
		})
	}
}

func TestDatabaseWithoutMigrationsIsEmpty(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), testkit.Database(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var tables int
	if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_tables WHERE schemaname = 'public'`).Scan(&tables); err != nil {
		t.Fatal(err)
	}
	if tables != 0 {
		t.Errorf("an empty database has %d tables", tables)
	}
}

func TestRedis(t *testing.T) {
	t.Parallel()
	options, err := redis.ParseURL(testkit.RedisURL(t))
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }()
	key := testkit.Prefix(t) + ":key"
	if n, err := client.Incr(t.Context(), key).Result(); n != 1 || err != nil {
		t.Errorf("Incr of a new key = %d, %v; want 1", n, err)
	}
	if a, b := testkit.Prefix(t), testkit.Prefix(t); a == b {
		t.Error("two prefixes are the same")
	}
}

func TestBucket(t *testing.T) {
	t.Parallel()
	store := testkit.Bucket(t)
	resp, err := http.Get(store.Endpoint + "/" + store.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("unsigned GET of the bucket = %d, want %d as for one that exists", resp.StatusCode, http.StatusForbidden)
	}
	if !strings.HasPrefix(store.Endpoint, "http://127.0.0.1:") || store.AccessKey == "" || store.SecretKey == "" {
		t.Errorf("Bucket = %+v, want an address on loopback and keys", store)
	}
}

func TestOwnServersCanBeBroken(t *testing.T) {
	t.Parallel()
	own := testkit.OwnServers(t)
	if own.RedisURL == testkit.RedisURL(t) {
		t.Fatal("own servers are the shared ones")
	}
	if err := own.Redis.Kill(); err != nil {
		t.Error(err)
	}
}

func TestWaitFor(t *testing.T) {
	t.Parallel()
	looks := 0
	testkit.WaitFor(t, time.Minute, "the third look", func() bool { looks++; return looks == 3 })
	if looks != 3 {
		t.Errorf("it looked %d times, want 3", looks)
	}
}
