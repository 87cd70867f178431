package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"oktalk/internal/evaluation"
)

// Evaluations stores evaluations. It is safe for concurrent use.
type Evaluations struct{ db *DB }

// NewEvaluations makes a store over a pool.
func NewEvaluations(db *DB) *Evaluations { return &Evaluations{db: db} }

const insertEvaluation = `
	INSERT INTO evaluations (id, user_id, status, version, created_at, updated_at, target_text, language, category, feedback_language,
		native_language, demo_mode, recording_key, audio_format, audio_type, audio_bytes, audio_sha256, audio_duration_ms, assessor, overall, accuracy,
		fluency, integrity, prosody, level, words, waiting_for, failure)
	VALUES (@id, @user_id, @status, @version, @created_at, @updated_at, @target_text, @language, @category, @feedback_language,
		@native_language, @demo_mode, @recording_key, @audio_format, @audio_type, @audio_bytes, @audio_sha256, @audio_duration_ms, @assessor, @overall,
		@accuracy, @fluency, @integrity, @prosody, @level, @words, @waiting_for, @failure)`

// Create stores a new evaluation with its artifacts, the jobs that can start, what the outbox has to send, the recording if the
// object store did not take it, and the result of its idempotency key, and claims the recording: all or nothing. Errors:
// [evaluation.ErrFull] when the spool takes no more, [evaluation.ErrIdempotencyConflict] when the key is not reserved any more or
// another request was stored under it, [evaluation.ErrUnavailable] also when the recording was announced so long ago that it was
// given up.
func (s *Evaluations) Create(ctx context.Context, e *evaluation.Evaluation, opt evaluation.CreateOptions) error {
	args, err := fromEvaluation(e)
	if err != nil {
		return fmt.Errorf("create evaluation %s: %w", e.ID, err)
	}
	w := newWrites(s.db)
	err = s.db.with(ctx, "create evaluation "+e.ID, func(ctx context.Context, c *pgx.Conn) error {
		var full, conflict, givenUp bool
		b := beginBatch()
		b.Queue(insertEvaluation, args)
		if opt.Announced {
			b.Queue(`DELETE FROM unclaimed_recordings WHERE evaluation_id = $1 AND NOT given_up`, e.ID).Exec(none(&givenUp))
		}
		artifacts := make([]artifactChange, len(e.Artifacts))
		for i, a := range e.Artifacts {
			artifacts[i] = artifactChange{e.ID, fromArtifact(a)}
		}
		b.Queue(insertArtifacts, artifacts)
		w.change(wordless(e))
		w.start(e, e.Start(""), opt.Traceparent)
		w.queue(b)
		if opt.IdempotencyKey != "" {
			b.Queue(`
				UPDATE idempotency_keys SET evaluation_id = $3, created_at = now()
				WHERE user_id = $1 AND key = $2 AND fingerprint = $4 AND evaluation_id IS NULL`,
				e.UserID, opt.IdempotencyKey, e.ID, opt.Fingerprint).Exec(none(&conflict))
		}
		if opt.Spooled != nil {
			queueSpool(b, e.ID, e.Recording.ObjectKey, e.Recording.ContentType, opt.Spooled, s.db.spoolMax).Exec(none(&full))
		}
		if err := send(ctx, c, b); err != nil {
			return err
		}
		switch {
		case conflict:
			return evaluation.ErrIdempotencyConflict
		case full:
			return evaluation.ErrFull
		case givenUp:
			return fmt.Errorf("its recording was given up: %w", evaluation.ErrUnavailable)
		}
		return commit(ctx, c, &pgx.Batch{})
	})
	if err == nil {
		s.db.hand(w.left)
	}
	return err
}

// wordless copies an evaluation for messages, without the words that they never carry.
func wordless(e *evaluation.Evaluation) *evaluation.Evaluation {
	c := *e
	c.Artifacts = slices.Clone(e.Artifacts)
	if e.Assessment != nil {
		a := *e.Assessment
		a.Words = nil
		c.Assessment = &a
	}
	return &c
}

// none makes a callback that notes that a statement changed no row.
func none(b *bool) func(pgconn.CommandTag) error {
	return func(ct pgconn.CommandTag) error {
		*b = ct.RowsAffected() == 0
		return nil
	}
}

