package replay_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"oktalk/internal/evaluation"
	"oktalk/internal/replay"
	"oktalk/internal/testkit"
)

func ids(ids ...string) replay.Filter { return replay.Filter{IDs: ids} }

// unchanged checks that a learner sees the same, to the letter.
func (w *world) unchanged(t *testing.T, e *evaluation.Evaluation) {
	t.Helper()
	if diff := cmp.Diff(e, w.get(t, e.ID)); diff != "" {
		t.Errorf("the learner's record changed (-before +after):\n%s", diff)
	}
	snapshots, err := w.snapshots.Get(t.Context(), []string{e.ID})
	if err != nil || snapshots[e.ID].Version != e.Version {
		t.Errorf("snapshot has version %d, %v, want %d", snapshots[e.ID].Version, err, e.Version)
	}
}

func (w *world) settledSnapshot(t *testing.T, e *evaluation.Evaluation) {
	t.Helper()
	testkit.WaitFor(t, 10*time.Second, "the snapshot", func() bool {
		s, err := w.snapshots.Get(t.Context(), []string{e.ID})
		return err == nil && s[e.ID].Version == e.Version
	})
}

func TestShadow(t *testing.T) {
	t.Parallel()
	w := setup(t)
	e := w.completed(t)
	w.settledSnapshot(t, e)
	said := w.voice.said()

	dry, err := w.service.Replay(t.Context(), replay.Request{Stage: evaluation.StageFeedback, Filter: ids(e.ID), DryRun: true})
	if err != nil || dry.Replay != nil || len(dry.Entries) != 1 || dry.Entries[0].EvaluationID != e.ID || dry.Entries[0].EntryID == "" {
		t.Fatalf("dry run = %+v, %v, want one entry and no replay", dry, err)
	}
	if n := w.query(t, `SELECT count(*) FROM audit`); n != "0" {
		t.Errorf("a dry run left %s rows in audit", n)
	}

	d := w.replayed(t, replay.Request{Stage: evaluation.StageFeedback, Filter: ids(dry.Entries[0].EntryID), Model: "m2"})
	if len(d.Pairs) != 1 || d.Deleted != 0 {
		t.Fatalf("Diff = %+v, want one pair: the next stage follows only in a chain", d)
	}
	old, made := d.Pairs[0].Old, d.Pairs[0].New
	if old.Text != text1 || old.Model != "m1" || made.Text != text2 || made.Model != "m2" || made.Outcome != "done" || string(made.Usage) == "" {
		t.Errorf("old = %+v, new = %+v", old, made)
	}
	w.unchanged(t, e)
	if got := w.query(t, `SELECT replay_of || ' ' || stage FROM stage_runs WHERE replay_of IS NOT NULL`); got != old.JobID+" feedback" {
		t.Errorf("stage_runs of the replay = %q, want it to name %s", got, old.JobID)
	}
	if got := w.query(t, `SELECT actor || ' ' || action || ' ' || (detail ->> 'why') FROM audit`); got != "qa@host replay to compare" {
		t.Errorf("audit = %q", got)
	}
	if n, err := w.redis.XLen(t.Context(), w.prefix+":stage:{feedback}:stream:low").Result(); n != 1 || err != nil {
		t.Errorf("low lane has %d entries, %v, want the replay's", n, err)
	}
	if n, err := w.redis.HLen(t.Context(), w.prefix+":stage:{feedback}:open").Result(); n != 0 || err != nil {
		t.Errorf("%d users have open entries, %v, want none", n, err)
	}

	// demo and speech: spoken although the same audio is stored, and kept apart
	for _, stage := range []evaluation.StageName{evaluation.StageSpeech, evaluation.StageDemo} {
		d := w.replayed(t, replay.Request{Stage: stage, Filter: replay.Filter{Since: time.Now().Add(-time.Hour), User: "ann", Status: replay.StatusDone}})
		made := d.Pairs[0].New
		if !strings.HasPrefix(made.ObjectKey, "replays/"+d.Replay.ID+"/"+e.ID+"/") || w.object(t, made.ObjectKey) != w.object(t, d.Pairs[0].Old.ObjectKey) {
			t.Errorf("%s: audio is %q at %s, want what is at %s", stage, w.object(t, made.ObjectKey), made.ObjectKey, d.Pairs[0].Old.ObjectKey)
		}
		if !strings.HasPrefix(made.AudioURL, "http://") {
			t.Errorf("%s: no address of the audio", stage)
		}
	}
	if got := w.voice.said() - said; got != 5 { // a word is spoken twice, and the two halves of a contrast
		t.Errorf("the voice spoke %d times, want 5", got)
	}
	w.unchanged(t, e)
	if e := w.replayed(t, replay.Request{Stage: evaluation.StageFeedback, Filter: ids(e.ID), Provider: "offline"}); e.Pairs[0].New.Provider != "offline" || e.Pairs[0].New.Outcome != "done" {
		t.Errorf("replay by the offline coach = %+v", e.Pairs[0].New)
	}
}

