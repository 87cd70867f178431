package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

func TestWholePath(t *testing.T) {
	t.Parallel()
	s := setup(t)
	e := s.create(t)
	for _, stage := range []evaluation.StageName{evaluation.StageFeedback, evaluation.StageDemo, evaluation.StageSpeech} {
		j := s.begin(t, e.ID, stage, "w1")
		if j.Run != 1 || j.Attempt != 1 || j.Crashes != 0 || j.Evaluation == nil || len(j.Evaluation.Assessment.Words) != 3 {
			t.Errorf("Begin(%s) = %+v, want run 1, attempt 1 and the evaluation with its words", stage, j)
		}
		row, _ := evaluation.StageByName(stage)
		for range 2 { // the answer to the first is lost
			if err := s.jobs.Settle(t.Context(), j, result(row.Artifact), pipeline.OutcomeDone, nil); err != nil {
				t.Fatalf("Settle(%s) = %v", stage, err)
			}
		}
		if _, err := s.jobs.Begin(t.Context(), pipeline.Entry{JobID: j.ID, Stage: stage}, "w2", nobody); !errors.Is(err, pipeline.ErrSettled) {
			t.Errorf("Begin(%s) after Settle = %v, want ErrSettled", stage, err)
		}
	}
	got := s.get(t, e.ID)
	if got.Status != evaluation.StatusCompleted || got.Version != 4 || got.Percent() != 100 {
		t.Errorf("evaluation = %s, version %d, %d %%, want completed, 4, 100", got.Status, got.Version, got.Percent())
	}
	if a := got.Artifacts.Get(evaluation.DemoAudio); a.Text != "apples" || a.ObjectKey == "" || a.ContrastKey == "" {
		t.Errorf("demo = %+v, want the planned text and an object", a)
	}
	runs := query[string](t, s.url, `SELECT string_agg(stage || ' ' || outcome || ' ' || (output->>'state') || ' ' || (usage->>'characters'), ',' ORDER BY stage) FROM stage_runs`)
	if want := "demo done ready 9,feedback done ready 9,speech done ready 9"; runs != want {
		t.Errorf("stage_runs = %s, want %s", runs, want)
	}
	if tp := query[int](t, s.url, `SELECT count(*) FROM jobs WHERE traceparent = '00-a-b-01'`); tp != 3 {
		t.Errorf("%d jobs carry the trace, want 3", tp)
	}
}

func TestFailedTextFailsItsAudio(t *testing.T) {
	t.Parallel()
	s := setup(t)
	e := s.create(t)
	j := s.begin(t, e.ID, evaluation.StageFeedback, "w1")
	failed := pipeline.Result{Artifact: evaluation.Artifact{Kind: evaluation.FeedbackText, State: evaluation.StateFailed, Reason: "r", Message: "m"}}
	cause := errors.New("vendor said \x00" + strings.Repeat("ä", 3000))
	if err := s.jobs.Settle(t.Context(), j, failed, pipeline.OutcomeFailed, cause); err != nil {
		t.Fatal(err)
	}
	got := s.get(t, e.ID)
	if a := got.Artifacts.Get(evaluation.FeedbackAudio); a.State != evaluation.StateFailed || got.Version != 2 {
		t.Errorf("audio = %+v at version %d, want failed at 2", a, got.Version)
	}
	if state := query[string](t, s.url, `SELECT state || ' ' || attempts || ' ' || char_length(last_error) FROM jobs WHERE id = $1`, j.ID); state != "dead 1 2000" {
		t.Errorf("job = %s, want dead 1 2000", state)
	}
	if n := query[int](t, s.url, `SELECT count(*) FROM jobs WHERE stage = 'speech'`); n != 0 {
		t.Error("a job to speak no text was added")
	}
}

func TestUsageThatCannotBeStored(t *testing.T) {
	t.Parallel()
	s := setup(t)
	deep := strings.Repeat("[", 4000) + strings.Repeat("]", 4000)
	for _, usage := range []string{`{`, "\x00", `{"a":"\u0000"}`, `{"a":"\ud800"}`, "{\"a\":\"\xff\"}", `1e999999`, `1e300`, deep, `"` + strings.Repeat("x", 1<<20) + `"`} {
		e := s.create(t)
		r := result(evaluation.FeedbackText)
		r.Usage, r.Model = []byte(usage), "m\x00\xff"
		if err := s.jobs.Settle(t.Context(), s.begin(t, e.ID, evaluation.StageFeedback, "w1"), r, pipeline.OutcomeDone, nil); err != nil {
			t.Errorf("Settle with usage %q = %v", usage, err)
		}
	}
}

