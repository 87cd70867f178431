package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"oktalk/internal/evaluation"
	"oktalk/internal/telemetry"
)

// Problem is the body of every error: RFC 9457 with a request id.
type Problem struct {
	Type      string `json:"type" example:"/problems/no-speech" doc:"What kind of problem it is: a path on this server that explains it"`
	Title     string `json:"title" example:"No speech" doc:"The kind in words"`
	Status    int    `json:"status" example:"422" doc:"HTTP status"`
	Detail    string `json:"detail" doc:"What happened this time and what to do; can be shown to the learner for refused recordings and texts"`
	RequestID string `json:"request_id" doc:"Also in the header X-Request-Id and in the server's log"`
	Artifact  string `json:"artifact,omitempty" doc:"Only for not-ready: which artifact" example:"feedback_audio"`
	State     string `json:"state,omitempty" doc:"Only for not-ready: its state" example:"pending"`

	header http.Header // to send with it; may be nil
	cause  error       // for the log; nil unless the server is at fault
}

// Error implements error.
func (p *Problem) Error() string { return p.Type + ": " + p.Detail }

// GetStatus implements [huma.StatusError].
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements [huma.HeadersError].
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType implements [huma.ContentTypeFilter].
func (*Problem) ContentType(string) string { return "application/problem+json" }

func (p *Problem) with(key, value string) *Problem {
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Set(key, value)
	return p
}

func (p *Problem) retryAfter(d time.Duration) *Problem {
	return p.with("Retry-After", strconv.Itoa(max(1, int((d+time.Second-1)/time.Second))))
}

// kind is a kind of problem.
type kind struct {
	Name   string
	Status int
	Title  string
	Advice string // shown at /problems/<name>
}

// kinds are all kinds of problems.
var kinds = []kind{
	{"no-speech", 422, "No speech", "The recording holds no speech. Check that the microphone is not muted and record again."},
	{"too-quiet", 422, "Too quiet", "The recording is too quiet to be scored. Speak louder or move closer to the microphone."},
	{"too-noisy", 422, "Too noisy", "The noise in the recording hides the speech. Record in a quieter place."},
	{"clipped", 422, "Clipped", "The recording is so loud that it is cut off at the limit. Lower the microphone's level or move away from it."},
	{"too-short", 422, "Too short", "The recording is shorter than 0.3 seconds. Record the whole text."},
	{"too-long", 422, "Too long", "The recording is longer than 60 seconds. Split the text."},
	{"text-mismatch", 422, "Another text", "What was said is plainly not the target text. Check that text and recording belong together."},
	{"unsupported-audio", 415, "Unsupported audio", "The file is not a recording in WAV, MP3, Ogg, WebM, M4A or FLAC, or it is damaged. The content decides, not the file name."},
	{"audio-too-large", 413, "Audio too large", "A recording has at most 10 MB. Send it compressed, for example as Opus, or shorter."},
	{"invalid-text", 422, "Invalid text", "The target text is empty, too long (500 characters, 60 words) or not plain text."},
	{"unsupported-language", 422, "Unsupported language", "The language is not offered, or the text is not written in it. Supported: en-US."},
	{"unauthorized", 401, "Unauthorized", "The key or ticket is missing, wrong, expired or revoked. Send \"Authorization: Bearer <key>\"."},
	{"forbidden", 403, "Forbidden", "The key is valid and does not allow this."},
	{"not-found", 404, "Not found", "There is nothing at this path that belongs to the caller; it may have been deleted."},
	{"method-not-allowed", 405, "Method not allowed", "The path exists and does not take this method. The header Allow names those it takes."},
	{"not-ready", 404, "Not ready", "There is no such audio: its state says whether it is still being made (pending), could not be made (failed) or is not needed (skipped)."},
	{"quota-exceeded", 429, "Quota exceeded", "No evaluations are left today."},
	{"rate-limited", 429, "Too many requests", "Requests come too fast. Wait for as long as Retry-After says."},
	{"assessor-unavailable", 503, "Scoring is not available", "Recordings cannot be scored at the moment. Nothing was stored; send it again after Retry-After."},
	{"unavailable", 503, "Not available", "A part of the server is away. Send the request again after Retry-After; with an Idempotency-Key nothing is done twice."},
	{"idempotency-conflict", 409, "Still running", "The first request with this Idempotency-Key is still running. Wait and send it again to get its result."},
	{"idempotency-mismatch", 422, "Key used before", "This Idempotency-Key was used with other content. Use a new key for a new request."},
	{"rejected-content", 422, "Rejected content", "The content is not allowed here."},
	{"upload-expired", 422, "Upload expired", "The upload token is older than five minutes or was used. Ask for a new one."},
	{"invalid-request", 400, "Invalid request", "The request is malformed; the detail says which part of it and how it should look."},
	{"internal", 500, "Internal error", "The server made a mistake. Its log has the request id."},
}

func kindOf(name string) (kind, bool) {
	for _, k := range kinds {
		if k.Name == name {
			return k, true
		}
	}
	return kind{}, false
}

