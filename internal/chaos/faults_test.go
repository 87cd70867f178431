package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// fault is a kind of fault. inject returns when it is over.
type fault struct {
	name   string
	weight int
	slow   bool // recovering from it takes long: not in the short form
	inject func(ctx context.Context, s *system, dice *rand.Rand) error
}

var faults = []fault{
	{name: "worker: kill -9", weight: 20, inject: killWorker},
	{name: "worker: frozen past its lease, goes on", weight: 10, inject: freezeWorker(5*time.Second, 9*time.Second)},
	{name: "worker: frozen for a moment", weight: 5, inject: freezeWorker(200*time.Millisecond, 3*time.Second)},
	{name: "worker: SIGTERM and start", weight: 5, inject: restartWorker},
	{name: "redis: replies lost", weight: 12, inject: breakProxy(toRedis, lose, 100*time.Millisecond, time.Second)},
	{name: "redis: deliveries lost", weight: 10, inject: breakProxy(toRedis, loseJobs, time.Second, 3*time.Second)},
	{name: "redis: connections cut", weight: 7, inject: cutProxy(toRedis)},
	{name: "redis: stalls", weight: 6, inject: breakProxy(toRedis, stall, 500*time.Millisecond, 7*time.Second)},
	{name: "redis: away for one worker", weight: 5, inject: breakProxy(toRedis, away, time.Second, 7*time.Second)},
	{name: "redis: away for all", weight: 1, inject: breakAll(toRedis, away, time.Second, 7*time.Second)},
	{name: "redis: FLUSHALL", weight: 3, inject: flush},
	{name: "redis: kill -9 and start", weight: 3, inject: killRedis},
	{name: "redis: kill -9 and start empty", weight: 1, inject: loseRedis},
	{name: "redis: some entries forgotten", weight: 2, slow: true, inject: forget},
	{name: "redis: jobs added again", weight: 5, inject: addAgain},
	{name: "redis: bytes that are no entry", weight: 3, inject: poison},
	{name: "postgres: replies lost", weight: 10, inject: breakProxy(toPostgres, lose, 100*time.Millisecond, time.Second)},
	{name: "postgres: connections cut", weight: 6, inject: cutProxy(toPostgres)},
	{name: "postgres: stalls", weight: 5, inject: breakProxy(toPostgres, stall, 200*time.Millisecond, 4*time.Second)},
	{name: "postgres: away for one worker", weight: 4, inject: breakProxy(toPostgres, away, time.Second, 5*time.Second)},
	{name: "postgres: kill -9 and start", weight: 2, inject: killPostgres},
	{name: "s3: away", weight: 2, inject: breakAll(toS3, away, time.Second, 5*time.Second)},
}

// minuteWithoutS3 is injected once when there is time for it.
var minuteWithoutS3 = fault{name: "s3: away for a minute", inject: breakAll(toS3, away, time.Minute, time.Minute)}

// lostDeliveries comes last, so that nothing else makes up for it: no lease is lost any more, and what was delivered and not received
// must be found by the workers that have it.
var lostDeliveries = fault{name: "redis: deliveries lost for all", inject: breakAll(toRedis, loseJobs, time.Second, 2*time.Second)}

// planned is a fault and when it begins, from the start.
type planned struct {
	fault

	at   time.Duration
	seed uint64
}

// plan draws the faults of a form, evenly over its time, with each kind at least once.
func plan(seed uint64, f form) []planned {
	dice := rand.New(rand.NewPCG(seed, 1))
	var urn, drawn []fault
	for _, kind := range faults {
		if kind.slow && !f.slow {
			continue
		}
		drawn = append(drawn, kind)
		for range kind.weight {
			urn = append(urn, kind)
		}
	}
	if f.over > 3*time.Minute {
		drawn = append(drawn, minuteWithoutS3)
	}
	for len(drawn) < f.faults-1 {
		drawn = append(drawn, urn[dice.IntN(len(urn))])
	}
	dice.Shuffle(len(drawn), func(i, j int) { drawn[i], drawn[j] = drawn[j], drawn[i] })
	drawn = append(drawn, lostDeliveries)
	plans := make([]planned, len(drawn))
	for i, kind := range drawn {
		plans[i] = planned{kind, f.over * time.Duration(i) / time.Duration(len(drawn)), dice.Uint64()}
	}
	return plans
}

