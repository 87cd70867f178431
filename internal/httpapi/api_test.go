package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"oktalk/internal/account"
	"oktalk/internal/evaluation"
	"oktalk/internal/httpapi"
	"oktalk/internal/intake"
)

var update = flag.Bool("update", false, "write golden files")

func TestKeysAreNeeded(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.create = func(context.Context, intake.Request) (*evaluation.Evaluation, bool, error) {
		t.Error("an unauthorized request was let through")
		return nil, false, errors.New("no")
	}
	h := w.handler(t)
	routes := []struct{ method, path string }{
		{"POST", "/v1/evaluations"},
		{"GET", "/v1/evaluations"},
		{"GET", "/v1/evaluations/" + annsEval},
		{"DELETE", "/v1/evaluations/" + annsEval},
		{"GET", "/v1/evaluations/" + annsEval + "/recording"},
		{"GET", "/v1/evaluations/" + annsEval + "/progress"},
		{"POST", "/v1/evaluations/" + annsEval + "/tickets"},
		{"GET", "/v1/me"},
	}
	for _, route := range routes {
		for header, challenge := range map[string]string{
			"":                    `Bearer realm="oktalk"`,
			"Bearer ":             `Bearer realm="oktalk"`,
			"Basic YW5uOm9rdA==":  `Bearer realm="oktalk"`,
			"Bearer okt_somebody": `Bearer realm="oktalk", error="invalid_token"`,
		} {
			answer := do(h, request(route.method, route.path, "Authorization", header))
			p := wantProblem(t, answer, 401, "unauthorized")
			if got := answer.Header().Get("WWW-Authenticate"); got != challenge {
				t.Errorf("%s %s with %q: WWW-Authenticate = %q, want %q", route.method, route.path, header, got, challenge)
			}
			if strings.Contains(p.Detail, "somebody") {
				t.Errorf("detail %q repeats the key", p.Detail)
			}
		}
	}
	if answer := do(h, request("GET", "/v1/me", "Authorization", "bearer  "+annsKey)); answer.Code != 200 {
		t.Errorf("scheme in small letters = %d, want 200", answer.Code)
	}
	// A ticket opens nothing but its evaluation's progress.
	wantProblem(t, do(h, request("GET", "/v1/evaluations/"+annsEval+"?ticket=ticket-for-"+annsEval, "Authorization", "")), 401, "unauthorized")
}

func TestAuthenticationAway(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.authenticate = func(string) (account.Caller, error) { return account.Caller{}, evaluation.ErrUnavailable }
	answer := do(w.handler(t), request("GET", "/v1/me"))
	wantProblem(t, answer, 503, "unavailable")
	if answer.Header().Get("Retry-After") != "2" {
		t.Errorf("Retry-After = %q", answer.Header().Get("Retry-After"))
	}
}

