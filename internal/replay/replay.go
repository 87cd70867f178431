package replay

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"oktalk/internal/evaluation"
)

// Replay runs entries again, or says which ones it would. Entries that have not ended, whose evaluation was deleted or, with
// Apply, is not completed, are skipped and named.
func (s *Service) Replay(ctx context.Context, r Request) (Result, error) {
	if err := s.checkRequest(&r); err != nil {
		return Result{}, err
	}
	limit := r.Filter.Limit
	f := r.Filter
	f.Limit++ // one more tells whether there is more
	entries, err := s.store.Entries(ctx, r.Stage, f)
	if err != nil {
		return Result{}, err
	}
	res := Result{Entries: []Entry{}, More: len(entries) > limit}
	if res.Skipped, err = s.missing(ctx, r, entries); err != nil {
		return Result{}, err
	}
	for _, e := range entries[:min(limit, len(entries))] {
		if reason := notReplayable(e, r.Apply); reason != "" {
			res.Skipped = append(res.Skipped, Skipped{e.JobID, reason})
			continue
		}
		res.Entries = append(res.Entries, e)
	}
	if r.DryRun || len(res.Entries) == 0 {
		return res, nil
	}
	return s.create(ctx, r, res)
}

func (s *Service) checkRequest(r *Request) (err error) {
	if err := s.catalog.check(*r); err != nil {
		return err
	}
	if len(r.Filter.IDs) == 0 && r.Filter.Since.IsZero() {
		return refuse("say what to replay: ids, or since when")
	}
	if r.Filter, err = r.Filter.check(replayLimit); err != nil {
		return err
	}
	r.Chain = r.Chain || r.Apply
	if r.DryRun {
		return nil
	}
	return checkActor(r.Actor, r.Why)
}

// notReplayable says why an entry cannot be replayed; empty if it can.
func notReplayable(e Entry, apply bool) string {
	switch {
	case e.Evaluation == Deleted:
		return deletedReason
	case e.ReplayOf != "":
		return "it is a replay itself: replay the original, " + e.ReplayOf
	case e.Status == StatusPending:
		return "it has not ended yet"
	case apply && e.Evaluation != string(evaluation.StatusCompleted):
		return "its evaluation is not completed: a result can be applied only after that"
	}
	return ""
}

const deletedReason = "the original was deleted"

// missing names the ids that no entry was found for. The streams remember entries of deleted evaluations for a while.
func (s *Service) missing(ctx context.Context, r Request, found []Entry) ([]Skipped, error) {
	skipped := []Skipped{}
	var entryIDs []string
	for _, id := range r.Filter.IDs {
		if slices.ContainsFunc(found, func(e Entry) bool { return e.JobID == id || e.EvaluationID == id || e.EntryID == id }) {
			continue
		}
		if len(found) > 0 && !isName(id) { // an entry of an earlier run of a job that was found
			byID, err := s.store.Entries(ctx, r.Stage, Filter{IDs: []string{id}, Limit: 1})
			if err != nil {
				return nil, err
			}
			if len(byID) > 0 {
				continue
			}
		}
		skipped = append(skipped, Skipped{id, "stage " + string(r.Stage) + " has no such entry: its evaluation was deleted, or there never was one"})
		if !isName(id) {
			entryIDs = append(entryIDs, id)
		}
	}
	if len(entryIDs) == 0 {
		return skipped, nil
	}
	limited, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	held, err := s.streams.Locate(limited, r.Stage, entryIDs)
	if err != nil {
		s.log.Debug("streams not looked at", "err", err)
		return skipped, nil
	}
	for _, l := range held {
		for i := range skipped {
			if skipped[i].ID == l.EntryID {
				skipped[i].Reason = deletedReason
			}
		}
	}
	return skipped, nil
}

// isName tells identifiers of ours from those of entries.
func isName(id string) bool { return strings.Contains(id, "_") }

func (s *Service) create(ctx context.Context, r Request, res Result) (Result, error) {
	filter, err := json.Marshal(recorded(r.Filter))
	if err != nil {
		return Result{}, err
	}
	stored := Replay{
		Actor: r.Actor, Why: r.Why, Stage: r.Stage, Filter: filter, Provider: r.Provider, Model: r.Model, Prompt: r.Prompt, Chain: r.Chain, Apply: r.Apply,
	}
	jobs := make([]string, len(res.Entries))
	for i, e := range res.Entries {
		jobs[i] = e.JobID
	}
	late, err := s.store.CreateReplay(ctx, &stored, jobs)
	if err != nil {
		return Result{}, err
	}
	for _, skipped := range late {
		res.Entries = slices.DeleteFunc(res.Entries, func(e Entry) bool { return e.JobID == skipped.ID })
	}
	res.Skipped = append(res.Skipped, late...)
	if len(res.Entries) > 0 {
		res.Replay = &stored
	}
	return res, nil
}

// recorded is what is kept of a filter: it must not bring a deleted evaluation's id or text back.
func recorded(f Filter) map[string]any {
	kept := map[string]any{"limit": f.Limit}
	if len(f.IDs) > 0 {
		kept["ids"] = len(f.IDs)
	}
	if !f.Since.IsZero() {
		kept["since"] = f.Since.UTC()
	}
	if f.User != "" {
		kept["user"] = f.User
	}
	if f.Status != "" {
		kept["status"] = f.Status
	}
	if f.Grep != "" {
		kept["grep"] = true
	}
	return kept
}

// Diff compares a replay with the originals. It may be asked while the replay is under way; [evaluation.ErrNotFound] if there is none
// of that id.
func (s *Service) Diff(ctx context.Context, id string) (Diff, error) {
	r, pairs, err := s.store.Replay(ctx, id)
	if err != nil {
		return Diff{}, err
	}
	d := Diff{Replay: r, Pairs: pairs, Deleted: r.Selected}
	for i := range pairs {
		if pairs[i].Stage == r.Stage {
			d.Deleted--
		}
		s.sign(ctx, &pairs[i].Old)
		s.sign(ctx, &pairs[i].New)
	}
	return d, nil
}

func (s *Service) sign(ctx context.Context, v *Version) {
	if v.ObjectKey == "" {
		return
	}
	url, _, err := s.objects.Presign(ctx, v.ObjectKey, "")
	if err != nil {
		s.log.Debug("address of audio not signed", "err", err)
		return
	}
	v.AudioURL = url
}
