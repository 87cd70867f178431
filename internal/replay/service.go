package replay

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// Store is the record of jobs and runs. What does not exist is [evaluation.ErrNotFound].
type Store interface {
	// Entries chooses entries of a stage, or of all if it is empty, newest first and at most f.Limit. Replays' own are left out
	// unless f.IDs names them.
	Entries(ctx context.Context, stage evaluation.StageName, f Filter) ([]Entry, error)
	// CreateReplay stores a replay of jobs, whose Selected and CreatedAt it fills in, their new jobs, what the outbox has to send and
	// the record for audit, all or nothing. Jobs whose evaluation was deleted, or is not completed if r.Apply, are skipped; when
	// all are, nothing is stored.
	CreateReplay(ctx context.Context, r *Replay, jobIDs []string) (skipped []Skipped, err error)
	// Replay reads a replay with what it made so far. Texts and objects of deleted evaluations are gone.
	Replay(ctx context.Context, id string) (Replay, []Pair, error)
	History(ctx context.Context, evaluationID string) (History, error)
	// Reopen makes a dead job of a stage without artifact open again, with no attempts used, and has it enqueued.
	Reopen(ctx context.Context, jobID, actor, why string) error
	// Drop takes a job from among the dead ones for good.
	Drop(ctx context.Context, jobID, actor, why string) error
	SetPaused(ctx context.Context, stage evaluation.StageName, paused bool, actor, why string) error
	Stages(ctx context.Context) ([]StageState, error)
	Audit(ctx context.Context, actor, action, subject, why string) error
}

// Streams is what Redis has of stages.
type Streams interface {
	Stats(ctx context.Context, stage evaluation.StageName) (pipeline.StageStats, error)
	SetPaused(ctx context.Context, stage evaluation.StageName, paused bool) error
	// DeadLetters reads entries that were set aside, newest first.
	DeadLetters(ctx context.Context, stage evaluation.StageName, limit int) ([]pipeline.DeadLetter, error)
	// DropDeadLetters removes those with an id in the dead stream, or of a job; it returns how many there were.
	DropDeadLetters(ctx context.Context, stage evaluation.StageName, ids, jobs []string) (int, error)
	// Locate finds the entries of those ids that the streams hold, in both lanes.
	Locate(ctx context.Context, stage evaluation.StageName, entryIDs []string) ([]pipeline.Location, error)
	// Alive tells which consumers hold their lease.
	Alive(ctx context.Context, stage evaluation.StageName, consumers []string) (map[string]bool, error)
}

// Objects signs addresses of stored audio.
type Objects interface {
	Presign(ctx context.Context, key, downloadName string) (url string, expiresAt time.Time, err error)
}

// Service is everything that operators and QA can do. It is safe for concurrent use. What a caller asked for wrongly is an
// [evaluation.Refusal] of the kind invalid-request.
type Service struct {
	store   Store
	streams Streams
	objects Objects
	catalog Catalog
	log     *slog.Logger
}

// NewService makes a service.
func NewService(store Store, streams Streams, objects Objects, catalog Catalog, log *slog.Logger) *Service {
	return &Service{store: store, streams: streams, objects: objects, catalog: catalog, log: log}
}

const (
	defaultLimit = 100
	replayLimit  = 1000   // unless the caller says how many
	maxLimit     = 10_000 // more would keep the low lane busy for hours; repeat the command for those
	minGrep      = 3      // characters: shorter ones match nearly everything, and no index helps to find them
	maxText      = 500    // characters of what people write: why, grep
	redisTimeout = time.Second

	maxSinceHours = 100 * 365 * 24 // a century
)

func (f Filter) check(limit int) (Filter, error) {
	if f.Limit == 0 {
		f.Limit = limit
	}
	if f.Limit < 1 || f.Limit > maxLimit {
		return f, refuse("the limit is %d; it must be from 1 to %d", f.Limit, maxLimit)
	}
	if len(f.IDs) > maxLimit {
		return f, refuse("%d ids are too many; at most %d", len(f.IDs), maxLimit)
	}
	if f.Grep != "" && utf8.RuneCountInString(f.Grep) < minGrep || utf8.RuneCountInString(f.Grep) > maxText {
		return f, refuse("the text to search for must have %d to %d characters", minGrep, maxText)
	}
	for _, s := range append([]string{f.Grep, f.User}, f.IDs...) {
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			return f, refuse("%q is not a text", s)
		}
	}
	switch f.Status {
	case "", StatusPending, StatusDone, StatusDead, StatusCancelled:
		return f, nil
	}
	return f, refuse("there is no status %q; there are pending, done, dead and cancelled", f.Status)
}

// ParseSince reads a moment: an RFC 3339 time, or how long before now, as "90m", "2h" or "7d".
func ParseSince(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	times, number := 1, s
	if days, ok := strings.CutSuffix(s, "d"); ok {
		times, number = 24, days+"h"
	}
	d, err := time.ParseDuration(number)
	if err != nil || d < 0 || d.Hours()*float64(times) > maxSinceHours {
		return time.Time{}, refuse("since is %q; write how long ago, as 90m, 2h or 7d, or a time as 2026-01-22T10:35:00Z", s)
	}
	return now.Add(-time.Duration(times) * d), nil
}

