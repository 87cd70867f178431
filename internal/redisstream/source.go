package redisstream

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// Source delivers the entries of one stage to one consumer. See the package's description.
type Source struct {
	// fixed after NewSource
	cfg      Config
	keys     keys
	stage    evaluation.StageName
	consumer string
	work     redis.UniversalClient
	reader   *link         // blocking reads
	keeper   *link         // the lease
	nudge    chan struct{} // the run loop has something to do
	log      *slog.Logger

	// owned by Read, one at a time
	readMu    sync.Mutex
	hot       bool      // the last read came back full, so there is more
	lowTurn   bool      // a single slot: the low lane is next
	lowPolled time.Time // when the low lane was last looked at while the other was full
	checked   time.Time // when ghosts were last looked for

	// guarded by mu
	mu         sync.Mutex
	held       map[ref]struct{} // delivered here and not settled
	heldLow    int              // those of the low lane
	slots      int              // the most that were in flight or asked for
	leaseUntil time.Time        // the lease is surely held until then
	renewed    chan struct{}    // closed at the next renewal
	orphans    bool             // dead consumers hold entries
	ghosts     bool             // something may have been delivered here unnoticed
	paused     bool
	regroup    bool      // groups may be missing
	nextDue    time.Time // when the next delayed entry is due; zero: none known
	waiting    waiting
}

// ref names an entry: ids are unique in a lane only.
type ref struct {
	low bool
	id  string
}

// waiting is a blocking read in progress.
type waiting struct {
	seq     int64 // of the read, to tell one from the next
	on      bool
	lowLane bool // it waits for the low lane too
}

var _ pipeline.Source = (*Source)(nil)

// NewSource makes the source of a stage for one consumer, whose name must never have been used before ([ConsumerName]). work
// is for short calls, blocking for reads that wait: a pool of its own. Nothing is sent before Run and Read.
func NewSource(cfg Config, work, blocking redis.UniversalClient, prefix string, stage evaluation.StageName, consumer string, log *slog.Logger) *Source {
	k := stageKeys(prefix, stage)
	s := &Source{
		cfg: cfg.withDefaults(), keys: k, stage: stage, consumer: consumer, work: work,
		keeper: &link{client: work, key: k.stream},
		nudge:  make(chan struct{}, 1), log: log.With("stage", string(stage), "consumer", consumer),
		held: map[ref]struct{}{}, renewed: make(chan struct{}), checked: time.Now(), regroup: true,
	}
	s.reader = &link{client: blocking, key: k.stream, answer: s.cfg.Block + answerTime}
	return s
}

// Consumer implements [pipeline.Source].
func (s *Source) Consumer() string { return s.consumer }

// Alive implements [pipeline.Source]. While the table of leases is younger than a lease, consumers that it does not have count
// as alive: after a loss of Redis the living have not registered yet.
func (s *Source) Alive(ctx context.Context, consumer string) (bool, error) {
	n, err := aliveScript.Run(ctx, s.work, []string{s.keys.leases}, consumer, s.cfg.Lease.Milliseconds()).Int()
	return n == 1, domainError(err)
}

// Leave implements [pipeline.Source].
func (s *Source) Leave(ctx context.Context) error {
	s.readMu.Lock() // a last read may be on its way
	defer s.readMu.Unlock()
	s.mu.Lock()
	s.leaseUntil = time.Time{}
	s.mu.Unlock()
	n, err := leaveScript.Run(ctx, s.work, []string{s.keys.leases, s.keys.stream, s.keys.low}, group, s.consumer).Int()
	s.reader.drop(ctx)
	if n > 0 {
		s.log.Warn("left with entries pending: others take them over", "entries", n)
	}
	return domainError(err)
}

// createGroups makes the groups of both lanes, from the beginning of the streams, which it makes too.
func (s *Source) createGroups(ctx context.Context, c redis.Cmdable) error {
	for _, lane := range []string{s.keys.stream, s.keys.low} {
		if err := c.XGroupCreateMkStream(ctx, lane, group, "0").Err(); err != nil && !isBusyGroup(err) {
			return err
		}
	}
	return nil
}

// poke tells the run loop that there is something to do.
func (s *Source) poke() {
	select {
	case s.nudge <- struct{}{}:
	default:
	}
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}
