package housekeeping

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"oktalk/internal/evaluation"
	"oktalk/internal/pause"
	"oktalk/internal/pipeline"
)

const (
	// leaseWait is the lease of a consumer, 4 s, and a margin: after it, all that live have registered again.
	leaseWait = 5 * time.Second
	// staleAfter is how long an open job may be without an entry. It must be longer than any way from a commit to Redis takes while
	// all is well, and is most of what a lost entry costs its learner.
	staleAfter = 20 * time.Second
	// batch is how many jobs are read and enqueued at once; 100 000 take about three seconds in such steps.
	batch = 1000
	// longList is a number of stale jobs from which comparing them with Redis is work that both notice; it is done every half minute
	// then. sweepMost bounds the memory for it: a sweep goes on where the one before stopped.
	longList  = 10_000
	sweepMost = 100_000
	longPause = 20 * time.Second
)

// lettersMost is how many dead letters of a stage are looked at, the newest.
const lettersMost = 10_000

// dropLetters removes dead letters whose jobs are dead no more, as when a replay put them right, or forgotten: nobody else would. A job is
// recorded as dead before its entry is set aside. Letters that name no job stay until somebody drops them.
func (k *Keeper) dropLetters(ctx context.Context) error {
	for _, stage := range k.stages {
		letters, err := k.streams.DeadLetters(ctx, stage.Name, lettersMost)
		if err != nil {
			return err
		}
		of := map[string][]string{} // letters by job
		for _, l := range letters {
			if strings.HasPrefix(l.JobID, "job_") {
				of[l.JobID] = append(of[l.JobID], l.ID)
			}
		}
		if len(of) == 0 {
			continue
		}
		jobs, err := k.db.NotDead(ctx, slices.Collect(maps.Keys(of)))
		if err != nil {
			return err
		}
		var drop []string
		for _, id := range jobs {
			drop = append(drop, of[id]...)
		}
		if _, err := k.streams.DropDeadLetters(ctx, stage.Name, drop, nil); err != nil {
			return err
		}
	}
	return nil
}

// checkMarkers finds stages whose keys were lost and enqueues their open jobs.
func (k *Keeper) checkMarkers(ctx context.Context) error {
	generations, err := k.db.Generations(ctx)
	if err != nil {
		return err
	}
	var lost []evaluation.StageName
	work := false
	for _, s := range k.stages {
		marker, err := k.streams.Marker(ctx, s.Name)
		if err != nil {
			return err
		}
		if marker == generations[s.Name] {
			continue
		}
		lost = append(lost, s.Name)
		some, err := k.db.OpenJobs(ctx, s.Name, "", 1)
		if err != nil {
			return err
		}
		work = work || len(some) > 0
	}
	if len(lost) == 0 {
		return nil
	}
	if work { // else there is nobody to be mistaken for dead
		k.log.Warn("keys of stages are gone from redis; their open jobs are enqueued again", "stages", lost)
		if !pause.For(ctx, leaseWait) {
			return ctx.Err()
		}
	}
	for _, stage := range lost {
		if err := k.rebuild(ctx, stage, generations[stage]); err != nil {
			return fmt.Errorf("rebuild stage %s: %w", stage, err)
		}
	}
	return nil
}

// rebuild leaves a draft in the place of the stage's marker, enqueues all open jobs and replaces the draft by the marker. If Redis is
// wiped meanwhile the draft is gone, and the rebuild is done again.
func (k *Keeper) rebuild(ctx context.Context, stage evaluation.StageName, generation string) error {
	draft := "rebuilt as " + rand.Text()
	if err := k.streams.SetMarker(ctx, stage, draft); err != nil {
		return err
	}
	after, n := "", 0
	for {
		entries, err := k.db.OpenJobs(ctx, stage, after, batch)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			break
		}
		if err := k.streams.Enqueue(ctx, entries); err != nil {
			return err
		}
		n += len(entries)
		after = lastJob(entries)
	}
	whole, err := k.streams.ReplaceMarker(ctx, stage, draft, generation)
	if err != nil {
		return err
	}
	if !whole {
		return errors.New("its keys were lost again meanwhile")
	}
	k.log.Info("stage is whole", "stage", stage, "enqueued", n)
	return nil
}

func lastJob(entries []pipeline.Entry) string { return entries[len(entries)-1].JobID }

// sweeper remembers where the sweep of a stage with a long list stopped.
type sweeper struct {
	*Keeper
	after map[evaluation.StageName]string
}

// sweep finds open jobs whose entries were lost and has them enqueued again.
func (s *sweeper) sweep(ctx context.Context) error {
	generations, err := s.db.Generations(ctx)
	if err != nil {
		return err
	}
	long := false
	for _, stage := range s.stages {
		n, err := s.sweepStage(ctx, stage.Name, generations[stage.Name])
		if err != nil {
			return fmt.Errorf("sweep stage %s: %w", stage.Name, err)
		}
		long = long || n > longList
	}
	if long {
		pause.For(ctx, longPause)
	}
	return nil
}

// sweepStage compares in this order: first the database, then Redis. A job that is open, has no outbox row and lost no entry is in
// Redis at the first look; if it is not at the second, it was settled in between, which Requeue sees. A stage without its marker is
// left to the rebuild.
func (s *sweeper) sweepStage(ctx context.Context, stage evaluation.StageName, generation string) (stale int, err error) {
	ids, err := s.stale(ctx, stage)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	present, err := s.streams.Present(ctx, stage)
	if err != nil {
		return 0, err
	}
	marker, err := s.streams.Marker(ctx, stage)
	if err != nil || marker != generation {
		return 0, err
	}
	var lost []string
	for _, id := range ids {
		if _, ok := present[id]; !ok {
			lost = append(lost, id)
		}
	}
	if len(lost) == 0 {
		return len(ids), nil
	}
	s.log.Warn("entries of open jobs are gone from redis; the jobs are enqueued again", "stage", stage, "jobs", len(lost))
	for start := 0; start < len(lost); start += batch {
		if err := s.db.Requeue(ctx, lost[start:min(start+batch, len(lost))]); err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}

// stale reads the stage's stale jobs, page by page, from where the sweep before stopped.
func (s *sweeper) stale(ctx context.Context, stage evaluation.StageName) ([]string, error) {
	var ids []string
	after := s.after[stage]
	for len(ids) < sweepMost {
		page, err := s.db.Stale(ctx, stage, staleAfter, after, batch)
		if err != nil {
			return nil, err
		}
		ids = append(ids, page...)
		if len(page) < batch {
			delete(s.after, stage)
			return ids, nil
		}
		after = page[len(page)-1]
	}
	s.after[stage] = after
	return ids, nil
}
