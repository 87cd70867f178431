package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
)

const (
	streamName  = "bench"
	streamGroup = "workers"
)

// stream is what the two other users of streams have in common.
type stream struct{ client *redis.Client }

func openStream(s space, connections int) (stream, error) {
	o, err := redis.ParseURL(s.Redis)
	if err != nil {
		return stream{}, err
	}
	o.PoolSize = connections
	return stream{redis.NewClient(o)}, nil
}

func (s stream) Close() { _ = s.client.Close() }

func (s stream) Left(ctx context.Context) (int, error) {
	groups, err := s.client.XInfoGroups(ctx, streamName).Result()
	if err != nil {
		return 0, err
	}
	if len(groups) == 0 {
		n, err := s.client.XLen(ctx, streamName).Result()
		return int(n), err
	}
	return int(groups[0].Pending + groups[0].Lag), nil
}

// add pipelines entries, so many in a round trip.
func (s stream) add(ctx context.Context, jobs []job, values func(job) (any, error)) error {
	for len(jobs) > 0 {
		n := min(len(jobs), 500)
		pipe := s.client.Pipeline()
		for _, j := range jobs[:n] {
			v, err := values(j)
			if err != nil {
				return err
			}
			pipe.XAdd(ctx, &redis.XAddArgs{Stream: streamName, Values: v})
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
		jobs = jobs[n:]
	}
	return nil
}

// watermillContender uses Watermill's subscriber. Its publisher sends one message a round trip; a backlog is written past it, in its
// format.
type watermillContender struct{ stream }

func openWatermill(_ context.Context, s space) (contender, error) {
	st, err := openStream(s, 2048)
	return &watermillContender{st}, err
}

func (c *watermillContender) Enqueue(ctx context.Context, jobs []job) error {
	return c.add(ctx, jobs, func(j job) (any, error) {
		return redisstream.DefaultMarshallerUnmarshaller{}.Marshal(streamName, message.NewMessage(watermill.NewUUID(), encodePayload(j)))
	})
}

// Work subscribes once for each slot: a subscription handles one message at a time.
func (c *watermillContender) Work(ctx context.Context, slots int, handle handler) error {
	sub, err := redisstream.NewSubscriber(redisstream.SubscriberConfig{
		Client: c.client, ConsumerGroup: streamGroup, DisableIndefiniteInitialBlock: true,
	}, watermill.NopLogger{})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for range slots {
		messages, err := sub.Subscribe(ctx, streamName)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return err
		}
		wg.Go(func() {
			for m := range messages {
				n, err := decodePayload(m.Payload)
				if err != nil {
					m.Nack()
					continue
				}
				handle(m.Context(), n)
				m.Ack()
			}
		})
	}
	<-ctx.Done()
	err = sub.Close()
	wg.Wait()
	return err
}

// bareContender is the loop of a tutorial: it reads, works and acknowledges, and does nothing else.
type bareContender struct{ stream }

func openBare(_ context.Context, s space) (contender, error) {
	st, err := openStream(s, 10)
	return &bareContender{st}, err
}

func (c *bareContender) Enqueue(ctx context.Context, jobs []job) error {
	return c.add(ctx, jobs, func(j job) (any, error) {
		p := payloadOf(j)
		return []any{
			"job", p.Job, "evaluation_id", p.Evaluation, "user_id", p.User, "attempt", p.Attempt, "enqueued_at", p.EnqueuedAt,
			"traceparent", p.Traceparent,
		}, nil
	})
}

// Work reads as many entries at once as there are slots and handles them one after the other.
func (c *bareContender) Work(ctx context.Context, slots int, handle handler) error {
	err := c.client.XGroupCreateMkStream(ctx, streamName, streamGroup, "0").Err()
	if err != nil && !redis.HasErrorPrefix(err, "BUSYGROUP") {
		return err
	}
	args := &redis.XReadGroupArgs{
		Group: streamGroup, Consumer: "bench", Streams: []string{streamName, ">"}, Count: int64(slots), Block: 500 * time.Millisecond,
	}
	for ctx.Err() == nil {
		found, err := c.client.XReadGroup(ctx, args).Result()
		if errors.Is(err, redis.Nil) || ctx.Err() != nil {
			continue
		}
		if err != nil {
			return err
		}
		ids := make([]string, 0, slots)
		for _, m := range found[0].Messages {
			id, _ := m.Values["job"].(string)
			n, err := jobNumber(id)
			if err != nil {
				return fmt.Errorf("entry %s: %w", m.ID, err)
			}
			handle(ctx, n)
			ids = append(ids, m.ID)
		}
		if err := c.client.XAck(context.WithoutCancel(ctx), streamName, streamGroup, ids...).Err(); err != nil {
			return err
		}
	}
	return nil
}