func TestChainAndApply(t *testing.T) {
	t.Parallel()
	w := setup(t)
	e := w.completed(t)
	w.settledSnapshot(t, e)
	d := w.replayed(t, replay.Request{Stage: evaluation.StageFeedback, Filter: ids(e.ID), Model: "m2", Chain: true})
	if len(d.Pairs) != 2 || d.Pairs[1].Stage != evaluation.StageSpeech || w.object(t, d.Pairs[1].New.ObjectKey) != "polly: "+text2 {
		t.Fatalf("Diff of a chain = %+v, want the new text spoken", d.Pairs)
	}
	w.unchanged(t, e)

	d = w.replayed(t, replay.Request{Stage: evaluation.StageFeedback, Filter: ids(e.ID), Model: "m2", Apply: true})
	after := w.get(t, e.ID)
	text, spoken := after.Artifacts.Get(evaluation.FeedbackText), after.Artifacts.Get(evaluation.FeedbackAudio)
	if after.Version != e.Version+1 || after.Status != evaluation.StatusCompleted || text.Text != text2 || spoken.ObjectKey != d.Pairs[1].New.ObjectKey {
		t.Errorf("after applying: version %d, %s, %q, %s", after.Version, after.Status, text.Text, spoken.ObjectKey)
	}
	if d.Pairs[0].New.Applied != after.Version || d.Pairs[1].New.Applied != after.Version {
		t.Errorf("Diff = %+v, want both applied in version %d", d.Pairs, after.Version)
	}
	if got := w.object(t, e.Artifacts.Get(evaluation.FeedbackAudio).ObjectKey); got != "polly: "+text1 {
		t.Errorf("the old audio is %q, want it to stay", got)
	}
	w.settledSnapshot(t, after)

	// A shadow of the original entry works on the original's text; one that is to be applied on the text that is there.
	d = w.replayed(t, replay.Request{Stage: evaluation.StageSpeech, Filter: ids(e.ID), Model: "jaco"})
	if got := w.object(t, d.Pairs[0].New.ObjectKey); got != "jaco: "+text1 {
		t.Errorf("shadow spoke %q, want the original text", got)
	}
	w.unchanged(t, after)
	d = w.replayed(t, replay.Request{Stage: evaluation.StageSpeech, Filter: ids(e.ID), Model: "jaco", Apply: true})
	last := w.get(t, e.ID)
	if got := w.object(t, last.Artifacts.Get(evaluation.FeedbackAudio).ObjectKey); got != "jaco: "+text2 || last.Version != after.Version+1 || d.Pairs[0].New.Applied != last.Version {
		t.Errorf("after applying another voice: %q, version %d; %+v", got, last.Version, d.Pairs)
	}

	// Nothing is applied that is worse.
	w.voice.setDown(true)
	d = w.replayed(t, replay.Request{Stage: evaluation.StageFeedback, Filter: ids(e.ID), Apply: true})
	if len(d.Pairs) != 2 || !strings.Contains(d.Pairs[1].New.Error, "not applied") || d.Pairs[1].New.Applied != 0 {
		t.Errorf("with the voice away: %+v", d.Pairs)
	}
	w.voice.setDown(false)
	w.vendor.setDown(true)
	d = w.replayed(t, replay.Request{Stage: evaluation.StageFeedback, Filter: ids(e.ID), Apply: true})
	if len(d.Pairs) != 2 || d.Pairs[0].New.Outcome != "fallback" || !strings.Contains(d.Pairs[1].New.Error, "not applied") {
		t.Errorf("with the vendor away: %+v", d.Pairs)
	}
	w.unchanged(t, last)
}