// Entries chooses entries of a stage, newest first.
func (s *Service) Entries(ctx context.Context, stage evaluation.StageName, f Filter) ([]Entry, error) {
	if err := known(stage); err != nil {
		return nil, err
	}
	f, err := f.check(defaultLimit)
	if err != nil {
		return nil, err
	}
	return s.store.Entries(ctx, stage, f)
}

func known(stage evaluation.StageName) error {
	if _, ok := evaluation.StageByName(stage); ok {
		return nil
	}
	var names []string
	for _, s := range evaluation.Stages() {
		names = append(names, string(s.Name))
	}
	return refuse("there is no stage %q; there are %s", stage, list(names))
}

// Explain tells everything that is known of an evaluation's course. Redis being away costs what only it knows, and the history says
// so. An evaluation that does not exist, or was erased, is [evaluation.ErrNotFound].
func (s *Service) Explain(ctx context.Context, evaluationID string) (History, error) {
	h, err := s.store.History(ctx, evaluationID)
	if err != nil {
		return h, err
	}
	limited, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	if err := s.locate(limited, &h); err != nil {
		h.Note = "Redis does not answer, so entries and who is alive are not known."
		s.log.Debug("streams not looked at", "err", err)
	}
	return h, nil
}

// locate adds what the streams have of a history's entries, and whether those who work on open jobs are alive.
func (s *Service) locate(ctx context.Context, h *History) error {
	entries, owners := map[evaluation.StageName][]string{}, map[evaluation.StageName][]string{}
	note := func(stage evaluation.StageName, id string) {
		if id != "" && !slices.Contains(entries[stage], id) {
			entries[stage] = append(entries[stage], id)
		}
	}
	jobs := map[string]bool{}
	for _, j := range h.Jobs {
		jobs[j.ID] = true
		note(j.Stage, j.EntryID)
		if j.Owner != "" && j.Status == StatusPending {
			owners[j.Stage] = append(owners[j.Stage], j.Owner)
		}
	}
	for _, r := range h.Runs {
		note(r.Stage, r.EntryID)
	}
	for _, stage := range evaluation.Stages() {
		if len(entries[stage.Name]) == 0 {
			continue
		}
		found, err := s.streams.Locate(ctx, stage.Name, entries[stage.Name])
		if err != nil {
			return err
		}
		for _, l := range found {
			if jobs[l.JobID] { // the lanes count apart, so the other one may have the same id
				h.Entries = append(h.Entries, entryState(stage.Name, l))
			}
		}
		alive, err := s.streams.Alive(ctx, stage.Name, owners[stage.Name])
		if err != nil {
			return err
		}
		for i := range h.Jobs {
			if j := &h.Jobs[i]; j.Stage == stage.Name && j.Owner != "" && j.Status == StatusPending {
				j.OwnerIs = "gone"
				if alive[j.Owner] {
					j.OwnerIs = "alive"
				}
			}
		}
	}
	return nil
}

func entryState(stage evaluation.StageName, l pipeline.Location) EntryState {
	lane := "stream"
	if l.Low {
		lane = "low"
	}
	return EntryState{Stage: stage, EntryID: l.EntryID, JobID: l.JobID, Lane: lane, AddedAt: l.AddedAt, Consumer: l.Consumer, Deliveries: l.Deliveries}
}

// Stages tells how each stage stands. Redis being away costs its figures, and the states say so.
func (s *Service) Stages(ctx context.Context) ([]StageState, error) {
	states, err := s.store.Stages(ctx)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	for i := range states {
		stats, err := s.streams.Stats(limited, states[i].Stage)
		if err != nil {
			states[i].Note = "redis does not answer"
			s.log.Debug("stage not measured", "stage", states[i].Stage, "err", err)
			continue
		}
		states[i].measured(stats)
	}
	return states, nil
}

// SetPaused stops deliveries of a stage, or lets them go on. Workers follow within a second; while Redis is away, housekeeping tells
// them when it is back. What is in flight ends as usual.
func (s *Service) SetPaused(ctx context.Context, stage evaluation.StageName, paused bool, actor, why string) error {
	if err := known(stage); err != nil {
		return err
	}
	if err := checkActor(actor, why); err != nil {
		return err
	}
	if err := s.store.SetPaused(ctx, stage, paused, actor, why); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	if err := s.streams.SetPaused(limited, stage, paused); err != nil {
		s.log.Warn("redis does not answer; housekeeping pauses or resumes the stage when it is back", "stage", stage, "err", err)
	}
	return nil
}

func checkActor(actor, why string) error {
	switch {
	case strings.TrimSpace(actor) == "":
		return refuse("it is not known who asks")
	case strings.TrimSpace(why) == "":
		return refuse("say why: it is kept for audit")
	case utf8.RuneCountInString(why) > maxText || utf8.RuneCountInString(actor) > maxText:
		return refuse("who and why may have %d characters each", maxText)
	case !utf8.ValidString(actor+why) || strings.ContainsRune(actor+why, 0):
		return refuse("who and why must be text")
	}
	return nil
}
