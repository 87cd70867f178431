package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"oktalk/internal/account"
	"oktalk/internal/evaluation"
	"oktalk/internal/intake"
)

// Accounts knows callers by their keys.
type Accounts interface {
	// Authenticate finds the caller of a key; [evaluation.ErrUnauthorized] if there is none.
	Authenticate(ctx context.Context, key string) (account.Caller, error)
}

// Tickets makes and redeems progress tickets.
type Tickets interface {
	Issue(ctx context.Context, c account.Caller, evaluationID string) (string, error)
	// Check returns the bearer of a ticket, and use, which uses it up; [evaluation.ErrUnauthorized] from either if it is not good for the
	// evaluation.
	Check(ctx context.Context, ticket, evaluationID string) (bearer account.Caller, use func(context.Context) error, err error)
}

// Intake takes recordings in.
type Intake interface {
	// Admit takes a place, to be given back with leave; a [*evaluation.Refusal] when too many requests are in progress.
	Admit() (leave func(), err error)
	Create(ctx context.Context, req intake.Request) (e *evaluation.Evaluation, replayed bool, err error)
}

// Evaluations keeps evaluations. What does not exist, was deleted or is another user's is [evaluation.ErrNotFound].
type Evaluations interface {
	Get(ctx context.Context, userID, id string) (*evaluation.Evaluation, error)
	// Owns is nil when there is one.
	Owns(ctx context.Context, userID, id string) error
	// List returns the user's evaluations, newest first, from the one after before on (empty: from the newest).
	List(ctx context.Context, userID string, limit int, before string) ([]*evaluation.Evaluation, error)
	Delete(ctx context.Context, userID, id string) error
}

// Objects signs addresses of stored audio.
type Objects interface {
	Presign(ctx context.Context, key, downloadName string) (url string, expiresAt time.Time, err error)
}

// Spool keeps audio that the object store has not taken yet.
type Spool interface {
	// Get reads an object; [evaluation.ErrNotFound] if it is not in the spool.
	Get(ctx context.Context, key string) (contentType string, body []byte, err error)
}

// Progress sends the progress of evaluations. Who may see one was decided before. An error means that nothing was written.
type Progress interface {
	// ServeWebSocket upgrades a request, which is a proper one for that.
	ServeWebSocket(w http.ResponseWriter, r *http.Request, id string, viewer evaluation.Viewer) error
	// ServeEvents answers with server-sent events.
	ServeEvents(w http.ResponseWriter, r *http.Request, id string, lastEventID int64, viewer evaluation.Viewer) error
	// Wait returns the latest state as soon as its version is not after, or when timeout has passed.
	Wait(ctx context.Context, id string, after int64, timeout time.Duration) (evaluation.Message, error)
}

// Deps are the parts the API works with. All are needed.
type Deps struct {
	Accounts    Accounts
	Tickets     Tickets
	Intake      Intake
	Evaluations Evaluations
	Objects     Objects
	Spool       Spool
	Progress    Progress
	Replays     Replays
	Checks      []Check         // for /readyz; may be empty
	Stopping    <-chan struct{} // closed when the server was told to stop; nil: never
	Log         *slog.Logger
}

// New makes the API's handler. It is to be served by [NewServer], whose time limits it relies on.
func New(cfg Config, d Deps) (http.Handler, error) {
	if d.Accounts == nil || d.Tickets == nil || d.Intake == nil || d.Evaluations == nil || d.Objects == nil || d.Spool == nil || d.Progress == nil || d.Replays == nil || d.Log == nil {
		return nil, errors.New("httpapi: a dependency is missing")
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	router := chi.NewRouter()
	router.Use(clientIP(cfg), identify, logAccess(d.Log), recoverPanics(d.Log), linger, middleware.GetHead)
	router.NotFound(notFound)
	router.MethodNotAllowed(methodNotAllowed(router))

	api := newAPI(router)
	addRoutes(api, d)
	completeDescription(api.OpenAPI())
	return router, addPages(router, api.OpenAPI(), d)
}

// clientIP finds out whom a request came from, for the log.
func clientIP(cfg Config) func(http.Handler) http.Handler {
	if len(cfg.TrustedProxies) == 0 {
		return middleware.ClientIPFromRemoteAddr
	}
	return middleware.ClientIPFromXFF(cfg.TrustedProxies...)
}

// newAPI makes the framework's part: without its own pages, which load scripts from other hosts, and without links to schemas in
// every body.
func newAPI(router chi.Router) huma.API {
	useProblems()
	c := huma.DefaultConfig("OKTalk", "1.0.0")
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", ""
	c.CreateHooks, c.Transformers = nil, nil
	c.AllowAdditionalPropertiesByDefault = true // a later version of the server may add fields
	c.Info.Description = apiDescription
	c.Security = []map[string][]string{{"key": {}}}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"key":    {Type: "http", Scheme: "bearer", Description: "API key, made with: oktalk keys create --user <name>"},
		"ticket": {Type: "apiKey", In: "query", Name: "ticket", Description: "Single-use ticket, from POST /v1/evaluations/{id}/tickets"},
	}
	return humachi.New(router, c)
}

// addPages adds what is made from the finished description, and the probes.
func addPages(router chi.Router, doc *huma.OpenAPI, d Deps) error {
	description, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fmt.Errorf("render the API's description: %w", err)
	}
	docs, err := renderDocs(doc)
	if err != nil {
		return err
	}
	addPageRoutes(router, description, docs, d)
	return nil
}