// injected counts what was injected.
type injected struct {
	mu     sync.Mutex
	counts map[string]int
	errs   []error
}

// inject injects the faults of a plan and returns when all are over.
func (s *system) inject(ctx context.Context, plans []planned) *injected {
	done := &injected{counts: map[string]int{}}
	begin := time.Now()
	var running sync.WaitGroup
	for _, p := range plans {
		pause(ctx, time.Until(begin.Add(p.at)))
		if ctx.Err() != nil {
			break
		}
		running.Go(func() {
			err := p.inject(ctx, s, rand.New(rand.NewPCG(p.seed, 2)))
			done.mu.Lock()
			defer done.mu.Unlock()
			if err != nil {
				done.errs = append(done.errs, fmt.Errorf("%s: %w", p.name, err))
				return
			}
			done.counts[p.name]++
		})
	}
	running.Wait()
	return done
}

func between(dice *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(dice.Int64N(int64(most-least)+1))
}

// anyWorker draws a process; those that keep house come up less often, since they have less in hand.
func (s *system) anyWorker(dice *rand.Rand) *worker {
	w := s.workers[dice.IntN(len(s.workers))]
	if w.role == keeperRole && dice.IntN(2) == 0 {
		return s.anyWorker(dice)
	}
	return w
}

func killWorker(ctx context.Context, s *system, dice *rand.Rand) error {
	w := s.anyWorker(dice)
	w.fault.Lock()
	defer w.fault.Unlock()
	defer s.journal.trouble(w.name)()
	if err := w.process.Kill(); err != nil {
		return err
	}
	s.journal.died(w.name)
	pause(ctx, between(dice, 0, 2*time.Second))
	return w.process.Start(ctx)
}

func restartWorker(ctx context.Context, s *system, dice *rand.Rand) error {
	w := s.anyWorker(dice)
	w.fault.Lock()
	defer w.fault.Unlock()
	defer s.journal.trouble(w.name)()
	w.process.Stop(ctx)
	s.journal.died(w.name)
	return w.process.Start(ctx)
}

func freezeWorker(least, most time.Duration) func(context.Context, *system, *rand.Rand) error {
	return func(ctx context.Context, s *system, dice *rand.Rand) error {
		w := s.anyWorker(dice)
		w.fault.Lock()
		defer w.fault.Unlock()
		defer s.journal.trouble(w.name)()
		if err := w.process.Suspend(); err != nil {
			return err
		}
		pause(ctx, between(dice, least, most))
		return w.process.Resume()
	}
}

// way is one of a worker's ways to a server.
type way func(*worker) *proxy

func toRedis(w *worker) *proxy    { return w.redis }
func toPostgres(w *worker) *proxy { return w.postgres }
func toS3(w *worker) *proxy       { return w.s3 }

func breakProxy(to way, m mode, least, most time.Duration) func(context.Context, *system, *rand.Rand) error {
	return func(ctx context.Context, s *system, dice *rand.Rand) error {
		w := s.anyWorker(dice)
		p := to(w)
		p.fault.Lock()
		defer p.fault.Unlock()
		if p == w.redis {
			defer s.journal.trouble(w.name)()
		}
		p.set(m)
		defer p.set(pass)
		pause(ctx, between(dice, least, most))
		return nil
	}
}

func breakAll(to way, m mode, least, most time.Duration) func(context.Context, *system, *rand.Rand) error {
	return func(ctx context.Context, s *system, dice *rand.Rand) error {
		for _, w := range s.workers {
			p := to(w)
			p.fault.Lock()
			defer p.fault.Unlock()
			if p == w.redis {
				defer s.journal.trouble(w.name)()
			}
			p.set(m)
			defer p.set(pass)
		}
		pause(ctx, between(dice, least, most))
		return nil
	}
}

func cutProxy(to way) func(context.Context, *system, *rand.Rand) error {
	return func(_ context.Context, s *system, dice *rand.Rand) error {
		to(s.anyWorker(dice)).cut()
		return nil
	}
}

// flush is no trouble for leases: whoever lives keeps its own.
func flush(ctx context.Context, s *system, _ *rand.Rand) error {
	s.redisFault.Lock()
	defer s.redisFault.Unlock()
	return s.rdb.FlushAll(ctx).Err()
}