const insertArtifacts = `
	INSERT INTO artifacts (evaluation_id, kind, state, text, demo_type, object_key, content_type, provider, reason, message, contrast_key)
	SELECT evaluation_id, kind, state, text, demo_type, object_key, content_type, provider, reason, message, contrast_key
	FROM json_populate_recordset(NULL::artifacts, $1)`

func queueProgress(b *pgx.Batch, evaluationID string) {
	b.Queue(`INSERT INTO outbox (kind, destination, evaluation_id) VALUES ('progress', 'snapshots', $1)`, evaluationID)
}

// Get reads an evaluation of a user. Another user's and a deleted one are [evaluation.ErrNotFound].
func (s *Evaluations) Get(ctx context.Context, userID, id string) (*evaluation.Evaluation, error) {
	es, err := s.query(ctx, "read evaluation "+id, withWords+`WHERE e.id = $1 AND e.user_id = $2 AND e.deleted_at IS NULL`, id, userID)
	if err == nil && len(es) == 0 {
		err = translate("read evaluation "+id, pgx.ErrNoRows)
	}
	if err != nil {
		return nil, err
	}
	return es[0], nil
}

// Owns says whether a user has an evaluation: nil, or [evaluation.ErrNotFound], also for another user's and a deleted one.
func (s *Evaluations) Owns(ctx context.Context, userID, id string) error {
	return s.db.with(ctx, "look for evaluation "+id, func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, `SELECT FROM evaluations WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL`, id, userID).Scan()
	})
}

// afterAll sorts after every identifier of an evaluation, in any locale.
const afterAll = "eval_z"

// List reads a user's evaluations, newest first, at most limit of them, starting after the one with the id before; an empty one
// means from the newest. before need not exist.
func (s *Evaluations) List(ctx context.Context, userID string, limit int, before string) ([]*evaluation.Evaluation, error) {
	if before == "" {
		before = afterAll
	}
	return s.query(ctx, "list evaluations of "+userID,
		withWords+`WHERE e.user_id = $1 AND e.deleted_at IS NULL AND e.id < $3 ORDER BY e.id DESC LIMIT $2`, userID, limit, before)
}

// Load reads evaluations of any user for messages: their words, which messages never carry, are left out. Deleted and
// unknown ones are absent; the order is not that of ids.
func (s *Evaluations) Load(ctx context.Context, ids []string) ([]*evaluation.Evaluation, error) {
	return s.query(ctx, "load evaluations", withoutWords+`WHERE e.id = ANY($1) AND `+isKept, ids)
}

func (s *Evaluations) query(ctx context.Context, op, sql string, args ...any) (es []*evaluation.Evaluation, err error) {
	err = s.db.with(ctx, op, func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		es, err = collectEvaluations(rows)
		return err
	})
	return es, err
}

