package main

import (
	"context"
	"errors"

	"github.com/hibiken/asynq"
	"golang.org/x/sync/errgroup"
)

type asynqContender struct {
	redis     asynq.RedisConnOpt
	client    *asynq.Client
	inspector *asynq.Inspector
}

func openAsynq(_ context.Context, s space) (contender, error) {
	o, err := asynq.ParseRedisURI(s.Redis)
	if err != nil {
		return nil, err
	}
	return &asynqContender{redis: o, client: asynq.NewClient(o), inspector: asynq.NewInspector(o)}, nil
}

func (c *asynqContender) Close() { _, _ = c.client.Close(), c.inspector.Close() }

// Enqueue adds jobs one by one, as there is no other way, from several goroutines.
func (c *asynqContender) Enqueue(ctx context.Context, jobs []job) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for _, j := range jobs {
		g.Go(func() error {
			_, err := c.client.EnqueueContext(ctx, asynq.NewTask("bench", encodePayload(j)))
			return err
		})
	}
	return g.Wait()
}

func (c *asynqContender) Work(ctx context.Context, slots int, handle handler) error {
	server := asynq.NewServer(c.redis, asynq.Config{Concurrency: slots, LogLevel: asynq.FatalLevel, Logger: silent{}})
	err := server.Start(asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
		n, err := decodePayload(t.Payload())
		if err == nil {
			handle(ctx, n)
		}
		return err
	}))
	if err != nil {
		return err
	}
	<-ctx.Done()
	server.Shutdown()
	return nil
}

func (c *asynqContender) Left(context.Context) (int, error) {
	q, err := c.inspector.GetQueueInfo("default")
	if errors.Is(err, asynq.ErrQueueNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return q.Size, nil
}

// silent drops what asynq logs.
type silent struct{}

func (silent) Debug(...any) {}
func (silent) Info(...any)  {}
func (silent) Warn(...any)  {}
func (silent) Error(...any) {}
func (silent) Fatal(...any) {}
