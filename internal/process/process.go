// Package process assembles what every long-running process of OKTalk has: a logger, the stores, the relay of the
// outbox, a metrics server, and an orderly end.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"oktalk/internal/evaluation"
	"oktalk/internal/outbox"
	"oktalk/internal/pause"
	"oktalk/internal/pipeline"
	"oktalk/internal/postgres"
	"oktalk/internal/redisconn"
	"oktalk/internal/rediskv"
	"oktalk/internal/redisstream"
	"oktalk/internal/telemetry"
)

// Config is the settings that all processes share.
type Config struct {
	Log       telemetry.LogConfig
	Metrics   telemetry.MetricsConfig
	Postgres  postgres.Config
	Redis     redisconn.Config
	Stream    redisstream.Config
	Pipeline  pipeline.Config
	Limits    pipeline.LimitConfig
	Snapshots rediskv.SnapshotConfig
	Outbox    outbox.Config
}

// Process is what a main builds its own parts on. Close it at the end.
type Process struct {
	Name      string
	Log       *slog.Logger
	DB        *postgres.DB
	Redis     redisconn.Client // for short calls
	Blocking  redisconn.Client // for calls that wait
	Producer  *redisstream.Producer
	Snapshots *rediskv.Snapshots
	Registry  *prometheus.Registry

	cfg      Config
	stopping <-chan struct{}
	relay    *outbox.Relay
	jobs     *postgres.Jobs // one for all stages: they settle jobs of the same evaluations
	stages   *telemetry.StageMetrics
}

// Open prepares a process, to be run until ctx ends. Servers that are away do not stop it; only settings that cannot be used do.
func Open(ctx context.Context, name string, cfg Config, stdout io.Writer) (*Process, error) {
	p := &Process{Name: name, cfg: cfg, stopping: ctx.Done(), Log: telemetry.NewLogger(cfg.Log, stdout), Registry: telemetry.NewRegistry()}
	redisconn.LogTo(p.Log)
	var err error
	if p.DB, err = postgres.Open(ctx, cfg.Postgres, p.Log); err != nil {
		return nil, err
	}
	if p.Redis, err = redisconn.Work(cfg.Redis); err != nil {
		return nil, err
	}
	if p.Blocking, err = redisconn.Blocking(cfg.Redis); err != nil {
		return nil, err
	}
	p.Producer = redisstream.NewProducer(p.Redis, cfg.Redis.Prefix)
	p.Snapshots = rediskv.NewSnapshots(p.Redis, cfg.Redis.Prefix, cfg.Snapshots.TTL)
	p.relay = outbox.NewRelay(cfg.Outbox, postgres.NewOutbox(p.DB), p.Producer, p.Snapshots, p.Log)
	p.jobs = postgres.NewJobs(p.DB)
	p.stages = telemetry.NewStageMetrics(p.Registry)
	p.DB.OnOutbox(p.relay.Nudge)
	p.DB.OnLeft(p.relay.Take)
	return p, nil
}

// Close closes the stores.
func (p *Process) Close() {
	p.DB.Close()
	_, _ = p.Redis.Close(), p.Blocking.Close()
}

// Stopping is closed when the process was told to stop, that is, when the context of [Open] ends.
func (p *Process) Stopping() <-chan struct{} { return p.stopping }

// Runner makes the runner of a stage in this process.
func (p *Process) Runner(name evaluation.StageName, h pipeline.Handler) (*pipeline.Runner, error) {
	stage, ok := evaluation.StageByName(name)
	if !ok {
		return nil, fmt.Errorf("there is no stage %q", name)
	}
	consumer := redisstream.ConsumerName(p.Name)
	src := redisstream.NewSource(p.cfg.Stream, p.Redis, p.Blocking, p.cfg.Redis.Prefix, name, consumer, p.Log)
	runner := pipeline.NewRunner(p.cfg.Pipeline, stage, src, p.jobs, h, p.stages, p.Log)
	if limits := p.cfg.Limits.For(name, h); len(limits) > 0 {
		p.Log.Info("stage is limited", "stage", string(name), "limits", fmt.Sprint(limits))
		timing := rediskv.LimiterConfig{Lease: p.cfg.Stream.Lease, Beat: p.cfg.Stream.Beat}
		runner.LimitBy(rediskv.NewLimiter(timing, p.Redis, p.cfg.Redis.Prefix, consumer, limits, p.Log.With("stage", string(name))))
	}
	return runner, nil
}

// RedisReady asks Redis for an answer.
func (p *Process) RedisReady(ctx context.Context) error { return p.Redis.Ping(ctx).Err() }

// Part is something that runs until its context ends.
type Part func(ctx context.Context) error

// Run runs the parts beside the relay and the metrics server until ctx ends or one of them fails; a database whose schema
// is too old is such a failure, one that is away is not. When ctx ends, the parts end first, since what they finish still
// has to be sent.
func (p *Process) Run(ctx context.Context, checks []telemetry.Check, parts ...Part) error {
	all := append([]telemetry.Check{{Name: "postgres", Required: true, Run: p.DB.Ready}, {Name: "redis", Required: true, Run: p.RedisReady}}, checks...)

	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	shared, background := errgroup.WithContext(background)
	shared.Go(func() error { return telemetry.ServeMetrics(background, p.cfg.Metrics, p.Registry, all, p.Log) })
	shared.Go(func() error { return p.relay.Run(background) })

	front, stopFront := context.WithCancel(ctx)
	defer stopFront()
	context.AfterFunc(background, stopFront) // a shared part that fails ends the others

	p.Log.Info("started", "process", p.Name, "pid", os.Getpid())
	err := runAll(front, append(parts, p.checkSchema))
	stopBackground()
	err = errors.Join(ignoreCanceled(err), ignoreCanceled(shared.Wait()))
	p.Log.Info("stopped", "process", p.Name)
	return err
}

func runAll(ctx context.Context, parts []Part) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, part := range parts {
		g.Go(func() error { return part(ctx) })
	}
	return g.Wait()
}

// checkSchema fails when the database's schema is too old. It waits while the database is away.
func (p *Process) checkSchema(ctx context.Context) error {
	for wait, first := 100*time.Millisecond, true; ; wait, first = min(5*time.Second, 2*wait), false {
		err := p.DB.CheckSchema(ctx)
		if err == nil || !errors.Is(err, evaluation.ErrUnavailable) {
			return err
		}
		if first {
			p.Log.Warn("the database is away; waiting for it", telemetry.KeyErr, err)
		}
		if !pause.For(ctx, wait) {
			return ctx.Err()
		}
	}
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
