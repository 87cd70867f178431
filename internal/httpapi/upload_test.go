package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"oktalk/internal/evaluation"
	"oktalk/internal/intake"
)

const mb = 1 << 20

func TestLargestRecording(t *testing.T) {
	t.Parallel()
	w := newWorld()
	var got int
	w.create = func(_ context.Context, req intake.Request) (*evaluation.Evaluation, bool, error) {
		got = len(req.Audio)
		return sample(), false, nil
	}
	h := w.handler(t)
	if answer := do(h, post(part{"audio", "a", strings.Repeat("x", 10*mb)}, textPart)); answer.Code != 201 || got != 10*mb {
		t.Errorf("10 MB = %d, %d bytes taken in", answer.Code, got)
	}
	wantProblem(t, do(h, post(part{"audio", "a", strings.Repeat("x", 10*mb+1)}, textPart)), 413, "audio-too-large")
	padded := func() *http.Request {
		return post(textPart, part{"padding", "", strings.Repeat("x", 11*mb)}, audioPart)
	}
	if p := wantProblem(t, do(h, padded()), 413, "audio-too-large"); !strings.Contains(p.Detail, "the other fields together 256 KB") {
		t.Errorf("an unknown field of 11 MB: %q", p.Detail)
	}
	chunked := padded()
	chunked.ContentLength = -1
	if p := wantProblem(t, do(h, chunked), 400, "invalid-request"); !strings.Contains(p.Detail, `The field "padding"`) {
		t.Errorf("an unknown field of 11 MB in chunks: %q", p.Detail)
	}
	r := post(part{"audio", "a", strings.Repeat("x", 11*mb)}, textPart)
	r.ContentLength = -1 // unknown, as with chunks
	wantProblem(t, do(h, r), 413, "audio-too-large")
}

// countingReader counts what the server reads of an endless body.
type countingReader struct{ read int64 }

func (c *countingReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	c.read += int64(len(p))
	return len(p), nil
}

func TestEndlessUploadIsNotReadBeyondTheLimit(t *testing.T) {
	t.Parallel()
	endless := &countingReader{}
	head := "--b\r\nContent-Disposition: form-data; name=\"audio\"; filename=\"a\"\r\n\r\n"
	r := httptest.NewRequest("POST", "/v1/evaluations", io.MultiReader(strings.NewReader(head), endless))
	r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	r.Header.Set("Authorization", "Bearer "+annsKey)
	r.ContentLength = -1
	wantProblem(t, do(newWorld().handler(t), r), 413, "audio-too-large")
	if endless.read > 12*mb {
		t.Errorf("the server read %d MB", endless.read/mb)
	}
}

// A request that finds no place is refused before its recording is read, and every other gives its place back.
func TestUploadTakesAPlace(t *testing.T) {
	t.Parallel()
	w := newWorld()
	taken := 0
	w.admit = func() (func(), error) {
		taken++
		return func() { taken-- }, nil
	}
	w.create = func(context.Context, intake.Request) (*evaluation.Evaluation, bool, error) {
		if taken != 1 {
			t.Errorf("%d places are taken while the recording is scored, want 1", taken)
		}
		return sample(), false, nil
	}
	h := w.handler(t)
	if answer := do(h, post(audioPart, textPart)); answer.Code != 201 || taken != 0 {
		t.Errorf("answer = %d with %d places taken after it, want 201 and 0", answer.Code, taken)
	}
	if answer := do(h, post(textPart)); answer.Code != 400 || taken != 0 {
		t.Errorf("answer to a bad form = %d with %d places taken after it, want 400 and 0", answer.Code, taken)
	}
	w.admit = func() (func(), error) {
		return nil, &evaluation.Refusal{Problem: "assessor-unavailable", Message: "Too many.", RetryAfter: 2 * time.Second}
	}
	body := &countingReader{}
	r := httptest.NewRequest("POST", "/v1/evaluations", body)
	r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	r.Header.Set("Authorization", "Bearer "+annsKey)
	r.ContentLength = 10 * mb
	answer := do(h, r)
	wantProblem(t, answer, 503, "assessor-unavailable")
	if got := answer.Header().Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After = %q, want 2", got)
	}
	if body.read > 512<<10 { // what is left of a request is read a little, so that a client can read the answer
		t.Errorf("%d KB of the recording were read", body.read>>10)
	}
}

