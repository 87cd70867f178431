package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Announce notes that a recording is about to be put into the object store, so that it is removed if no evaluation claims it
// ([Evaluations.Create]), whatever becomes of this process.
func (s *Evaluations) Announce(ctx context.Context, evaluationID string) error {
	return s.db.exec(ctx, "announce the recording of "+evaluationID, `INSERT INTO unclaimed_recordings (evaluation_id) VALUES ($1)`, evaluationID)
}

// GiveUp lists at most limit evaluations whose recordings were announced longer ago and claimed by none, the oldest first. From then
// on they cannot be claimed: their objects may be removed, and their rows after that ([Upkeep.Forget]). Until then they are listed
// again.
func (s *Upkeep) GiveUp(ctx context.Context, olderThan time.Duration, limit int) (evaluationIDs []string, err error) {
	err = s.db.with(ctx, "give recordings up", func(ctx context.Context, c *pgx.Conn) error {
		// An evaluation takes the row away in its own transaction; one beside its row was restored by hand, and keeps its objects.
		if _, err := c.Exec(ctx, `
			DELETE FROM unclaimed_recordings u
			WHERE created_at < now() - $1::interval AND EXISTS (SELECT FROM evaluations e WHERE e.id = u.evaluation_id)`, olderThan); err != nil {
			return err
		}
		// Whoever is claiming one holds its row: this waits, and finds it gone.
		rows, err := c.Query(ctx, `
			UPDATE unclaimed_recordings SET given_up = true
			WHERE evaluation_id IN (
				SELECT evaluation_id FROM unclaimed_recordings WHERE created_at < now() - $1::interval ORDER BY created_at, evaluation_id LIMIT $2)
			RETURNING evaluation_id`, olderThan, limit)
		if err != nil {
			return err
		}
		evaluationIDs, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return evaluationIDs, err
}

// Forget removes the row of a recording whose objects are gone.
func (s *Upkeep) Forget(ctx context.Context, evaluationID string) error {
	return s.db.exec(ctx, "forget the recording of "+evaluationID, `DELETE FROM unclaimed_recordings WHERE evaluation_id = $1`, evaluationID)
}