func TestUnknownRoutes(t *testing.T) {
	t.Parallel()
	h := newWorld().handler(t)
	for _, path := range []string{"/nothing", "/v1", "/v1/evaluations/" + annsEval + "/nothing", "/v2/evaluations", "/problems/nothing", "/v1/evaluations/"} {
		wantProblem(t, do(h, request("GET", path)), 404, "not-found")
	}
	wantProblem(t, do(h, request("FOO", "/v1/x")), 404, "not-found")
	for path, allow := range map[string]string{
		"/v1/evaluations": "GET, POST", "/v1/evaluations/" + annsEval: "GET, DELETE", "/v1/evaluations/" + annsEval + "/tickets": "POST", "/healthz": "GET",
	} {
		for _, method := range []string{"PATCH", "FOO"} {
			answer := do(h, request(method, path))
			wantProblem(t, answer, 405, "method-not-allowed")
			if got := answer.Header().Get("Allow"); got != allow {
				t.Errorf("%s %s: Allow = %q, want %q", method, path, got, allow)
			}
		}
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	h := newWorld().handler(t)
	for sent, kept := range map[string]bool{"abc-123": true, "": false, "has space": false, "new\nline": false, strings.Repeat("x", 129): false} {
		got := do(h, request("GET", "/healthz", "X-Request-Id", sent)).Header().Get("X-Request-Id")
		if (got == sent) != kept || got == "" {
			t.Errorf("X-Request-Id %q came back as %q", sent, got)
		}
	}
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.handler(t)
	do(h, request("GET", "/v1/evaluations/"+annsEval+"/progress?ticket=ticket-for-"+annsEval, "Authorization", "", "X-Request-Id", "r1"))
	got := w.log.String()
	for _, want := range []string{"method=GET", "route=/v1/evaluations/{id}/progress", "status=200", "duration_ms=", "bytes=", "request_id=r1", "client_ip=192.0.2.1"} {
		if !strings.Contains(got, want) {
			t.Errorf("log %q lacks %s", got, want)
		}
	}
	if strings.Contains(got, "ticket") {
		t.Errorf("log %q holds the ticket", got)
	}
}

func TestClientIPBehindProxies(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.cfg.TrustedProxies = []string{"192.0.2.0/24"}
	do(w.handler(t), request("GET", "/v1/me", "X-Forwarded-For", "198.51.100.7"))
	if got := w.log.String(); !strings.Contains(got, "client_ip=198.51.100.7") {
		t.Errorf("log = %q, want the address the proxy names", got)
	}
	direct := newWorld()
	do(direct.handler(t), request("GET", "/v1/me", "X-Forwarded-For", "198.51.100.7"))
	if got := direct.log.String(); !strings.Contains(got, "client_ip=192.0.2.1") {
		t.Errorf("log = %q, want the peer's address: no proxy is trusted", got)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for _, cfg := range []httpapi.Config{{Addr: "8080"}, {Addr: ":8080", TrustedProxies: []string{"10.0.0.1"}}, {Addr: ":99999"}, {Addr: ":80x"}, {Addr: ":8080", StopDelay: -1}} {
		if err := cfg.Validate(); err == nil {
			t.Errorf("Validate(%+v) = nil", cfg)
		}
	}
	if _, err := httpapi.New(httpapi.Config{Addr: ":8080"}, httpapi.Deps{}); err == nil {
		t.Error("New without parts succeeded")
	}
}

func TestPanic(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.get = func(string, string) (*evaluation.Evaluation, error) { panic("secret state") }
	p := wantProblem(t, do(w.handler(t), request("GET", "/v1/evaluations/"+annsEval)), 500, "internal")
	if got := w.log.String(); !strings.Contains(got, "secret state") || !strings.Contains(got, p.RequestID) {
		t.Errorf("log = %q, want the panic and the request id", got)
	}
	if !strings.Contains(p.Detail, "report the request_id") || strings.Contains(p.Detail, "secret") {
		t.Errorf("detail = %q, want what to do, and nothing of the panic", p.Detail)
	}
}

// TestParametersSayWhatIsAllowed does not repeat what was sent, and says what would be taken.
func TestParametersSayWhatIsAllowed(t *testing.T) {
	t.Parallel()
	h := newWorld().handler(t)
	evaluationPath, list := "/v1/evaluations/"+annsEval, "/v1/evaluations"
	for path, want := range map[string]string{
		list + "?limit=101":                            "limit must be a whole number from 1 to 100.",
		list + "?limit=0":                              "limit must be a whole number from 1 to 100.",
		list + "?limit=ten":                            "limit must be a whole number from 1 to 100.",
		list + "?cursor=x":                             "cursor is not one of this list. Use next_cursor of the page before, unchanged.",
		evaluationPath + "/progress?after=-1":          "after must be a whole number, at least 0.",
		evaluationPath + "/progress?after=x":           "after must be a whole number, at least 0.",
		evaluationPath + "/progress?wait=61":           "wait must be a whole number from 0 to 60.",
		evaluationPath + "/progress?wait=61&after=-1":  "after must be a whole number, at least 0. wait must be a whole number from 0 to 60.",
		evaluationPath + "/progress?stay=perhaps":      "stay must be true or false.",
		evaluationPath + "/demo-audio?track=backwards": "track must be reading or contrast.",
	} {
		if p := wantProblem(t, do(h, request("GET", path)), 400, "invalid-request"); p.Detail != want {
			t.Errorf("%s: detail = %q, want %q", path, p.Detail, want)
		}
	}
	why := do(h, adminRequest("POST", "/v1/admin/stages/demo/pause", `{}`))
	if p := wantProblem(t, why, 400, "invalid-request"); !strings.Contains(p.Detail, "why") {
		t.Errorf("a body without why: detail = %q, want it named", p.Detail)
	}
	grep := do(h, adminRequest("GET", "/v1/admin/stages/demo/entries?grep="+strings.Repeat("x", 501), ""))
	if p := wantProblem(t, grep, 400, "invalid-request"); p.Detail != "grep must be a text of at most 500 characters." {
		t.Errorf("a long grep: detail = %q", p.Detail)
	}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	up := func(context.Context) error { return nil }
	down := func(context.Context) error { return errors.New("dial tcp 10.0.0.3:5432: refused") }
	hung := func(context.Context) error { select {} } // ignores its context on purpose
	for name, tc := range map[string]struct {
		postgres, redis func(context.Context) error
		status          int
		body            string
	}{
		"all up":        {up, up, 200, `{"status":"ok","checks":{"postgres":"ok","redis":"ok"}}`},
		"redis down":    {up, down, 200, `{"status":"degraded","checks":{"postgres":"ok","redis":"down"}}`},
		"postgres down": {down, up, 503, `{"status":"down","checks":{"postgres":"down","redis":"ok"}}`},
		"both down":     {down, down, 503, `{"status":"down","checks":{"postgres":"down","redis":"down"}}`},
		"redis hung":    {up, hung, 200, `{"status":"degraded","checks":{"postgres":"ok","redis":"down"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.checks = []httpapi.Check{{Name: "postgres", Required: true, Run: tc.postgres}, {Name: "redis", Run: tc.redis}}
			answer := do(w.handler(t), httptest.NewRequest("GET", "/readyz", http.NoBody))
			if got := strings.TrimSpace(answer.Body.String()); answer.Code != tc.status || got != tc.body {
				t.Errorf("answer = %d %s, want %d %s", answer.Code, got, tc.status, tc.body)
			}
		})
	}
	w := newWorld()
	w.stopping = make(chan struct{})
	close(w.stopping)
	if answer := do(w.handler(t), httptest.NewRequest("GET", "/readyz", http.NoBody)); answer.Code != 503 || !strings.Contains(answer.Body.String(), `"stopping"`) {
		t.Errorf("while stopping = %d %s, want 503 and stopping", answer.Code, answer.Body)
	}
	if answer := do(newWorld().handler(t), httptest.NewRequest("HEAD", "/healthz", http.NoBody)); answer.Code != 200 {
		t.Errorf("HEAD /healthz = %d", answer.Code)
	}
}

func TestDescription(t *testing.T) {
	t.Parallel()
	h := newWorld().handler(t)
	answer := do(h, httptest.NewRequest("GET", "/openapi.json", http.NoBody))
	const golden = "testdata/openapi.json"
	if *update {
		if err := os.WriteFile(golden, append(answer.Body.Bytes(), '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatalf("%v; run the test with -update to write it", err)
	}
	if strings.TrimSpace(answer.Body.String()) != strings.TrimSpace(string(want)) {
		t.Errorf("/openapi.json is not %s: if the change is meant, run the test with -update and note it in the change log", golden)
	}
	var doc struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			Responses   map[string]any `json:"responses"`
			RequestBody any            `json:"requestBody"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &doc); err != nil || !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Fatalf("description of version %q: %v", doc.OpenAPI, err)
	}
	if doc.Paths["/v1/evaluations"]["post"].RequestBody == nil {
		t.Error("the form of POST /v1/evaluations is not described")
	}
	for path, item := range doc.Paths {
		for method, op := range item {
			if op.Responses["401"] == nil || op.Responses["500"] == nil || op.Responses["422"] != nil && path != "/v1/evaluations" {
				t.Errorf("%s %s describes the answers %v", method, path, op.Responses)
			}
		}
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	h := newWorld().handler(t)
	docs := do(h, httptest.NewRequest("GET", "/docs", http.NoBody)).Body.String()
	for _, want := range []string{"/v1/evaluations/{id}/progress", "target_text", "/problems/text-mismatch", "duration_ms", "schema-View"} {
		if !strings.Contains(docs, want) {
			t.Errorf("/docs lacks %s", want)
		}
	}
	for _, bad := range []string{"<script", "http://", "https://", "//cdn", "@import", "ZgotmplZ", "&lt;nil&gt;"} {
		if strings.Contains(docs, bad) {
			t.Errorf("/docs contains %s", bad)
		}
	}
	for name, status := range map[string]int{"no-speech": 200, "unavailable": 200, "nothing": 404} {
		if got := do(h, httptest.NewRequest("GET", "/problems/"+name, http.NoBody)); got.Code != status {
			t.Errorf("/problems/%s = %d, want %d", name, got.Code, status)
		}
	}
	if list := do(h, httptest.NewRequest("GET", "/problems", http.NoBody)).Body.String(); !strings.Contains(list, "/problems/clipped") {
		t.Error("/problems does not list all kinds")
	}
	if got := do(h, httptest.NewRequest("GET", "/", http.NoBody)); got.Code != 302 || got.Header().Get("Location") != "/docs" {
		t.Errorf("/ = %d to %q, want a redirect to /docs", got.Code, got.Header().Get("Location"))
	}
}

func TestAudio(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.get = func(string, string) (*evaluation.Evaluation, error) {
		e := sample()
		e.Artifacts[1] = evaluation.Artifact{Kind: evaluation.FeedbackAudio, State: evaluation.StateReady, ObjectKey: "speech.mp3"}
		return e, nil
	}
	h := w.handler(t)
	for route, address := range map[string]string{
		"recording":      "http://s3/evaluations/" + annsEval + "/recording.wav?sig&name=" + annsEval + "-recording.wav",
		"feedback-audio": "http://s3/speech.mp3?sig&name=" + annsEval + "-feedback.mp3",
	} {
		path := "/v1/evaluations/" + annsEval + "/" + route
		for _, accept := range []string{"", "*/*", "audio/*"} {
			answer := do(h, request("GET", path, "Accept", accept))
			if answer.Code != 302 || answer.Header().Get("Location") != address || answer.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s for %q = %d to %q, %s", route, accept, answer.Code, answer.Header().Get("Location"), answer.Header().Get("Cache-Control"))
			}
		}
		answer := do(h, request("GET", path, "Accept", "text/html, application/json;q=0.9"))
		var body struct {
			URL       string    `json:"url"`
			ExpiresAt time.Time `json:"expires_at"`
		}
		if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil || answer.Code != 200 || body.URL != address || !body.ExpiresAt.Equal(expiry) {
			t.Errorf("%s as JSON = %d %s", route, answer.Code, answer.Body)
		}
		if answer.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s as JSON: Cache-Control = %q", route, answer.Header().Get("Cache-Control"))
		}
	}
}

func TestAudioNotReady(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for state, detail := range map[evaluation.ArtifactState]string{
		evaluation.StatePending: "not made yet", evaluation.StateFailed: "The voice is away.", evaluation.StateSkipped: "not needed",
	} {
		w.get = func(string, string) (*evaluation.Evaluation, error) {
			e := sample()
			e.Artifacts[1] = evaluation.Artifact{Kind: evaluation.FeedbackAudio, State: state, Message: "The voice is away."}
			return e, nil
		}
		p := wantProblem(t, do(w.handler(t), request("GET", "/v1/evaluations/"+annsEval+"/feedback-audio")), 404, "not-ready")
		if p.Artifact != "feedback_audio" || p.State != string(state) || !strings.Contains(p.Detail, detail) {
			t.Errorf("problem = %+v, want state %s and %q", p, state, detail)
		}
	}
	w.get = func(string, string) (*evaluation.Evaluation, error) { return sample(), nil }
	p := wantProblem(t, do(w.handler(t), request("GET", "/v1/evaluations/"+annsEval+"/demo-audio")), 404, "not-ready")
	if p.Artifact != "demo_audio" || p.State != "skipped" {
		t.Errorf("problem = %+v, want demo_audio and skipped", p)
	}
}

// TestContrastAudio finds the second track of a model reading, or says that there is none.
func TestContrastAudio(t *testing.T) {
	t.Parallel()
	w := newWorld()
	demo := evaluation.Artifact{Kind: evaluation.DemoAudio, State: evaluation.StateReady, ObjectKey: "demo/en-US/rms/1.mp3"}
	w.get = func(string, string) (*evaluation.Evaluation, error) {
		e := sample()
		e.Artifacts[2] = demo
		return e, nil
	}
	w.presign = func(key, name string) (string, time.Time, error) { return "http://store/" + key, time.Now(), nil }
	h, path := w.handler(t), "/v1/evaluations/"+annsEval+"/demo-audio"
	if p := wantProblem(t, do(h, request("GET", path+"?track=contrast")), 404, "not-ready"); p.Artifact != "demo_audio" || p.State != "skipped" {
		t.Errorf("without a contrast: %+v, want demo_audio and skipped", p)
	}
	demo.ContrastKey = "evaluations/" + annsEval + "/contrast-1.mp3"
	for track, want := range map[string]string{"": demo.ObjectKey, "?track=reading": demo.ObjectKey, "?track=contrast": demo.ContrastKey} {
		if got := do(h, request("GET", path+track)); got.Code != 302 || got.Header().Get("Location") != "http://store/"+want {
			t.Errorf("%s%s = %d %q, want %s", path, track, got.Code, got.Header().Get("Location"), want)
		}
	}
	wantProblem(t, do(h, request("GET", path+"?track=other")), 400, "invalid-request")
	demo.State, demo.ContrastKey = evaluation.StatePending, ""
	if p := wantProblem(t, do(h, request("GET", path+"?track=contrast")), 404, "not-ready"); p.State != "pending" {
		t.Errorf("while it is made: %+v, want pending", p)
	}
}

func TestSpooledAudio(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.spooled = func(key string) (string, []byte, error) {
		if key != "evaluations/"+annsEval+"/recording.wav" {
			return "", nil, evaluation.ErrNotFound
		}
		return "audio/wav", []byte("RIFF1234"), nil
	}
	w.presign = func(string, string) (string, time.Time, error) {
		t.Error("an address was signed for what is not in the object store")
		return "", time.Time{}, nil
	}
	h := w.handler(t)
	path := "/v1/evaluations/" + annsEval + "/recording"
	answer := do(h, request("GET", path))
	if answer.Code != 200 || answer.Body.String() != "RIFF1234" || answer.Header().Get("Content-Type") != "audio/wav" || answer.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("answer = %d %q %v", answer.Code, answer.Body, answer.Header())
	}
	if answer := do(h, request("GET", path, "Range", "bytes=4-5")); answer.Code != 206 || answer.Body.String() != "12" {
		t.Errorf("range = %d %q", answer.Code, answer.Body)
	}
	if answer := do(h, request("GET", path, "Accept", "application/json")); !strings.Contains(answer.Body.String(), `"url":"data:audio/wav;base64,UklGRjEyMzQ="`) {
		t.Errorf("as JSON = %d %s", answer.Code, answer.Body)
	}
	w.spooled = func(string) (string, []byte, error) { return "", nil, evaluation.ErrUnavailable }
	wantProblem(t, do(h, request("GET", path)), 503, "unavailable")
}

