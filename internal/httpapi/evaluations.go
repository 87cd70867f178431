package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"oktalk/internal/account"
	"oktalk/internal/evaluation"
	"oktalk/internal/intake"
	"oktalk/internal/telemetry"
)

type idInput struct {
	ID string `path:"id" doc:"Identifier of the evaluation" example:"eval_01jd3k8v5n9q2w7x4y6z0a1b2c"`
}

type evaluationOutput struct {
	Status       int
	ETag         string `header:"ETag" doc:"The version, quoted"`
	CacheControl string `header:"Cache-Control"`
	Body         evaluation.View
}

// revalidate lets a client keep an evaluation, and ask each time whether it changed.
const revalidate = "private, no-cache"

func etag(version int64) string { return fmt.Sprintf(`"%d"`, version) }

// createInput holds on to the request: the handler reads its body itself.
type createInput struct {
	IdempotencyKey string `header:"Idempotency-Key" doc:"1 to 255 printable ASCII characters, remembered for 24 hours: a repeated request with the same key and content gives the first one's evaluation, and 404 once that was deleted"`
	Traceparent    string `header:"Traceparent" hidden:"true"`

	raw huma.Context
}

// Resolve implements [huma.Resolver].
func (in *createInput) Resolve(ctx huma.Context) []error {
	in.raw = ctx
	return nil
}

type createOutput struct {
	ETag         string `header:"ETag" doc:"The version, quoted"`
	CacheControl string `header:"Cache-Control"`
	Location     string `header:"Location" doc:"Path of the evaluation"`
	Replayed     string `header:"Idempotency-Replayed" doc:"true when an earlier request with the same Idempotency-Key made it"`
	Body         evaluation.View
}

var (
	idempotencyKeyPattern = regexp.MustCompile(`^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$`)
	traceparentPattern    = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`) // W3C Trace Context, version 00
)

func createEvaluation(in Intake, tickets Tickets, log *slog.Logger) func(context.Context, *createInput) (*createOutput, error) {
	return func(ctx context.Context, input *createInput) (*createOutput, error) {
		leave, err := in.Admit() // before the recording takes memory
		if err != nil {
			return nil, err
		}
		defer leave()
		req, err := intakeRequest(input)
		if err != nil {
			return nil, err
		}
		req.UserID = caller(ctx).UserID
		e, replayed, err := in.Create(ctx, req)
		if err != nil {
			return nil, err
		}
		view := e.FullView()
		if view.Ticket, err = tickets.Issue(ctx, caller(ctx), e.ID); err != nil {
			// The evaluation is stored; failing now would make the client send it again.
			log.Warn("evaluation answered without a ticket", telemetry.KeyRequest, requestID(ctx), telemetry.KeyErr, err)
		} else {
			view.ProgressURL = withTicket(view.ProgressURL, view.Ticket)
		}
		out := &createOutput{ETag: etag(view.Version), CacheControl: "no-store", Location: evaluation.Path(e.ID), Body: view}
		if replayed {
			out.Replayed = "true"
		}
		return out, nil
	}
}

func intakeRequest(in *createInput) (intake.Request, error) {
	r, w := humachi.Unwrap(in.raw)
	if keys := r.Header.Values("Idempotency-Key"); len(keys) > 1 || len(keys) == 1 && !idempotencyKeyPattern.MatchString(keys[0]) {
		return intake.Request{}, invalid("The header Idempotency-Key must have 1 to 255 printable ASCII characters, once. Example: Idempotency-Key: 3f8c2b6e-6f1d")
	}
	f, err := readRequest(w, r)
	if err != nil {
		return intake.Request{}, err
	}
	req := intake.Request{
		Audio: f.audio, TargetText: f.fields["target_text"], Language: f.fields["language"], Category: evaluation.Category(f.fields["category"]),
		FeedbackLanguage: f.fields["feedback_language"], NativeLanguage: f.fields["native_language"], DemoMode: evaluation.DemoMode(f.fields["demo"]), IdempotencyKey: in.IdempotencyKey,
	}
	if traceparentPattern.MatchString(in.Traceparent) {
		req.Traceparent = in.Traceparent
	}
	return req, nil
}

func withTicket(progressURL, ticket string) string {
	return progressURL + "?ticket=" + url.QueryEscape(ticket)
}

type getInput struct {
	ID          string `path:"id" doc:"Identifier of the evaluation" example:"eval_01jd3k8v5n9q2w7x4y6z0a1b2c"`
	IfNoneMatch string `header:"If-None-Match" doc:"An ETag: the answer is 304 while the version is still that"`
}

func getEvaluation(evaluations Evaluations) func(context.Context, *getInput) (*evaluationOutput, error) {
	return func(ctx context.Context, in *getInput) (*evaluationOutput, error) {
		e, err := find(ctx, evaluations, in.ID)
		if err != nil {
			return nil, err
		}
		out := &evaluationOutput{Status: http.StatusOK, ETag: etag(e.Version), CacheControl: revalidate, Body: e.FullView()}
		if etagMatches(in.IfNoneMatch, out.ETag) {
			out.Status = http.StatusNotModified
		}
		return out, nil
	}
}

// find reads an evaluation of the caller.
func find(ctx context.Context, evaluations Evaluations, id string) (*evaluation.Evaluation, error) {
	id, err := evaluationID(id)
	if err != nil {
		return nil, err
	}
	return evaluations.Get(ctx, caller(ctx).UserID, id)
}

// etagMatches compares weakly, as If-None-Match does (RFC 9110, section 13.1.2).
func etagMatches(header, etag string) bool {
	for candidate := range strings.SplitSeq(header, ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == etag {
			return true
		}
	}
	return false
}

type listInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"Largest number of items on the page"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before; absent for the first page"`
}

