package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"oktalk/internal/evaluation"
	"oktalk/internal/replay"
)

// Replays finds past work, explains it, and stores replays of it. It is safe for concurrent use.
type Replays struct{ db *DB }

var _ replay.Store = (*Replays)(nil)

// NewReplays makes a store over a pool.
func NewReplays(db *DB) *Replays { return &Replays{db: db} }

// lastRun is the last run of job j that ended. The times, with room for clocks that differ, spare looking into every month.
const lastRun = `
	LEFT JOIN LATERAL (
		SELECT outcome, provider, model, prompt_version, latency_ms, error FROM stage_runs
		WHERE stage_runs.job_id = j.id AND started_at BETWEEN j.created_at - interval '1 hour' AND j.updated_at + interval '1 hour'
		ORDER BY stage_runs.run DESC LIMIT 1) r ON true`

const jobStatus = `CASE j.state WHEN 'open' THEN 'pending' ELSE j.state END`

const selectChosen = `
	SELECT j.id, j.entry_id, j.stage, j.evaluation_id, j.user_id, coalesce(u.name, ''), ` + jobStatus + `, j.run, j.attempts, j.crashes,
		j.created_at, j.updated_at, coalesce(r.outcome, ''), coalesce(r.provider, ''), coalesce(r.model, ''), coalesce(r.prompt_version, ''),
		coalesce(r.latency_ms, 0), coalesce(nullif(j.last_error, ''), r.error, ''),
		CASE WHEN e.id IS NULL OR e.deleted_at IS NOT NULL THEN 'deleted' ELSE e.status END, coalesce(j.replay_of, '')
	FROM (%s) chosen JOIN jobs j ON j.id = chosen.id
	LEFT JOIN users u ON u.id = j.user_id
	LEFT JOIN evaluations e ON e.id = j.evaluation_id` + lastRun + `
	ORDER BY j.created_at DESC, j.id DESC`

// Entries chooses entries of a stage, or of all if it is empty, newest first and at most f.Limit. The error is an
// [evaluation.Refusal] when f names a user who does not exist.
func (s *Replays) Entries(ctx context.Context, stage evaluation.StageName, f replay.Filter) (entries []replay.Entry, err error) {
	if f.User, err = s.userID(ctx, f.User); err != nil {
		return nil, err
	}
	err = s.db.planned(ctx, "choose entries", func(ctx context.Context, c *pgx.Conn) error {
		w, err := conditions(ctx, c, stage, f)
		if err != nil {
			return err
		}
		rows, err := c.Query(ctx, fmt.Sprintf(selectChosen, w.chosen(f)), w.args...)
		if err != nil {
			return err
		}
		entries, err = pgx.CollectRows(rows, toReplayEntry)
		return err
	})
	return entries, err
}

func (s *Replays) userID(ctx context.Context, user string) (id string, err error) {
	if user == "" {
		return "", nil
	}
	var found bool
	err = s.db.with(ctx, "find user", func(ctx context.Context, c *pgx.Conn) error {
		b := &pgx.Batch{}
		b.Queue(`SELECT id FROM users WHERE id = $1 OR name = $1`, user).QueryRow(optional(&found, &id))
		return send(ctx, c, b)
	})
	if err == nil && !found {
		return "", evaluation.Refuse("invalid-request", fmt.Sprintf("There is no user %q.", user))
	}
	return id, err
}

// where collects conditions on job j and their arguments.
type where struct {
	conditions []string
	args       []any
}

// arg adds an argument and returns its placeholder.
func (w *where) arg(v any) string {
	w.args = append(w.args, v)
	return fmt.Sprintf("$%d", len(w.args))
}

// add adds a condition; each %s is the placeholder of an argument.
func (w *where) add(condition string, args ...any) {
	names := make([]any, len(args))
	for i, a := range args {
		names[i] = w.arg(a)
	}
	w.conditions = append(w.conditions, fmt.Sprintf(condition, names...))
}

