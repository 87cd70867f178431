package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// settling is a call of [Jobs.Settle].
type settling struct {
	job     pipeline.Job
	result  pipeline.Result
	outcome pipeline.Outcome
	cause   error
}

// Settle records a result and everything that follows from it, as [pipeline.Ledger] describes. Nothing is written for an evaluation
// that is deleted. A job of a stage that settles no artifact disappears when it is done: nothing of a deleted evaluation remains.
func (s *Jobs) Settle(ctx context.Context, j pipeline.Job, r pipeline.Result, o pipeline.Outcome, cause error) error {
	if err := pipeline.CheckResult(j, r); err != nil {
		return err
	}
	st := &settling{job: j, result: r, outcome: o, cause: cause}
	if !settlesArtifact(j.Stage) || j.Replay != nil {
		return s.settleAlone(ctx, st)
	}
	return s.settles.join(ctx, st)
}

// settleAlone settles one job, waiting for the locks that it needs.
func (s *Jobs) settleAlone(ctx context.Context, st *settling) error {
	record := st.run()
	return s.finish(ctx, "settle job "+st.job.ID, st.job, &record, func(b *pgx.Batch, l lockedJob) bool {
		if l.evaluation == nil {
			queueEndWithoutArtifact(b, st.job, st.state(), st.cause)
			return false
		}
		w := &writes{}
		if st.job.Replay == nil {
			w.settle(st, l)
			w.queue(b)
			return len(w.progress) > 0
		}
		w.end(st)
		w.queue(b)
		return queueReplayed(b, l, st.job, st.result.Artifact)
	})
}

// queueEndWithoutArtifact ends a job of a stage that settles none.
func queueEndWithoutArtifact(b *pgx.Batch, j pipeline.Job, state string, cause error) {
	if state == "done" {
		b.Queue(`DELETE FROM jobs WHERE id = $1 AND run = $2 AND `+isOpen, j.ID, j.Run)
		return
	}
	b.Queue(`UPDATE jobs SET state = $3, last_error = $4, updated_at = now() WHERE id = $1 AND run = $2 AND `+isOpen,
		j.ID, j.Run, state, errorText(cause))
}

// settleTogether settles jobs of different evaluations in one transaction; a second job of one, as when its two audios end together, goes
// with the next. It waits for no lock: what another has locked, and what is not as it should be, is to be settled alone.
func (s *Jobs) settleTogether(ctx context.Context, calls []*call[settling]) error {
	var jobs, evaluations []string
	for _, c := range calls {
		if slices.Contains(evaluations, c.arg.job.EvaluationID) {
			c.err = errNext
			continue
		}
		c.err = errAlone
		jobs, evaluations = append(jobs, c.arg.job.ID), append(evaluations, c.arg.job.EvaluationID)
	}
	w := newWrites(s.db)
	err := s.db.with(ctx, fmt.Sprintf("settle %d jobs", len(jobs)), func(ctx context.Context, c *pgx.Conn) error {
		locked, err := lockJobs(ctx, c, jobs, evaluations)
		if err != nil {
			return err
		}
		for _, call := range calls {
			l, ok := locked[call.arg.job.ID]
			if !ok || call.err == errNext { //nolint:errorlint // it is not wrapped
				continue
			}
			switch l.standing(call.arg.job) {
			case current:
				w.settle(call.arg, l)
				call.err = nil
			case repeated:
				call.err = nil
			default:
			}
		}
		b := &pgx.Batch{}
		w.queue(b)
		return commit(ctx, c, b)
	})
	if err == nil {
		s.db.hand(w.left)
	}
	return err
}

