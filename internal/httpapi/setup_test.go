package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"oktalk/internal/account"
	"oktalk/internal/evaluation"
	"oktalk/internal/httpapi"
	"oktalk/internal/intake"
)

const (
	annsKey   = "okt_ann"
	bobsKey   = "okt_bob"
	adminsKey = "okt_ada"
	annsEval  = "eval_01jd3k8v5n9q2w7x4y6z0a1b2c"
	noEval    = "eval_01jd3k8v5n9q2w7x4y6z0a1b2d"
)

// world is everything behind the API. Tests replace the functions they are about.
type world struct {
	authenticate func(key string) (account.Caller, error)
	admit        func() (func(), error)
	issue        func(userID, id string) (string, error)
	check        func(ticket, id string) (account.Caller, error)
	use          func() error
	used         int // tickets used up
	stopping     chan struct{}
	create       func(ctx context.Context, req intake.Request) (*evaluation.Evaluation, bool, error)
	get          func(userID, id string) (*evaluation.Evaluation, error)
	list         func(userID string, limit int, before string) ([]*evaluation.Evaluation, error)
	remove       func(userID, id string) error
	presign      func(key, name string) (string, time.Time, error)
	spooled      func(key string) (string, []byte, error)
	socket       func(w http.ResponseWriter, r *http.Request, id string) error
	events       func(w http.ResponseWriter, r *http.Request, id string, last int64) error
	wait         func(ctx context.Context, id string, after int64, timeout time.Duration) (evaluation.Message, error)
	checks       []httpapi.Check
	replays      *replays
	cfg          httpapi.Config

	log *logBuffer
}

// logBuffer keeps what the server logs.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var expiry = time.Date(2026, 1, 25, 10, 35, 0, 0, time.UTC)

// newWorld is a world in which ann has one evaluation.
func newWorld() *world {
	w := &world{cfg: httpapi.Config{Addr: "127.0.0.1:0"}, log: &logBuffer{}, replays: &replays{}}
	w.authenticate = func(key string) (account.Caller, error) {
		switch key {
		case annsKey:
			return account.Caller{UserID: "user_ann", UserName: "ann", KeyID: "key_1"}, nil
		case adminsKey:
			return account.Caller{UserID: "user_ada", UserName: "ada", KeyID: "key_3", Role: account.RoleAdmin}, nil
		case bobsKey:
			return account.Caller{UserID: "user_bob", UserName: "bob", KeyID: "key_2"}, nil
		}
		return account.Caller{}, evaluation.ErrUnauthorized
	}
	w.issue = func(_, id string) (string, error) { return "ticket-for-" + id, nil }
	w.use = func() error { return nil }
	w.check = func(ticket, id string) (account.Caller, error) {
		if ticket != "ticket-for-"+id {
			return account.Caller{}, evaluation.ErrUnauthorized
		}
		return account.Caller{UserID: "user_ann", KeyID: "key_1", ByTicket: true}, nil
	}
	w.create = func(context.Context, intake.Request) (*evaluation.Evaluation, bool, error) {
		return sample(), false, nil
	}
	w.admit = func() (func(), error) { return func() {}, nil }
	w.get = func(userID, id string) (*evaluation.Evaluation, error) {
		if userID != "user_ann" || id != annsEval {
			return nil, evaluation.ErrNotFound
		}
		return sample(), nil
	}
	w.list = func(string, int, string) ([]*evaluation.Evaluation, error) { return nil, nil }
	w.remove = func(userID, id string) error { _, err := w.get(userID, id); return err }
	w.presign = func(key, name string) (string, time.Time, error) {
		return "http://s3/" + key + "?sig&name=" + name, expiry, nil
	}
	w.spooled = func(string) (string, []byte, error) { return "", nil, evaluation.ErrNotFound }
	w.socket = func(w http.ResponseWriter, _ *http.Request, id string) error {
		_, err := io.WriteString(w, "socket "+id)
		return err
	}
	w.events = func(w http.ResponseWriter, _ *http.Request, id string, last int64) error {
		_, err := io.WriteString(w, strings.Join([]string{"events", id, string(rune('0' + last))}, " "))
		return err
	}
	w.wait = func(context.Context, string, int64, time.Duration) (evaluation.Message, error) {
		s, err := sample().Snapshot()
		return s.Message(true), err
	}
	return w
}

func (w *world) Authenticate(_ context.Context, key string) (account.Caller, error) {
	return w.authenticate(key)
}

func (w *world) Issue(_ context.Context, c account.Caller, id string) (string, error) {
	return w.issue(c.UserID, id)
}

func (w *world) Check(_ context.Context, ticket, id string) (account.Caller, func(context.Context) error, error) {
	c, err := w.check(ticket, id)
	return c, func(context.Context) error { w.used++; return w.use() }, err
}

func (w *world) Admit() (func(), error) { return w.admit() }

func (w *world) Create(ctx context.Context, req intake.Request) (*evaluation.Evaluation, bool, error) {
	return w.create(ctx, req)
}

func (w *world) Owns(ctx context.Context, userID, id string) error {
	_, err := w.Get(ctx, userID, id)
	return err
}

func (w *world) Get(_ context.Context, userID, id string) (*evaluation.Evaluation, error) {
	return w.get(userID, id)
}

