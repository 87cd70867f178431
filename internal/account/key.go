package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"oktalk/internal/evaluation"
)

const (
	keyPrefix = "okt_"
	keyBytes  = 32 // 256 bits: guessing one is hopeless even against a fast hash
	keyLength = len(keyPrefix) + 43
	hintChars = len(keyPrefix) + 6 // 36 of 256 bits: enough to recognize a key, useless for guessing it
	nameLimit = 200                // characters of a user name
)

// Caller is who makes a request.
type Caller struct {
	UserID   string
	UserName string
	KeyID    string // the key in use, or with which the ticket was asked for
	Role     Role   // empty when a ticket was used
	ByTicket bool   // a ticket was used, and so one evaluation is open to the caller
}

// Role is what a user may do besides using the API for themselves.
type Role string

// The roles.
const (
	RoleUser  Role = "user"
	RoleAdmin Role = "admin" // /v1/admin: sees and replays everybody's work
)

// Key is an API key as it is listed: without the secret.
type Key struct {
	ID         string
	UserID     string
	UserName   string
	Hint       string    // the first characters of the key
	CreatedAt  time.Time // UTC
	LastUsedAt time.Time // exact to a minute; zero: never used
	RevokedAt  time.Time // zero: in force
}

// CreatedKey is a new API key with its secret, which is nowhere else.
type CreatedKey struct {
	ID     string `json:"id"`
	UserID string `json:"user_id"`
	Key    string `json:"key"`
}

// Act is who changes accounts and why, as it is kept for audit.
type Act struct {
	Actor string
	Why   string
}

// Store keeps users and the hashes of their keys. A change of a role or a key is written to the record for audit with it, all or nothing.
type Store interface {
	// EnsureUser returns the user of that name, made if needed.
	EnsureUser(ctx context.Context, name string) (userID string, err error)
	// SetRole gives a user a role.
	SetRole(ctx context.Context, userID string, role Role, act Act) error
	// CreateKey stores a key by its hash.
	CreateKey(ctx context.Context, userID, hint string, hash []byte, act Act) (id string, err error)
	// ListKeys returns all keys, revoked ones too, newest first.
	ListKeys(ctx context.Context) ([]Key, error)
	// RevokeKey ends a key; [evaluation.ErrNotFound] if there is none of that id.
	RevokeKey(ctx context.Context, id string, act Act) error
	// UserByKeyHash finds the user of a key in force; [evaluation.ErrUnauthorized] if there is none.
	UserByKeyHash(ctx context.Context, hash []byte) (Caller, error)
}

// Service makes, lists, revokes and checks API keys. It is safe for concurrent use.
type Service struct {
	store Store
	act   Act
}

// NewService makes a service over a store. What it changes is recorded as done by "a program": see [Service.As].
func NewService(store Store) *Service { return &Service{store: store, act: Act{Actor: "a program"}} }

// As is the same service for somebody: what it changes is recorded as theirs.
func (s *Service) As(act Act) *Service { return &Service{store: s.store, act: act} }

// SetRole gives the user of that name, who is made if needed, a role, and so all of their keys. New users have [RoleUser].
func (s *Service) SetRole(ctx context.Context, userName string, role Role) error {
	if role != RoleUser && role != RoleAdmin {
		return fmt.Errorf("there is no role %q; there are %s and %s", role, RoleUser, RoleAdmin)
	}
	userName, err := checkName(userName)
	if err != nil {
		return fmt.Errorf("set role: %w", err)
	}
	userID, err := s.store.EnsureUser(ctx, userName)
	if err == nil {
		err = s.store.SetRole(ctx, userID, role, s.act)
	}
	if err != nil {
		return fmt.Errorf("set role of %q: %w", userName, err)
	}
	return nil
}

func checkName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" || len([]rune(name)) > nameLimit {
		return "", fmt.Errorf("the user name must have 1 to %d characters", nameLimit)
	}
	return name, nil
}

// CreateKey makes a key for the user of that name, who is made if needed.
func (s *Service) CreateKey(ctx context.Context, userName string) (CreatedKey, error) {
	userName, err := checkName(userName)
	if err != nil {
		return CreatedKey{}, fmt.Errorf("create key: %w", err)
	}
	userID, err := s.store.EnsureUser(ctx, userName)
	if err != nil {
		return CreatedKey{}, fmt.Errorf("create key for %q: %w", userName, err)
	}
	key := newKey()
	id, err := s.store.CreateKey(ctx, userID, key[:hintChars], hashKey(key), s.act)
	if err != nil {
		return CreatedKey{}, fmt.Errorf("create key for %q: %w", userName, err)
	}
	return CreatedKey{ID: id, UserID: userID, Key: key}, nil
}

// ListKeys returns all keys, revoked ones too, newest first.
func (s *Service) ListKeys(ctx context.Context) ([]Key, error) { return s.store.ListKeys(ctx) }

// RevokeKey ends a key at once; [evaluation.ErrNotFound] if there is none of that id.
func (s *Service) RevokeKey(ctx context.Context, id string) error {
	return s.store.RevokeKey(ctx, id, s.act)
}

// Authenticate finds the caller of a key. The error wraps [evaluation.ErrUnauthorized] when the key is malformed, unknown
// or revoked, and [evaluation.ErrUnavailable] when that cannot be told now.
func (s *Service) Authenticate(ctx context.Context, key string) (Caller, error) {
	if !wellFormed(key) {
		return Caller{}, fmt.Errorf("malformed key: %w", evaluation.ErrUnauthorized)
	}
	c, err := s.store.UserByKeyHash(ctx, hashKey(key))
	if err != nil {
		return Caller{}, fmt.Errorf("authenticate key: %w", err)
	}
	return c, nil
}

func newKey() string {
	b := make([]byte, keyBytes)
	_, _ = rand.Read(b) // never fails: crypto/rand documents that it crashes the program instead
	return keyPrefix + base64.RawURLEncoding.EncodeToString(b)
}

func hashKey(key string) []byte {
	sum := sha256.Sum256([]byte(key))
	return sum[:]
}

// wellFormed spares the store a query for what cannot be a key.
func wellFormed(key string) bool {
	if len(key) != keyLength || !strings.HasPrefix(key, keyPrefix) {
		return false
	}
	_, err := base64.RawURLEncoding.DecodeString(key[len(keyPrefix):])
	return err == nil
}
