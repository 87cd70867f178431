// Command api is the HTTP and WebSocket server: it takes recordings in, scores them, and reports how their evaluations go on.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"oktalk/internal/account"
	"oktalk/internal/assess/lts"
	"oktalk/internal/assess/offline"
	"oktalk/internal/audio"
	"oktalk/internal/erasure"
	"oktalk/internal/evaluation"
	"oktalk/internal/housekeeping"
	"oktalk/internal/httpapi"
	"oktalk/internal/intake"
	"oktalk/internal/objectstore"
	"oktalk/internal/pause"
	"oktalk/internal/pipeline"
	"oktalk/internal/postgres"
	"oktalk/internal/process"
	"oktalk/internal/provider/instant"
	"oktalk/internal/realtime"
	"oktalk/internal/redisconn"
	"oktalk/internal/rediskv"
	"oktalk/internal/replay"
	"oktalk/internal/settings"
	"oktalk/internal/telemetry"
)

const does = "takes recordings in over HTTP, scores them, and reports over WebSocket how their evaluations go on"

func main() { os.Exit(process.Main("api", does, settings.Load[settings.API], assemble)) }

func assemble(cfg settings.API, p *process.Process) (parts process.Parts, err error) {
	quick, err := redisconn.Request(cfg.Redis)
	if err != nil {
		return parts, err
	}
	parts.Close = func() { _ = quick.Close() }
	store, err := objectstore.New(cfg.Store, p.Log)
	if err != nil {
		return parts, err
	}

	// taking recordings in
	decoder, err := audio.NewDecoder(cfg.Audio, p.Log)
	if err != nil {
		return parts, err
	}
	assessor, err := newAssessor(cfg, p.Log)
	if err != nil {
		return parts, err
	}
	evaluations := postgres.NewEvaluations(p.DB)
	reception := intake.New(cfg.Intake, intake.Deps{
		Assessor: assessor, Decoder: decoder, Gate: audio.Check, Recordings: store, Evaluations: evaluations,
		Idempotency: postgres.NewIdempotency(p.DB), Log: p.Log,
	})
	parts.Close = func() { reception.Close(); _ = quick.Close() }

	// progress
	snapshots := rediskv.NewSnapshots(quick, cfg.Redis.Prefix, cfg.Snapshots.TTL)
	accounts := postgres.NewAccounts(p.DB)
	feed := rediskv.NewFeed(p.Blocking, cfg.Redis.Prefix, p.Log)
	hub := realtime.NewHub(cfg.Realtime, evaluations, accounts, snapshots, feed, p.Log)

	p.ExportStores()
	exportHub(p, hub)

	// HTTP
	spool := postgres.NewSpool(p.DB)
	handler, err := httpapi.New(cfg.HTTP, httpapi.Deps{
		Accounts: account.NewService(accounts), Tickets: account.NewTickets(accounts, rediskv.NewOnce(quick, cfg.Redis.Prefix), p.Log, time.Now),
		Intake: reception, Evaluations: evaluations, Objects: store, Spool: spool, Progress: hub,
		Replays: replay.NewService(postgres.NewReplays(p.DB), p.Producer, store, process.Catalog(), p.Log), Log: p.Log, Stopping: p.Stopping(),
		Checks: []httpapi.Check{
			{Name: "postgres", Required: true, Run: p.DB.Ready},
			{Name: "redis", Run: p.RedisReady},
			{Name: "s3", Run: store.Ready},
		},
	})
	if err != nil {
		return parts, err
	}

	// small stages and upkeep
	upkeep := housekeeping.New(cfg.Housekeeping, postgres.NewUpkeep(p.DB), p.Producer, spool, store, p.Log)
	parts.Checks = []telemetry.Check{{Name: "s3", Required: true, Run: store.Ready}}
	parts.Run = []process.Part{
		outlast(cfg.HTTP.StopDelay, hub.Run), upkeep.Run,
		func(ctx context.Context) error { return ensureBucket(ctx, store, p.Log) },
		outlast(cfg.HTTP.StopDelay, func(ctx context.Context) error { return serve(ctx, cfg, handler, p.Log) }),
	}
	handlers := map[evaluation.StageName]pipeline.Handler{
		evaluation.StageErase: erasure.NewStage(evaluations, store, p.Snapshots),
	}
	for _, name := range cfg.Stages {
		h, ok := handlers[name]
		if !ok {
			return parts, fmt.Errorf("STAGES names %q; this process can run: erase", name)
		}
		runner, err := p.Runner(name, h)
		if err != nil {
			return parts, err
		}
		parts.Run = append(parts.Run, runner.Run)
	}
	return parts, nil
}