// A client that sends everything before it reads gets the refusal, not a reset connection.
func TestRefusedUploadIsAnswered(t *testing.T) {
	t.Parallel()
	server := newWorld().serve(t)
	for name, tc := range map[string]struct {
		size   int
		key    string
		status int
	}{
		"11 MB":           {11 * mb, annsKey, 413},
		"16 MB":           {16 * mb, annsKey, 413},
		"8 MB, wrong key": {8 * mb, "okt_nobody", 401},
	} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, chunked %v", name, chunked), func(t *testing.T) {
				t.Parallel()
				contentType, body := formBody(part{"audio", "a", strings.Repeat("x", tc.size)}, textPart)
				conn, err := net.Dial("tcp", server.Listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
				r, _ := http.NewRequest(http.MethodPost, server.URL+"/v1/evaluations", body)
				r.Header.Set("Content-Type", contentType)
				r.Header.Set("Authorization", "Bearer "+tc.key)
				if chunked {
					r.ContentLength = -1
				}
				if err := r.Write(conn); err != nil {
					t.Fatalf("send: %v", err)
				}
				answer, err := http.ReadResponse(bufio.NewReader(conn), r)
				if err != nil {
					t.Fatalf("read the answer: %v", err)
				}
				defer func() { _ = answer.Body.Close() }()
				var p problemBody
				if err := json.NewDecoder(answer.Body).Decode(&p); err != nil || answer.StatusCode != tc.status || p.Status != tc.status {
					t.Errorf("answer = %d %+v, %v, want %d", answer.StatusCode, p, err, tc.status)
				}
			})
		}
	}
}

// A client that asks first is told before it sends anything.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	server := newWorld().serve(t)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = fmt.Fprintf(conn, "POST /v1/evaluations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", annsKey, 11*mb)
	_ = conn.SetReadDeadline(time.Now().Add(4 * time.Second))
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || answer.StatusCode != 413 {
		t.Fatalf("answer = %v, %v, want 413 at once", answer, err)
	}
	_ = answer.Body.Close()
}

func TestUploadCutOff(t *testing.T) {
	t.Parallel()
	contentType, body := formBody(audioPart, textPart)
	h := newWorld().handler(t)
	for cut := 1; cut < body.Len()-len("--\r\n"); cut += 37 {
		r := httptest.NewRequest("POST", "/v1/evaluations", bytes.NewReader(body.Bytes()[:cut]))
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Authorization", "Bearer "+annsKey)
		if answer := do(h, r); answer.Code != 400 {
			t.Errorf("cut after %d bytes = %d %s, want 400", cut, answer.Code, answer.Body)
		}
	}
}

func TestNativeLanguage(t *testing.T) {
	t.Parallel()
	w := newWorld()
	var got string
	w.create = func(_ context.Context, req intake.Request) (*evaluation.Evaluation, bool, error) {
		got = req.NativeLanguage
		return sample(), false, nil
	}
	h := w.handler(t)
	for tag, want := range map[string]string{"": "", "zh": "zh", "YUE": "yue", "pt-br": "pt-BR", "xx-Latn": "xx-Latn"} {
		if answer := do(h, post(audioPart, textPart, part{"native_language", "", tag})); answer.Code != 201 || got != want {
			t.Errorf("native_language %q = %d with %q, want 201 with %q", tag, answer.Code, got, want)
		}
	}
	for _, tag := range []string{"Mandarin Chinese", "z", "zh_", strings.Repeat("zh-", 20) + "x"} {
		if p := wantProblem(t, do(h, post(audioPart, textPart, part{"native_language", "", tag})), 400, "invalid-request"); !strings.Contains(p.Detail, "BCP 47") {
			t.Errorf("native_language %q: %q", tag, p.Detail)
		}
	}
}

func TestUploadHints(t *testing.T) {
	t.Parallel()
	h := newWorld().handler(t)
	for want, change := range map[string]func(r *http.Request){
		"names no boundary":           func(r *http.Request) { r.Header.Set("Content-Type", "multipart/form-data") },
		"is not the one in the body":  func(r *http.Request) { r.Header.Set("Content-Type", "multipart/form-data; boundary=other") },
		"Content-Encoding: gzip":      func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") },
		"must be multipart/form-data": func(r *http.Request) { r.Header.Set("Content-Type", "application/json") },
		"before its closing boundary": func(r *http.Request) { r.Body = io.NopCloser(io.LimitReader(r.Body, 300)) },
	} {
		r := post(audioPart, textPart)
		change(r)
		if p := wantProblem(t, do(h, r), 400, "invalid-request"); !strings.Contains(p.Detail, want) {
			t.Errorf("detail = %q, want %q in it", p.Detail, want)
		}
	}
}

