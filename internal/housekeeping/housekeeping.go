package housekeeping

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"oktalk/internal/evaluation"
	"oktalk/internal/pause"
	"oktalk/internal/pipeline"
)

// Config says how long what is done is kept.
type Config struct {
	// StreamRetention is how long acknowledged entries stay in a stage's streams; 0 means 168 h (a week).
	StreamRetention time.Duration `env:"STREAM_RETENTION" envDefault:"168h"`
	// StreamMaxEntries is how many entries each lane of a stage keeps at most; 0 means a million. Entries that are pending or
	// unread always stay.
	StreamMaxEntries int64 `env:"STREAM_MAX_ENTRIES" envDefault:"1000000"`
	// JobRetention is how long settled jobs stay, for replays and for looking into what happened; 0 means for ever. Default 90 days.
	JobRetention time.Duration `env:"JOB_RETENTION" envDefault:"2160h"`
	// RunRetention is how long the records of runs stay, to the month; 0 means for ever. Default 395 days, 13 months.
	RunRetention time.Duration `env:"RUN_RETENTION" envDefault:"9480h"`
}

// Leader lets one process at a time run a function.
type Leader interface {
	Lead(ctx context.Context, fn func(ctx context.Context) error) error
}

// Jobs is what is to be done, whatever Redis has.
type Jobs interface {
	// Generations returns what each stage's marker must equal.
	Generations(ctx context.Context) (map[evaluation.StageName]string, error)
	// OpenJobs reads open jobs by rising id, starting after one.
	OpenJobs(ctx context.Context, stage evaluation.StageName, afterID string, limit int) ([]pipeline.Entry, error)
	// Stale lists open jobs, by rising id, that should have had an entry for some time.
	Stale(ctx context.Context, stage evaluation.StageName, olderThan time.Duration, afterID string, limit int) ([]string, error)
	// Requeue has the outbox enqueue those jobs that are still open.
	Requeue(ctx context.Context, jobIDs []string) error
	// NotDead returns those of the jobs that are not dead, or no more there.
	NotDead(ctx context.Context, jobIDs []string) ([]string, error)
}

// Pauses is which stages are to rest.
type Pauses interface {
	// PausedStages tells which stages are paused; those that are not may be absent.
	PausedStages(ctx context.Context) (map[evaluation.StageName]bool, error)
}

// Records is what the database needs in the long run.
type Records interface {
	EnsurePartitions(ctx context.Context, now time.Time) error
	ExpireIdempotency(ctx context.Context, olderThan time.Duration) error
	// ForgetJobs removes at most limit jobs that were settled longer ago and returns how many.
	ForgetJobs(ctx context.Context, olderThan time.Duration, limit int) (int, error)
	// DropPartitions removes the records of runs of the months that end before a time.
	DropPartitions(ctx context.Context, before time.Time) error
}

// Recordings are those that were announced before they were put into the object store.
type Recordings interface {
	// GiveUp lists evaluations that did not claim theirs in time and cannot any more, until they are forgotten.
	GiveUp(ctx context.Context, olderThan time.Duration, limit int) (evaluationIDs []string, err error)
	Forget(ctx context.Context, evaluationID string) error
}

// Streams is what Redis has of each stage.
type Streams interface {
	Enqueue(ctx context.Context, entries []pipeline.Entry) error
	// Marker is empty when it is missing.
	Marker(ctx context.Context, stage evaluation.StageName) (string, error)
	SetMarker(ctx context.Context, stage evaluation.StageName, marker string) error
	// ReplaceMarker does so only if the marker is from, and reports whether it was.
	ReplaceMarker(ctx context.Context, stage evaluation.StageName, from, to string) (bool, error)
	Paused(ctx context.Context, stage evaluation.StageName) (bool, error)
	SetPaused(ctx context.Context, stage evaluation.StageName, paused bool) error
	// Present returns the ids of all jobs that are unread, pending or delayed.
	Present(ctx context.Context, stage evaluation.StageName) (map[string]struct{}, error)
	Trim(ctx context.Context, stage evaluation.StageName, retention time.Duration, maxEntries int64) error
	// DeadLetters reads entries that were set aside, newest first.
	DeadLetters(ctx context.Context, stage evaluation.StageName, limit int) ([]pipeline.DeadLetter, error)
	// DropDeadLetters removes those with an id in the dead stream, and those of a job; it returns how many there were.
	DropDeadLetters(ctx context.Context, stage evaluation.StageName, ids, jobs []string) (int, error)
}

// Spool holds objects that the object store did not take yet.
type Spool interface {
	Oldest(ctx context.Context, limit int) (keys []string, err error)
	Get(ctx context.Context, key string) (contentType string, body []byte, err error)
	Remove(ctx context.Context, key string) error
}

// Objects is the object store.
type Objects interface {
	Put(ctx context.Context, key, contentType string, body []byte) error
	// DeletePrefix removes everything under a prefix; nothing there is no error.
	DeletePrefix(ctx context.Context, prefix string) error
}

// Upkeep is all that is asked of the database.
type Upkeep interface {
	Leader
	Jobs
	Pauses
	Records
	Recordings
}

