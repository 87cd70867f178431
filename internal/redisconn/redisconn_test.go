package redisconn_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"oktalk/internal/redisconn"
)

func TestClientsSendACommandOnce(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(redisconn.Config) (redis.UniversalClient, error){
		"work": redisconn.Work, "request": redisconn.Request, "blocking": redisconn.Blocking,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := open(redisconn.Config{URL: "redis://127.0.0.1:6379/3"})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			o := c.(*redis.Client).Options()
			if o.MaxRetries != 0 || !o.ContextTimeoutEnabled || o.DB != 3 || o.PoolSize != 50 {
				t.Errorf("options: retries %d, context timeout %v, db %d, pool %d; want 0, true, 3, 50", o.MaxRetries, o.ContextTimeoutEnabled, o.DB, o.PoolSize)
			}
		})
	}
}

func TestRequestGivesUpOnAFrozenServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts and never answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	c, err := redisconn.Request(redisconn.Config{URL: "redis://" + l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := c.Get(ctx, "key").Err(); err == nil {
		t.Fatal("GET from a frozen server succeeded")
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("GET from a frozen server took %v, want about 50 ms", took)
	}
}

func TestClusterURLOpensAClusterClient(t *testing.T) {
	t.Parallel()
	c, err := redisconn.Work(redisconn.Config{URL: "redis-cluster://127.0.0.1:7000?addr=127.0.0.1:7001"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, ok := c.(*redis.ClusterClient); !ok {
		t.Fatalf("client is %T, want a cluster client", c)
	}
}

func TestBadURLNamesTheSettingAndHidesThePassword(t *testing.T) {
	t.Parallel()
	for _, u := range []string{"http://u:hunter2@host", "redis://u:hunter2@host:port", "redis://u:hunter2@host/notanumber", "redis-cluster://u:hunter2@h/x/y"} {
		_, err := redisconn.Work(redisconn.Config{URL: u})
		if err == nil {
			continue
		}
		if !strings.Contains(err.Error(), "REDIS_URL") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error of %q is %q: it must name REDIS_URL and hide the password", u, err)
		}
	}
}
