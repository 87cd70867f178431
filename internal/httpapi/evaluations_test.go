package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/evaluation"
	"oktalk/internal/intake"
)

func TestCreate(t *testing.T) {
	t.Parallel()
	w := newWorld()
	var got intake.Request
	w.create = func(_ context.Context, req intake.Request) (*evaluation.Evaluation, bool, error) {
		got = req
		return sample(), false, nil
	}
	r := post(part{"unknown", "", "ignored"}, textPart, part{"demo", "", "never"}, part{"category", "", "sentence"}, part{"feedback_language", "", "zh-CN"}, audioPart)
	r.Header.Set("Idempotency-Key", "my key 1")
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	answer := do(w.handler(t), r)

	want := intake.Request{
		UserID: "user_ann", Audio: []byte("RIFF"), TargetText: "I like apples", Language: "en-US", Category: "sentence",
		FeedbackLanguage: "zh-CN", DemoMode: "never", IdempotencyKey: "my key 1",
		Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request to intake (-want +got):\n%s", diff)
	}
	if answer.Code != http.StatusCreated || answer.Header().Get("Location") != "/v1/evaluations/"+annsEval || answer.Header().Get("ETag") != `"1"` {
		t.Errorf("answer = %d, Location %q, ETag %q", answer.Code, answer.Header().Get("Location"), answer.Header().Get("ETag"))
	}
	var view evaluation.View
	if err := json.Unmarshal(answer.Body.Bytes(), &view); err != nil {
		t.Fatalf("body: %v", err)
	}
	ticket := "ticket-for-" + annsEval
	if view.Ticket != ticket || view.ProgressURL != "/v1/evaluations/"+annsEval+"/progress?ticket="+ticket {
		t.Errorf("ticket %q, progress_url %q", view.Ticket, view.ProgressURL)
	}
	if view.Words == nil || len(*view.Words) != 3 || view.ID != annsEval || strings.Contains(answer.Body.String(), "$schema") {
		t.Errorf("body = %s", answer.Body)
	}
}

func TestCreateDefaults(t *testing.T) {
	t.Parallel()
	w := newWorld()
	var got intake.Request
	w.create = func(_ context.Context, req intake.Request) (*evaluation.Evaluation, bool, error) {
		got = req
		return sample(), true, nil
	}
	r := post(audioPart, textPart)
	r.Header.Set("Traceparent", "not a trace")
	answer := do(w.handler(t), r)
	want := intake.Request{UserID: "user_ann", Audio: []byte("RIFF"), TargetText: "I like apples", Language: "en-US", FeedbackLanguage: "en", DemoMode: "auto"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request to intake (-want +got):\n%s", diff)
	}
	if answer.Code != http.StatusCreated || answer.Header().Get("Idempotency-Replayed") != "true" {
		t.Errorf("replay = %d, Idempotency-Replayed %q, want the first status and true", answer.Code, answer.Header().Get("Idempotency-Replayed"))
	}
}

func TestCreateWithoutTicket(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.issue = func(string, string) (string, error) { return "", evaluation.ErrUnavailable }
	answer := do(w.handler(t), post(audioPart, textPart))
	if answer.Code != http.StatusCreated || strings.Contains(answer.Body.String(), "ticket") {
		t.Errorf("answer = %d %s, want 201 without a ticket: the evaluation is stored", answer.Code, answer.Body)
	}
}

