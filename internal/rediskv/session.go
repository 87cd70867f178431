package rediskv

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"oktalk/internal/evaluation"
)

// readyPing is the payload of the ping that follows the first subscriptions: Redis answers in order, so its pong says that all
// of them are confirmed.
const readyPing = "ready"

// session is one connection of a [Feed], from dialing to the first error. The library would reconnect by itself without a word,
// so a session ends, and its PubSub with it, at the first error.
type session struct {
	feed      *Feed
	pubsub    *redis.PubSub
	deliver   func(evaluation.Snapshot)
	connected func(up bool)
	heard     atomic.Int64 // time of the last reply, in ns

	ready bool // owned by receive; read after run
}

func (s *session) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := s.setup(ctx); err != nil {
		return errors.Join(err, s.pubsub.Close())
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.receive(ctx) })
	g.Go(func() error { return s.send(ctx) })
	g.Go(func() error {
		<-ctx.Done()
		return s.pubsub.Close() // ends receive: a cancelled context does not
	})
	return g.Wait()
}

// setup connects, subscribes to all wanted channels and asks for the pong that ends the confirmations.
func (s *session) setup(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	s.heard.Store(time.Now().UnixNano())
	return s.subscribeAll(ctx)
}

func (s *session) subscribeAll(ctx context.Context) error {
	if err := s.sendDue(ctx); err != nil {
		return err
	}
	return s.pubsub.Ping(ctx, readyPing)
}

// send sends what Add and Drop ask for, and pings.
func (s *session) send(ctx context.Context) error {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-s.feed.wake:
			err = s.sendDue(ctx)
		case <-tick.C:
			if silent := time.Since(time.Unix(0, s.heard.Load())); silent > pingsLost*pingEvery {
				return fmt.Errorf("no answer for %v", silent.Round(time.Millisecond))
			}
			err = s.pubsub.Ping(ctx)
		}
		if err != nil {
			return err
		}
	}
}

func (s *session) sendDue(ctx context.Context) error {
	subscribe, unsubscribe := s.feed.due()
	if err := inBatches(ctx, unsubscribe, s.pubsub.Unsubscribe); err != nil {
		return err
	}
	return inBatches(ctx, subscribe, s.pubsub.Subscribe)
}

func inBatches(ctx context.Context, channels []string, send func(context.Context, ...string) error) error {
	for len(channels) > 0 {
		n := min(len(channels), subscribeBatch)
		if err := send(ctx, channels[:n]...); err != nil {
			return err
		}
		channels = channels[n:]
	}
	return nil
}

// receive takes replies until the connection ends. It waits without a deadline: a read that is cut off in the middle of a reply
// would lose the protocol's place. The pings in send bound the silence.
func (s *session) receive(ctx context.Context) error {
	for {
		reply, err := s.pubsub.Receive(ctx)
		if err != nil {
			return err
		}
		s.heard.Store(time.Now().UnixNano())
		switch r := reply.(type) {
		case *redis.Message:
			s.message(r)
		case *redis.Pong:
			if r.Payload == readyPing {
				err = s.confirmed(ctx)
			}
		case *redis.Subscription:
			if unasked := s.feed.answered(r.Channel, r.Kind == "subscribe"); unasked && s.ready {
				s.connected(true)
			}
		}
		if err != nil {
			return err
		}
	}
}

// confirmed says that Redis has confirmed all channels. Those that were added meanwhile, and refused, are subscribed first: their
// users wait for connected.
func (s *session) confirmed(ctx context.Context) error {
	if !s.feed.complete() {
		return s.subscribeAll(ctx)
	}
	s.ready = true
	s.connected(true)
	return nil
}

func (s *session) message(m *redis.Message) {
	snapshot, err := decodeMessage([]byte(m.Payload))
	if err == nil && snapshot.ID != s.feed.keys.evaluationID(m.Channel) {
		err = fmt.Errorf("message of %s on the channel of another evaluation", snapshot.ID)
	}
	if err != nil {
		s.feed.log.Warn("progress message ignored", "channel", m.Channel, "err", err)
		return
	}
	s.deliver(snapshot)
}
