package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"oktalk/internal/devstack"
)

// redisDatabases is how many databases a Redis server has unless it is told otherwise.
const redisDatabases = 16

// servers are the private servers of a run.
type servers struct {
	stack *devstack.Stack
	state *devstack.State
	redis *redis.Client
	free  chan int // numbers of spaces that nobody uses
}

// space is what one contender has to itself: a database of Redis and one of PostgreSQL.
type space struct {
	Redis    string `json:"redis"`
	Database string `json:"database"`
	number   int
}

// startServers starts the servers. Unless durable, nothing waits for a disk: Redis keeps no log and PostgreSQL does not sync.
func startServers(ctx context.Context, durable bool) (*servers, error) {
	dir, err := os.MkdirTemp("", "oktalk-bench-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o711); err != nil { // user postgres must be able to pass when this is root
		return nil, err
	}
	state, err := devstack.OpenState(dir)
	if err != nil {
		return nil, err
	}
	s := &servers{state: state, free: make(chan int, redisDatabases)}
	for n := range redisDatabases {
		s.free <- n
	}
	s.stack, err = devstack.Start(ctx, devstack.Config{State: state, PostgresDir: state.Path("postgres"), Volatile: !durable})
	if err != nil {
		return nil, errors.Join(err, state.Close(), os.RemoveAll(dir))
	}
	o, err := redis.ParseURL(s.stack.RedisURL)
	if err != nil {
		return nil, errors.Join(err, s.stop(ctx))
	}
	s.redis = redis.NewClient(o)
	if !durable {
		err = s.redis.ConfigSet(ctx, "appendonly", "no").Err()
	}
	if err = errors.Join(err, s.redis.ConfigSet(ctx, "maxmemory", "0").Err()); err != nil {
		return nil, errors.Join(err, s.stop(ctx))
	}
	return s, nil
}

// stop stops the servers and removes their data.
func (s *servers) stop(ctx context.Context) error {
	if s.redis != nil {
		_ = s.redis.Close()
	}
	s.stack.Stop(context.WithoutCancel(ctx))
	return errors.Join(os.RemoveAll(s.state.Dir()), s.state.Close())
}

// space takes an empty space for a contender. The returned function gives it back.
func (s *servers) space(ctx context.Context, k kind) (space, func(), error) {
	var n int
	select {
	case n = <-s.free:
	case <-ctx.Done():
		return space{}, nil, ctx.Err()
	}
	sp := space{number: n, Redis: at(s.stack.RedisURL, strconv.Itoa(n)), Database: at(s.stack.DatabaseURL, fmt.Sprintf("bench_%d", n))}
	give := func() {
		ctx := context.WithoutCancel(ctx)
		_ = s.flush(ctx, sp)
		if k.sql {
			_ = s.admin(ctx, fmt.Sprintf("DROP DATABASE IF EXISTS bench_%d WITH (FORCE)", n))
		}
		s.free <- n
	}
	err := s.flush(ctx, sp)
	if err == nil && k.sql {
		err = s.admin(ctx, fmt.Sprintf("CREATE DATABASE bench_%d", n))
	}
	if err == nil && k.prepare != nil {
		err = k.prepare(ctx, sp)
	}
	if err != nil {
		give()
		return space{}, nil, fmt.Errorf("prepare a space for %s: %w", k.name, err)
	}
	return sp, give, nil
}

// use opens a contender in a space of its own.
func (s *servers) use(ctx context.Context, k kind, fn func(sp space, c contender) error) error {
	sp, give, err := s.space(ctx, k)
	if err != nil {
		return err
	}
	defer give()
	c, err := k.open(ctx, sp)
	if err != nil {
		return fmt.Errorf("open %s: %w", k.name, err)
	}
	defer c.Close()
	if err := fn(sp, c); err != nil {
		return fmt.Errorf("%s: %w", k.name, err)
	}
	return nil
}

// at is the address of another database of a server.
func at(raw, database string) string {
	u, err := url.Parse(raw)
	if err != nil {
		panic(err) // devstack made it
	}
	u.Path = "/" + database
	return u.String()
}

func (s *servers) flush(ctx context.Context, sp space) error {
	o, err := redis.ParseURL(sp.Redis)
	if err != nil {
		return err
	}
	c := redis.NewClient(o)
	defer func() { _ = c.Close() }()
	return c.FlushDB(ctx).Err()
}

// admin runs a statement outside a transaction.
func (s *servers) admin(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, s.stack.DatabaseURL)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

// info reads numbers of the answer to INFO.
func (s *servers) info(ctx context.Context, section string, names ...string) ([]float64, error) {
	text, err := s.redis.Info(ctx, section).Result()
	if err != nil {
		return nil, err
	}
	values := make([]float64, len(names))
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		name, value, _ := strings.Cut(strings.TrimSpace(lines.Text()), ":")
		for i := range names {
			if names[i] == name {
				if values[i], err = strconv.ParseFloat(value, 64); err != nil {
					return nil, fmt.Errorf("INFO %s: %s is %q: %w", section, name, value, err)
				}
			}
		}
	}
	return values, lines.Err()
}

// busy is how long Redis has computed since it started.
func (s *servers) busy(ctx context.Context) (time.Duration, error) {
	v, err := s.info(ctx, "cpu", "used_cpu_user", "used_cpu_sys")
	if err != nil {
		return 0, err
	}
	return time.Duration((v[0] + v[1]) * float64(time.Second)), nil
}

// cpu is the time that processes have computed since they started.
type cpu struct{ worker, redis, postgres time.Duration }

func (s *servers) cpu() cpu {
	return cpu{
		worker: processCPU(os.Getpid()), redis: processCPU(s.stack.Redis.PID()),
		postgres: processCPU(s.stack.Postgres.PID()) + childrenCPU(s.stack.Postgres.PID()),
	}
}

func (c cpu) sub(d cpu) cpu {
	return cpu{worker: c.worker - d.worker, redis: c.redis - d.redis, postgres: c.postgres - d.postgres}
}

func (c cpu) total() time.Duration { return c.worker + c.redis + c.postgres }

// rest pauses; it ends early when ctx does.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// await asks every so often until ok.
func await(ctx context.Context, every time.Duration, ask func() (ok bool, err error)) error {
	for {
		ok, err := ask()
		if ok || err != nil {
			return err
		}
		rest(ctx, every)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}