func TestRetryAndWait(t *testing.T) {
	t.Parallel()
	s := setup(t)
	ctx := t.Context()
	e := s.create(t)
	s.claim(t)
	due := time.Now().Add(time.Hour)

	for range 2 { // only the first changes what clients see
		j := s.begin(t, e.ID, evaluation.StageDemo, "w1")
		if err := s.jobs.Wait(ctx, j, "s3", errors.New("refused"), due); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.get(t, e.ID); got.WaitingFor != "s3" || got.Version != 2 {
		t.Errorf("after Wait twice: waits for %q at version %d, want s3 at 2", got.WaitingFor, got.Version)
	}
	if b := s.claim(t); len(b.Evaluations) != 1 || len(b.Jobs) != 0 {
		t.Errorf("after Wait twice, sent %+v, want one evaluation", b)
	}
	j := s.begin(t, e.ID, evaluation.StageDemo, "w1")
	if j.Waits != 2 || j.Attempt != 1 || j.Crashes != 0 {
		t.Errorf("Begin after Wait twice = %+v, want 2 waits, attempt 1, no crash", j)
	}
	for range 2 { // the answer to the first is lost
		if err := s.jobs.Retry(ctx, j, errors.New("vendor failed"), due); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.get(t, e.ID); got.WaitingFor != "" || got.Version != 3 {
		t.Errorf("after Retry: waits for %q at version %d, want nothing at 3", got.WaitingFor, got.Version)
	}
	j = s.begin(t, e.ID, evaluation.StageDemo, "w1")
	if j.Waits != 0 || j.Attempt != 2 {
		t.Errorf("Begin after Retry = %+v, want no waits, attempt 2", j)
	}
	for range 2 {
		if err := s.jobs.Release(ctx, j); err != nil {
			t.Fatal(err)
		}
	}
	if j = s.begin(t, e.ID, evaluation.StageDemo, "w2"); j.Attempt != 2 || j.Crashes != 0 || j.Run != 5 {
		t.Errorf("Begin after Release = %+v, want attempt 2, no crash, run 5", j)
	}
	if runs := query[string](t, s.url, `SELECT string_agg(outcome, ',') FROM stage_runs`); runs != "retried" {
		t.Errorf("runs = %s, want retried", runs)
	}
}

func TestBeginCountsCrashesOfOthers(t *testing.T) {
	t.Parallel()
	s := setup(t)
	e := s.create(t)
	entry := s.entry(t, e.ID, evaluation.StageFeedback)
	s.begin(t, e.ID, evaluation.StageFeedback, "w1")
	if _, err := s.jobs.Begin(t.Context(), entry, "w2", everybody); !errors.Is(err, pipeline.ErrBusy) {
		t.Errorf("Begin while the owner lives = %v, want ErrBusy", err)
	}
	if j := s.begin(t, e.ID, evaluation.StageFeedback, "w1"); j.Crashes != 0 {
		t.Errorf("Begin by the owner itself = %+v, want no crash", j)
	}
	for i := range 3 {
		if j := s.begin(t, e.ID, evaluation.StageFeedback, fmt.Sprint("x", i)); j.Crashes != i+1 || j.Attempt != 1 {
			t.Errorf("Begin after %d dead owners = %+v, want as many crashes, attempt 1", i+1, j)
		}
	}
	away := errors.New("redis is away")
	unknown := func(context.Context, string) (bool, error) { return false, away }
	if _, err := s.jobs.Begin(t.Context(), entry, "w2", unknown); !errors.Is(err, away) {
		t.Errorf("Begin when nobody knows = %v, want that error", err)
	}
	if _, err := s.jobs.Begin(t.Context(), pipeline.Entry{JobID: "job_none", Stage: "feedback"}, "w2", nobody); !errors.Is(err, pipeline.ErrSettled) {
		t.Errorf("Begin of an unknown job = %v, want ErrSettled", err)
	}
	if _, err := s.jobs.Begin(t.Context(), pipeline.Entry{JobID: "job\x00\xff", Stage: "feedback"}, "w2", nobody); !errors.Is(err, pipeline.ErrSettled) {
		t.Errorf("Begin of a job whose id is no text = %v, want ErrSettled", err)
	}
	wrong := entry
	wrong.Stage = evaluation.StageDemo
	if _, err := s.jobs.Begin(t.Context(), wrong, "w2", nobody); !errors.Is(err, pipeline.ErrSettled) {
		t.Errorf("Begin of a job of another stage = %v, want ErrSettled", err)
	}
}

// Many consumers begin one job at once, also when its owner is dead: one wins and the others find it busy.
func TestBeginRace(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for _, dead := range []bool{false, true} {
		e := s.create(t)
		entry := s.entry(t, e.ID, evaluation.StageFeedback)
		if dead {
			s.begin(t, e.ID, evaluation.StageFeedback, "dead")
		}
		alive := func(_ context.Context, consumer string) (bool, error) { return consumer != "dead", nil }
		type answer struct {
			j   pipeline.Job
			err error
		}
		answers := make(chan answer, 16)
		for i := range cap(answers) {
			go func() {
				j, err := s.jobs.Begin(t.Context(), entry, fmt.Sprint("w", i), alive)
				answers <- answer{j, err}
			}()
		}
		won := 0
		for range cap(answers) {
			switch a := <-answers; {
			case a.err == nil:
				won++
				if want := map[bool]int{true: 1}[dead]; a.j.Crashes != want {
					t.Errorf("dead owner %v: winner has %d crashes, want %d", dead, a.j.Crashes, want)
				}
			case !errors.Is(a.err, pipeline.ErrBusy):
				t.Errorf("dead owner %v: Begin = %v, want ErrBusy", dead, a.err)
			}
		}
		if won != 1 {
			t.Errorf("dead owner %v: %d won, want 1", dead, won)
		}
	}
}

// A zombie that was taken over changes nothing.
func TestFence(t *testing.T) {
	t.Parallel()
	s := setup(t)
	ctx := t.Context()
	e := s.create(t)
	zombie := s.begin(t, e.ID, evaluation.StageFeedback, "zombie")
	heir := s.begin(t, e.ID, evaluation.StageFeedback, "heir")
	s.claim(t)
	state := func() string {
		return query[string](t, s.url, `
			SELECT concat_ws(' ', j.run, j.owner, j.state, j.attempts, j.waits, j.not_before, j.updated_at, e.version, e.waiting_for, e.updated_at)
			FROM jobs j JOIN evaluations e ON e.id = j.evaluation_id WHERE j.id = $1`, zombie.ID)
	}
	before := state()
	writes := map[string]func() error{
		"Settle": func() error {
			return s.jobs.Settle(ctx, zombie, result(evaluation.FeedbackText), pipeline.OutcomeDone, nil)
		},
		"Retry":   func() error { return s.jobs.Retry(ctx, zombie, errors.New("x"), time.Now()) },
		"Wait":    func() error { return s.jobs.Wait(ctx, zombie, "s3", errors.New("x"), time.Now()) },
		"Release": func() error { return s.jobs.Release(ctx, zombie) },
	}
	refused := func(when string) {
		t.Helper()
		for name, write := range writes {
			if err := write(); !errors.Is(err, pipeline.ErrSuperseded) {
				t.Errorf("%s of a zombie %s = %v, want ErrSuperseded", name, when, err)
			}
		}
	}
	refused("while its heir works")
	if after := state(); after != before {
		t.Errorf("a zombie changed\n%s to\n%s", before, after)
	}
	if b := s.claim(t); len(b.Jobs)+len(b.Evaluations) != 0 {
		t.Errorf("a zombie had %+v sent", b)
	}
	if err := s.jobs.Settle(ctx, heir, result(evaluation.FeedbackText), pipeline.OutcomeDone, nil); err != nil {
		t.Fatal(err)
	}
	before = state()
	refused("after its heir settled")
	if after := state(); after != before {
		t.Errorf("a zombie changed\n%s to\n%s", before, after)
	}
	runs := query[string](t, s.url, `SELECT string_agg(owner || ' ' || outcome || ' ' || coalesce(output->>'text', '-'), ',' ORDER BY run) FROM stage_runs`)
	if want := "zombie superseded -,heir done Well done."; runs != want {
		t.Errorf("stage_runs = %s, want %s", runs, want)
	}
}

// DELETE while every stage is being worked on: whatever the workers write afterwards is refused, and after both erase runs no row
// anywhere names the evaluation.
func TestDeleteWhileJobsRun(t *testing.T) {
	t.Parallel()
	s := setup(t)
	ctx := t.Context()
	e := newEvaluation(s.user)
	if _, err := s.idempotency.Reserve(ctx, s.user, "k", []byte("f")); err != nil {
		t.Fatal(err)
	}
	if err := s.evaluations.Create(ctx, e, evaluation.CreateOptions{IdempotencyKey: "k", Fingerprint: []byte("f"), Spooled: []byte("recording")}); err != nil {
		t.Fatal(err)
	}
	zombie := s.begin(t, e.ID, evaluation.StageDemo, "zombie")
	demo := s.begin(t, e.ID, evaluation.StageDemo, "w1")
	feedback := s.begin(t, e.ID, evaluation.StageFeedback, "w1")
	if err := s.jobs.Retry(ctx, feedback, errors.New("x"), time.Now()); err != nil {
		t.Fatal(err)
	}
	late := s.entry(t, e.ID, evaluation.StageFeedback)
	feedback = s.begin(t, e.ID, evaluation.StageFeedback, "w1")
	if err := s.evaluations.Delete(ctx, s.user, e.ID); err != nil {
		t.Fatal(err)
	}
	write := func() {
		for name, err := range map[string]error{
			"Settle":           s.jobs.Settle(ctx, feedback, result(evaluation.FeedbackText), pipeline.OutcomeDone, nil),
			"Settle as failed": s.jobs.Settle(ctx, demo, result(evaluation.DemoAudio), pipeline.OutcomeFailed, errors.New("x")),
			"Settle of zombie": s.jobs.Settle(ctx, zombie, result(evaluation.DemoAudio), pipeline.OutcomeDone, nil),
			"Retry":            s.jobs.Retry(ctx, demo, errors.New("x"), time.Now()),
			"Wait":             s.jobs.Wait(ctx, demo, "s3", errors.New("x"), time.Now()),
			"Release":          s.jobs.Release(ctx, demo),
		} {
			if !errors.Is(err, pipeline.ErrSuperseded) {
				t.Errorf("%s after DELETE = %v, want ErrSuperseded", name, err)
			}
		}
		if _, err := s.jobs.Begin(ctx, late, "w2", nobody); !errors.Is(err, pipeline.ErrSettled) {
			t.Errorf("Begin after DELETE = %v, want ErrSettled", err)
		}
		if err := s.spool.Put(ctx, e.ID, "k", "audio/mpeg", []byte("x")); !errors.Is(err, evaluation.ErrNotFound) {
			t.Errorf("spool.Put after DELETE = %v, want ErrNotFound", err)
		}
	}
	for range 2 {
		write()
		s.claim(t)
		j := s.begin(t, e.ID, evaluation.StageErase, "w1")
		if j.Evaluation != nil {
			t.Error("an erase job has an evaluation")
		}
		if err := s.jobs.Wait(ctx, j, "s3", errors.New("away"), time.Now()); err != nil {
			t.Errorf("Wait of an erase job = %v", err)
		}
		j = s.begin(t, e.ID, evaluation.StageErase, "w1")
		if err := s.jobs.Retry(ctx, j, errors.New("odd"), time.Now()); err != nil {
			t.Errorf("Retry of an erase job = %v", err)
		}
		j = s.begin(t, e.ID, evaluation.StageErase, "w1")
		if err := s.evaluations.Erase(ctx, e.ID); err != nil {
			t.Fatal(err)
		}
		if err := s.jobs.Settle(ctx, j, pipeline.Result{}, pipeline.OutcomeDone, nil); err != nil {
			t.Errorf("Settle of an erase job = %v", err)
		}
	}
	write()
	if err := s.upkeep.Requeue(ctx, []string{feedback.ID, demo.ID}); err != nil {
		t.Fatal(err)
	}
	if found := rowsWith(t, s.url, e.ID); len(found) > 0 {
		t.Errorf("after both erase runs the evaluation is still in %v", found)
	}
}

// Speech and demo of many evaluations end together while some are deleted: every evaluation completes or is gone, versions only
// rise, nothing deadlocks.
func TestSettleTogether(t *testing.T) {
	t.Parallel()
	s := setup(t)
	ctx := t.Context()
	count := 2000
	if testing.Short() {
		count = 100
	}
	var problems []string
	var mu sync.Mutex
	problem := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		problems = append(problems, fmt.Sprintf(format, args...))
	}
	stop := make(chan struct{})
	var relays sync.WaitGroup
	last := map[string]int64{}
	relays.Go(func() { // what is sent rises too, from one relay
		for {
			n, err := s.outbox.Claim(ctx, pipeline.Destinations(), 200, func(_ context.Context, out pipeline.Outgoing) []pipeline.Destination {
				for _, e := range out.Changed {
					if e.Version < last[e.ID] {
						problem("%s was sent with version %d after %d", e.ID, e.Version, last[e.ID])
					}
					last[e.ID] = e.Version
				}
				return nil
			})
			if err != nil {
				problem("Claim = %v", err)
				return
			}
			if n == 0 {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
				}
			}
		}
	})
	var workers sync.WaitGroup
	all := s.begunTogether(t, count)
	ids := make(chan int)
	for range 4 {
		workers.Go(func() {
			for i := range ids {
				s.settleAtOnce(ctx, all[i], i%3 == 0, problem)
			}
		})
	}
	var kept []string
	for i, id := range all {
		ids <- i
		if i%3 != 0 {
			kept = append(kept, id)
		}
	}
	close(ids)
	workers.Wait()
	close(stop)
	relays.Wait()

	for chunk := range slices.Chunk(kept, 500) {
		es, err := s.evaluations.Load(ctx, chunk)
		if err != nil || len(es) != len(chunk) {
			t.Fatalf("Load = %d of %d, %v", len(es), len(chunk), err)
		}
		for _, e := range es {
			if e.Status != evaluation.StatusCompleted || e.Version != 4 {
				problem("%s is %s at version %d, want completed at 4", e.ID, e.Status, e.Version)
			}
		}
	}
	if n := query[int](t, s.url, `SELECT count(*) FROM jobs j WHERE state = 'open' AND stage <> 'erase'`); n != 0 {
		t.Errorf("%d jobs are still open", n)
	}
	for _, p := range problems[:min(len(problems), 10)] {
		t.Error(p)
	}
}