func (w *world) List(_ context.Context, userID string, limit int, before string) ([]*evaluation.Evaluation, error) {
	return w.list(userID, limit, before)
}
func (w *world) Delete(_ context.Context, userID, id string) error { return w.remove(userID, id) }
func (w *world) Presign(_ context.Context, key, name string) (string, time.Time, error) {
	return w.presign(key, name)
}

func (w *world) ServeWebSocket(rw http.ResponseWriter, r *http.Request, id string, viewer evaluation.Viewer) error {
	if viewer.KeyID == "" {
		return errors.New("the socket is not held to a key")
	}
	if err := viewer.Admit(r.Context()); err != nil {
		return err
	}
	return w.socket(rw, r, id)
}

func (w *world) ServeEvents(rw http.ResponseWriter, r *http.Request, id string, last int64, viewer evaluation.Viewer) error {
	if err := viewer.Admit(r.Context()); err != nil {
		return err
	}
	return w.events(rw, r, id, last)
}

func (w *world) Wait(ctx context.Context, id string, after int64, timeout time.Duration) (evaluation.Message, error) {
	return w.wait(ctx, id, after, timeout)
}

type spool struct{ w *world }

func (s spool) Get(_ context.Context, key string) (string, []byte, error) { return s.w.spooled(key) }

func (w *world) handler(t testing.TB) http.Handler {
	t.Helper()
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	h, err := httpapi.New(w.cfg, httpapi.Deps{
		Accounts: w, Tickets: w, Intake: w, Evaluations: w, Objects: w, Spool: spool{w}, Progress: w, Replays: w.replays, Checks: w.checks, Stopping: w.stopping, Log: log,
	})
	if err != nil {
		t.Fatalf("New = %v", err)
	}
	return h
}

// serve runs the API on a real socket with the server's own limits.
func (w *world) serve(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.Config = httpapi.NewServer(w.handler(t), slog.New(slog.DiscardHandler))
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// sample is ann's evaluation: scored, coaching text ready, its audio pending, no demo.
func sample() *evaluation.Evaluation {
	e := &evaluation.Evaluation{
		ID: annsEval, UserID: "user_ann", Version: 1, CreatedAt: time.Date(2026, 1, 22, 10, 35, 0, 0, time.UTC),
		TargetText: "I like apples", Language: "en-US", Category: evaluation.CategorySentence, FeedbackLanguage: "en", DemoMode: evaluation.DemoNever,
		Recording:  evaluation.Recording{ObjectKey: "evaluations/" + annsEval + "/recording.wav", Format: "wav", Duration: 1840 * time.Millisecond},
		Assessment: &evaluation.Assessment{Assessor: "offline", Scores: evaluation.Scores{Overall: 77, Accuracy: 75, Fluency: 82, Integrity: 100}, Level: "B"},
	}
	for _, word := range evaluation.TextWords(e.TargetText) {
		e.Assessment.Words = append(e.Assessment.Words, evaluation.Word{Text: word, Score: 75, Error: evaluation.WordCorrect})
	}
	e.Plan()
	return e
}

// request is made with ann's key, unless it has an Authorization header of its own.
func request(method, path string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, path, http.NoBody)
	r.Header.Set("Authorization", "Bearer "+annsKey)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func do(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// part is one part of a form; a file if it has a file name.
type part struct{ name, file, value string }

func formBody(parts ...part) (contentType string, body *bytes.Buffer) {
	body = &bytes.Buffer{}
	m := multipart.NewWriter(body)
	for _, p := range parts {
		var w io.Writer
		if p.file != "" {
			w, _ = m.CreateFormFile(p.name, p.file)
		} else {
			w, _ = m.CreateFormField(p.name)
		}
		_, _ = io.WriteString(w, p.value)
	}
	_ = m.Close()
	return m.FormDataContentType(), body
}

func post(parts ...part) *http.Request {
	contentType, body := formBody(parts...)
	r := httptest.NewRequest(http.MethodPost, "/v1/evaluations", body)
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Authorization", "Bearer "+annsKey)
	return r
}

var (
	audioPart = part{"audio", "me.wav", "RIFF"}
	textPart  = part{"target_text", "", "I like apples"}
)

type problemBody struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	RequestID string `json:"request_id"`
	Artifact  string `json:"artifact"`
	State     string `json:"state"`
}

// wantProblem checks that an answer is a whole problem of that kind, and returns it.
func wantProblem(t *testing.T, w *httptest.ResponseRecorder, status int, name string) problemBody {
	t.Helper()
	var p problemBody
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("answer %d %q is not JSON: %v", w.Code, w.Body, err)
	}
	if w.Code != status || p.Status != status || p.Type != "/problems/"+name {
		t.Errorf("answer = %d with %s (status %d: %s), want %d with /problems/%s", w.Code, p.Type, p.Status, p.Detail, status, name)
	}
	if ct := w.Header().Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("content type = %q, want application/problem+json", ct)
	}
	if p.Title == "" || p.Detail == "" || p.RequestID == "" || p.RequestID != w.Header().Get("X-Request-Id") {
		t.Errorf("problem = %+v with X-Request-Id %q: a member is missing or differs", p, w.Header().Get("X-Request-Id"))
	}
	return p
}
