package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/evaluation"
	"oktalk/internal/httpapi"
	"oktalk/internal/replay"
)

var _ httpapi.Replays = (*replay.Service)(nil)

// replays notes what it was asked for and answers with err.
type replays struct {
	asked   string
	request replay.Request
	filter  replay.Filter
	err     error
}

func (r *replays) ask(format string, args ...any) error {
	r.asked = fmt.Sprintf(format, args...)
	return r.err
}

func (r *replays) Entries(_ context.Context, stage evaluation.StageName, f replay.Filter) ([]replay.Entry, error) {
	r.filter = f
	return []replay.Entry{{JobID: "job_1", Stage: stage}}, r.ask("entries of %s", stage)
}

func (r *replays) Replay(_ context.Context, req replay.Request) (replay.Result, error) {
	r.request = req
	res := replay.Result{Entries: []replay.Entry{}, Skipped: []replay.Skipped{{ID: "job_2", Reason: "the original was deleted"}}}
	if !req.DryRun {
		res.Replay = &replay.Replay{ID: "replay_1", Stage: req.Stage, Filter: json.RawMessage(`{}`)}
	}
	return res, r.ask("replay %s", req.Stage)
}

func (r *replays) Diff(_ context.Context, id string) (replay.Diff, error) {
	return replay.Diff{Pairs: []replay.Pair{}}, r.ask("diff %s", id)
}

func (r *replays) Explain(_ context.Context, id string) (replay.History, error) {
	return replay.History{EvaluationID: id}, r.ask("explain %s", id)
}

func (r *replays) Dead(_ context.Context, stage evaluation.StageName, limit int) ([]replay.Dead, error) {
	return nil, r.ask("dead %s %d", stage, limit)
}

func (r *replays) FindDead(_ context.Context, id string) (replay.Dead, error) {
	return replay.Dead{ID: id}, r.ask("find %s", id)
}

func (r *replays) RetryDead(_ context.Context, id, actor, why string) (*replay.Replay, error) {
	return &replay.Replay{ID: "replay_1"}, r.ask("retry %s by %s: %s", id, actor, why)
}

func (r *replays) DropDead(_ context.Context, id, actor, why string) error {
	return r.ask("drop %s by %s: %s", id, actor, why)
}

func (r *replays) Stages(context.Context) ([]replay.StageState, error) {
	return []replay.StageState{{Stage: "feedback"}}, r.ask("stages")
}

func (r *replays) SetPaused(_ context.Context, stage evaluation.StageName, paused bool, actor, why string) error {
	return r.ask("pause %s %v by %s: %s", stage, paused, actor, why)
}

func adminRequest(method, path, body string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+adminsKey)
	return r
}