// begunTogether makes evaluations whose text is settled and whose speech and demo are being worked on: copies of one that got there
// by itself.
func (s *stores) begunTogether(t testing.TB, count int) []string {
	t.Helper()
	e := s.create(t)
	j := s.begin(t, e.ID, evaluation.StageFeedback, "w1")
	if err := s.jobs.Settle(t.Context(), j, result(evaluation.FeedbackText), pipeline.OutcomeDone, nil); err != nil {
		t.Fatal(err)
	}
	s.begin(t, e.ID, evaluation.StageSpeech, "w1")
	s.begin(t, e.ID, evaluation.StageDemo, "w1")
	for _, copies := range []string{
		`INSERT INTO evaluations SELECT (jsonb_populate_record(r, jsonb_build_object('id', 'eval_' || n))).* FROM evaluations r, generate_series(1, $2) n WHERE id = $1`,
		`INSERT INTO artifacts SELECT (jsonb_populate_record(r, jsonb_build_object('evaluation_id', 'eval_' || n))).* FROM artifacts r, generate_series(1, $2) n WHERE evaluation_id = $1`,
		`INSERT INTO jobs SELECT (jsonb_populate_record(r, jsonb_build_object('evaluation_id', 'eval_' || n, 'id', stage || n))).* FROM jobs r, generate_series(1, $2) n WHERE evaluation_id = $1`,
	} {
		exec(t, s.url, copies, e.ID, count)
	}
	if err := s.evaluations.Delete(t.Context(), s.user, e.ID); err != nil {
		t.Fatal(err)
	}
	ids := make([]string, count)
	for i := range ids {
		ids[i] = fmt.Sprint("eval_", i+1)
	}
	return ids
}