func TestProgress(t *testing.T) {
	t.Parallel()
	w := newWorld()
	var after int64
	var wait time.Duration
	long := w.wait
	w.wait = func(ctx context.Context, id string, a int64, d time.Duration) (evaluation.Message, error) {
		after, wait = a, d
		return long(ctx, id, a, d)
	}
	h := w.handler(t)
	path := "/v1/evaluations/" + annsEval + "/progress"
	if got := do(h, upgrade(path)); got.Body.String() != "socket "+annsEval {
		t.Errorf("upgrade = %d %q", got.Code, got.Body)
	}
	if got := do(h, request("GET", path, "Accept", "text/event-stream", "Last-Event-ID", "3")); got.Body.String() != "events "+annsEval+" 3" {
		t.Errorf("event stream = %d %q", got.Code, got.Body)
	}
	for _, id := range []string{"", "x", "-4"} {
		if got := do(h, request("GET", path, "Accept", "text/event-stream", "Last-Event-ID", id)); got.Body.String() != "events "+annsEval+" 0" {
			t.Errorf("event stream after %q = %d %q", id, got.Code, got.Body)
		}
	}
	got := do(h, request("GET", path+"?after=2&wait=20"))
	var m evaluation.Message
	if err := json.Unmarshal(got.Body.Bytes(), &m); err != nil || got.Code != 200 || m.Type != "snapshot" || m.Version != 1 || got.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("long poll = %d %s", got.Code, got.Body)
	}
	if after != 2 || wait != 20*time.Second {
		t.Errorf("waited %v for what comes after %d, want 20 s and 2", wait, after)
	}
	if do(h, request("GET", path)); after != 0 || wait != 0 {
		t.Errorf("without parameters: after %d, wait %v, want 0 and 0", after, wait)
	}
	for _, query := range []string{"?wait=61", "?wait=-1", "?after=-1", "?after=x"} {
		wantProblem(t, do(h, request("GET", path+query)), 400, "invalid-request")
	}
	for name, tc := range map[string]struct {
		err     error
		status  int
		problem string
	}{"deleted": {evaluation.ErrNotFound, 404, "not-found"}, "away": {evaluation.ErrUnavailable, 503, "unavailable"}} {
		w.wait = func(context.Context, string, int64, time.Duration) (evaluation.Message, error) {
			return evaluation.Message{}, tc.err
		}
		w.events = func(http.ResponseWriter, *http.Request, string, int64) error { return tc.err }
		t.Log(name)
		wantProblem(t, do(h, request("GET", path)), tc.status, tc.problem)
		wantProblem(t, do(h, request("GET", path, "Accept", "text/event-stream")), tc.status, tc.problem)
	}
}

