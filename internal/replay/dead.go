package replay

import (
	"context"
	"strings"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// Dead lists dead letters, newest first, of a stage or of all: jobs that were set aside, which the database knows, and entries
// that could not be decoded, which only Redis has; while it is away those are left out.
func (s *Service) Dead(ctx context.Context, stage evaluation.StageName, limit int) ([]Dead, error) {
	if stage != "" {
		if err := known(stage); err != nil {
			return nil, err
		}
	}
	f, err := Filter{Status: StatusDead, Limit: limit}.check(defaultLimit)
	if err != nil {
		return nil, err
	}
	entries, err := s.store.Entries(ctx, stage, f)
	if err != nil {
		return nil, err
	}
	dead := []Dead{}
	for _, e := range entries {
		dead = append(dead, deadJob(e))
	}
	for _, st := range evaluation.Stages() {
		if stage == "" || st.Name == stage {
			dead = append(dead, s.undecodable(ctx, st.Name, f.Limit)...)
		}
	}
	return dead, nil
}

func deadJob(e Entry) Dead {
	return Dead{
		ID: e.JobID, Stage: e.Stage, EvaluationID: e.EvaluationID, User: e.User, EntryID: e.EntryID, At: e.UpdatedAt,
		Attempts: e.Attempts, Crashes: e.Crashes, Reason: e.Error,
	}
}

// undecodable lists a stage's dead letters that name no job.
func (s *Service) undecodable(ctx context.Context, stage evaluation.StageName, limit int) []Dead {
	limited, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	letters, err := s.streams.DeadLetters(limited, stage, limit)
	if err != nil {
		s.log.Warn("redis does not answer; dead letters that name no job are left out", "stage", stage, "err", err)
		return nil
	}
	var dead []Dead
	for _, l := range letters {
		if !strings.HasPrefix(l.JobID, "job_") {
			dead = append(dead, deadEntry(stage, l))
		}
	}
	return dead
}

func deadEntry(stage evaluation.StageName, l pipeline.DeadLetter) Dead {
	return Dead{ID: string(stage) + "/" + l.ID, Stage: stage, EntryID: l.EntryID, At: l.At, Reason: l.Reason, Fields: l.Fields}
}

// FindDead finds a dead letter by the id that Dead lists; [evaluation.ErrNotFound] if there is none.
func (s *Service) FindDead(ctx context.Context, id string) (Dead, error) {
	if stage, letter, ok := strings.Cut(id, "/"); ok {
		return s.findLetter(ctx, evaluation.StageName(stage), letter)
	}
	entries, err := s.store.Entries(ctx, "", Filter{IDs: []string{id}, Status: StatusDead, Limit: 2})
	if err != nil {
		return Dead{}, err
	}
	if len(entries) != 1 || entries[0].JobID != id {
		return Dead{}, evaluation.ErrNotFound
	}
	return deadJob(entries[0]), nil
}

func (s *Service) findLetter(ctx context.Context, stage evaluation.StageName, id string) (Dead, error) {
	if err := known(stage); err != nil {
		return Dead{}, err
	}
	letters, err := s.streams.DeadLetters(ctx, stage, maxLimit)
	if err != nil {
		return Dead{}, err
	}
	for _, l := range letters {
		if l.ID == id {
			return deadEntry(stage, l), nil
		}
	}
	return Dead{}, evaluation.ErrNotFound
}

// RetryDead runs a dead letter's work again. What it makes is applied, as by a replay; an erasure goes on. The letter stays among the dead
// ones until that has succeeded. The result is the replay, nil for an erasure.
func (s *Service) RetryDead(ctx context.Context, id, actor, why string) (*Replay, error) {
	if err := checkActor(actor, why); err != nil {
		return nil, err
	}
	d, err := s.FindDead(ctx, id)
	if err != nil {
		return nil, err
	}
	stage, _ := evaluation.StageByName(d.Stage)
	switch {
	case strings.Contains(d.ID, "/"):
		return nil, refuse("this entry could not be decoded, so there is no work to run again; drop it when it was looked at")
	case stage.Artifact == "":
		if err := s.store.Reopen(ctx, d.ID, actor, why); err != nil {
			return nil, err
		}
		s.dropLetters(ctx, d)
		return nil, nil
	}
	res, err := s.Replay(ctx, Request{Stage: d.Stage, Filter: Filter{IDs: []string{d.ID}}, Apply: true, Actor: actor, Why: why})
	if err != nil {
		return nil, err
	}
	if res.Replay == nil {
		if len(res.Skipped) > 0 {
			return nil, refuse("%s was not retried: %s", d.ID, res.Skipped[0].Reason)
		}
		return nil, evaluation.ErrNotFound
	}
	s.dropLetters(ctx, d) // the job says that it is dead; nobody else would remove them
	return res.Replay, nil
}

// DropDead takes a dead letter out for good. What its evaluation shows does not change.
func (s *Service) DropDead(ctx context.Context, id, actor, why string) error {
	if err := checkActor(actor, why); err != nil {
		return err
	}
	d, err := s.FindDead(ctx, id)
	if err != nil {
		return err
	}
	stage, letter, ok := strings.Cut(id, "/")
	if !ok {
		if err := s.store.Drop(ctx, d.ID, actor, why); err != nil {
			return err
		}
		s.dropLetters(ctx, d)
		return nil
	}
	if err := s.store.Audit(ctx, actor, "dead drop", id, why); err != nil { // first: nothing is dropped without a record
		return err
	}
	n, err := s.streams.DropDeadLetters(ctx, evaluation.StageName(stage), []string{letter}, nil)
	if err == nil && n == 0 {
		err = evaluation.ErrNotFound
	}
	return err
}

// dropLetters removes a job's entries from the dead stream. The database is what counts, so Redis being away is no failure.
func (s *Service) dropLetters(ctx context.Context, d Dead) {
	limited, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	if _, err := s.streams.DropDeadLetters(limited, d.Stage, nil, []string{d.ID}); err != nil {
		s.log.Warn("redis does not answer; the dead stream keeps the entry", "stage", d.Stage, "err", err)
	}
}