// Versions reads the versions of evaluations of any user. Deleted and unknown ones are absent.
func (s *Evaluations) Versions(ctx context.Context, ids []string) (map[string]int64, error) {
	versions := make(map[string]int64, len(ids))
	err := s.db.with(ctx, "read versions", func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, `SELECT id, version FROM evaluations WHERE id = ANY($1) AND `+isKept, ids)
		if err != nil {
			return err
		}
		var id string
		var version int64
		_, err = pgx.ForEachRow(rows, []any{&id, &version}, func() error {
			versions[id] = version
			return nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return versions, nil
}

// Delete marks an evaluation as deleted, so that it is not found from then on, empties it, cancels its jobs, and adds two erase
// jobs: one for now, one for when no worker that was busy can still write an object. Another user's evaluation and one that
// was deleted before are [evaluation.ErrNotFound].
func (s *Evaluations) Delete(ctx context.Context, userID, id string) error {
	err := s.db.with(ctx, "delete evaluation "+id, func(ctx context.Context, c *pgx.Conn) error {
		var found bool
		b := beginBatch()
		b.Queue(`SELECT id FROM evaluations WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL FOR NO KEY UPDATE`, id, userID).
			QueryRow(optional(&found, nil))
		if err := send(ctx, c, b); err != nil {
			return err
		}
		if !found {
			return evaluation.ErrNotFound
		}
		return commit(ctx, c, deleteBatch(userID, id))
	})
	if err == nil {
		s.db.nudge()
	}
	return err
}

func deleteBatch(userID, id string) *pgx.Batch {
	b := &pgx.Batch{}
	b.Queue(`
		UPDATE evaluations SET deleted_at = now(), updated_at = now(), version = version + 1, target_text = '', recording_key = '',
			audio_sha256 = '', assessor = NULL, overall = NULL, accuracy = NULL, fluency = NULL, integrity = NULL, prosody = NULL,
			level = NULL, words = NULL, native_language = '', waiting_for = '', failure = NULL
		WHERE id = $1`, id)
	b.Queue(`UPDATE jobs SET state = 'cancelled', updated_at = now() WHERE evaluation_id = $1 AND state = 'open'`, id)
	b.Queue(`UPDATE jobs SET last_error = '' WHERE evaluation_id = $1 AND last_error <> ''`, id)
	b.Queue(`UPDATE artifacts SET text = '', object_key = '', contrast_key = '', message = '', updated_at = now() WHERE evaluation_id = $1`, id)
	b.Queue(`UPDATE stage_runs SET output = NULL, usage = NULL, error = '', input_hash = '' WHERE evaluation_id = $1`, id)
	b.Queue(`DELETE FROM object_spool WHERE evaluation_id = $1`, id)
	b.Queue(`UPDATE idempotency_keys SET evaluation_id = '', fingerprint = '' WHERE evaluation_id = $1`, id) // see Reserve
	for _, wait := range []time.Duration{0, evaluation.LongestDeadline()} {
		b.Queue(`
			WITH job AS (
				INSERT INTO jobs (id, stage, evaluation_id, user_id, not_before, erase_replays)
				SELECT $1, $2, $3, $4, now() + $5::interval, array_agg(DISTINCT replay_id) FROM jobs WHERE evaluation_id = $3 AND replay_id IS NOT NULL
				RETURNING id, stage)
			INSERT INTO outbox (kind, destination, job_id, evaluation_id) SELECT 'enqueue', stage, id, $3 FROM job`,
			newID("job"), evaluation.StageErase, id, userID, wait)
	}
	queueProgress(b, id)
	return b
}

// Replays lists the replays that may have objects of a deleted evaluation. Its erase jobs know them as long as they are open.
func (s *Evaluations) Replays(ctx context.Context, evaluationID string) (ids []string, err error) {
	err = s.db.with(ctx, "list replays of "+evaluationID, func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, `
			SELECT replay_id FROM jobs WHERE evaluation_id = $1 AND replay_id IS NOT NULL
			UNION SELECT unnest(erase_replays) FROM jobs WHERE evaluation_id = $1 AND stage = 'erase'`, evaluationID)
		if err != nil {
			return err
		}
		ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return ids, err
}

// Erase removes every row of a deleted evaluation. Erase jobs that are still open stay, and go when they are settled. It may be
// repeated. An evaluation that was not deleted is an error, and nothing is removed.
func (s *Evaluations) Erase(ctx context.Context, evaluationID string) error {
	return s.db.with(ctx, "erase evaluation "+evaluationID, func(ctx context.Context, c *pgx.Conn) error {
		var found, deleted bool
		b := beginBatch()
		b.Queue(`SELECT deleted_at IS NOT NULL FROM evaluations WHERE id = $1 FOR UPDATE`, evaluationID).QueryRow(optional(&found, &deleted))
		if err := send(ctx, c, b); err != nil {
			return err
		}
		if found && !deleted {
			return fmt.Errorf("it was not deleted")
		}
		return commit(ctx, c, eraseBatch(evaluationID))
	})
}

func eraseBatch(id string) *pgx.Batch {
	b := &pgx.Batch{}
	b.Queue(`DELETE FROM jobs WHERE evaluation_id = $1 AND NOT (stage = 'erase' AND state = 'open')`, id)
	b.Queue(`DELETE FROM stage_runs WHERE evaluation_id = $1`, id)
	b.Queue(`DELETE FROM object_spool WHERE evaluation_id = $1`, id)
	b.Queue(`DELETE FROM artifacts WHERE evaluation_id = $1`, id)
	b.Queue(`DELETE FROM evaluations WHERE id = $1`, id)
	// Rows that a relay is sending are its to delete, and so are those that it holds: it finds the evaluation gone, and has it removed.
	b.Queue(`
		DELETE FROM outbox WHERE ctid = ANY (ARRAY(
			SELECT ctid FROM outbox WHERE evaluation_id = $1 AND held_until < clock_timestamp()
				AND (kind <> 'enqueue' OR NOT EXISTS (SELECT FROM jobs WHERE jobs.id = outbox.job_id AND jobs.state = 'open'))
			FOR UPDATE SKIP LOCKED))`, id)
	return b
}