func TestCreateRefusesForms(t *testing.T) {
	t.Parallel()
	h := newWorld().handler(t)
	for name, tc := range map[string]struct {
		parts  []part
		detail string // what it must name
	}{
		"no audio":                 {[]part{textPart}, `"audio"`},
		"no text":                  {[]part{audioPart}, `"target_text"`},
		"nothing":                  {nil, `"audio"`},
		"two recordings":           {[]part{audioPart, textPart, audioPart}, `"audio"`},
		"two texts":                {[]part{textPart, audioPart, textPart}, `"target_text"`},
		"unknown category":         {[]part{audioPart, textPart, {"category", "", "poem"}}, `"category"`},
		"unknown demo":             {[]part{audioPart, textPart, {"demo", "", "perhaps"}}, `"demo"`},
		"unknown feedback":         {[]part{audioPart, textPart, {"feedback_language", "", "fr"}}, `"feedback_language"`},
		"language that is a novel": {[]part{audioPart, textPart, {"language", "", strings.Repeat("x", 70_000)}}, `"language"`},
	} {
		p := wantProblem(t, do(h, post(tc.parts...)), 400, "invalid-request")
		if !strings.Contains(p.Detail, tc.detail) {
			t.Errorf("%s: detail %q does not name %s", name, p.Detail, tc.detail)
		}
		if strings.Contains(p.Detail, "poem") || strings.Contains(p.Detail, "perhaps") || strings.Contains(p.Detail, "xxx") {
			t.Errorf("%s: detail %q repeats what was sent", name, p.Detail)
		}
	}
	wantProblem(t, do(h, post(audioPart, part{"target_text", "", strings.Repeat("x ", 50_000)})), 422, "invalid-text")
}

func TestCreateRefusesBodies(t *testing.T) {
	t.Parallel()
	h := newWorld().handler(t)
	for name, change := range map[string]func(*http.Request){
		"JSON":                  func(r *http.Request) { r.Header.Set("Content-Type", "application/json") },
		"no content type":       func(r *http.Request) { r.Header.Del("Content-Type") },
		"no boundary":           func(r *http.Request) { r.Header.Set("Content-Type", "multipart/form-data") },
		"another boundary":      func(r *http.Request) { r.Header.Set("Content-Type", "multipart/form-data; boundary=x") },
		"key with control":      func(r *http.Request) { r.Header.Set("Idempotency-Key", "a\x01b") },
		"key beyond ASCII":      func(r *http.Request) { r.Header.Set("Idempotency-Key", "schlüssel") },
		"key of 256 characters": func(r *http.Request) { r.Header.Set("Idempotency-Key", strings.Repeat("k", 256)) },
		"empty key":             func(r *http.Request) { r.Header.Set("Idempotency-Key", "") },
		"two keys":              func(r *http.Request) { r.Header.Add("Idempotency-Key", "a"); r.Header.Add("Idempotency-Key", "b") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := post(audioPart, textPart)
			change(r)
			wantProblem(t, do(h, r), 400, "invalid-request")
		})
	}
	r := post(audioPart, textPart)
	r.Header.Set("Idempotency-Key", strings.Repeat("k", 255))
	if got := do(h, r); got.Code != http.StatusCreated {
		t.Errorf("key of 255 characters: %d %s", got.Code, got.Body)
	}
}

func TestCreateErrors(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err        error
		status     int
		problem    string
		retryAfter string
	}{
		"no speech":            {evaluation.Refuse("no-speech", "Nothing was said."), 422, "no-speech", ""},
		"too quiet":            {evaluation.Refuse("too-quiet", "Speak up."), 422, "too-quiet", ""},
		"too noisy":            {evaluation.Refuse("too-noisy", "Noise."), 422, "too-noisy", ""},
		"clipped":              {evaluation.Refuse("clipped", "Loud."), 422, "clipped", ""},
		"too short":            {evaluation.Refuse("too-short", "Short."), 422, "too-short", ""},
		"too long":             {evaluation.Refuse("too-long", "Long."), 422, "too-long", ""},
		"another text":         {evaluation.Refuse("text-mismatch", "Another text."), 422, "text-mismatch", ""},
		"unsupported audio":    {fmt.Errorf("decode: %w", evaluation.Refuse("unsupported-audio", "A picture.")), 415, "unsupported-audio", ""},
		"invalid text":         {evaluation.Refuse("invalid-text", "Empty."), 422, "invalid-text", ""},
		"unsupported language": {evaluation.Refuse("unsupported-language", "Only English."), 422, "unsupported-language", ""},
		"assessor down":        {&evaluation.Refusal{Problem: "assessor-unavailable", Message: "Later.", RetryAfter: 7 * time.Second}, 503, "assessor-unavailable", "7"},
		"assessor busy":        {evaluation.Refuse("assessor-unavailable", "Later."), 503, "assessor-unavailable", "2"},
		"conflict":             {evaluation.ErrIdempotencyConflict, 409, "idempotency-conflict", "1"},
		"mismatch":             {fmt.Errorf("reserve: %w", evaluation.ErrIdempotencyMismatch), 422, "idempotency-mismatch", ""},
		"spool full":           {fmt.Errorf("store: %w", evaluation.ErrFull), 503, "unavailable", "30"},
		"database away":        {fmt.Errorf("store: %w", evaluation.ErrUnavailable), 503, "unavailable", "2"},
		"unknown refusal":      {evaluation.Refuse("moon-phase", "secret detail"), 500, "internal", ""},
		"anything else":        {errors.New("secret detail"), 500, "internal", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.create = func(context.Context, intake.Request) (*evaluation.Evaluation, bool, error) { return nil, false, tc.err }
			answer := do(w.handler(t), post(audioPart, textPart))
			p := wantProblem(t, answer, tc.status, tc.problem)
			if got := answer.Header().Get("Retry-After"); got != tc.retryAfter {
				t.Errorf("Retry-After = %q, want %q", got, tc.retryAfter)
			}
			if strings.Contains(answer.Body.String(), "secret") {
				t.Errorf("the answer tells too much: %s", answer.Body)
			}
			if tc.status == 500 && !strings.Contains(w.log.String(), p.RequestID) {
				t.Error("the cause is not logged with the request id")
			}
		})
	}
}

