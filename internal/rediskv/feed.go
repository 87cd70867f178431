package rediskv

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"oktalk/internal/evaluation"
	"oktalk/internal/pause"
)

const (
	// pingEvery is how often the connection is probed. A dead peer that sends no reset is noticed after pingsLost of them:
	// for that long watchers depend on their periodic check.
	pingEvery = time.Second
	pingsLost = 3
	// setupTimeout bounds dialing, the handshake and sending all subscriptions.
	setupTimeout = 5 * time.Second
	// subscribeBatch is the number of channels in one SUBSCRIBE: 1 000 of ours are about 60 KB.
	subscribeBatch = 1000
	// reconnectMin and reconnectMax bound the pause before the next try, which doubles and has jitter.
	reconnectMin = 50 * time.Millisecond
	reconnectMax = time.Second
)

// Feed is the one Pub/Sub connection of a process. Its user says with Add and Drop which evaluations it watches and gets what
// is published for them while Run runs. All methods are safe for concurrent use; Run is called once.
type Feed struct {
	client redis.UniversalClient
	keys   keys
	log    *slog.Logger
	wake   chan struct{} // capacity 1: there is something to send

	mu       sync.Mutex
	channels map[string]*channel // guarded by mu, by evaluation id
	up       bool                // guarded by mu: Redis confirmed all channels of the present connection
}

// channel is one evaluation's channel. What is asked of Redis and not answered is in flight, one request at a time, so that
// the order of Add and Drop holds whatever the timing.
type channel struct {
	wanted     bool
	subscribed bool // confirmed on the present connection
	inFlight   bool
	waiting    []chan struct{} // closed on confirmation, or when the connection is lost
}

// NewFeed makes a Feed. The client's pool is not used up: the connection is its own. Its ReadTimeout must be positive,
// or connecting to a frozen Redis hangs. The caller closes the client.
func NewFeed(client redis.UniversalClient, prefix string, log *slog.Logger) *Feed {
	return &Feed{
		client: client, keys: keys(prefix), log: log,
		wake: make(chan struct{}, 1), channels: make(map[string]*channel),
	}
}

// Add watches an evaluation and returns when Redis has confirmed it: what is published from then on is delivered. On an
// error the confirmation is missing but the evaluation is watched all the same, as soon as Redis is there; connected tells.
// It fails at once with [evaluation.ErrUnavailable] while Redis is away.
func (f *Feed) Add(ctx context.Context, id string) error {
	confirmed, err := f.want(id)
	if err != nil || confirmed == nil {
		return err
	}
	select {
	case <-confirmed:
	case <-ctx.Done():
		return ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if ch := f.channels[id]; ch == nil || !ch.subscribed {
		return unavailable("watch "+id, errConnectionLost)
	}
	return nil
}

var errConnectionLost = errors.New("the connection is down")

// want marks a channel as wanted. It returns what to wait for; nil if it is confirmed already.
func (f *Feed) want(id string) (<-chan struct{}, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ch := f.channels[id]
	if ch == nil {
		ch = &channel{}
		f.channels[id] = ch
	}
	ch.wanted = true
	switch {
	case !f.up:
		return nil, unavailable("watch "+id, errConnectionLost)
	case ch.subscribed && !ch.inFlight:
		return nil, nil
	}
	confirmed := make(chan struct{})
	ch.waiting = append(ch.waiting, confirmed)
	f.signal()
	return confirmed, nil
}

// Drop stops watching an evaluation. It does not block; what is on its way may still be delivered.
func (f *Feed) Drop(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ch := f.channels[id]
	if ch == nil {
		return
	}
	ch.wanted = false
	if !ch.subscribed && !ch.inFlight {
		f.forget(id, ch)
		return
	}
	f.signal()
}

func (f *Feed) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Run keeps the connection until ctx ends and then returns nil. It calls deliver for each message, in the order of Redis, and
// connected(true) whenever all channels are confirmed on a new connection: whatever was published before may have been missed.
// connected(false) means that nothing is delivered for now; it is the state before the first connection too. Both are called
// from one goroutine and must not block.
func (f *Feed) Run(ctx context.Context, deliver func(evaluation.Snapshot), connected func(up bool)) error {
	wait := reconnectMin
	for ctx.Err() == nil {
		if f.runSession(ctx, deliver, connected) {
			wait = reconnectMin
		}
		pause.For(ctx, wait/2+rand.N(wait))
		wait = min(2*wait, reconnectMax)
	}
	return nil
}

// runSession runs one connection to its end and reports whether it was ever ready.
func (f *Feed) runSession(ctx context.Context, deliver func(evaluation.Snapshot), connected func(up bool)) bool {
	s := &session{feed: f, pubsub: f.client.Subscribe(ctx), deliver: deliver, connected: connected}
	err := s.run(ctx)
	if s.ready {
		connected(false)
	}
	f.reset()
	if ctx.Err() == nil {
		f.log.Debug("progress feed is down", "err", err)
	}
	return s.ready
}

// reset forgets what the lost connection had.
func (f *Feed) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.up = false
	for id, ch := range f.channels {
		ch.subscribed, ch.inFlight = false, false
		ch.release()
		if !ch.wanted {
			delete(f.channels, id)
		}
	}
}

// complete says that the connection is up, unless a wanted channel is not confirmed yet.
func (f *Feed) complete() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, ch := range f.channels {
		if ch.wanted && !ch.subscribed {
			return false
		}
	}
	f.up = true
	return true
}

// forget removes a channel; mu is held.
func (f *Feed) forget(id string, ch *channel) {
	ch.release()
	delete(f.channels, id)
}

func (c *channel) release() {
	for _, w := range c.waiting {
		close(w)
	}
	c.waiting = nil
}

// due takes the channels whose subscription does not match what is wanted, and marks them as in flight.
func (f *Feed) due() (subscribe, unsubscribe []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, ch := range f.channels {
		if ch.inFlight || ch.wanted == ch.subscribed {
			continue
		}
		ch.inFlight = true
		if ch.wanted {
			subscribe = append(subscribe, f.keys.channel(id))
		} else {
			unsubscribe = append(unsubscribe, f.keys.channel(id))
		}
	}
	return subscribe, unsubscribe
}

// answered takes Redis's confirmation. It reports whether the channel was subscribed and nobody had asked: then the library
// made a new connection by itself.
func (f *Feed) answered(channelName string, subscribed bool) (unasked bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := f.keys.evaluationID(channelName)
	ch := f.channels[id]
	if ch == nil {
		return false
	}
	unasked = !ch.inFlight && subscribed
	ch.inFlight, ch.subscribed = false, subscribed
	switch {
	case ch.wanted && subscribed:
		ch.release()
	case !ch.wanted && !subscribed:
		f.forget(id, ch)
	default: // changed its mind meanwhile
		f.signal()
	}
	return unasked
}
