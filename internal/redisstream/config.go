package redisstream

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"strings"
	"time"
)

// Config sets the timing of sources. Zero fields take their defaults.
type Config struct {
	// Lease is how long a consumer counts as alive after it last renewed its lease: the time until a dead worker's entries
	// run elsewhere is at most Lease and two beats. Half of it risks taking work from processes that pause for a garbage
	// collection or a slow disk; all processes of a stage must have the same.
	Lease time.Duration `env:"STREAM_LEASE" envDefault:"4s"`
	// Beat is how often the lease is renewed. At least three beats should fit into a lease.
	Beat time.Duration `env:"STREAM_BEAT" envDefault:"1s"`
	// Block is how long a read waits at the server for entries, and so the longest that a cut connection goes unnoticed.
	Block time.Duration `env:"STREAM_BLOCK" envDefault:"2s"`
	// GhostCheck is how often the source looks for entries that were delivered to it without its knowledge, besides after
	// every failed read.
	GhostCheck time.Duration `env:"STREAM_GHOST_CHECK" envDefault:"30s"`
}

func (c Config) withDefaults() Config {
	for _, f := range []struct {
		field *time.Duration
		value time.Duration
	}{{&c.Lease, 4 * time.Second}, {&c.Beat, time.Second}, {&c.Block, 2 * time.Second}, {&c.GhostCheck, 30 * time.Second}} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	return c
}

// ConsumerName makes a name for this start of a process: host and process, then random digits that no other start has.
func ConsumerName(process string) string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "host"
	}
	boot := make([]byte, 6)
	_, _ = rand.Read(boot) // never fails: see crypto/rand
	return plain(host) + "-" + plain(process) + "-" + hex.EncodeToString(boot)
}

// plain keeps what is safe in logs, metrics and key listings.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_' {
			return r
		}
		return '-'
	}, s)
}
