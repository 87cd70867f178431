package account_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"oktalk/internal/account"
	"oktalk/internal/evaluation"
)

// store is an account store in memory.
type store struct {
	users map[string]string // name -> id
	keys  map[string]string // hash -> user name
	roles map[string]account.Role
	hints []string
	acts  []account.Act // that made keys
	down  bool
}

func newStore() *store {
	return &store{users: map[string]string{}, keys: map[string]string{}, roles: map[string]account.Role{}}
}

func (s *store) EnsureUser(_ context.Context, name string) (string, error) {
	if s.down {
		return "", evaluation.ErrUnavailable
	}
	if _, ok := s.users[name]; !ok {
		s.users[name] = fmt.Sprintf("user_%d", len(s.users)+1)
	}
	return s.users[name], nil
}

func (s *store) CreateKey(_ context.Context, userID, hint string, hash []byte, act account.Act) (string, error) {
	s.acts = append(s.acts, act)
	for name, id := range s.users {
		if id == userID {
			s.keys[string(hash)] = name
		}
	}
	s.hints = append(s.hints, hint)
	return "key_1", nil
}

func (s *store) ListKeys(context.Context) ([]account.Key, error) { return nil, nil }

func (s *store) RevokeKey(context.Context, string, account.Act) error { return evaluation.ErrNotFound }

func (s *store) UserByKeyHash(_ context.Context, hash []byte) (account.Caller, error) {
	name, ok := s.keys[string(hash)]
	if !ok {
		return account.Caller{}, evaluation.ErrUnauthorized
	}
	return account.Caller{UserID: s.users[name], UserName: name, KeyID: "key_1", Role: s.roles[s.users[name]]}, nil
}

func (s *store) SetRole(_ context.Context, userID string, role account.Role, _ account.Act) error {
	s.roles[userID] = role
	return nil
}

func TestKeys(t *testing.T) {
	t.Parallel()
	s := newStore()
	service := account.NewService(s)
	created, err := service.CreateKey(t.Context(), "  ann ")
	if err != nil {
		t.Fatalf("CreateKey(ann) = %v", err)
	}
	if len(created.Key) != 47 || !strings.HasPrefix(created.Key, "okt_") {
		t.Errorf("CreateKey(ann).Key has %d characters and starts with %q, want 47 and okt_", len(created.Key), created.Key[:4])
	}
	if hint := s.hints[0]; len(hint) != 10 || !strings.HasPrefix(created.Key, hint) {
		t.Errorf("hint = %q, want the first 10 characters of the key", hint)
	}
	if _, stored := s.keys[created.Key]; stored {
		t.Error("the key itself is stored")
	}
	caller, err := service.Authenticate(t.Context(), created.Key)
	if err != nil || caller != (account.Caller{UserID: "user_1", UserName: "ann", KeyID: "key_1"}) {
		t.Errorf("Authenticate(key) = %+v, %v", caller, err)
	}
	again, err := service.As(account.Act{Actor: "ada", Why: "lost hers"}).CreateKey(t.Context(), "ann")
	if want := []account.Act{{Actor: "a program"}, {Actor: "ada", Why: "lost hers"}}; !slices.Equal(s.acts, want) {
		t.Errorf("keys were made by %v, want %v", s.acts, want)
	}
	if err != nil || again.UserID != created.UserID || again.Key == created.Key {
		t.Errorf("second CreateKey(ann) = %+v, %v, want the same user and another key", again, err)
	}
}

func TestAuthenticateRefuses(t *testing.T) {
	t.Parallel()
	service := account.NewService(newStore())
	for _, key := range []string{"", "okt_", "okt_short", strings.Repeat("x", 47), "okt_" + strings.Repeat("!", 43), "okt_" + strings.Repeat("A", 43)} {
		if _, err := service.Authenticate(t.Context(), key); !errors.Is(err, evaluation.ErrUnauthorized) {
			t.Errorf("Authenticate(%q) = %v, want ErrUnauthorized", key, err)
		}
	}
}

func TestCreateKeyRefusesNames(t *testing.T) {
	t.Parallel()
	service := account.NewService(newStore())
	for _, name := range []string{"", "  ", strings.Repeat("n", 201)} {
		if _, err := service.CreateKey(t.Context(), name); err == nil {
			t.Errorf("CreateKey(%q) succeeded", name)
		}
	}
	down := newStore()
	down.down = true
	if _, err := account.NewService(down).CreateKey(t.Context(), "ann"); !errors.Is(err, evaluation.ErrUnavailable) {
		t.Errorf("CreateKey with the store away = %v, want ErrUnavailable", err)
	}
}

type secrets struct {
	mu     sync.Mutex
	values map[string][]byte
	err    error
	calls  int
}

func (s *secrets) Secret(_ context.Context, name string, generate func() []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.err != nil {
		return nil, s.err
	}
	if s.values == nil {
		s.values = map[string][]byte{}
	}
	if s.values[name] == nil {
		s.values[name] = generate()
	}
	return s.values[name], nil
}

type once struct {
	mu   sync.Mutex
	seen map[string]bool
	err  error
}

func (o *once) Mark(_ context.Context, id string, _ time.Duration) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return false, o.err
	}
	if o.seen == nil {
		o.seen = map[string]bool{}
	}
	first := !o.seen[id]
	o.seen[id] = true
	return first, nil
}