// lockJobs begins a transaction and locks evaluations, then jobs, those that nobody else has locked.
func lockJobs(ctx context.Context, c *pgx.Conn, jobs, evaluations []string) (map[string]lockedJob, error) {
	free := map[string]*evaluation.Evaluation{}
	locked := map[string]lockedJob{}
	b := beginBatch()
	b.Queue(`SELECT id FROM evaluations WHERE id = ANY($1) FOR NO KEY UPDATE SKIP LOCKED`, evaluations).Query(func(rows pgx.Rows) error {
		var id string
		_, err := pgx.ForEachRow(rows, []any{&id}, func() error {
			free[id] = nil
			return nil
		})
		return err
	})
	// A statement of its own: it sees what was committed before the locks were taken.
	b.Queue(withoutWords+`WHERE e.id = ANY($1) AND `+isKept, evaluations).Query(func(rows pgx.Rows) error {
		es, err := collectEvaluations(rows)
		for _, e := range es {
			if _, ok := free[e.ID]; ok {
				free[e.ID] = e
			}
		}
		return err
	})
	b.Queue(`SELECT id, evaluation_id, state, owner, run, traceparent FROM jobs WHERE id = ANY($1) FOR NO KEY UPDATE SKIP LOCKED`, jobs).
		Query(func(rows pgx.Rows) error {
			var id, evaluationID string
			var l lockedJob
			_, err := pgx.ForEachRow(rows, []any{&id, &evaluationID, &l.state, &l.owner, &l.run, &l.traceparent}, func() error {
				if l.evaluation = free[evaluationID]; l.evaluation != nil {
					locked[id] = l
				}
				return nil
			})
			return err
		})
	err := send(ctx, c, b)
	return locked, err
}

// state is that in which the job ends.
func (st *settling) state() string {
	if st.outcome.NeedsPerson(st.cause) {
		return "dead"
	}
	return "done"
}

func (st *settling) run() run {
	return run{outcome: st.outcome, result: st.result, output: outputOf(st.result.Artifact), cause: st.cause}
}

// writes are rows to write, of one or many jobs, each table's in one statement. Their parameter is JSON, whose names are the columns'.
type writes struct {
	jobs        []endedJob
	runs        []runRow
	artifacts   []artifactChange
	evaluations []evaluationChange
	next        []nextJob
	progress    []string // evaluations that changed

	hold time.Duration // how long relays are to leave the rows of the outbox alone
	left pipeline.Left // what they ask for, complete when all is committed
}

// newWrites begins the writes of a transaction that has not begun.
func newWrites(db *DB) *writes {
	return &writes{hold: db.hold(), left: pipeline.Left{Since: time.Now()}}
}

type endedJob struct {
	ID     string `json:"id"`
	Run    int64  `json:"run"`
	State  string `json:"state"`
	Failed int    `json:"failed"` // 1 when the last attempt did
	Error  string `json:"error"`
}

type artifactChange struct {
	EvaluationID string `json:"evaluation_id"`
	artifactRow
}

type evaluationChange struct {
	ID         string            `json:"id"`
	Status     evaluation.Status `json:"status"`
	WaitingFor string            `json:"waiting_for"`
}

type nextJob struct {
	ID           string               `json:"id"`
	Stage        evaluation.StageName `json:"stage"`
	EvaluationID string               `json:"evaluation_id"`
	UserID       string               `json:"user_id"`
	Traceparent  string               `json:"traceparent"`
}

// end notes that a job has ended, and its run.
func (w *writes) end(st *settling) {
	failed := 0
	if st.cause != nil && (st.outcome == pipeline.OutcomeFailed || st.outcome == pipeline.OutcomeFallback) {
		failed = 1
	}
	w.jobs = append(w.jobs, endedJob{st.job.ID, st.job.Run, st.state(), failed, errorText(st.cause)})
	w.runs = append(w.runs, toRunRow(st.job, st.run()))
}

// settle puts an artifact into the locked evaluation and notes what changed.
func (w *writes) settle(st *settling, l lockedJob) {
	w.end(st)
	e := l.evaluation
	before := append(evaluation.Artifacts(nil), e.Artifacts...)
	if !e.Settle(st.result.Artifact) {
		return
	}
	for i, a := range e.Artifacts {
		if a != before[i] {
			row := fromArtifact(a)
			w.artifacts = append(w.artifacts, artifactChange{e.ID, row})
			e.Artifacts[i] = evaluation.Artifact(row)
		}
	}
	e.Version++
	w.start(e, e.Start(st.result.Artifact.Kind), l.traceparent)
	w.evaluations = append(w.evaluations, evaluationChange{e.ID, e.Status, e.WaitingFor})
	w.change(e)
}

// change notes an evaluation whose new state is to be sent.
func (w *writes) change(e *evaluation.Evaluation) {
	w.progress, w.left.Changed = append(w.progress, e.ID), append(w.left.Changed, e)
}

// start notes the jobs of stages that can start. A stage that has its job gets no second one.
func (w *writes) start(e *evaluation.Evaluation, stages []evaluation.StageName, traceparent string) {
	for _, stage := range stages {
		w.next = append(w.next, nextJob{newID("job"), stage, e.ID, e.UserID, storable(traceparent, 100)})
	}
}