func killRedis(ctx context.Context, s *system, dice *rand.Rand) error {
	s.redisFault.Lock()
	defer s.redisFault.Unlock()
	defer s.journal.trouble("")()
	if err := s.stack.Redis.Kill(); err != nil {
		return err
	}
	pause(ctx, between(dice, 0, 3*time.Second))
	return s.stack.Redis.Start(ctx)
}

// loseRedis is a fail-over to a node that has nothing.
func loseRedis(ctx context.Context, s *system, dice *rand.Rand) error {
	s.redisFault.Lock()
	defer s.redisFault.Unlock()
	defer s.journal.trouble("")()
	settings, err := s.rdb.ConfigGet(ctx, "*dir*").Result()
	if err != nil {
		return err
	}
	if err := s.stack.Redis.Kill(); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(settings["dir"], settings["appenddirname"])); err != nil {
		return err
	}
	pause(ctx, between(dice, 0, 3*time.Second))
	return s.stack.Redis.Start(ctx)
}

func killPostgres(ctx context.Context, s *system, dice *rand.Rand) error {
	s.postgresFault.Lock()
	defer s.postgresFault.Unlock()
	if err := s.stack.Postgres.Kill(); err != nil {
		return err
	}
	pause(ctx, between(dice, 0, 2*time.Second))
	return s.stack.Postgres.Start(ctx)
}

// stages are those that an evaluation passes.
var stages = []evaluation.StageName{evaluation.StageFeedback, evaluation.StageSpeech, evaluation.StageDemo}

func stageKey(stage evaluation.StageName, name string) string {
	return fmt.Sprintf("%s:stage:{%s}:%s", prefix, stage, name)
}

// forget takes entries out of Redis, as the loss of the end of its log would: one that is pending, one that is delayed.
func forget(ctx context.Context, s *system, dice *rand.Rand) error {
	s.redisFault.Lock()
	defer s.redisFault.Unlock()
	stage := stages[dice.IntN(len(stages))]
	delayed, err := s.rdb.ZRandMember(ctx, stageKey(stage, "delayed"), 3).Result()
	if err != nil {
		return err
	}
	for _, member := range delayed {
		s.rdb.ZRem(ctx, stageKey(stage, "delayed"), member)
	}
	lane := stageKey(stage, "stream")
	pending, err := s.rdb.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: lane, Group: "workers", Start: "-", End: "+", Count: 3}).Result()
	if err != nil && !redis.HasErrorPrefix(err, "NOGROUP") { // as after FLUSHALL
		return err
	}
	for _, e := range pending {
		s.rdb.XAck(ctx, lane, "workers", e.ID)
	}
	return nil
}

// addAgain adds entries for jobs that have theirs, and for some that are settled.
func addAgain(ctx context.Context, s *system, dice *rand.Rand) error {
	var entries []pipeline.Entry
	err := s.insist(ctx, func() error {
		for _, stage := range stages {
			open, err := s.upkeep.OpenJobs(ctx, stage, "", 10)
			if err != nil {
				return err
			}
			entries = append(entries, open...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	for range min(5, len(s.created)) {
		e := s.created[dice.IntN(len(s.created))]
		entries = append(entries, pipeline.Entry{Stage: evaluation.StageFeedback, JobID: "job_unknown", EvaluationID: e.ID, UserID: e.UserID})
	}
	s.mu.Unlock()
	return s.insist(ctx, func() error { return s.producer.Enqueue(ctx, entries) })
}

// poison adds what is no entry: to a lane and to the delayed set.
func poison(ctx context.Context, s *system, dice *rand.Rand) error {
	s.redisFault.Lock()
	defer s.redisFault.Unlock()
	stage := stages[dice.IntN(len(stages))]
	junk := make([]byte, dice.IntN(2000))
	for i := range junk {
		junk[i] = byte(dice.UintN(256))
	}
	lane := stageKey(stage, []string{"stream", "stream:low"}[dice.IntN(2)])
	if err := s.rdb.XAdd(ctx, &redis.XAddArgs{Stream: lane, Values: []any{"job", string(junk), string(junk), "attempt"}}).Err(); err != nil {
		return err
	}
	return s.rdb.ZAdd(ctx, stageKey(stage, "delayed"), redis.Z{Member: string(junk)}).Err()
}