type evaluationPage struct {
	Items      []evaluation.View `json:"items" doc:"Newest first"`
	NextCursor *string           `json:"next_cursor" doc:"For the next page; null on the last"`
}

type listOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         evaluationPage
}

func listEvaluations(evaluations Evaluations) func(context.Context, *listInput) (*listOutput, error) {
	return func(ctx context.Context, in *listInput) (*listOutput, error) {
		before, err := decodeCursor(in.Cursor)
		if err != nil {
			return nil, err
		}
		list, err := evaluations.List(ctx, caller(ctx).UserID, in.Limit+1, before) // one more tells whether there is a next page
		if err != nil {
			return nil, err
		}
		page := evaluationPage{Items: []evaluation.View{}}
		for _, e := range list[:min(len(list), in.Limit)] {
			page.Items = append(page.Items, e.FullView())
		}
		if len(list) > in.Limit {
			cursor := encodeCursor(list[in.Limit-1].ID)
			page.NextCursor = &cursor
		}
		return &listOutput{CacheControl: revalidate, Body: page}, nil
	}
}

func deleteEvaluation(evaluations Evaluations) func(context.Context, *idInput) (*struct{}, error) {
	return func(ctx context.Context, in *idInput) (*struct{}, error) {
		id, err := evaluationID(in.ID)
		if err != nil {
			return nil, err
		}
		return nil, evaluations.Delete(ctx, caller(ctx).UserID, id)
	}
}

type ticketBody struct {
	Ticket      string `json:"ticket" doc:"Opens the progress of this evaluation once"`
	ProgressURL string `json:"progress_url" doc:"Path of the progress, with the ticket"`
	ExpiresIn   int    `json:"expires_in" doc:"Seconds until the ticket expires" example:"60"`
}

type ticketOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         ticketBody
}

func createTicket(evaluations Evaluations, tickets Tickets) func(context.Context, *idInput) (*ticketOutput, error) {
	return func(ctx context.Context, in *idInput) (*ticketOutput, error) {
		e, err := find(ctx, evaluations, in.ID)
		if err != nil {
			return nil, err
		}
		ticket, err := tickets.Issue(ctx, caller(ctx), e.ID)
		if err != nil {
			return nil, err
		}
		body := ticketBody{ticket, withTicket(evaluation.Path(e.ID)+"/progress", ticket), int(account.TicketLife.Seconds())}
		return &ticketOutput{CacheControl: "no-store", Body: body}, nil
	}
}

type meOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		UserID string `json:"user_id" doc:"Identifier of the caller"`
		Name   string `json:"name" doc:"Name of the caller"`
		KeyID  string `json:"key_id" doc:"Identifier of the API key in use"`
	}
}

func getMe(ctx context.Context, _ *struct{}) (*meOutput, error) {
	out, c := &meOutput{CacheControl: "no-store"}, caller(ctx)
	out.Body.UserID, out.Body.Name, out.Body.KeyID = c.UserID, c.UserName, c.KeyID
	return out, nil
}
