package devstack

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/redis/go-redis/v9"
)

// redisConfig runs Redis as it should be run in production: a log of writes, and caches that give way when it is full.
// The password is in a file and not on the command line, which every user of the machine can read.
const redisConfig = `bind 127.0.0.1
port %d
requirepass %s
dir "%s"
appendonly yes
appendfsync everysec
save ""
maxmemory 512mb
maxmemory-policy volatile-lru
daemonize no
`

func startRedis(ctx context.Context, cfg Config, program string) (*Process, string, error) {
	password, err := cfg.State.Secret("redis_password")
	if err != nil {
		return nil, "", err
	}
	p, port, err := startOnPort(ctx, cfg.State, "redis", func(port int) (*Process, error) {
		return redisProcess(cfg.State, program, port, password)
	})
	if err != nil {
		return nil, "", err
	}
	return p, redisURL(port, password), nil
}

func redisURL(port int, password string) string {
	u := url.URL{Scheme: "redis", User: url.UserPassword("", password), Host: loopback(port), Path: "/0"}
	return u.String()
}

func redisProcess(state *State, program string, port int, password string) (*Process, error) {
	cmd, err := command(state, "redis")
	if err != nil {
		return nil, err
	}
	dir := state.Path("redis")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for Redis: %w", err)
	}
	file := state.Path("redis", "redis.conf")
	config := fmt.Sprintf(redisConfig, port, password, redisQuote(dir))
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, fmt.Errorf("write the configuration of Redis: %w", err)
	}
	options, err := redis.ParseURL(redisURL(port, password))
	if err != nil {
		return nil, err
	}
	options.MaxRetries = -1
	options.PoolSize = 1
	cmd.Path, cmd.Args, cmd.Dir = program, []string{file}, dir
	cmd.Ready = func(ctx context.Context) error {
		client := redis.NewClient(options)
		defer func() { _ = client.Close() }()
		return client.Ping(ctx).Err() // an error too while it reads its log
	}
	return NewProcess(cmd), nil
}

// redisQuote escapes a path for a quoted word of redis.conf.
func redisQuote(path string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(path)
}
