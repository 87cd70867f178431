package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"oktalk/migrations"
)

// Migration is a numbered change of the schema.
type Migration struct {
	Version   int64
	Name      string    // file name
	Applied   bool      // this database has it
	AppliedAt time.Time // UTC; zero when not applied
}

// Migrate brings the schema up to this program's version. Many processes may call it at once: one does the work under an
// advisory lock, the others wait for it, up to five minutes.
func Migrate(ctx context.Context, url string) error {
	return withProvider(url, func(db *sql.DB, p *goose.Provider) error {
		have, err := schemaVersion(ctx, db)
		if err != nil {
			return translate("read the schema's version", err)
		}
		if have >= embeddedVersion() {
			return nil
		}
		_, err = p.Up(ctx)
		return translate("migrate up", err)
	})
}

// MigrateDown undoes the last migration. It is for developers and for going back by one release: the data of what it drops is
// lost.
func MigrateDown(ctx context.Context, url string) error {
	return withProvider(url, func(_ *sql.DB, p *goose.Provider) error {
		_, err := p.Down(ctx)
		return translate("migrate down", err)
	})
}

// MigrationStatus lists this program's migrations, oldest first, and whether the database has them.
func MigrationStatus(ctx context.Context, url string) ([]Migration, error) {
	var list []Migration
	err := withProvider(url, func(_ *sql.DB, p *goose.Provider) error {
		statuses, err := p.Status(ctx)
		for _, s := range statuses {
			m := Migration{Version: s.Source.Version, Name: s.Source.Path, Applied: s.State == goose.StateApplied}
			if m.Applied {
				m.AppliedAt = s.AppliedAt.UTC()
			}
			list = append(list, m)
		}
		return translate("read migrations", err)
	})
	return list, err
}

// CheckSchema reports, as a sentence that says what to do, that the schema is older than this program needs. A newer one is fine:
// migrations expand before they contract.
func (db *DB) CheckSchema(ctx context.Context) error {
	var have int64
	err := db.with(ctx, "read the schema's version", func(ctx context.Context, c *pgx.Conn) error {
		err := c.QueryRow(ctx, selectVersion).Scan(&have)
		if hasCode(err, undefinedTable) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	if want := embeddedVersion(); have < want {
		return fmt.Errorf("the database's schema has version %d and this program needs %d: run `oktalk migrate up`", have, want)
	}
	return nil
}

const (
	undefinedTable = "42P01"
	selectVersion  = "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied"
)

func schemaVersion(ctx context.Context, db *sql.DB) (v int64, err error) {
	err = db.QueryRowContext(ctx, selectVersion).Scan(&v)
	if hasCode(err, undefinedTable) {
		return 0, nil
	}
	return v, err
}

// embeddedVersion is the number of the newest migration file.
func embeddedVersion() int64 {
	names, _ := fs.Glob(migrations.FS, "*.sql") // the pattern is well-formed
	var newest int64
	for _, name := range names {
		digits, _, _ := strings.Cut(name, "_")
		if v, err := strconv.ParseInt(digits, 10, 64); err == nil {
			newest = max(newest, v)
		}
	}
	return newest
}

// withProvider opens a connection of its own, without the pool's time limits: a migration may take long.
func withProvider(url string, fn func(*sql.DB, *goose.Provider) error) error {
	cc, err := pgx.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("DATABASE_URL cannot be read; write it as postgres://user:password@host:port/database: %w", err)
	}
	setDefaults(cc, "oktalk migrate")
	db := stdlib.OpenDB(*cc)
	defer func() { _ = db.Close() }() // whatever it held is committed or rolled back
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return fmt.Errorf("make the migration lock: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, migrations.FS,
		goose.WithSessionLocker(locker), goose.WithSlog(slog.New(slog.DiscardHandler)), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the embedded migrations: %w", err)
	}
	return fn(db, p)
}
