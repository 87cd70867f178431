package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"oktalk/internal/account"
	"oktalk/internal/evaluation"
)

// Accounts stores users, the hashes of their keys, and secrets that all processes share. It is safe for concurrent use.
type Accounts struct{ db *DB }

// NewAccounts makes a store over a pool.
func NewAccounts(db *DB) *Accounts { return &Accounts{db: db} }

var _ account.Store = (*Accounts)(nil)

// EnsureUser returns the user of that name, made if needed.
func (s *Accounts) EnsureUser(ctx context.Context, name string) (userID string, err error) {
	err = s.db.with(ctx, "find user", func(ctx context.Context, c *pgx.Conn) error {
		b := &pgx.Batch{}
		b.Queue(`INSERT INTO users (id, name) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, newID("user"), name)
		b.Queue(`SELECT id FROM users WHERE name = $1`, name).QueryRow(func(row pgx.Row) error { return row.Scan(&userID) })
		return send(ctx, c, b)
	})
	return userID, err
}

// SetRole gives a user a role.
func (s *Accounts) SetRole(ctx context.Context, userID string, role account.Role, act account.Act) error {
	return s.change(ctx, "set role", userID, act, map[string]string{"why": act.Why, "role": string(role)}, func(b *pgx.Batch, _ *bool) {
		b.Queue(`UPDATE users SET role = $2 WHERE id = $1`, userID, role)
	})
}

// CreateKey stores a key by its hash.
func (s *Accounts) CreateKey(ctx context.Context, userID, hint string, hash []byte, act account.Act) (id string, err error) {
	id = newID("key")
	err = s.change(ctx, "create key", id, act, map[string]string{"why": act.Why, "user_id": userID}, func(b *pgx.Batch, _ *bool) {
		b.Queue(`INSERT INTO api_keys (id, user_id, hint, hash) VALUES ($1, $2, $3, $4)`, id, userID, hint, hash)
	})
	if err != nil {
		return "", err
	}
	return id, nil
}

// change makes the change that queue adds and its record for audit in one transaction. If queue's statement sets missing, since there is
// nothing of that id to change, nothing is recorded and the error is [evaluation.ErrNotFound].
func (s *Accounts) change(
	ctx context.Context, action, subject string, act account.Act, detail map[string]string, queue func(b *pgx.Batch, missing *bool),
) error {
	return s.db.with(ctx, action+" "+subject, func(ctx context.Context, c *pgx.Conn) error {
		var missing bool
		b := beginBatch()
		queue(b, &missing)
		if err := queueAudit(b, act.Actor, action, subject, detail); err != nil {
			return err
		}
		if err := send(ctx, c, b); err != nil {
			return err
		}
		if missing {
			return evaluation.ErrNotFound
		}
		return commit(ctx, c, &pgx.Batch{})
	})
}

// ListKeys returns all keys, revoked ones too, newest first.
func (s *Accounts) ListKeys(ctx context.Context) (keys []account.Key, err error) {
	err = s.db.with(ctx, "list keys", func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, `
			SELECT k.id, k.user_id, u.name, k.hint, k.created_at, k.last_used_at, k.revoked_at
			FROM api_keys k JOIN users u ON u.id = k.user_id ORDER BY k.id DESC`)
		if err != nil {
			return err
		}
		keys, err = pgx.CollectRows(rows, toKey)
		return err
	})
	return keys, err
}

func toKey(row pgx.CollectableRow) (k account.Key, err error) {
	var used, revoked *time.Time
	err = row.Scan(&k.ID, &k.UserID, &k.UserName, &k.Hint, &k.CreatedAt, &used, &revoked)
	k.CreatedAt, k.LastUsedAt, k.RevokedAt = k.CreatedAt.UTC(), value(used).UTC(), value(revoked).UTC()
	return k, err
}

// RevokeKey ends a key; one that was revoked before stays so. [evaluation.ErrNotFound] if there is none of that id.
func (s *Accounts) RevokeKey(ctx context.Context, id string, act account.Act) error {
	return s.change(ctx, "revoke key", id, act, because(act.Why), func(b *pgx.Batch, missing *bool) {
		b.Queue(`UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1`, id).Exec(none(missing))
	})
}

// RevokedKeys returns those of ids that are not in force any more.
func (s *Accounts) RevokedKeys(ctx context.Context, ids []string) (revoked []string, err error) {
	err = s.db.with(ctx, "check keys", func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, `
			SELECT asked.id FROM unnest($1::text[]) AS asked(id)
			WHERE NOT EXISTS (SELECT FROM api_keys k WHERE k.id = asked.id AND k.revoked_at IS NULL)`, ids)
		if err != nil {
			return err
		}
		revoked, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return revoked, err
}

// UserByKeyHash finds the user of a key in force; [evaluation.ErrUnauthorized] if there is none. It notes the use of a key at most
// once a minute.
func (s *Accounts) UserByKeyHash(ctx context.Context, hash []byte) (caller account.Caller, err error) {
	err = s.db.with(ctx, "check key", func(ctx context.Context, c *pgx.Conn) error {
		var stale bool
		err := c.QueryRow(ctx, `
			SELECT u.id, u.name, k.id, u.role, k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute'
			FROM api_keys k JOIN users u ON u.id = k.user_id WHERE k.hash = $1 AND k.revoked_at IS NULL`, hash).
			Scan(&caller.UserID, &caller.UserName, &caller.KeyID, &caller.Role, &stale)
		if isNoRows(err) {
			return evaluation.ErrUnauthorized
		}
		if err != nil || !stale {
			return err
		}
		// Of many requests of one minute the first writes; the others skip its row instead of waiting for it.
		_, err = c.Exec(ctx, `
			UPDATE api_keys SET last_used_at = now() WHERE id = (
				SELECT id FROM api_keys WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
				FOR NO KEY UPDATE SKIP LOCKED)`, caller.KeyID)
		return err
	})
	return caller, err
}

// Secret returns the shared secret of that name; if there is none, it stores what generate makes. All callers get the same.
func (s *Accounts) Secret(ctx context.Context, name string, generate func() []byte) (secret []byte, err error) {
	read := func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, `SELECT value FROM secrets WHERE name = $1`, name).Scan(&secret)
	}
	err = s.db.with(ctx, "read secret "+name, func(ctx context.Context, c *pgx.Conn) error {
		err := read(ctx, c)
		if !isNoRows(err) {
			return err
		}
		if _, err := c.Exec(ctx, `INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, name, generate()); err != nil {
			return err
		}
		return read(ctx, c)
	})
	return secret, err
}
