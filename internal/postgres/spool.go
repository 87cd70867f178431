package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"oktalk/internal/evaluation"
)

// Spool keeps objects that the object store did not take yet. Readers are served from it. It is bounded by Config.SpoolMaxBytes
// and safe for concurrent use.
type Spool struct{ db *DB }

// NewSpool makes a spool over a pool.
func NewSpool(db *DB) *Spool { return &Spool{db: db} }

// spoolLock serializes writers of the spool, so that together they keep to its limit. Being away is rare and short for an object
// store; nobody else waits for this lock.
const spoolLock = 0x6f6b_5350

// queueSpool stores an object if there is room and its evaluation is not deleted; otherwise the statement changes no row. It must run
// inside a transaction. octet_length of a bytea does not read the value itself.
func queueSpool(b *pgx.Batch, evaluationID, key, contentType string, body []byte, limit int64) *pgx.QueuedQuery {
	b.Queue(`SELECT pg_advisory_xact_lock($1)`, int64(spoolLock))
	return b.Queue(`
		INSERT INTO object_spool (key, evaluation_id, content_type, bytes)
		SELECT $1, $2, $3, $4
		WHERE (SELECT coalesce(sum(octet_length(bytes)), 0) FROM object_spool WHERE key <> $1) + $5 <= $6
		ON CONFLICT (key) DO UPDATE SET content_type = excluded.content_type, bytes = excluded.bytes`,
		key, evaluationID, contentType, body, int64(len(body)), limit)
}

// Put keeps an object for the object store. It may be repeated. Errors: [evaluation.ErrFull] when the spool takes no more,
// [evaluation.ErrNotFound] when the evaluation is deleted.
func (s *Spool) Put(ctx context.Context, evaluationID, key, contentType string, body []byte) error {
	return s.db.with(ctx, "spool object "+key, func(ctx context.Context, c *pgx.Conn) error {
		var found, full bool
		b := beginBatch()
		b.Queue(`SELECT id FROM evaluations WHERE id = $1 AND deleted_at IS NULL FOR SHARE`, evaluationID).QueryRow(optional(&found, nil))
		if err := send(ctx, c, b); err != nil {
			return err
		}
		if !found {
			return evaluation.ErrNotFound
		}
		w := &pgx.Batch{}
		queueSpool(w, evaluationID, key, contentType, nonNil(body), s.db.spoolMax).Exec(none(&full))
		if err := commit(ctx, c, w); err != nil {
			return err
		}
		if full {
			return evaluation.ErrFull
		}
		return nil
	})
}

// Get reads an object; [evaluation.ErrNotFound] if it is not here (any more).
func (s *Spool) Get(ctx context.Context, key string) (contentType string, body []byte, err error) {
	err = s.db.with(ctx, "read spooled object "+key, func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, `SELECT content_type, bytes FROM object_spool WHERE key = $1`, key).Scan(&contentType, &body)
	})
	return contentType, body, err
}

// Oldest lists the keys of at most limit objects, the oldest first.
func (s *Spool) Oldest(ctx context.Context, limit int) (keys []string, err error) {
	err = s.db.with(ctx, "list spooled objects", func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, `SELECT key FROM object_spool ORDER BY created_at, key LIMIT $1`, limit)
		if err != nil {
			return err
		}
		keys, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return keys, err
}

// Remove forgets an object; it is no error if it is not here.
func (s *Spool) Remove(ctx context.Context, key string) error {
	return s.db.exec(ctx, "remove spooled object "+key, `DELETE FROM object_spool WHERE key = $1`, key)
}