// Keeper does the housekeeping.
type Keeper struct {
	cfg     Config
	db      Upkeep
	streams Streams
	spool   Spool
	objects Objects
	stages  []evaluation.Stage
	log     *slog.Logger
}

// New makes a keeper.
func New(cfg Config, db Upkeep, streams Streams, spool Spool, objects Objects, log *slog.Logger) *Keeper {
	if cfg.StreamRetention <= 0 {
		cfg.StreamRetention = 7 * 24 * time.Hour
	}
	if cfg.StreamMaxEntries <= 0 {
		cfg.StreamMaxEntries = 1_000_000
	}
	return &Keeper{cfg: cfg, db: db, streams: streams, spool: spool, objects: objects, stages: evaluation.Stages(), log: log}
}

// idempotencyLife is how long a request can be repeated under its key.
const idempotencyLife = 24 * time.Hour

// duty is something to do again and again.
type duty struct {
	name  string
	every time.Duration
	most  time.Duration // pauses grow up to this while it fails; 0: they stay
	do    func(ctx context.Context) error
}

// Run keeps house until ctx ends, whenever this process leads. It returns nil then.
func (k *Keeper) Run(ctx context.Context) error {
	s := &sweeper{Keeper: k, after: map[evaluation.StageName]string{}}
	duties := []duty{
		{name: "check markers", every: 2 * time.Second, do: k.checkMarkers},
		{name: "keep pauses", every: 2 * time.Second, do: k.keepPauses},
		{name: "sweep", every: 10 * time.Second, do: s.sweep},
		{name: "upload spool", every: 5 * time.Second, most: time.Minute, do: k.upload},
		{name: "remove unclaimed recordings", every: time.Minute, do: k.removeUnclaimed},
		{name: "trim streams", every: time.Minute, do: k.trim},
		{name: "drop dead letters", every: 5 * time.Minute, do: k.dropLetters},
		{name: "expire idempotency keys", every: 10 * time.Minute, do: k.expire},
		{name: "make partitions", every: time.Hour, do: k.partition},
		{name: "forget old jobs", every: 10 * time.Minute, do: k.forget},
	}
	return k.db.Lead(ctx, func(ctx context.Context) error {
		k.log.Info("this process keeps house")
		g, ctx := errgroup.WithContext(ctx)
		for _, d := range duties {
			g.Go(func() error {
				k.repeat(ctx, d)
				return nil
			})
		}
		return g.Wait()
	})
}

// firstPause is how soon a duty that failed is tried again if its own interval is longer.
const firstPause = 5 * time.Second

// repeat does a duty until ctx ends. A failure is told once, and its end.
func (k *Keeper) repeat(ctx context.Context, d duty) {
	failing := time.Duration(0)
	for {
		err := d.do(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := d.every
		switch {
		case err == nil && failing > 0:
			k.log.Info("housekeeping works again", "duty", d.name)
			failing = 0
		case err != nil:
			if failing == 0 {
				k.log.Warn("housekeeping is held up", "duty", d.name, "err", err)
			}
			failing = min(max(2*failing, min(d.every, firstPause)), max(d.most, min(d.every, firstPause)))
			wait = failing
		}
		if !pause.For(ctx, wait) {
			return
		}
	}
}

func (k *Keeper) trim(ctx context.Context) error {
	for _, s := range k.stages {
		if err := k.streams.Trim(ctx, s.Name, k.cfg.StreamRetention, k.cfg.StreamMaxEntries); err != nil {
			return err
		}
	}
	return nil
}

// keepPauses makes the streams paused as the database says: Redis may have been away when that changed, or have lost it.
func (k *Keeper) keepPauses(ctx context.Context) error {
	paused, err := k.db.PausedStages(ctx)
	if err != nil {
		return err
	}
	for _, s := range k.stages {
		is, err := k.streams.Paused(ctx, s.Name)
		if err != nil {
			return err
		}
		if is == paused[s.Name] {
			continue
		}
		if err := k.streams.SetPaused(ctx, s.Name, paused[s.Name]); err != nil {
			return err
		}
		k.log.Info("stage follows the database again", "stage", s.Name, "paused", paused[s.Name])
	}
	return nil
}

func (k *Keeper) expire(ctx context.Context) error {
	return k.db.ExpireIdempotency(ctx, idempotencyLife)
}

// forgetBatch is how many jobs are removed at once: a thousand take PostgreSQL some ten milliseconds. forgetPause lets others in between.
const (
	forgetBatch = 1000
	forgetPause = 100 * time.Millisecond
)

func (k *Keeper) forget(ctx context.Context) error {
	if k.cfg.JobRetention <= 0 {
		return nil
	}
	for {
		n, err := k.db.ForgetJobs(ctx, k.cfg.JobRetention, forgetBatch)
		if err != nil || n < forgetBatch {
			return err
		}
		if !pause.For(ctx, forgetPause) {
			return nil
		}
	}
}

func (k *Keeper) partition(ctx context.Context) error {
	if err := k.db.EnsurePartitions(ctx, time.Now()); err != nil || k.cfg.RunRetention <= 0 {
		return err
	}
	return k.db.DropPartitions(ctx, time.Now().Add(-k.cfg.RunRetention))
}