// problem makes a problem of a kind that is in the table.
func problem(name, detail string) *Problem {
	k, _ := kindOf(name)
	return &Problem{Type: "/problems/" + k.Name, Title: k.Title, Status: k.Status, Detail: detail}
}

func invalid(format string, args ...any) *Problem {
	return problem("invalid-request", fmt.Sprintf(format, args...))
}

func internal(cause error) *Problem {
	p := problem("internal", "Something went wrong on our side. Try again; if it happens again, report the request_id.")
	p.cause = cause
	return p
}

const (
	retrySoon  = 2 * time.Second  // what the server should have overcome by itself
	retryLater = 30 * time.Second // what needs space or a person
)

// problemOf says which problem an error is. It is the only place that decides that; an error it does not know is internal.
func problemOf(err error) *Problem {
	var p *Problem
	var refusal *evaluation.Refusal
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		copied := *p
		return &copied
	case errors.As(err, &refusal):
		return refused(refusal)
	case errors.As(err, &tooLarge):
		return problem("audio-too-large", "The request is larger than a recording of 10 MB with its fields. Send the recording compressed or shorter.")
	case errors.Is(err, evaluation.ErrNotFound):
		return problem("not-found", "There is no such evaluation.")
	case errors.Is(err, evaluation.ErrUnauthorized):
		return unauthorized("The key or ticket is wrong, expired or revoked.").with("WWW-Authenticate", `Bearer realm="oktalk", error="invalid_token"`)
	case errors.Is(err, evaluation.ErrIdempotencyConflict):
		return problem("idempotency-conflict", "The first request with this Idempotency-Key is still running.").retryAfter(time.Second)
	case errors.Is(err, evaluation.ErrIdempotencyMismatch):
		return problem("idempotency-mismatch", "This Idempotency-Key was used with other content. Use a new key.")
	case errors.Is(err, evaluation.ErrFull):
		return away("The store for recordings is away and its buffer is full. Nothing was stored.", err).retryAfter(retryLater)
	case errors.Is(err, evaluation.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return away("The server cannot do this at the moment. Try again.", err).retryAfter(retrySoon)
	}
	return internal(err)
}

func refused(r *evaluation.Refusal) *Problem {
	if _, ok := kindOf(r.Problem); !ok {
		return internal(fmt.Errorf("refusal of an unknown kind: %w", r))
	}
	p := problem(r.Problem, r.Message)
	if p.Status == http.StatusServiceUnavailable {
		p.cause = r
		return p.retryAfter(max(r.RetryAfter, retrySoon))
	}
	if r.RetryAfter > 0 {
		return p.retryAfter(r.RetryAfter)
	}
	return p
}

func away(detail string, cause error) *Problem {
	p := problem("unavailable", detail)
	p.cause = cause
	return p
}

func unauthorized(detail string) *Problem {
	return problem("unauthorized", detail).with("WWW-Authenticate", `Bearer realm="oktalk"`)
}

// fail makes the problem to answer with and logs what the server is at fault for.
func fail(ctx context.Context, log *slog.Logger, err error) *Problem {
	p := problemOf(err)
	p.RequestID = requestID(ctx)
	switch {
	case p.cause == nil || ctx.Err() != nil: // nobody waits for the answer of a cancelled request
	case p.Status == http.StatusInternalServerError:
		log.Error("request failed", telemetry.KeyRequest, p.RequestID, telemetry.KeyErr, p.cause)
	default:
		log.Warn("request refused", telemetry.KeyRequest, p.RequestID, "problem", strings.TrimPrefix(p.Type, "/problems/"), telemetry.KeyErr, p.cause)
	}
	return p
}

// writeProblem answers outside the framework.
func writeProblem(w http.ResponseWriter, p *Problem) {
	maps.Copy(w.Header(), p.header)
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client may be gone
}

var frameworkProblems sync.Once

// useProblems makes the framework's own errors problems too. It can only be told so through package variables; setting them once keeps
// servers that are made at the same time, as in tests, from racing.
func useProblems() {
	frameworkProblems.Do(func() {
		huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
			return frameworkProblem(nil, status, message, errs)
		}
		huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
			if ctx == nil {
				return frameworkProblem(nil, status, message, errs)
			}
			p := frameworkProblem(ctx.Operation(), status, message, errs)
			p.RequestID = requestID(ctx.Context())
			return p
		}
	})
}

// frameworkProblem translates an error of the framework, which are all about parameters and bodies of an operation, which may be nil. What
// is allowed is said; values are left out.
func frameworkProblem(op *huma.Operation, status int, message string, errs []error) *Problem {
	if status >= http.StatusInternalServerError {
		return internal(errors.Join(append(errs, errors.New(message))...))
	}
	var details []string
	for _, err := range errs {
		var d huma.ErrorDetailer
		if errors.As(err, &d) {
			detail := d.ErrorDetail()
			sentence, ok := rule(op, detail.Location)
			if !ok {
				sentence = detail.Location + ": " + detail.Message + "."
			}
			if !slices.Contains(details, sentence) {
				details = append(details, sentence)
			}
		}
	}
	if len(details) == 0 {
		return invalid("%s", message)
	}
	return invalid("%s", strings.Join(details, " "))
}