func TestProgressWithTicket(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.get = func(string, string) (*evaluation.Evaluation, error) {
		t.Error("a ticket's evaluation was looked up")
		return nil, evaluation.ErrNotFound
	}
	h := w.handler(t)
	path := "/v1/evaluations/" + annsEval + "/progress?ticket=ticket-for-"
	if got := do(h, request("GET", path+annsEval, "Authorization", "")); got.Code != 200 {
		t.Errorf("with a ticket = %d %s", got.Code, got.Body)
	}
	wantProblem(t, do(h, request("GET", path+noEval, "Authorization", "")), 401, "unauthorized")
	w.check = func(string, string) (account.Caller, error) { return account.Caller{}, evaluation.ErrUnavailable }
	wantProblem(t, do(h, request("GET", path+annsEval, "Authorization", "")), 503, "unavailable")
}

// upgrade is an opening handshake, with changes to its headers.
func upgrade(path string, headers ...string) *http.Request {
	return request("GET", path, append([]string{
		"Connection", "keep-alive, Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==",
	}, headers...)...)
}

func TestBadUpgradeIsAProblem(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.handler(t)
	path := "/v1/evaluations/" + annsEval + "/progress"
	for name, r := range map[string]*http.Request{
		"Connection: Upgrade":   upgrade(path, "Connection", "close"),
		"Sec-WebSocket-Version": upgrade(path, "Sec-WebSocket-Version", "8"),
		"Sec-WebSocket-Key":     upgrade(path, "Sec-WebSocket-Key", "short"),
	} {
		answer := do(h, r)
		if p := wantProblem(t, answer, 400, "invalid-request"); !strings.Contains(p.Detail, name) {
			t.Errorf("detail %q does not name %s", p.Detail, name)
		}
		if name == "Sec-WebSocket-Version" && answer.Header().Get(name) != "13" {
			t.Errorf("the answer does not say which version is served")
		}
	}
	w.socket = func(http.ResponseWriter, *http.Request, string) error { return evaluation.ErrUnavailable }
	wantProblem(t, do(h, upgrade(path)), 503, "unavailable")
}