func TestDeletedOriginal(t *testing.T) {
	t.Parallel()
	w := setup(t)
	e := w.completed(t)
	other := w.completed(t)
	d := w.replayed(t, replay.Request{Stage: evaluation.StageFeedback, Filter: ids(e.ID, other.ID), Model: "m2", Apply: true})
	entry := w.query(t, `SELECT entry_id FROM stage_runs WHERE job_id = $1`, d.Pairs[0].Old.JobID)
	var kept []string
	for _, p := range d.Pairs {
		if p.EvaluationID == e.ID && p.Stage == evaluation.StageSpeech {
			kept = append(kept, p.New.ObjectKey, p.Old.ObjectKey)
		}
	}
	// what a worker that was busy brings back
	late := "replays/" + d.Replay.ID + "/" + e.ID + "/late.mp3"
	if err := w.evaluations.Delete(t.Context(), w.user, e.ID); err != nil {
		t.Fatal(err)
	}
	testkit.WaitFor(t, 30*time.Second, "the first erasure", func() bool {
		return w.query(t, `SELECT count(*) FROM evaluations WHERE id = $1`, e.ID) == "0"
	})
	for _, key := range kept {
		if ok, err := w.objects.Exists(t.Context(), key); ok || err != nil {
			t.Errorf("object %s is still there (%v)", key, err)
		}
	}
	if err := w.objects.Put(t.Context(), late, "audio/mpeg", []byte("x")); err != nil {
		t.Fatal(err)
	}
	list, err := w.evaluations.Replays(t.Context(), e.ID)
	if diff := cmp.Diff([]string{d.Replay.ID}, list); diff != "" || err != nil {
		t.Errorf("replays that the second erasure looks at, %v (-want +got):\n%s", err, diff)
	}
	if n := w.query(t, `SELECT count(*) FROM jobs WHERE evaluation_id = $1 AND stage <> 'erase'`, e.ID); n != "0" {
		t.Errorf("%s jobs are left", n)
	}
	for _, table := range []string{"replays", "audit", "stage_runs"} {
		if n := w.query(t, `SELECT count(*) FROM `+table+` r WHERE r::text LIKE '%' || $1 || '%'`, e.ID); n != "0" {
			t.Errorf("%s still names the evaluation", table)
		}
	}
	diff, err := w.service.Diff(t.Context(), d.Replay.ID)
	if err != nil || diff.Deleted != 1 || len(diff.Pairs) != 2 {
		t.Errorf("Diff = %+v, %v, want one deleted and the other's pairs", diff, err)
	}
	res, err := w.service.Replay(t.Context(), replay.Request{Stage: evaluation.StageFeedback, Filter: ids(entry), Actor: "qa", Why: "again"})
	if err != nil || res.Replay != nil || len(res.Skipped) != 1 || res.Skipped[0].Reason != "the original was deleted" {
		t.Errorf("replay of a deleted one's entry = %+v, %v, want it to say so", res, err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for name, r := range map[string]replay.Request{
		"erase":    {Stage: evaluation.StageErase, Filter: ids("job_1")},
		"provider": {Stage: evaluation.StageFeedback, Filter: ids("job_1"), Provider: "acme"},
		"model":    {Stage: evaluation.StageSpeech, Filter: ids("job_1"), Model: "robot"},
		"prompt":   {Stage: evaluation.StageSpeech, Filter: ids("job_1"), Prompt: "p"},
		"ids":      {Stage: evaluation.StageSpeech},
		"why":      {Stage: evaluation.StageSpeech, Filter: ids("job_1"), Actor: "qa"},
		"user":     {Stage: evaluation.StageSpeech, Filter: replay.Filter{Since: time.Now(), User: "nobody"}, Actor: "qa", Why: "x"},
		"search":   {Stage: evaluation.StageSpeech, Filter: replay.Filter{Since: time.Now(), Grep: "x"}, Actor: "qa", Why: "x"},
		"limit":    {Stage: evaluation.StageSpeech, Filter: replay.Filter{Since: time.Now(), Limit: 1e6}, Actor: "qa", Why: "x"},
	} {
		_, err := w.service.Replay(t.Context(), r)
		var refusal *evaluation.Refusal
		if !errors.As(err, &refusal) || refusal.Problem != "invalid-request" || !strings.Contains(strings.ToLower(refusal.Message), name) {
			t.Errorf("%s: Replay = %v, want a refusal that names it", name, err)
		}
	}
	if _, err := w.service.Diff(t.Context(), "replay_none"); !errors.Is(err, evaluation.ErrNotFound) {
		t.Errorf("Diff of nothing = %v, want ErrNotFound", err)
	}
	if n := w.query(t, `SELECT count(*) FROM jobs`); n != "0" {
		t.Errorf("refusals left %s jobs", n)
	}
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.voice.setDown(true)
	e := w.completed(t) // speech and demo are dead
	if got := w.get(t, e.ID).Artifacts.Get(evaluation.FeedbackAudio); got.State != evaluation.StateFailed {
		t.Fatalf("audio without a voice = %+v", got)
	}
	poison := map[string]any{"bytes": "\xff\x00"}
	if err := w.redis.XAdd(t.Context(), &redis.XAddArgs{Stream: w.prefix + ":stage:{speech}:stream", Values: poison}).Err(); err != nil {
		t.Fatal(err)
	}
	var dead []replay.Dead
	testkit.WaitFor(t, 20*time.Second, "three dead letters", func() bool {
		var err error
		if dead, err = w.service.Dead(t.Context(), "", 0); err != nil {
			t.Fatal(err)
		}
		return len(dead) == 3
	})
	var speech, bad replay.Dead
	for _, d := range dead {
		switch {
		case strings.Contains(d.ID, "/"):
			bad = d
		case d.Stage == evaluation.StageSpeech:
			speech = d
		}
	}
	if bad.Stage != evaluation.StageSpeech || bad.Fields["bytes"] != poison["bytes"] || bad.Reason == "" {
		t.Errorf("undecodable letter = %+v", bad)
	}
	if shown, err := w.service.FindDead(t.Context(), bad.ID); err != nil || shown.ID != bad.ID {
		t.Errorf("FindDead(%s) = %+v, %v", bad.ID, shown, err)
	}
	if _, err := w.service.RetryDead(t.Context(), bad.ID, "ops", "try"); err == nil {
		t.Error("an entry that cannot be decoded was retried")
	}
	if err := w.service.DropDead(t.Context(), bad.ID, "ops", "looked at"); err != nil {
		t.Errorf("DropDead(%s) = %v", bad.ID, err)
	}

	w.voice.setDown(false)
	r, err := w.service.RetryDead(t.Context(), speech.ID, "ops", "the voice is back")
	if err != nil || r == nil {
		t.Fatalf("RetryDead = %+v, %v", r, err)
	}
	w.ended(t, r.ID)
	after := w.get(t, e.ID)
	if a := after.Artifacts.Get(evaluation.FeedbackAudio); a.State != evaluation.StateReady || after.Version != e.Version+1 || w.object(t, a.ObjectKey) != "polly: "+text1 {
		t.Errorf("after the retry: version %d, %+v", after.Version, a)
	}
	if letters, err := w.producer.DeadLetters(t.Context(), evaluation.StageSpeech, 10); len(letters) != 0 || err != nil {
		t.Errorf("letters of the retried job in Redis = %+v, %v, want none", letters, err)
	}
	dead, err = w.service.Dead(t.Context(), "", 0)
	if err != nil || len(dead) != 1 || dead[0].Stage != evaluation.StageDemo {
		t.Fatalf("Dead = %+v, %v, want the demo's", dead, err)
	}
	if err := w.service.DropDead(t.Context(), dead[0].ID, "ops", "not worth it"); err != nil {
		t.Errorf("DropDead = %v", err)
	}
	if dead, err = w.service.Dead(t.Context(), "", 0); err != nil || len(dead) != 0 {
		t.Errorf("Dead = %+v, %v, want none", dead, err)
	}
	if err := w.service.DropDead(t.Context(), speech.ID, "ops", "again"); !errors.Is(err, evaluation.ErrNotFound) {
		t.Errorf("second DropDead = %v, want ErrNotFound", err)
	}
	if got := w.query(t, `SELECT string_agg(action, ' ' ORDER BY id) FROM audit`); got != "dead drop replay dead drop" {
		t.Errorf("audit = %q", got)
	}
}

func TestEntriesAndExplain(t *testing.T) {
	t.Parallel()
	w := setup(t)
	e := w.completed(t)
	d := w.replayed(t, replay.Request{Stage: evaluation.StageFeedback, Filter: ids(e.ID)})
	for name, c := range map[string]struct {
		filter replay.Filter
		want   int
	}{
		"all":         {replay.Filter{}, 1},
		"target text": {replay.Filter{Grep: "LIKE APP"}, 1},
		"coaching":    {replay.Filter{Grep: `say "apples`}, 1},
		"wildcard":    {replay.Filter{Grep: "like%apples"}, 0},
		"done":        {replay.Filter{Status: replay.StatusDone, User: w.user}, 1},
		"dead":        {replay.Filter{Status: replay.StatusDead}, 0},
		"later":       {replay.Filter{Since: time.Now().Add(time.Hour)}, 0},
		"the replay":  {ids(d.Pairs[0].New.JobID), 1},
		"evaluation":  {ids(e.ID), 1},
	} {
		entries, err := w.service.Entries(t.Context(), evaluation.StageFeedback, c.filter)
		if err != nil || len(entries) != c.want {
			t.Errorf("%s: Entries = %+v, %v, want %d", name, entries, err, c.want)
		}
	}
	start := time.Now()
	h, err := w.service.Explain(t.Context(), e.ID)
	took := time.Since(start)
	if err != nil || h.Note != "" || len(h.Artifacts) != 3 || len(h.Jobs) != 4 || len(h.Runs) != 4 || len(h.Entries) != 4 {
		t.Errorf("Explain = %+v, %v", h, err)
	}
	t.Logf("Explain took %v", took)
	lows := 0
	for _, entry := range h.Entries {
		if entry.Lane == "low" {
			lows++
		}
	}
	if lows != 1 {
		t.Errorf("%d entries in the low lane, want the replay's", lows)
	}
	if _, err := w.service.Explain(t.Context(), "eval_none"); !errors.Is(err, evaluation.ErrNotFound) {
		t.Errorf("Explain of nothing = %v, want ErrNotFound", err)
	}
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	w := setup(t)
	if err := w.service.SetPaused(t.Context(), evaluation.StageSpeech, true, "ops", "the voice is being replaced"); err != nil {
		t.Fatal(err)
	}
	states, err := w.service.Stages(t.Context())
	if err != nil || len(states) != len(evaluation.Stages()) {
		t.Fatalf("Stages = %+v, %v", states, err)
	}
	for _, s := range states {
		paused, err := w.producer.Paused(t.Context(), s.Stage)
		if want := s.Stage == evaluation.StageSpeech; s.Paused != want || paused != want || err != nil || s.Note != "" {
			t.Errorf("stage %+v, in redis paused %v, %v", s, paused, err)
		}
	}
	if err := w.service.SetPaused(t.Context(), evaluation.StageSpeech, false, "ops", "done"); err != nil {
		t.Fatal(err)
	}
	e := w.completed(t)
	if e.Artifacts.Get(evaluation.FeedbackAudio).State != evaluation.StateReady {
		t.Errorf("after resuming: %+v", e.Artifacts)
	}
	if err := w.service.SetPaused(t.Context(), "sing", true, "ops", "x"); err == nil || !strings.Contains(err.Error(), "feedback, speech") {
		t.Errorf("SetPaused of no stage = %v", err)
	}
}

func TestParseSince(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 22, 10, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Time{
		"": {}, "2h": now.Add(-2 * time.Hour), "7d": now.Add(-7 * 24 * time.Hour), "1.5h": now.Add(-90 * time.Minute), "2026-01-01T00:00:00Z": time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		if got, err := replay.ParseSince(in, now); !got.Equal(want) || err != nil {
			t.Errorf("ParseSince(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"yesterday", "-2h", "d", "999999999999h", "9999999d"} {
		if got, err := replay.ParseSince(in, now); err == nil {
			t.Errorf("ParseSince(%q) = %v, want an error", in, got)
		}
	}
}

func FuzzParseSince(f *testing.F) {
	for _, s := range []string{"", "2h", "7d", "2026-01-01T00:00:00Z", "-1d", "1e9h", "d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		now := time.Date(2026, 1, 22, 10, 0, 0, 0, time.UTC)
		if got, err := replay.ParseSince(s, now); err == nil && s != "" && len(s) < 8 && got.After(now) {
			t.Errorf("ParseSince(%q) = %v, after now", s, got)
		}
	})
}