// settleAtOnce has speech and demo of one evaluation end at the same moment, and perhaps DELETE with them.
func (s *stores) settleAtOnce(ctx context.Context, id string, deleted bool, problem func(string, ...any)) {
	settle := func(stage evaluation.StageName, kind evaluation.ArtifactKind) func() {
		return func() {
			j := pipeline.Job{
				ID: strings.Replace(id, "eval_", string(stage), 1), Stage: stage, EvaluationID: id, UserID: s.user, Owner: "w1", Run: 1, Attempt: 1,
				StartedAt: time.Now(),
			}
			err := s.jobs.Settle(ctx, j, result(kind), pipeline.OutcomeDone, nil)
			if err != nil && (!deleted || !errors.Is(err, pipeline.ErrSuperseded)) {
				problem("Settle(%s) = %v", kind, err)
			}
		}
	}
	calls := []func(){settle(evaluation.StageSpeech, evaluation.FeedbackAudio), settle(evaluation.StageDemo, evaluation.DemoAudio)}
	if deleted {
		calls = append(calls, func() {
			if err := s.evaluations.Delete(ctx, s.user, id); err != nil {
				problem("Delete = %v", err)
			}
			if err := s.evaluations.Erase(ctx, id); err != nil {
				problem("Erase = %v", err)
			}
		})
	}
	rand.Shuffle(len(calls), func(a, b int) { calls[a], calls[b] = calls[b], calls[a] })
	var wg sync.WaitGroup
	for _, call := range calls {
		wg.Go(call)
	}
	wg.Wait()
}
