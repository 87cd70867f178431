package telemetry

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"
)

// Check asks one part that a process works with.
type Check struct {
	Name     string // "postgres", "redis", "s3"
	Required bool   // without it the process cannot serve; otherwise it serves, with less
	Run      func(ctx context.Context) error
}

// checkTimeout bounds all checks of one /readyz together, below the usual patience of a load balancer.
const checkTimeout = 2 * time.Second

// readiness is the body of /readyz.
type readiness struct {
	Status string            `json:"status"` // ok, degraded, down or stopping
	Checks map[string]string `json:"checks"` // by name: ok or down
}

// Live answers that the process runs.
func Live(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// Readiness runs all checks at each request: 503 when a required part is down, or when stopping, which may be nil, is closed.
func Readiness(checks []Check, stopping <-chan struct{}, log *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-stopping:
			writeJSON(w, http.StatusServiceUnavailable, readiness{Status: "stopping", Checks: map[string]string{}})
			return
		default:
		}
		ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
		defer cancel()
		failed := runChecks(ctx, checks)
		status, body := http.StatusOK, readiness{Status: "ok", Checks: map[string]string{}}
		for i, c := range checks {
			body.Checks[c.Name] = "ok"
			if failed[i] == nil {
				continue
			}
			log.Debug("check failed", "check", c.Name, KeyErr, failed[i])
			body.Checks[c.Name] = "down"
			switch {
			case c.Required:
				status, body.Status = http.StatusServiceUnavailable, "down"
			case body.Status == "ok":
				body.Status = "degraded"
			}
		}
		writeJSON(w, status, body)
	}
}

// runChecks runs the checks side by side. One that ignores its context counts as failed and is left behind.
func runChecks(ctx context.Context, checks []Check) []error {
	type result struct {
		i   int
		err error
	}
	results := make(chan result, len(checks))
	errs := make([]error, len(checks))
	for i, c := range checks {
		errs[i] = context.DeadlineExceeded
		go func() { results <- result{i, c.Run(ctx)} }()
	}
	for range checks {
		select {
		case r := <-results:
			errs[r.i] = r.err
		case <-ctx.Done():
			return errs
		}
	}
	return errs
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}