// queue queues all that was noted. Statements that change rows name their keys in an array too: from the JSON the planner expects a
// hundred rows, and would rather read a small table whole.
func (w *writes) queue(b *pgx.Batch) {
	if len(w.jobs) > 0 {
		ids := make([]string, len(w.jobs))
		for i, j := range w.jobs {
			ids[i] = j.ID
		}
		b.Queue(`
			UPDATE jobs SET state = r.state, attempts = attempts + r.failed, waits = 0, last_error = r.error, updated_at = now()
			FROM json_to_recordset($1) AS r(id text, run bigint, state text, failed integer, error text)
			WHERE jobs.id = ANY($2) AND jobs.id = r.id AND jobs.run = r.run AND lower(jobs.state) = 'open'`, w.jobs, ids)
	}
	if len(w.runs) > 0 {
		b.Queue(insertRun, w.runs)
	}
	if len(w.artifacts) > 0 {
		queueArtifacts(b, w.artifacts...)
	}
	if len(w.evaluations) > 0 {
		b.Queue(`
			UPDATE evaluations SET status = r.status, version = version + 1, waiting_for = r.waiting_for, updated_at = now()
			FROM json_to_recordset($1) AS r(id text, status text, waiting_for text)
			WHERE evaluations.id = ANY($2) AND evaluations.id = r.id`, w.evaluations, w.progress)
	}
	if len(w.next) > 0 {
		b.Queue(`
			WITH job AS (
				INSERT INTO jobs (id, stage, evaluation_id, user_id, traceparent)
				SELECT id, stage, evaluation_id, user_id, traceparent FROM json_populate_recordset(NULL::jobs, $1)
				ON CONFLICT (evaluation_id, stage) WHERE replay_of IS NULL AND stage <> 'erase' DO NOTHING
				RETURNING id, stage, evaluation_id)
			INSERT INTO outbox (kind, destination, job_id, evaluation_id, held_until)
			SELECT 'enqueue', stage, id, evaluation_id, clock_timestamp() + $3::interval FROM job
			UNION ALL SELECT 'progress', 'snapshots', '', unnest($2::text[]), clock_timestamp() + $3::interval
			RETURNING id, destination, job_id, now()`, w.next, w.progress, w.hold).Query(w.collect)
	} else if len(w.progress) > 0 {
		b.Queue(`
			INSERT INTO outbox (kind, destination, evaluation_id, held_until)
			SELECT 'progress', 'snapshots', unnest($1::text[]), clock_timestamp() + $2::interval
			RETURNING id, destination, job_id, now()`, w.progress, w.hold).Query(w.collect)
	}
}

// collect notes the rows of the outbox, and the jobs that were made.
func (w *writes) collect(rows pgx.Rows) error {
	var r pipeline.Row
	var job string
	var made time.Time
	_, err := pgx.ForEachRow(rows, []any{&r.ID, &r.To, &job, &made}, func() error {
		w.left.Rows = append(w.left.Rows, r)
		if i := slices.IndexFunc(w.next, func(n nextJob) bool { return n.ID == job }); i >= 0 {
			n := w.next[i]
			w.left.Jobs = append(w.left.Jobs, pipeline.Entry{
				JobID: n.ID, Stage: n.Stage, EvaluationID: n.EvaluationID, UserID: n.UserID, Attempt: 1, EnqueuedAt: made.UTC(), Traceparent: n.Traceparent,
			})
		}
		return nil
	})
	return err
}

// queueArtifacts changes artifacts.
func queueArtifacts(b *pgx.Batch, changes ...artifactChange) {
	evaluations := make([]string, len(changes))
	for i, c := range changes {
		evaluations[i] = c.EvaluationID
	}
	b.Queue(updateArtifacts, changes, evaluations)
}

const updateArtifacts = `
	UPDATE artifacts a SET state = r.state, text = r.text, demo_type = r.demo_type, object_key = r.object_key, content_type = r.content_type,
		provider = r.provider, reason = r.reason, message = r.message, contrast_key = r.contrast_key, updated_at = now()
	FROM json_populate_recordset(NULL::artifacts, $1) r
	WHERE a.evaluation_id = ANY($2) AND a.evaluation_id = r.evaluation_id AND a.kind = r.kind`
