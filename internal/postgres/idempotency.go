package postgres

import (
	"bytes"
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"oktalk/internal/evaluation"
)

// Idempotency keeps the keys by which a repeated request is recognized. It is safe for concurrent use.
type Idempotency struct{ db *DB }

// NewIdempotency makes a store over a pool.
func NewIdempotency(db *DB) *Idempotency { return &Idempotency{db: db} }

// reservationLimit is how long after it was last extended a reservation without a result counts as left behind by a process that died.
// A client whose server was killed waits that long before its repeated request is taken; requests extend theirs every few seconds.
const reservationLimit = 10 * time.Second

// Reserve claims a key for the caller, who then either stores a result under it ([Evaluations.Create]) or releases it. An empty id
// means that the key is the caller's; otherwise it is the evaluation of the first request. Errors:
// [evaluation.ErrIdempotencyConflict] while the first request runs, [evaluation.ErrIdempotencyMismatch] when it had another
// fingerprint, [evaluation.ErrNotFound] when its evaluation was deleted.
func (s *Idempotency) Reserve(ctx context.Context, userID, key string, fingerprint []byte) (evaluationID string, err error) {
	err = s.db.with(ctx, "reserve idempotency key", func(ctx context.Context, c *pgx.Conn) error {
		evaluationID = ""
		for {
			ct, err := c.Exec(ctx, `
				INSERT INTO idempotency_keys AS k (user_id, key, fingerprint) VALUES ($1, $2, $3)
				ON CONFLICT (user_id, key) DO UPDATE SET fingerprint = $3, created_at = now()
				WHERE k.evaluation_id IS NULL AND k.created_at < now() - $4::interval`, userID, key, fingerprint, reservationLimit)
			if err != nil || ct.RowsAffected() == 1 {
				return err
			}
			var first []byte
			var id *string
			err = c.QueryRow(ctx, `SELECT fingerprint, evaluation_id FROM idempotency_keys WHERE user_id = $1 AND key = $2`, userID, key).
				Scan(&first, &id)
			switch {
			case isNoRows(err): // released in between
				continue
			case err != nil:
				return err
			case id != nil && *id == "": // nothing else is kept of it, so that a late repetition does not bring back what was deleted
				return evaluation.ErrNotFound
			case !bytes.Equal(first, fingerprint):
				return evaluation.ErrIdempotencyMismatch
			case id == nil:
				return evaluation.ErrIdempotencyConflict
			}
			evaluationID = *id
			return nil
		}
	})
	return evaluationID, err
}

// Extend says that the request which reserved a key still runs. It must be called well within ten seconds of Reserve and of the last
// Extend; a reservation that was taken over meanwhile is found out by [Evaluations.Create].
func (s *Idempotency) Extend(ctx context.Context, userID, key string) error {
	return s.db.exec(ctx, "extend idempotency key",
		`UPDATE idempotency_keys SET created_at = now() WHERE user_id = $1 AND key = $2 AND evaluation_id IS NULL`, userID, key)
}

// Release frees a key whose request was refused or failed. A key with a result stays.
func (s *Idempotency) Release(ctx context.Context, userID, key string) error {
	return s.db.exec(ctx, "release idempotency key",
		`DELETE FROM idempotency_keys WHERE user_id = $1 AND key = $2 AND evaluation_id IS NULL`, userID, key)
}
