package rediskv

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"oktalk/internal/pause"
	"oktalk/internal/pipeline"
)

//go:embed permit.lua
var permitLua string

var permitScript = redis.NewScript(permitLua)

// LimiterConfig is the timing of a [Limiter].
type LimiterConfig struct {
	// Lease is after how long the permits of a process that fell silent are free again. Default 4 s; the same in all processes.
	Lease time.Duration
	// Beat is how often a process that has permits says that it lives. Default 1 s; at least three times in a lease.
	Beat time.Duration
}

// Limiter gives out permits of limits that are kept in Redis, to one holder: a stage's runner in one process. It is safe for
// concurrent use. See the package's description.
type Limiter struct {
	// fixed after NewLimiter
	cfg    LimiterConfig
	client redis.UniversalClient
	holder string
	keys   []string
	limits []any // arguments of the script, four for each key
	counts bool  // permits are given back, since a limit bounds those at a time
	log    *slog.Logger
	nudge  chan struct{} // there is something to tell

	// guarded by mu
	mu    sync.Mutex
	held  int
	queue []chan struct{} // those who wait, each closed when its permit is there
}

var _ pipeline.Limiter = (*Limiter)(nil)

// NewLimiter makes the limiter of a holder, whose name must never have been used before. Each permit is one of all limits. The
// caller closes the client.
func NewLimiter(cfg LimiterConfig, client redis.UniversalClient, prefix, holder string, limits []pipeline.Shared, log *slog.Logger) *Limiter {
	if cfg.Lease <= 0 {
		cfg.Lease = 4 * time.Second
	}
	if cfg.Beat <= 0 {
		cfg.Beat = time.Second
	}
	l := &Limiter{cfg: cfg, client: client, holder: holder, log: log, nudge: make(chan struct{}, 1)}
	for _, s := range limits {
		l.keys = append(l.keys, keys(prefix).limit(s.Of))
		l.limits = append(l.limits, s.Every().Microseconds(), max(1, s.Burst), s.AtOnce, max(1, s.Requests))
		l.counts = l.counts || s.AtOnce > 0
	}
	return l
}

// Acquire implements [pipeline.Limiter]. Run must be running.
func (l *Limiter) Acquire(ctx context.Context) (release func(), err error) {
	permit := make(chan struct{})
	l.mu.Lock()
	l.queue = append(l.queue, permit)
	first := len(l.queue) == 1
	l.mu.Unlock()
	if first {
		l.poke()
	}
	release = sync.OnceFunc(l.release)
	select {
	case <-permit:
		return release, nil
	case <-ctx.Done():
	}
	if !l.withdraw(permit) { // it came at the same moment
		release()
	}
	return nil, ctx.Err()
}

// withdraw takes one who waits out of the queue; it reports false when its permit is there.
func (l *Limiter) withdraw(permit chan struct{}) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.queue, permit)
	if i < 0 {
		return false
	}
	l.queue = slices.Delete(l.queue, i, i+1)
	if len(l.queue) == 0 {
		l.poke()
	}
	return true
}

func (l *Limiter) release() {
	if !l.counts {
		return
	}
	l.mu.Lock()
	l.held--
	l.mu.Unlock()
	l.poke()
}

func (l *Limiter) poke() {
	select {
	case l.nudge <- struct{}{}:
	default:
	}
}

const (
	limitTimeout = time.Second            // of one call, so that a lease has time for more
	limitRetry   = 250 * time.Millisecond // after a failed one
)

// Run implements [pipeline.Limiter]. It asks for one permit at a time, and calls nobody while it has none and nobody waits. While Redis
// is away it tries again every 250 ms.
func (l *Limiter) Run(ctx context.Context) {
	known := false // Redis may have something of this holder
	var away time.Time
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-l.nudge:
		case <-ctx.Done():
			if known {
				l.leave(context.WithoutCancel(ctx))
			}
			return
		}
		held, waiting := l.state()
		if !known && held == 0 && !waiting {
			continue
		}
		known = true
		given, wait, err := l.ask(ctx, held, waiting)
		switch {
		case ctx.Err() != nil: // it ended while calling
		case err != nil:
			if away.IsZero() {
				away = time.Now()
				l.log.Warn("permits cannot be asked for; work waits until they can", "err", err)
			}
			wait = limitRetry
		default:
			if !away.IsZero() {
				l.log.Info("permits are given again", "away", time.Since(away).Round(time.Millisecond))
				away = time.Time{}
			}
			if given { // it holds in a moment
				pause.For(ctx, wait)
			}
			wait, known = l.next(given, waiting, held, wait)
		}
		timer.Reset(wait)
	}
}

// next takes note of an answer. It says when to ask again, unless something happens before, and whether Redis still has something of
// this holder.
func (l *Limiter) next(given, waiting bool, held int, wait time.Duration) (again time.Duration, known bool) {
	more := false
	if given {
		more = l.give()
	}
	switch {
	case more:
		return 0, true
	case waiting && !given:
		return min(wait, l.cfg.Beat), true
	default:
		return l.cfg.Beat, l.counts && (held > 0 || given)
	}
}

// give hands a permit to whoever waited longest, and reports whether there is more to tell: another who waits, or nobody who wanted the
// permit any more.
func (l *Limiter) give() (more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return l.counts
	}
	close(l.queue[0])
	l.queue = slices.Delete(l.queue, 0, 1)
	if l.counts {
		l.held++
	}
	return len(l.queue) > 0
}

func (l *Limiter) state() (held int, waiting bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held, len(l.queue) > 0
}

// ask calls the script once. When a permit is given, it holds after pause; otherwise the script is to be asked again after it.
func (l *Limiter) ask(ctx context.Context, held int, wants bool) (given bool, pause time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, limitTimeout)
	defer cancel()
	want := 0
	if wants {
		want = 1
	}
	args := append([]any{l.holder, l.cfg.Lease.Milliseconds(), held, want}, l.limits...)
	reply, err := permitScript.Run(ctx, l.client, l.keys, args...).Int64Slice()
	if err != nil {
		return false, 0, unavailable("ask for a permit", err)
	}
	if len(reply) != 2 {
		return false, 0, fmt.Errorf("ask for a permit: %d values in the reply, want 2", len(reply))
	}
	return reply[0] == 1, time.Duration(reply[1]) * time.Microsecond, nil
}

// leave gives all permits back.
func (l *Limiter) leave(ctx context.Context) {
	if _, _, err := l.ask(ctx, 0, false); err != nil && !errors.Is(err, context.Canceled) {
		l.log.Debug("permits could not be given back; they are free after a lease", "err", err)
	}
}
