package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// translate turns an error of the driver into one of the domain, once, at the edge of this package. Domain errors and
// cancellation pass through with the operation's name.
func translate(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case isDomain(err):
		return fmt.Errorf("%s: %w", op, err)
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("%s: %w", op, evaluation.ErrNotFound)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", op, context.Canceled)
	case isAway(err):
		return fmt.Errorf("%s: database %w: %v", op, evaluation.ErrUnavailable, err) //nolint:errorlint // driver errors stay inside
	default:
		return fmt.Errorf("%s: %v", op, err) //nolint:errorlint // driver errors stay inside
	}
}

func isDomain(err error) bool {
	for _, known := range []error{
		evaluation.ErrNotFound, evaluation.ErrUnavailable, evaluation.ErrUnauthorized, evaluation.ErrFull,
		evaluation.ErrIdempotencyConflict, evaluation.ErrIdempotencyMismatch,
		pipeline.ErrSettled, pipeline.ErrBusy, pipeline.ErrSuperseded,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// isAway reports whether the same call may succeed later: no connection, a server that starts, stops or fails over, one that
// ran out of a resource, a deadline, or a deadlock that this transaction lost.
func isAway(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return isAwayCode(pg.Code)
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err) || pgconn.Timeout(err)
}

// isAwayCode knows the classes of PostgreSQL's appendix A: 08 connection, 40 rollback, 53 resources, 57 operator intervention,
// 58 system error; 25006 is a server that became read-only, 25P03 a transaction that idled too long, 55P03 a lock not to be had.
func isAwayCode(code string) bool {
	for _, class := range []string{"08", "40", "53", "57", "58"} {
		if strings.HasPrefix(code, class) {
			return true
		}
	}
	return code == "25006" || code == "25P03" || code == "55P03"
}

func hasCode(err error, code string) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == code
}

// maxErrorText is how many characters of an error are kept.
const maxErrorText = 2000

// errorText makes an error's text storable.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	return storable(err.Error(), maxErrorText)
}

// storable makes text that came from outside fit a column: no NUL bytes, which PostgreSQL cannot store, valid UTF-8, and at most
// limit characters.
func storable(s string, limit int) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit])
}

func isNoRows(err error) bool { return errors.Is(err, pgx.ErrNoRows) }
