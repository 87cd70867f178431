package httpapi

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"oktalk/internal/telemetry"
)

type contextKey int

const (
	requestIDKey contextKey = iota
	callerKey
	useTicketKey
)

const requestIDHeader = "X-Request-Id"

var requestIDPattern = regexp.MustCompile(`^[A-Za-z0-9._~:/+=-]{1,128}$`)

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey).(string)
	return id
}

// identify gives every request an id: the client's, if it is harmless in a log and a header, or a new one.
func identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(requestIDHeader)
		if !requestIDPattern.MatchString(id) {
			id = strings.ToLower(rand.Text())
		}
		w.Header().Set(requestIDHeader, id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey, id)))
	})
}

// statusClientGone is logged, never sent: the client closed the connection before the answer (as nginx logs it).
const statusClientGone = 499

// logAccess writes one line a request: the route, not the path, and no query string, since that may hold a ticket.
func logAccess(log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start := time.Now()
			ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
			defer func() {
				route := chi.RouteContext(r.Context()).RoutePattern()
				level := slog.LevelInfo
				if route == "/healthz" || route == "/readyz" {
					level = slog.LevelDebug
				}
				status := ww.Status()
				if status == 0 && r.Context().Err() != nil {
					status = statusClientGone
				}
				log.Log(r.Context(), level, "request", "method", r.Method, "route", route, "status", status,
					"duration_ms", time.Since(start).Milliseconds(), "bytes", ww.BytesWritten(),
					"client_ip", middleware.GetClientIP(r.Context()), telemetry.KeyRequest, requestID(r.Context()))
			}()
			next.ServeHTTP(ww, r)
		})
	}
}

// recoverPanics answers a panic with a problem, if nothing was sent yet.
func recoverPanics(log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				v := recover()
				if v == nil {
					return
				}
				if v == http.ErrAbortHandler { //nolint:errorlint // net/http compares the panic's value the same way
					panic(v)
				}
				log.Error("request panicked", telemetry.KeyRequest, requestID(r.Context()), "panic", v, "stack", string(debug.Stack()))
				if ww, ok := w.(middleware.WrapResponseWriter); ok && ww.Status() == 0 {
					p := internal(nil)
					p.RequestID = requestID(r.Context())
					writeProblem(w, p)
				}
			}()
			next.ServeHTTP(w, r)
		})
	}
}

const (
	lingerBytes = 24 << 20         // read beyond a refused upload's limit, into nothing; larger uploads see a reset
	lingerTime  = 10 * time.Second // at most
)

// linger reads what is left of the body of a refused request after it was answered. See the package's doc.
func linger(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 || r.Method == http.MethodGet {
			next.ServeHTTP(w, r)
			return
		}
		body := &countingBody{ReadCloser: r.Body}
		r.Body = body
		next.ServeHTTP(w, r)
		ww, ok := w.(middleware.WrapResponseWriter)
		waiting := body.read == 0 && strings.EqualFold(r.Header.Get("Expect"), "100-continue") // it has not begun to send
		if !ok || ww.Status() < 400 || waiting || body.ended {
			return
		}
		c := http.NewResponseController(w)
		if c.Flush() != nil || c.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
			return
		}
		_, _ = io.CopyN(io.Discard, body, lingerBytes)
	})
}

type countingBody struct {
	io.ReadCloser
	read  int64
	ended bool
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	b.ended = b.ended || err != nil
	return n, err
}

// notFound answers for paths that do not exist.
func notFound(w http.ResponseWriter, r *http.Request) {
	p := problem("not-found", "There is nothing at this path. The API is described at /docs.")
	p.RequestID = requestID(r.Context())
	writeProblem(w, p)
}

// methodNotAllowed answers for paths that exist with another method.
func methodNotAllowed(routes chi.Routes) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var allowed []string
		for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			if routes.Match(chi.NewRouteContext(), m, r.URL.Path) {
				allowed = append(allowed, m)
			}
		}
		if len(allowed) == 0 { // an unknown method of a path that there is not
			notFound(w, r)
			return
		}
		p := problem("method-not-allowed", "This path takes "+strings.Join(allowed, ", ")+".").with("Allow", strings.Join(allowed, ", "))
		p.RequestID = requestID(r.Context())
		writeProblem(w, p)
	}
}