func TestAdmin(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.handler(t)
	for _, c := range []struct {
		method, path, body string
		status             int
		asked, answer      string
	}{
		{"GET", "/v1/admin/stages", "", 200, "stages", `"stage":"feedback"`},
		{"POST", "/v1/admin/stages/speech/pause", `{"why":"new voice"}`, 204, "pause speech true by ada (key_3): new voice", ""},
		{"POST", "/v1/admin/stages/speech/resume", `{"why":"done"}`, 204, "pause speech false by ada (key_3): done", ""},
		{"GET", "/v1/admin/stages/demo/entries?since=2h&user=ann&status=dead&grep=apples&limit=7&id=a,b", "", 200, "entries of demo", `"job_id":"job_1"`},
		{"POST", "/v1/admin/stages/feedback/replays", `{"ids":["job_1"],"model":"m2","apply":true,"why":"better"}`, 201, "replay feedback", `"reason":"the original was deleted"`},
		{"POST", "/v1/admin/stages/feedback/replays", `{"since":"2h","dry_run":true}`, 200, "replay feedback", `"replay":null`},
		{"GET", "/v1/admin/replays/replay_1", "", 200, "diff replay_1", `"pairs":[]`},
		{"GET", "/v1/admin/evaluations/" + annsEval + "/history", "", 200, "explain " + annsEval, annsEval},
		{"GET", "/v1/admin/dead?stage=speech", "", 200, "dead speech 100", `"items":[]`},
		{"GET", "/v1/admin/dead/letter?id=speech/1-0", "", 200, "find speech/1-0", `"id":"speech/1-0"`},
		{"POST", "/v1/admin/dead/retry", `{"id":"job_1","why":"voice is back"}`, 200, "retry job_1 by ada (key_3): voice is back", `"replay_id":"replay_1"`},
		{"POST", "/v1/admin/dead/drop", `{"id":"speech/1-0","why":"looked at"}`, 204, "drop speech/1-0 by ada (key_3): looked at", ""},
	} {
		name := c.method + " " + c.path
		w.replays.asked = ""
		answer := do(h, adminRequest(c.method, c.path, c.body))
		if answer.Code != c.status || w.replays.asked != c.asked || !strings.Contains(answer.Body.String(), c.answer) {
			t.Errorf("%s = %d %s, asked for %q, want %d, %q with %s", name, answer.Code, answer.Body, w.replays.asked, c.status, c.asked, c.answer)
		}
		w.replays.asked = ""
		r := adminRequest(c.method, c.path, c.body)
		r.Header.Set("Authorization", "Bearer "+annsKey)
		wantProblem(t, do(h, r), 403, "forbidden")
		r = adminRequest(c.method, c.path, c.body)
		r.Header.Del("Authorization")
		wantProblem(t, do(h, r), 401, "unauthorized")
		if w.replays.asked != "" {
			t.Errorf("%s by others asked for %q", name, w.replays.asked)
		}
	}
}

func TestAdminPassesEverythingOn(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.handler(t)
	do(h, adminRequest("GET", "/v1/admin/stages/demo/entries?since=2026-01-02T03:04:05Z&user=ann&status=dead&grep=apples&limit=7&id=a,b", ""))
	want := replay.Filter{IDs: []string{"a", "b"}, Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), User: "ann", Status: "dead", Grep: "apples", Limit: 7}
	if diff := cmp.Diff(want, w.replays.filter); diff != "" {
		t.Errorf("filter (-want +got):\n%s", diff)
	}
	answer := do(h, adminRequest("POST", "/v1/admin/stages/feedback/replays",
		`{"ids":["j"],"since":"2026-01-02T03:04:05Z","user":"ann","status":"dead","grep":"apples","limit":7,"provider":"p","model":"m","prompt":"v","chain":true,"apply":true,"why":"w"}`))
	want.IDs = []string{"j"}
	req := replay.Request{Stage: "feedback", Filter: want, Provider: "p", Model: "m", Prompt: "v", Chain: true, Apply: true, Actor: "ada (key_3)", Why: "w"}
	if diff := cmp.Diff(req, w.replays.request); diff != "" || answer.Header().Get("Location") != "/v1/admin/replays/replay_1" {
		t.Errorf("answer %d %s, request (-want +got):\n%s", answer.Code, answer.Body, diff)
	}
}

func TestAdminProblems(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.handler(t)
	w.replays.err = evaluation.ErrNotFound
	if p := wantProblem(t, do(h, adminRequest("GET", "/v1/admin/replays/replay_1", "")), 404, "not-found"); p.Detail != "There is no such replay." {
		t.Errorf("detail = %q", p.Detail)
	}
	w.replays.err = evaluation.Refuse("invalid-request", "Say why.")
	wantProblem(t, do(h, adminRequest("POST", "/v1/admin/stages/feedback/replays", `{"ids":["j"]}`)), 400, "invalid-request")
	w.replays.err = fmt.Errorf("x: %w", evaluation.ErrUnavailable)
	wantProblem(t, do(h, adminRequest("GET", "/v1/admin/stages", "")), 503, "unavailable")
	w.replays.err = nil
	wantProblem(t, do(h, adminRequest("GET", "/v1/admin/stages/demo/entries?since=soon", "")), 400, "invalid-request")
	wantProblem(t, do(h, adminRequest("POST", "/v1/admin/stages/demo/pause", `{}`)), 400, "invalid-request")
	wantProblem(t, do(h, adminRequest("GET", "/v1/admin/dead/letter", "")), 400, "invalid-request")
}
