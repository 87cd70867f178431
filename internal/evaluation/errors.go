package evaluation

import (
	"errors"
	"time"
)

// Conditions that callers branch on. Adapters translate their drivers' errors to these.
var (
	// ErrNotFound is for what does not exist, was deleted, or belongs to another user.
	ErrNotFound = errors.New("not found")
	// ErrUnavailable is for a store or service that is away: the call may be repeated later.
	ErrUnavailable = errors.New("unavailable")
	// ErrUnauthorized is for a missing, unknown or revoked key, or a bad ticket.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrIdempotencyConflict is for a key whose first request is still running.
	ErrIdempotencyConflict = errors.New("a request with this idempotency key is still running")
	// ErrIdempotencyMismatch is for a key that was used with other content.
	ErrIdempotencyMismatch = errors.New("this idempotency key was used with other content")
	// ErrFull is for a bounded buffer that takes no more.
	ErrFull = errors.New("full")
)

// Refusal is a recording or text that cannot be evaluated. Nothing is stored for it.
type Refusal struct {
	Problem    string        // problem name: no-speech, too-quiet, too-noisy, clipped, too-short, too-long, text-mismatch, …
	Message    string        // one or two sentences a client can show, saying what to do
	RetryAfter time.Duration // for assessor-unavailable; 0 means no header
}

// Error implements error.
func (r *Refusal) Error() string { return r.Problem + ": " + r.Message }

// Refuse makes a Refusal.
func Refuse(problem, message string) *Refusal { return &Refusal{Problem: problem, Message: message} }