func TestUploadTooSlow(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(newWorld().handler(t))
	server.Config.ReadTimeout = 100 * time.Millisecond
	server.Start()
	t.Cleanup(server.Close)
	body, feed := io.Pipe()
	t.Cleanup(func() { _ = feed.Close() })
	go func() {
		_, _ = io.WriteString(feed, "--b\r\nContent-Disposition: form-data; name=\"audio\"; filename=\"a\"\r\n\r\nRIFF")
	}()
	r, _ := http.NewRequest(http.MethodPost, server.URL+"/v1/evaluations", body)
	r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	r.Header.Set("Authorization", "Bearer "+annsKey)
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatalf("POST = %v, want an answer", err)
	}
	defer func() { _ = answer.Body.Close() }()
	var p problemBody
	if err := json.NewDecoder(answer.Body).Decode(&p); err != nil || answer.StatusCode != 400 || !strings.Contains(p.Detail, "did not arrive") {
		t.Errorf("answer = %d %+v, %v", answer.StatusCode, p, err)
	}
}

// Scoring may take longer than what is left of the time for reading.
func TestScoringOutlivesTheReadLimit(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.create = func(ctx context.Context, _ intake.Request) (*evaluation.Evaluation, bool, error) {
		select {
		case <-ctx.Done():
			return nil, false, ctx.Err()
		case <-time.After(300 * time.Millisecond):
			return sample(), false, nil
		}
	}
	server := httptest.NewUnstartedServer(w.handler(t))
	server.Config.ReadTimeout = 100 * time.Millisecond
	server.Start()
	t.Cleanup(server.Close)
	contentType, body := formBody(audioPart, textPart)
	r, _ := http.NewRequest(http.MethodPost, server.URL+"/v1/evaluations", body)
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Authorization", "Bearer "+annsKey)
	answer, err := server.Client().Do(r)
	if err != nil || answer.StatusCode != 201 {
		t.Fatalf("POST = %v, %v, want 201", answer, err)
	}
	_ = answer.Body.Close()
}

func FuzzUpload(f *testing.F) {
	h := newWorld().handler(f)
	_, good := formBody(part{"audio", "me.wav", "RIFF"}, textPart, part{"demo", "", "never"})
	boundary := strings.TrimSpace(strings.SplitN(good.String(), "\r\n", 2)[0])[2:]
	f.Add(good.Bytes(), boundary)
	f.Add([]byte("--b\r\n\r\n--b--"), "b")
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=\"audio\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=\r\n--b--"), "b")
	f.Add([]byte(""), "")
	f.Fuzz(func(t *testing.T, body []byte, boundary string) {
		r := httptest.NewRequest("POST", "/v1/evaluations", bytes.NewReader(body))
		r.Header.Set("Content-Type", "multipart/form-data; boundary="+boundary)
		r.Header.Set("Authorization", "Bearer "+annsKey)
		switch answer := do(h, r); answer.Code {
		case 201, 400, 413, 422:
		default:
			t.Errorf("answer = %d %s", answer.Code, answer.Body)
		}
	})
}

func FuzzCursor(f *testing.F) {
	w := newWorld()
	w.list = func(_ string, _ int, before string) ([]*evaluation.Evaluation, error) {
		if len(before) != 31 && before != "" {
			panic("listed before " + before)
		}
		return nil, nil
	}
	h := w.handler(f)
	f.Add("")
	f.Add("MTpldmFsXzAxamQzazh2NW45cTJ3N3g0eTZ6MGExYjJj")
	f.Add("MTp4")
	f.Add("\x00")
	f.Fuzz(func(t *testing.T, cursor string) {
		r := request("GET", "/v1/evaluations")
		q := r.URL.Query()
		q.Set("cursor", cursor)
		r.URL.RawQuery = q.Encode()
		if answer := do(h, r); answer.Code != 200 && answer.Code != 400 {
			t.Errorf("cursor %q = %d %s", cursor, answer.Code, answer.Body)
		}
	})
}