// A ticket is used up by a request that is served, and by no other.
func TestTicketIsUsedUpByWhatIsServed(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.handler(t)
	path := "/v1/evaluations/" + annsEval + "/progress?ticket=ticket-for-" + annsEval
	none := []string{"Authorization", ""}
	for name, r := range map[string]*http.Request{
		"bad parameter": request("GET", path+"&wait=999", none...), "bad handshake": upgrade(path, "Authorization", "", "Sec-WebSocket-Key", "short"),
		"HEAD": request("HEAD", path, none...), "HEAD of an upgrade": request("HEAD", path, "Authorization", "", "Upgrade", "websocket"),
		"HEAD of a stream": request("HEAD", path, "Authorization", "", "Accept", "text/event-stream"), "POST": request("POST", path, none...),
	} {
		if do(h, r); w.used != 0 {
			t.Errorf("%s used the ticket up", name)
			w.used = 0
		}
	}
	for name, r := range map[string]*http.Request{
		"long poll": request("GET", path, none...), "stream": request("GET", path, "Authorization", "", "Accept", "text/event-stream"),
		"socket": upgrade(path, none...),
	} {
		if got := do(h, r); got.Code != 200 || w.used != 1 {
			t.Errorf("%s = %d after using %d tickets, want 200 and 1", name, got.Code, w.used)
		}
		w.used = 0
	}
	w.use = func() error { return evaluation.ErrUnauthorized }
	for _, r := range []*http.Request{request("GET", path, none...), upgrade(path, none...)} {
		wantProblem(t, do(h, r), 401, "unauthorized")
	}
}

// A stream outlives the time limits of the server: both are lifted.
func TestStreamOutlivesTheServersLimits(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.events = func(rw http.ResponseWriter, r *http.Request, _ string, _ int64) error {
		c := http.NewResponseController(rw)
		if err := c.SetWriteDeadline(time.Time{}); err != nil {
			return err
		}
		for range 4 {
			select {
			case <-r.Context().Done():
				return nil
			case <-time.After(100 * time.Millisecond):
			}
			_, _ = io.WriteString(rw, "data: x\n\n")
			_ = c.Flush()
		}
		return nil
	}
	s := httptest.NewUnstartedServer(w.handler(t))
	s.Config.ReadTimeout, s.Config.WriteTimeout = 200*time.Millisecond, 200*time.Millisecond
	s.Start()
	t.Cleanup(s.Close)
	r := request("GET", s.URL+"/v1/evaluations/"+annsEval+"/progress", "Accept", "text/event-stream")
	r.RequestURI = ""
	answer, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil || strings.Count(string(body), "data: x") != 4 {
		t.Errorf("stream = %q, %v, want 4 events", body, err)
	}
}
