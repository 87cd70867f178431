// Package redisconn opens Redis clients with the settings that each kind of caller needs.
//
// All of them send a command once: a repeated XADD whose first reply was lost adds twice, so callers that may repeat do it
// themselves. All of them respect the deadline of a context; without that a call to a frozen Redis takes 3 s whatever its
// context says (measured).
package redisconn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Config says where Redis is and how many connections a process may hold.
type Config struct {
	// URL of the server: redis://user:password@host:6379/0, rediss:// with TLS, unix:///path/to/socket, or for a cluster
	// redis-cluster://host:6379?addr=host2:6379 (rediss-cluster:// with TLS).
	URL string `env:"REDIS_URL" envDefault:"redis://127.0.0.1:6379/0"`
	// Prefix starts the name of every key, so that several installations can share a server.
	Prefix string `env:"REDIS_PREFIX" envDefault:"oktalk"`
	// PoolSize is the most connections a client holds at a time (per node of a cluster). 0 means 50.
	PoolSize int `env:"REDIS_POOL_SIZE" envDefault:"50"`
	// MinIdle is how many idle connections are kept open. 0 keeps none.
	MinIdle int `env:"REDIS_MIN_IDLE" envDefault:"10"`
}

// timeouts of one kind of client.
type timeouts struct {
	dial, call time.Duration
	idle       bool // keep idle connections open
}

// Client is a connection pool to Redis or to a cluster of it. The alias lets processes pass one on without knowing the library.
type Client = redis.UniversalClient

// LogTo sends what the Redis library itself reports to log, as debug: it would go to standard error otherwise, once for each
// failed connection. The library has one logger for the whole process, so it is called once, by main.
func LogTo(log *slog.Logger) { redis.SetLogger(libraryLog{log}) }

type libraryLog struct{ log *slog.Logger }

// Printf implements the library's logger.
func (l libraryLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, "redis library", "message", fmt.Sprintf(format, args...))
}

// Work opens the client of workers and relays: 5 s to connect, 3 s for a call. It connects when first used.
func Work(cfg Config) (redis.UniversalClient, error) {
	return open(cfg, timeouts{dial: 5 * time.Second, call: 3 * time.Second, idle: true})
}

// Request opens the client for use inside a request, where a late answer is worth less than none: 50 ms to connect, to get
// a connection, and for a call. It connects when first used.
func Request(cfg Config) (redis.UniversalClient, error) {
	const limit = 50 * time.Millisecond
	return open(cfg, timeouts{dial: limit, call: limit, idle: true})
}

// Blocking opens the client for blocking reads and Pub/Sub. It has a pool of its own, so that waiting readers never take
// the connections that finishing work needs. It connects when first used.
func Blocking(cfg Config) (redis.UniversalClient, error) {
	return open(cfg, timeouts{dial: 5 * time.Second, call: 3 * time.Second})
}

func open(cfg Config, t timeouts) (redis.UniversalClient, error) {
	pool, idle := cfg.PoolSize, 0
	if pool <= 0 {
		pool = 50
	}
	if t.idle {
		idle = min(cfg.MinIdle, pool)
	}
	scheme, rest, _ := strings.Cut(cfg.URL, "-cluster://")
	if rest != "" {
		o, err := redis.ParseClusterURL(scheme + "://" + rest)
		if err != nil {
			return nil, urlError(cfg.URL, err)
		}
		o.PoolSize, o.MinIdleConns, o.PoolTimeout = pool, idle, t.call
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout = t.dial, t.call, t.call
		o.MaxRetries, o.DialerRetries, o.ContextTimeoutEnabled, o.DisableIdentity = -1, 1, true, true
		o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
		return redis.NewClusterClient(o), nil
	}
	o, err := redis.ParseURL(cfg.URL)
	if err != nil {
		return nil, urlError(cfg.URL, err)
	}
	o.PoolSize, o.MinIdleConns, o.PoolTimeout = pool, idle, t.call
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = t.dial, t.call, t.call
	o.MaxRetries, o.DialerRetries, o.ContextTimeoutEnabled, o.DisableIdentity = -1, 1, true, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(o), nil
}

// urlError names the setting and hides the password, which the parser's own error may repeat.
func urlError(raw string, err error) error {
	u, parseErr := url.Parse(raw)
	if parseErr != nil {
		return errors.New("REDIS_URL is not a URL: write it like redis://user:password@host:6379/0, with special characters of the password percent-encoded")
	}
	return fmt.Errorf("REDIS_URL %s: %w (write it like redis://user:password@host:6379/0)", u.Redacted(), err)
}
