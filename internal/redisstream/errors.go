package redisstream

import (
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"oktalk/internal/evaluation"
)

// isNoGroup reports whether a stream or its group is missing, as after FLUSHALL: reads and scripts get NOGROUP, a reader that
// was blocked at that moment gets UNBLOCKED. Redis tells these apart by text alone; inside a script it also stands within
// the text (before Redis 7).
func isNoGroup(err error) bool {
	_, reply := errors.AsType[redis.Error](err)
	return reply && (strings.Contains(err.Error(), "NOGROUP") || strings.HasPrefix(err.Error(), "UNBLOCKED") || strings.Contains(err.Error(), "no such key"))
}

// isBusyGroup reports whether a group that was to be created exists.
func isBusyGroup(err error) bool { return redis.HasErrorPrefix(err, "BUSYGROUP") }

// domainError marks what passes by itself as unavailable: no connection, no answer, and replies of a server that is loading,
// failing over or full. Everything else is a reply that says the same the next time.
func domainError(err error) error {
	if err == nil || errors.Is(err, redis.Nil) {
		return err
	}
	if _, reply := errors.AsType[redis.Error](err); !reply {
		return fmt.Errorf("%w: redis: %w", evaluation.ErrUnavailable, err)
	}
	for _, prefix := range []string{"LOADING", "READONLY", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "MOVED", "ASK", "OOM", "BUSY", "NOREPLICAS", "MISCONF", "ERR max number of clients"} {
		if strings.HasPrefix(err.Error(), prefix) || strings.Contains(err.Error(), ": -"+prefix+" ") {
			return fmt.Errorf("%w: redis: %w", evaluation.ErrUnavailable, err)
		}
	}
	return fmt.Errorf("redis: %w", err)
}
