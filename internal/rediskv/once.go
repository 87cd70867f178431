package rediskv

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Once remembers for a while which ids were used, across all processes. It is safe for concurrent use.
type Once struct {
	client redis.UniversalClient
	keys   keys
}

// NewOnce makes a Once. The caller closes the client.
func NewOnce(client redis.UniversalClient, prefix string) *Once {
	return &Once{client: client, keys: keys(prefix)}
}

// Mark marks an id as used and reports whether this call was the first to do so within ttl, which must be a millisecond or
// more. On an error, which wraps [evaluation.ErrUnavailable], nothing is known: the caller decides whether to let it pass.
func (o *Once) Mark(ctx context.Context, id string, ttl time.Duration) (first bool, err error) {
	if id == "" || ttl < time.Millisecond {
		return false, fmt.Errorf("mark %q as used: want an id and a time of at least 1 ms, have %v", id, ttl)
	}
	err = o.client.SetArgs(ctx, o.keys.once(id), 1, redis.SetArgs{Mode: "NX", TTL: ttl}).Err()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	if err != nil {
		return false, unavailable("mark as used", err)
	}
	return true, nil
}
