package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"oktalk/internal/evaluation"
	"oktalk/internal/telemetry"
)

// TicketLife is how long a ticket can be used after it was made: long enough to open a socket over a slow line.
const TicketLife = 60 * time.Second

const (
	ticketSecretName = "ticket-signing-key"
	ticketAudience   = "progress"
	ticketSecretLen  = 32 // RFC 7518, section 3.2: an HS256 key has at least 256 bits
)

// Secrets keeps secrets that all processes share.
type Secrets interface {
	// Secret returns the secret of that name, made by the first caller with generate.
	Secret(ctx context.Context, name string, generate func() []byte) ([]byte, error)
}

// Once remembers what has been used.
type Once interface {
	// Mark reports whether id is marked for the first time within ttl.
	Mark(ctx context.Context, id string, ttl time.Duration) (first bool, err error)
}

// Tickets makes and redeems tickets. It is safe for concurrent use.
type Tickets struct {
	secrets Secrets
	once    Once
	log     *slog.Logger
	now     func() time.Time

	mu     sync.Mutex
	secret []byte // guarded by mu; nil until first needed, so that a process starts while the store is away
}

// NewTickets makes tickets signed with a shared secret. now is the clock, time.Now outside tests.
func NewTickets(secrets Secrets, once Once, log *slog.Logger, now func() time.Time) *Tickets {
	return &Tickets{secrets: secrets, once: once, log: log, now: now}
}

type ticketClaims struct {
	jwt.RegisteredClaims
	EvaluationID string `json:"evl"`
	KeyID        string `json:"key"` // with which it was asked for
}

// Issue makes a ticket that lets its bearer follow one evaluation as the caller, once, within [TicketLife]. It does
// not check that the evaluation is the caller's. The error wraps [evaluation.ErrUnavailable] when the secret cannot be read.
func (t *Tickets) Issue(ctx context.Context, c Caller, evaluationID string) (string, error) {
	secret, err := t.signingKey(ctx)
	if err != nil {
		return "", err
	}
	now := t.now()
	claims := ticketClaims{EvaluationID: evaluationID, KeyID: c.KeyID, RegisteredClaims: jwt.RegisteredClaims{
		ID: rand.Text(), Subject: c.UserID, Audience: jwt.ClaimStrings{ticketAudience},
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(TicketLife)),
	}}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret)
	if err != nil {
		return "", fmt.Errorf("sign ticket for %s: %w", evaluationID, err)
	}
	return token, nil
}

// Check returns the bearer of a ticket without using it up, which use does: to be called when nothing else can go wrong. The error wraps
// [evaluation.ErrUnauthorized] when the ticket is forged, expired, for another evaluation or, from use, used before, and
// [evaluation.ErrUnavailable] when the secret cannot be read.
func (t *Tickets) Check(ctx context.Context, ticket, evaluationID string) (bearer Caller, use func(context.Context) error, err error) {
	secret, err := t.signingKey(ctx)
	if err != nil {
		return Caller{}, nil, err
	}
	var claims ticketClaims
	_, err = jwt.ParseWithClaims(ticket, &claims, func(*jwt.Token) (any, error) { return secret, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithAudience(ticketAudience),
		jwt.WithExpirationRequired(), jwt.WithTimeFunc(t.now), jwt.WithStrictDecoding())
	switch {
	case err != nil: // the library's reason may quote the ticket
		return Caller{}, nil, fmt.Errorf("invalid or expired ticket: %w", evaluation.ErrUnauthorized)
	case claims.EvaluationID != evaluationID || claims.Subject == "" || claims.ID == "":
		return Caller{}, nil, fmt.Errorf("ticket for another evaluation: %w", evaluation.ErrUnauthorized)
	}
	use = func(ctx context.Context) error { return t.use(ctx, claims.ID) }
	return Caller{UserID: claims.Subject, KeyID: claims.KeyID, ByTicket: true}, use, nil
}

// use marks a ticket as used. It is remembered for twice the ticket's life, so that clocks may differ a little.
func (t *Tickets) use(ctx context.Context, id string) error {
	first, err := t.once.Mark(ctx, "ticket:"+id, 2*TicketLife)
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("redeem ticket: %w", ctx.Err())
	case err != nil:
		t.log.Warn("ticket accepted without the check that it is used once", telemetry.KeyErr, err)
		return nil
	case !first:
		return fmt.Errorf("ticket was used before: %w", evaluation.ErrUnauthorized)
	}
	return nil
}

func (t *Tickets) signingKey(ctx context.Context) ([]byte, error) {
	t.mu.Lock()
	secret := t.secret
	t.mu.Unlock()
	if secret != nil {
		return secret, nil
	}
	secret, err := t.secrets.Secret(ctx, ticketSecretName, newTicketSecret)
	if err != nil {
		return nil, fmt.Errorf("read the secret that signs tickets: %w", err)
	}
	if len(secret) < ticketSecretLen {
		return nil, errors.New("the stored secret that signs tickets is shorter than 32 bytes")
	}
	t.mu.Lock()
	t.secret = secret
	t.mu.Unlock()
	return secret, nil
}

func newTicketSecret() []byte {
	b := make([]byte, ticketSecretLen)
	_, _ = rand.Read(b) // never fails
	return b
}