// exportHub adds metrics of progress connections.
func exportHub(p *process.Process, hub *realtime.Hub) {
	const subscriptions, evaluations, feedUp = "oktalk_progress_subscriptions", "oktalk_progress_evaluations", "oktalk_progress_feed_up"
	telemetry.RegisterReadings(p.Registry, map[string]string{
		subscriptions: "Open progress connections and polls of this process.",
		evaluations:   "Evaluations that they watch.",
		feedUp:        "1 while changes arrive from Redis; at 0 PostgreSQL is polled.",
	}, nil, func(context.Context) ([]telemetry.Reading, error) {
		st := hub.Stats()
		up := 0.0
		if st.FeedUp {
			up = 1
		}
		return []telemetry.Reading{
			{Name: subscriptions, Value: float64(st.Subscriptions)}, {Name: evaluations, Value: float64(st.Evaluations)}, {Name: feedUp, Value: up},
		}, nil
	}, p.Log)
}

func newAssessor(cfg settings.API, log *slog.Logger) (intake.Assessor, error) {
	if yes, err := instant.Chosen("ASSESSOR", cfg.Scorer, "offline", log); yes || err != nil {
		process.CollectLess() // without the assessor's model little is kept, as in a worker
		return instant.Assessor{}, err
	}
	a, err := offline.New(cfg.Assessor, lts.New(log), log)
	return offlineAssessor{a}, err
}

// offlineAssessor scores with the offline assessor, which judges by one table whatever the learner's native language.
type offlineAssessor struct{ *offline.Assessor }

// Assess implements [intake.Assessor].
func (a offlineAssessor) Assess(ctx context.Context, r evaluation.AssessRequest) (*evaluation.Assessment, error) {
	return a.AssessLearner(ctx, r.Samples, r.Text, r.Language, r.NativeLanguage)
}

// outlast lets a part go on for a while after the others: what clients see, until load balancers have noticed that it will end.
func outlast(delay time.Duration, part process.Part) process.Part {
	return func(ctx context.Context) error {
		longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		stop := context.AfterFunc(ctx, func() { time.AfterFunc(delay, cancel) })
		defer stop()
		return part(longer)
	}
}

// serve serves until ctx ends, then lets requests in progress finish. Sockets are closed by the hub.
func serve(ctx context.Context, cfg settings.API, handler http.Handler, log *slog.Logger) error {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.HTTP.Addr)
	if err != nil {
		return fmt.Errorf("listen on %s (choose another address with API_ADDR): %w", cfg.HTTP.Addr, err)
	}
	server := httpapi.NewServer(handler, log)
	log.Info("api listens", "addr", ln.Addr().String())
	drain := cfg.Pipeline.DrainTimeout
	done := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
		defer cancel()
		err := server.Shutdown(ctx)
		if err != nil {
			err = errors.Join(fmt.Errorf("requests did not end within %s: %w", drain, err), server.Close())
		}
		done <- err
	})
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		stop()
		return fmt.Errorf("serve: %w", err)
	}
	return <-done
}

// ensureBucket makes the bucket if the store lets us, and keeps trying while the store is away.
func ensureBucket(ctx context.Context, store *objectstore.Store, log *slog.Logger) error {
	for wait := 500 * time.Millisecond; ; wait = min(30*time.Second, 2*wait) {
		err := store.EnsureBucket(ctx)
		if err == nil {
			return nil
		}
		if !errors.Is(err, evaluation.ErrUnavailable) {
			log.Warn("bucket could not be made or looked at; recordings wait in the database", telemetry.KeyErr, err)
		}
		if !pause.For(ctx, wait) {
			return nil
		}
	}
}