func TestGet(t *testing.T) {
	t.Parallel()
	h := newWorld().handler(t)
	answer := do(h, request("GET", "/v1/evaluations/"+annsEval))
	if answer.Code != 200 || answer.Header().Get("ETag") != `"1"` {
		t.Errorf("answer = %d, ETag %q", answer.Code, answer.Header().Get("ETag"))
	}
	var view evaluation.View
	if err := json.Unmarshal(answer.Body.Bytes(), &view); err != nil {
		t.Fatalf("body: %v", err)
	}
	if diff := cmp.Diff(sample().FullView(), view); diff != "" {
		t.Errorf("view (-want +got):\n%s", diff)
	}
	for match, want := range map[string]int{`"1"`: 304, `W/"1"`: 304, `"0", "1"`: 304, `*`: 304, `"2"`: 200, `1`: 200, ``: 200} {
		answer := do(h, request("GET", "/v1/evaluations/"+annsEval, "If-None-Match", match))
		if answer.Code != want || answer.Header().Get("ETag") != `"1"` || (want == 304) != (answer.Body.Len() == 0) {
			t.Errorf("If-None-Match %s = %d with %d bytes, want %d", match, answer.Code, answer.Body.Len(), want)
		}
	}
}

// Another user's evaluation, a missing one and a path that cannot be an id are the same.
func TestNotFoundEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.wait = func(context.Context, string, int64, time.Duration) (evaluation.Message, error) {
		t.Error("the progress of another's evaluation was asked for")
		return evaluation.Message{}, nil
	}
	h := w.handler(t)
	bob := []string{"Authorization", "Bearer " + bobsKey}
	for _, route := range []struct{ method, path string }{
		{"GET", ""}, {"DELETE", ""}, {"GET", "/recording"}, {"GET", "/feedback-audio"}, {"GET", "/demo-audio"}, {"POST", "/tickets"}, {"GET", "/progress"},
	} {
		wantProblem(t, do(h, request(route.method, "/v1/evaluations/"+annsEval+route.path, bob...)), 404, "not-found")
		wantProblem(t, do(h, request(route.method, "/v1/evaluations/"+noEval+route.path)), 404, "not-found")
		wantProblem(t, do(h, request(route.method, "/v1/evaluations/eval_%00"+route.path)), 404, "not-found")
		wantProblem(t, do(h, request(route.method, "/v1/evaluations/x'--"+route.path)), 404, "not-found")
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	w := newWorld()
	var deleted []string
	w.remove = func(userID, id string) error { deleted = append(deleted, userID+" "+id); return nil }
	answer := do(w.handler(t), request("DELETE", "/v1/evaluations/"+annsEval))
	if answer.Code != 204 || answer.Body.Len() != 0 || !slices.Equal(deleted, []string{"user_ann " + annsEval}) {
		t.Errorf("answer = %d %q, deleted %v", answer.Code, answer.Body, deleted)
	}
}

