package realtime

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Config is how connections are kept. Zero in any field means its default.
type Config struct {
	// CheckInterval is how often the version of a watched evaluation is compared with PostgreSQL; default 15 s, with a fifth of
	// jitter. It bounds how long a lost message goes unnoticed; halving it doubles the queries.
	CheckInterval time.Duration `env:"REALTIME_CHECK_INTERVAL" envDefault:"15s"`
	// PollInterval is the same while Redis is away, and the pause after a check that failed; default 1 s.
	PollInterval time.Duration `env:"REALTIME_POLL_INTERVAL" envDefault:"1s"`
	// PingInterval is how often an idle connection is sent something, to notice dead peers and to keep proxies from closing
	// it; default 25 s, below the usual 30 or 60 s of proxies.
	PingInterval time.Duration `env:"REALTIME_PING_INTERVAL" envDefault:"25s"`
	// WriteTimeout is how long a client may take to accept a message, or to answer a ping, before it is cut off; default 10 s.
	WriteTimeout time.Duration `env:"REALTIME_WRITE_TIMEOUT" envDefault:"10s"`
	// CloseSpread is the time over which the connections are closed when the server stops, so that not all clients
	// connect to its neighbours at once; default 1 s.
	CloseSpread time.Duration `env:"REALTIME_CLOSE_SPREAD" envDefault:"1s"`
}

// Validate reports all that is wrong with the settings.
func (c Config) Validate() error {
	var errs []error
	for name, value := range map[string]time.Duration{
		"REALTIME_CHECK_INTERVAL": c.CheckInterval, "REALTIME_POLL_INTERVAL": c.PollInterval, "REALTIME_PING_INTERVAL": c.PingInterval,
		"REALTIME_WRITE_TIMEOUT": c.WriteTimeout, "REALTIME_CLOSE_SPREAD": c.CloseSpread,
	} {
		if value < 0 || value > 0 && value < time.Millisecond {
			errs = append(errs, fmt.Errorf("%s is %v: want a time such as 15s, or 0 for the default", name, value))
		}
	}
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	return Config{
		CheckInterval: cmp.Or(c.CheckInterval, 15*time.Second),
		PollInterval:  cmp.Or(c.PollInterval, time.Second),
		PingInterval:  cmp.Or(c.PingInterval, 25*time.Second),
		WriteTimeout:  cmp.Or(c.WriteTimeout, 10*time.Second),
		CloseSpread:   cmp.Or(c.CloseSpread, time.Second),
	}
}

const (
	// checkWindow is how long ids are collected for one query. It is added to the first message of each connection; without
	// it, 500 clients that reconnect together make 500 queries.
	checkWindow = 10 * time.Millisecond
	// checkBatch is the largest number of ids in one query.
	checkBatch = 1000
	// checkTimeout bounds the calls of one batch, so that a hanging PostgreSQL is treated as one that is away.
	checkTimeout = 5 * time.Second
	// cacheTimeout bounds reading snapshots from Redis within a check: PostgreSQL has them too.
	cacheTimeout = 250 * time.Millisecond
	// confirmTimeout bounds the wait for Redis to confirm a channel. Without the confirmation a connection depends on checks.
	confirmTimeout = time.Second
	// firstStateTimeout is how long a connection waits for its first message.
	firstStateTimeout = 10 * time.Second
	// maxMessage is the promised limit of a message in bytes.
	maxMessage = 16 << 10
)
