package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/oklog/ulid/v2"

	"oktalk/internal/pipeline"
)

// Config says how to reach PostgreSQL.
type Config struct {
	// URL is a connection URL or key=value string, as libpq knows them; parameters of the URL win over ours.
	URL string `env:"DATABASE_URL" envDefault:"postgres://oktalk@127.0.0.1:5432/oktalk?sslmode=disable"`
	// MaxConns is how many connections this process opens at most; values below 2 count as 2, since a relay and a worker must not
	// wait for each other.
	MaxConns int32 `env:"DATABASE_MAX_CONNS" envDefault:"10"`
	// SpoolMaxBytes bounds all objects together that wait in PostgreSQL for the object store; 0 keeps none.
	SpoolMaxBytes int64 `env:"SPOOL_MAX_BYTES" envDefault:"268435456"`
}

const (
	// operationTimeout bounds every call, so that a frozen server looks like one that is away. Half of it would cut off writes
	// behind a slow disk's checkpoint; twice of it would outlast a client's patience.
	operationTimeout = 10 * time.Second
	readyTimeout     = 2 * time.Second
	rollbackTimeout  = time.Second
)

// DB is a pool of connections. It is safe for concurrent use.
type DB struct {
	pool     *pgxpool.Pool
	log      *slog.Logger
	spoolMax int64
	onOutbox atomic.Pointer[func()]
	onLeft   atomic.Pointer[func(pipeline.Left)]
}

// Open prepares a pool. It returns even when the server is away: connections are made when they are needed. The error is
// about the configuration. Close it at the end.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*DB, error) {
	pc, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL cannot be read; write it as postgres://user:password@host:port/database: %w", err)
	}
	pc.MaxConns = max(cfg.MaxConns, 2)
	pc.MaxConnLifetime, pc.MaxConnLifetimeJitter = 30*time.Minute, 5*time.Minute
	pc.MaxConnIdleTime = 5 * time.Minute
	pc.HealthCheckPeriod = 15 * time.Second
	pc.PingTimeout = readyTimeout
	setDefaults(pc.ConnConfig, "oktalk")
	pc.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "30s"
	pc.ConnConfig.RuntimeParams["statement_timeout"] = "30s"
	pc.ConnConfig.RuntimeParams["jit"] = "off" // statements here touch few rows; compiling one takes longer than running it
	// Statements here find rows by their keys, which has one best plan. Left to itself the server takes most of them for better planned
	// anew with each array of keys: a quarter of what it computed for an evaluation. See planned for the others.
	pc.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	pc.ConnConfig.RuntimeParams["enable_seqscan"] = "off" // a plan made while a table was small must not read it whole when it has grown
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("open database pool: %w", err)
	}
	return &DB{pool: pool, log: log, spoolMax: cfg.SpoolMaxBytes}, nil
}

// setDefaults fills in what the URL leaves open. Times are read and written in UTC.
func setDefaults(cc *pgx.ConnConfig, name string) {
	if cc.ConnectTimeout == 0 {
		cc.ConnectTimeout = 5 * time.Second
	}
	if cc.RuntimeParams["application_name"] == "" {
		cc.RuntimeParams["application_name"] = name
	}
	cc.RuntimeParams["timezone"] = "UTC"
}

// Close waits for connections in use and closes all.
func (db *DB) Close() { db.pool.Close() }

// Ready asks the server for an answer within two seconds.
func (db *DB) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return translate("ask the database", db.pool.Ping(ctx))
}

// OnOutbox sets a function that is called after each commit that left rows in the outbox. It must not block.
func (db *DB) OnOutbox(nudge func()) { db.onOutbox.Store(&nudge) }

// OnLeft sets a function that is given what a commit left in the outbox, to be sent at once and then deleted ([Outbox.Delete]). It
// must not block. Relays leave those rows alone for a second. The function of [DB.OnOutbox] is called for all other commits.
func (db *DB) OnLeft(take func(pipeline.Left)) { db.onLeft.Store(&take) }

// holdTime is how long rows are held for whoever was given them. Halved, a busy process would send what others send too; doubled, what a
// killed one left would wait longer.
const holdTime = time.Second

// hold is how long rows of the outbox that are about to be written are to be held.
func (db *DB) hold() time.Duration {
	if db.onLeft.Load() == nil {
		return 0
	}
	return holdTime
}

// hand gives away what a commit left, and was written with [DB.hold].
func (db *DB) hand(l pipeline.Left) {
	if len(l.Rows) == 0 {
		return
	}
	if take := db.onLeft.Load(); take != nil {
		(*take)(l)
		return
	}
	db.nudge()
}

func (db *DB) nudge() {
	if f := db.onOutbox.Load(); f != nil {
		(*f)()
	}
}

// with runs fn on a connection of its own, bounded in time, and translates its error. A transaction that fn left open is
// rolled back.
func (db *DB) with(ctx context.Context, op string, fn func(ctx context.Context, c *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	c, err := db.pool.Acquire(ctx)
	if err != nil {
		return translate(op, err)
	}
	defer c.Release()
	err = fn(ctx, c.Conn())
	if c.Conn().PgConn().TxStatus() != 'I' && !c.Conn().IsClosed() {
		rollback(ctx, c.Conn())
	}
	return translate(op, err)
}

// planned is [DB.with] for statements whose best plan depends on their arguments, such as searches. All of them are one transaction.
func (db *DB) planned(ctx context.Context, op string, fn func(ctx context.Context, c *pgx.Conn) error) error {
	return db.with(ctx, op, func(ctx context.Context, c *pgx.Conn) error {
		b := beginBatch()
		b.Queue("SET LOCAL plan_cache_mode = auto")
		b.Queue("SET LOCAL enable_seqscan = on")
		if err := send(ctx, c, b); err != nil {
			return err
		}
		if err := fn(ctx, c); err != nil {
			return err
		}
		return commit(ctx, c, &pgx.Batch{})
	})
}

// rollback ends the transaction also when ctx is over; a connection that does not answer is thrown away by the pool.
func rollback(ctx context.Context, c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	_, _ = c.Exec(ctx, "rollback") // the pool closes connections that are still inside a transaction
}

// beginBatch starts a batch whose statements run in a transaction that stays open after it.
func beginBatch() *pgx.Batch {
	b := &pgx.Batch{}
	b.Queue("begin")
	return b
}

// send runs a batch and the callbacks of its statements.
func send(ctx context.Context, c *pgx.Conn, b *pgx.Batch) error { return c.SendBatch(ctx, b).Close() }

// commit runs the last batch of a transaction. COMMIT travels with it and is reached only if every statement succeeded.
func commit(ctx context.Context, c *pgx.Conn, b *pgx.Batch) error {
	b.Queue("commit")
	return send(ctx, c, b)
}

// newID makes an identifier that sorts by creation time: the prefix, "_" and a lower-case ULID.
func newID(prefix string) string { return prefix + "_" + strings.ToLower(ulid.Make().String()) }

// exec runs one statement in a transaction of its own.
func (db *DB) exec(ctx context.Context, op, sql string, args ...any) error {
	return db.with(ctx, op, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, sql, args...)
		return err
	})
}
