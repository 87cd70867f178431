package redisstream

import (
	"testing"
	"time"

	"oktalk/internal/redisconn"
	"oktalk/internal/testkit"
)

// A link that is dropped must not get the same connection again: it may lead to a server that is not the master any more, which only
// says so in its replies.
func TestDroppedLinkConnectsAnew(t *testing.T) {
	t.Parallel()
	client, err := redisconn.Blocking(redisconn.Config{URL: testkit.RedisURL(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	l := &link{client: client, key: "any", answer: time.Second}
	seen := map[int64]bool{}
	for range 3 {
		conn, err := l.open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Ping(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if seen[l.id] {
			t.Fatalf("connection %d is used again", l.id)
		}
		seen[l.id] = true
		l.drop(t.Context())
	}
}