type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func setupTickets(t *testing.T) (*account.Tickets, *secrets, *once, *clock) {
	t.Helper()
	s, o, c := &secrets{}, &once{}, &clock{at: time.Date(2026, 1, 22, 10, 0, 0, 0, time.UTC)}
	return account.NewTickets(s, o, slog.New(slog.DiscardHandler), c.now), s, o, c
}

var ann = account.Caller{UserID: "user_1", KeyID: "key_1"}

// redeem checks a ticket and uses it up.
func redeem(t *testing.T, tickets *account.Tickets, ticket, evaluationID string) error {
	t.Helper()
	_, use, err := tickets.Check(t.Context(), ticket, evaluationID)
	if err != nil {
		return err
	}
	return use(t.Context())
}

func TestTicketIsUsedOnce(t *testing.T) {
	t.Parallel()
	tickets, sec, _, _ := setupTickets(t)
	ticket, err := tickets.Issue(t.Context(), ann, "eval_1")
	if err != nil {
		t.Fatalf("Issue = %v", err)
	}
	bearer, _, err := tickets.Check(t.Context(), ticket, "eval_1")
	if want := (account.Caller{UserID: "user_1", KeyID: "key_1", ByTicket: true}); err != nil || bearer != want {
		t.Errorf("Check = %+v, %v, want %+v", bearer, err, want)
	}
	if err := redeem(t, tickets, ticket, "eval_1"); err != nil {
		t.Errorf("use = %v after a look at it, which does not use it up", err)
	}
	if err := redeem(t, tickets, ticket, "eval_1"); !errors.Is(err, evaluation.ErrUnauthorized) {
		t.Errorf("second Redeem = %v, want ErrUnauthorized", err)
	}
	if sec.calls != 1 {
		t.Errorf("the secret was read %d times, want 1", sec.calls)
	}
}

func TestTicketOfAnotherProcess(t *testing.T) {
	t.Parallel()
	tickets, sec, _, c := setupTickets(t)
	ticket, err := tickets.Issue(t.Context(), ann, "eval_1")
	if err != nil {
		t.Fatalf("Issue = %v", err)
	}
	other := account.NewTickets(sec, &once{}, slog.New(slog.DiscardHandler), c.now)
	if err := redeem(t, other, ticket, "eval_1"); err != nil {
		t.Errorf("Redeem in another process = %v", err)
	}
}

func TestTicketRefusals(t *testing.T) {
	t.Parallel()
	tickets, _, _, c := setupTickets(t)
	ticket, err := tickets.Issue(t.Context(), ann, "eval_1")
	if err != nil {
		t.Fatalf("Issue = %v", err)
	}
	strangers, _, _, _ := setupTickets(t)
	foreign, err := strangers.Issue(t.Context(), ann, "eval_1")
	if err != nil {
		t.Fatalf("Issue = %v", err)
	}
	unsigned := "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + strings.Split(ticket, ".")[1] + "."
	for name, try := range map[string]struct{ ticket, id string }{
		"another evaluation": {ticket, "eval_2"}, "another secret": {foreign, "eval_1"}, "not signed": {unsigned, "eval_1"},
		"cut short": {ticket[:len(ticket)-2], "eval_1"}, "empty": {"", "eval_1"}, "nonsense": {"a.b.c", "eval_1"},
	} {
		if err := redeem(t, tickets, try.ticket, try.id); !errors.Is(err, evaluation.ErrUnauthorized) {
			t.Errorf("Redeem(%s) = %v, want ErrUnauthorized", name, err)
		}
	}
	c.at = c.at.Add(account.TicketLife + time.Second)
	if err := redeem(t, tickets, ticket, "eval_1"); !errors.Is(err, evaluation.ErrUnauthorized) {
		t.Errorf("Redeem after its life = %v, want ErrUnauthorized", err)
	}
}

func TestTicketsWhileStoresAreAway(t *testing.T) {
	t.Parallel()
	tickets, sec, o, _ := setupTickets(t)
	sec.err = evaluation.ErrUnavailable
	if _, err := tickets.Issue(t.Context(), ann, "eval_1"); !errors.Is(err, evaluation.ErrUnavailable) {
		t.Errorf("Issue without the secret = %v, want ErrUnavailable", err)
	}
	sec.err = nil
	ticket, err := tickets.Issue(t.Context(), ann, "eval_1")
	if err != nil {
		t.Fatalf("Issue once the secret is back = %v", err)
	}
	o.err = errors.New("connection refused")
	for range 2 {
		if err := redeem(t, tickets, ticket, "eval_1"); err != nil {
			t.Errorf("Redeem while marks are away = %v, want success by signature and expiry", err)
		}
	}
}

func FuzzCheck(f *testing.F) {
	tickets := account.NewTickets(&secrets{}, &once{}, slog.New(slog.DiscardHandler), time.Now)
	f.Add("")
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, ticket string) {
		if err := redeem(t, tickets, ticket, "eval_1"); !errors.Is(err, evaluation.ErrUnauthorized) {
			t.Errorf("Redeem(%q) = %v, want ErrUnauthorized", ticket, err)
		}
	})
}