func conditions(ctx context.Context, c *pgx.Conn, stage evaluation.StageName, f replay.Filter) (*where, error) {
	w := &where{}
	if stage != "" {
		w.add("j.stage = %s", stage)
	}
	if f.Status != "" {
		state := string(f.Status)
		if f.Status == replay.StatusPending {
			state = "open"
		}
		w.conditions = append(w.conditions, "j.state = '"+sqlState(state)+"'") // not an argument: partial indexes must be seen to fit
	}
	if !f.Since.IsZero() {
		w.add("j.created_at >= %s", f.Since)
	}
	if f.User != "" {
		w.add("j.user_id = %s", f.User)
	}
	if len(f.IDs) == 0 {
		w.conditions = append(w.conditions, "j.replay_of IS NULL")
		return w, nil
	}
	jobs, evaluations, err := named(ctx, c, stage, f.IDs)
	if err != nil {
		return nil, err
	}
	w.add("(j.id = ANY(%s) OR j.evaluation_id = ANY(%s) AND j.replay_of IS NULL)", jobs, evaluations)
	return w, nil
}

// sqlState lets only states through.
func sqlState(s string) string {
	if slices.Contains([]string{"open", "done", "dead", "cancelled"}, s) {
		return s
	}
	return ""
}

// named tells which jobs and evaluations ids name, of which those of entries are looked up: in the runs that ended, and in open jobs.
func named(ctx context.Context, c *pgx.Conn, stage evaluation.StageName, ids []string) (jobs, evaluations []string, err error) {
	var entries []string
	for _, id := range ids {
		switch {
		case strings.HasPrefix(id, "eval_"):
			evaluations = append(evaluations, id)
		case strings.HasPrefix(id, "job_"):
			jobs = append(jobs, id)
		default:
			entries = append(entries, id)
		}
	}
	if len(entries) == 0 {
		return jobs, evaluations, nil
	}
	rows, err := c.Query(ctx, `
		SELECT job_id FROM stage_runs WHERE entry_id = ANY($1) AND $2 IN ('', stage)
		UNION SELECT id FROM jobs WHERE state = 'open' AND entry_id = ANY($1) AND $2 IN ('', stage)`, entries, stage)
	if err != nil {
		return nil, nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return append(jobs, found...), evaluations, err
}

// chosen is the query for the ids of the chosen jobs. A search looks in three places; each is asked for the newest by itself, so that
// for a rare text the search index is used, and for a common one the order of jobs.
func (w *where) chosen(f replay.Filter) string {
	places := []string{""}
	if f.Grep != "" {
		pattern := w.arg("%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(f.Grep) + "%")
		places = []string{
			"EXISTS (SELECT FROM evaluations g WHERE g.id = j.evaluation_id AND g.target_text ILIKE " + pattern + ")",
			"EXISTS (SELECT FROM artifacts g WHERE g.evaluation_id = j.evaluation_id AND g.kind = 'feedback_text' AND g.text ILIKE " + pattern + ")",
			"EXISTS (SELECT FROM stage_runs g WHERE g.job_id = j.id AND g.error <> '' AND g.error ILIKE " + pattern + ")",
		}
	}
	limit := w.arg(f.Limit)
	queries := make([]string, len(places))
	for i, place := range places {
		all := w.conditions
		if place != "" {
			all = append(slices.Clone(all), place)
		}
		queries[i] = "(SELECT j.id, j.created_at FROM jobs j WHERE " + strings.Join(all, " AND ") + " ORDER BY j.created_at DESC, j.id DESC LIMIT " + limit + ")"
	}
	return "SELECT id FROM (" + strings.Join(queries, " UNION ") + ") found ORDER BY created_at DESC, id DESC LIMIT " + limit
}

func toReplayEntry(row pgx.CollectableRow) (e replay.Entry, err error) {
	err = row.Scan(&e.JobID, &e.EntryID, &e.Stage, &e.EvaluationID, &e.UserID, &e.User, &e.Status, &e.Run, &e.Attempts, &e.Crashes,
		&e.CreatedAt, &e.UpdatedAt, &e.Outcome, &e.Provider, &e.Model, &e.PromptVersion, &e.LatencyMS, &e.Error, &e.Evaluation, &e.ReplayOf)
	e.CreatedAt, e.UpdatedAt = e.CreatedAt.UTC(), e.UpdatedAt.UTC()
	return e, err
}

// CreateReplay stores a replay, as [replay.Store] describes. It holds the evaluations' locks, so none of them is deleted meanwhile.
func (s *Replays) CreateReplay(ctx context.Context, r *replay.Replay, jobIDs []string) (skipped []replay.Skipped, err error) {
	r.ID, r.CreatedAt = newID("replay"), time.Now().UTC().Truncate(time.Microsecond)
	err = s.db.with(ctx, "create replay", func(ctx context.Context, c *pgx.Conn) error {
		var chosen []string
		chosen, skipped, err = lockOriginals(ctx, c, jobIDs, r.Apply)
		if err != nil || len(chosen) == 0 {
			return err
		}
		r.Selected = len(chosen)
		b := &pgx.Batch{}
		b.Queue(`
			INSERT INTO replays (id, created_at, actor, why, stage, filter, selected, provider, model, prompt, chain, apply)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
			r.ID, r.CreatedAt, r.Actor, r.Why, r.Stage, r.Filter, r.Selected, r.Provider, r.Model, r.Prompt, r.Chain, r.Apply)
		fresh := make([]string, len(chosen))
		for i := range fresh {
			fresh[i] = newID("job")
		}
		b.Queue(`
			WITH job AS (
				INSERT INTO jobs (id, stage, evaluation_id, user_id, replay_id, replay_of)
				SELECT fresh, o.stage, o.evaluation_id, o.user_id, $3, o.id FROM unnest($1::text[], $2::text[]) AS n(fresh, original)
				JOIN jobs o ON o.id = n.original
				RETURNING id, stage, evaluation_id)
			INSERT INTO outbox (kind, destination, job_id, evaluation_id) SELECT 'enqueue', stage, id, evaluation_id FROM job ORDER BY id`, fresh, chosen, r.ID)
		if err := queueAudit(b, r.Actor, "replay", r.ID, r); err != nil {
			return err
		}
		return commit(ctx, c, b)
	})
	if err == nil && r.Selected > 0 {
		s.db.nudge()
	}
	return skipped, err
}

// lockOriginals begins a transaction and locks the evaluations of jobs, in one order. It returns the jobs that can be replayed.
func lockOriginals(ctx context.Context, c *pgx.Conn, jobIDs []string, apply bool) (chosen []string, skipped []replay.Skipped, err error) {
	reasons := map[string]string{}
	b := beginBatch()
	b.Queue(`
		SELECT o.id, e.deleted_at IS NOT NULL, e.status FROM jobs o JOIN evaluations e ON e.id = o.evaluation_id
		WHERE o.id = ANY($1) ORDER BY e.id FOR SHARE OF e`, jobIDs).Query(func(rows pgx.Rows) error {
		var id string
		var deleted bool
		var status evaluation.Status
		_, err := pgx.ForEachRow(rows, []any{&id, &deleted, &status}, func() error {
			switch {
			case deleted:
			case apply && status != evaluation.StatusCompleted:
				reasons[id] = "its evaluation is not completed"
			default:
				reasons[id] = ""
			}
			return nil
		})
		return err
	})
	if err := send(ctx, c, b); err != nil {
		return nil, nil, err
	}
	for _, id := range jobIDs {
		switch reason, ok := reasons[id]; {
		case !ok:
			skipped = append(skipped, replay.Skipped{ID: id, Reason: "the original was deleted"})
		case reason != "":
			skipped = append(skipped, replay.Skipped{ID: id, Reason: reason})
		default:
			chosen = append(chosen, id)
		}
	}
	return chosen, skipped, nil
}

func queueAudit(b *pgx.Batch, actor, action, subject string, detail any) error {
	body, err := json.Marshal(detail)
	if err != nil {
		return fmt.Errorf("encode detail of audit: %w", err)
	}
	b.Queue(`INSERT INTO audit (actor, action, subject, detail) VALUES ($1, $2, $3, $4)`, actor, action, subject, json.RawMessage(body))
	return nil
}

func because(why string) map[string]string { return map[string]string{"why": why} }

// Audit records that somebody did something.
func (s *Replays) Audit(ctx context.Context, actor, action, subject, why string) error {
	return s.db.with(ctx, "write audit", func(ctx context.Context, c *pgx.Conn) error {
		b := beginBatch()
		if err := queueAudit(b, actor, action, subject, because(why)); err != nil {
			return err
		}
		return commit(ctx, c, b)
	})
}

// Replay reads a replay and the pairs of original and replay that are left.
func (s *Replays) Replay(ctx context.Context, id string) (r replay.Replay, pairs []replay.Pair, err error) {
	err = s.db.with(ctx, "read replay "+id, func(ctx context.Context, c *pgx.Conn) error {
		var found bool
		b := &pgx.Batch{}
		b.Queue(`SELECT id, created_at, actor, why, stage, filter, selected, provider, model, prompt, chain, apply FROM replays WHERE id = $1`, id).
			QueryRow(optional(&found, &r.ID, &r.CreatedAt, &r.Actor, &r.Why, &r.Stage, &r.Filter, &r.Selected, &r.Provider, &r.Model, &r.Prompt, &r.Chain, &r.Apply))
		b.Queue(`
			SELECT n.evaluation_id, n.stage, `+versionColumns("o")+`, `+versionColumns("n")+`
			FROM jobs n JOIN evaluations e ON e.id = n.evaluation_id AND e.deleted_at IS NULL
			LEFT JOIN jobs o ON o.id = n.replay_of AND o.stage = n.stage`+versionRun("o")+versionRun("n")+`
			WHERE n.replay_id = $1 ORDER BY n.evaluation_id, n.id`, id).Query(func(rows pgx.Rows) (err error) {
			pairs, err = pgx.CollectRows(rows, toPair)
			return err
		})
		if err := send(ctx, c, b); err != nil {
			return err
		}
		if !found {
			return evaluation.ErrNotFound
		}
		r.CreatedAt = r.CreatedAt.UTC()
		return nil
	})
	return r, pairs, err
}

// versionColumns reads what the job j made.
func versionColumns(j string) string {
	return strings.NewReplacer("$", j).Replace(`
		coalesce($.id, ''), coalesce(last_$.run, 0), coalesce(last_$.outcome, ''), coalesce(CASE $.state WHEN 'open' THEN 'pending' ELSE $.state END, ''),
		coalesce(last_$.provider, ''), coalesce(last_$.model, ''), coalesce(last_$.prompt_version, ''), coalesce(last_$.output ->> 'text', ''),
		coalesce(last_$.output ->> 'object_key', ''), coalesce(last_$.latency_ms, 0), last_$.usage, coalesce(nullif($.last_error, ''), last_$.error, ''),
		coalesce($.applied_version, 0)`)
}

func versionRun(j string) string {
	return strings.NewReplacer("$", j).Replace(`
		LEFT JOIN LATERAL (SELECT * FROM stage_runs WHERE stage_runs.job_id = $.id ORDER BY stage_runs.run DESC LIMIT 1) last_$ ON true`)
}

func toPair(row pgx.CollectableRow) (p replay.Pair, err error) {
	dest := []any{&p.EvaluationID, &p.Stage}
	for _, v := range []*replay.Version{&p.Old, &p.New} {
		dest = append(dest, &v.JobID, &v.Run, &v.Outcome, &v.Status, &v.Provider, &v.Model, &v.PromptVersion, &v.Text, &v.ObjectKey,
			&v.LatencyMS, &v.Usage, &v.Error, &v.Applied)
	}
	return p, row.Scan(dest...)
}

// Reopen makes a dead job open again, with no attempts used, and has it enqueued.
func (s *Replays) Reopen(ctx context.Context, jobID, actor, why string) error {
	err := s.changeDead(ctx, "reopen job "+jobID, jobID, "dead retry", actor, why, `
		WITH job AS (
			UPDATE jobs SET state = 'open', owner = '', attempts = 0, crashes = 0, waits = 0, not_before = now(), begun_at = NULL, updated_at = now()
			WHERE id = $1 AND state = 'dead' RETURNING id, stage, evaluation_id)
		INSERT INTO outbox (kind, destination, job_id, evaluation_id) SELECT 'enqueue', stage, id, evaluation_id FROM job`)
	if err == nil {
		s.db.nudge()
	}
	return err
}

// Drop takes a job from among the dead ones. One of a stage that settles no artifact is removed, as it is when it is done.
func (s *Replays) Drop(ctx context.Context, jobID, actor, why string) error {
	return s.changeDead(ctx, "drop job "+jobID, jobID, "dead drop", actor, why, `
		WITH removed AS (DELETE FROM jobs WHERE id = $1 AND state = 'dead' AND stage = 'erase' RETURNING id),
		changed AS (UPDATE jobs SET state = 'cancelled', updated_at = now() WHERE id = $1 AND state = 'dead' AND stage <> 'erase' RETURNING id)
		SELECT id FROM removed UNION ALL SELECT id FROM changed`)
}

// changeDead runs a statement on a dead job and records it; [evaluation.ErrNotFound] if it touched no row.
func (s *Replays) changeDead(ctx context.Context, op, jobID, action, actor, why, sql string) error {
	return s.db.with(ctx, op, func(ctx context.Context, c *pgx.Conn) error {
		var missing bool
		b := beginBatch()
		b.Queue(sql, jobID).Exec(none(&missing))
		if err := send(ctx, c, b); err != nil {
			return err
		}
		if missing {
			return evaluation.ErrNotFound
		}
		w := &pgx.Batch{}
		if err := queueAudit(w, actor, action, jobID, because(why)); err != nil {
			return err
		}
		return commit(ctx, c, w)
	})
}

// SetPaused records that a stage is paused, or is not.
func (s *Replays) SetPaused(ctx context.Context, stage evaluation.StageName, paused bool, actor, why string) error {
	return s.db.with(ctx, "pause stage "+string(stage), func(ctx context.Context, c *pgx.Conn) error {
		action := "stage resume"
		if paused {
			action = "stage pause"
		}
		b := beginBatch()
		b.Queue(`INSERT INTO stages (name, paused) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET paused = excluded.paused`, stage, paused)
		if err := queueAudit(b, actor, action, string(stage), because(why)); err != nil {
			return err
		}
		return commit(ctx, c, b)
	})
}

// Stages tells of each stage what the database knows.
func (s *Replays) Stages(ctx context.Context) ([]replay.StageState, error) {
	known := map[evaluation.StageName]replay.StageState{}
	err := s.db.with(ctx, "read stages", func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, `
			SELECT s.name, s.paused, (SELECT count(*) FROM jobs j WHERE j.stage = s.name AND j.state = 'open'),
				(SELECT count(*) FROM jobs j WHERE j.stage = s.name AND j.state = 'dead' AND j.replay_of IS NULL)
			FROM stages s`)
		if err != nil {
			return err
		}
		var st replay.StageState
		_, err = pgx.ForEachRow(rows, []any{&st.Stage, &st.Paused, &st.Open, &st.DeadJobs}, func() error {
			known[st.Stage] = st
			return nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	var states []replay.StageState
	for _, stage := range evaluation.Stages() {
		st := known[stage.Name]
		st.Stage = stage.Name
		states = append(states, st)
	}
	return states, nil
}