// many makes evaluations, newest first.
func many(n int) []*evaluation.Evaluation {
	var list []*evaluation.Evaluation
	for i := range n {
		e := sample()
		e.ID = fmt.Sprintf("eval_%026d", n-i)
		list = append(list, e)
	}
	return list
}

func TestListPages(t *testing.T) {
	t.Parallel()
	w := newWorld()
	all := many(45)
	w.list = func(userID string, limit int, before string) ([]*evaluation.Evaluation, error) {
		if userID != "user_ann" {
			return nil, nil
		}
		start := 0
		if before != "" {
			start = 1 + slices.IndexFunc(all, func(e *evaluation.Evaluation) bool { return e.ID == before })
		}
		return all[start:min(len(all), start+limit)], nil
	}
	h := w.handler(t)
	type page struct {
		Items      []evaluation.View `json:"items"`
		NextCursor *string           `json:"next_cursor"`
	}
	read := func(query string) page {
		answer := do(h, request("GET", "/v1/evaluations"+query))
		var p page
		if err := json.Unmarshal(answer.Body.Bytes(), &p); err != nil || answer.Code != 200 {
			t.Fatalf("list%s = %d %s", query, answer.Code, answer.Body)
		}
		return p
	}
	for _, limit := range []int{1, 20, 44, 45, 100} {
		var ids []string
		for query := "?limit=" + strconv.Itoa(limit); query != ""; {
			p := read(query)
			for _, v := range p.Items {
				ids = append(ids, v.ID)
			}
			query = ""
			if p.NextCursor != nil {
				query = fmt.Sprintf("?limit=%d&cursor=%s", limit, *p.NextCursor)
			}
		}
		if len(ids) != 45 || ids[0] != all[0].ID || ids[44] != all[44].ID {
			t.Errorf("pages of %d give %d evaluations, want all 45 in order", limit, len(ids))
		}
	}
	if p := read(""); len(p.Items) != 20 {
		t.Errorf("without limit = %d items, want 20", len(p.Items))
	}
	if answer := do(h, request("GET", "/v1/evaluations", "Authorization", "Bearer "+bobsKey)); strings.TrimSpace(answer.Body.String()) != `{"items":[],"next_cursor":null}` {
		t.Errorf("bob's list = %s", answer.Body)
	}
	for _, query := range []string{"?limit=0", "?limit=101", "?limit=-1", "?limit=ten", "?limit=1e9", "?cursor=x", "?cursor=" + annsEval, "?cursor=MTp4", "?cursor=%00"} {
		wantProblem(t, do(h, request("GET", "/v1/evaluations"+query)), 400, "invalid-request")
	}
}

func TestTickets(t *testing.T) {
	t.Parallel()
	w := newWorld()
	answer := do(w.handler(t), request("POST", "/v1/evaluations/"+annsEval+"/tickets"))
	want := fmt.Sprintf(`{"ticket":"ticket-for-%[1]s","progress_url":"/v1/evaluations/%[1]s/progress?ticket=ticket-for-%[1]s","expires_in":60}`, annsEval)
	if got := strings.TrimSpace(answer.Body.String()); answer.Code != 201 || got != want {
		t.Errorf("answer = %d %s, want 201 %s", answer.Code, got, want)
	}
	w.issue = func(string, string) (string, error) { return "", evaluation.ErrUnavailable }
	wantProblem(t, do(w.handler(t), request("POST", "/v1/evaluations/"+annsEval+"/tickets")), 503, "unavailable")
}

func TestMe(t *testing.T) {
	t.Parallel()
	answer := do(newWorld().handler(t), request("GET", "/v1/me"))
	if got := strings.TrimSpace(answer.Body.String()); answer.Code != 200 || got != `{"user_id":"user_ann","name":"ann","key_id":"key_1"}` {
		t.Errorf("answer = %d %s", answer.Code, got)
	}
}
