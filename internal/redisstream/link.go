package redisstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// link is one connection of its own to the node that serves a key. It is opened when first used and again after drop.
type link struct {
	client redis.UniversalClient
	key    string
	answer time.Duration // the longest that the server may take to answer; 0: as the client says

	mu   sync.Mutex
	node *redis.Client
	conn *redis.Conn
	id   int64 // the connection's id on its server; 0 when the server does not tell
}

// open returns the connection, made anew when there is none.
func (l *link) open(ctx context.Context) (*redis.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		return l.conn, nil
	}
	node, err := l.master(ctx)
	if err != nil {
		return nil, err
	}
	if l.answer > 0 {
		node = node.WithTimeout(l.answer)
	}
	conn := node.EphemeralConn() // closing it ends it: whoever drops it may doubt the server at its end, which the library does not know
	id, err := conn.ClientID(ctx).Result()
	if _, reply := errors.AsType[redis.Error](err); err != nil && !reply {
		_ = conn.Close()
		return nil, err
	}
	l.node, l.conn, l.id = node, conn, id
	return conn, nil
}

func (l *link) master(ctx context.Context) (*redis.Client, error) {
	switch c := l.client.(type) {
	case *redis.Client:
		return c, nil
	case *redis.ClusterClient:
		return c.MasterForKey(ctx, l.key)
	default:
		return nil, fmt.Errorf("a %T cannot hold a connection to one node", l.client)
	}
}

// drop closes the connection, so that the next use makes a new one, to whichever node serves the key then.
func (l *link) drop(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		_ = l.conn.Close()
	}
	l.node, l.conn, l.id = nil, nil, 0
	if c, ok := l.client.(*redis.ClusterClient); ok {
		c.ReloadState(ctx)
	}
}

// unblock ends the blocking command that the connection waits for, if it does. It reports whether there is no more to do.
func (l *link) unblock(ctx context.Context) bool {
	l.mu.Lock()
	node, id := l.node, l.id
	l.mu.Unlock()
	if node == nil || id == 0 {
		return true
	}
	n, err := node.ClientUnblock(ctx, id).Result()
	return err != nil || n == 1
}
