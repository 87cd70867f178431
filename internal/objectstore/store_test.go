package objectstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/evaluation"
	"oktalk/internal/objectstore"
	"oktalk/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// setup gives a store on a bucket of the test's own.
func setup(t *testing.T, change ...func(*objectstore.Config)) *objectstore.Store {
	t.Helper()
	b := testkit.Bucket(t)
	cfg := objectstore.Config{
		Endpoint: b.Endpoint, Bucket: b.Bucket, Region: b.Region, AccessKeyID: b.AccessKey, SecretAccessKey: b.SecretKey,
	}
	for _, f := range change {
		f(&cfg)
	}
	return newStore(t, cfg)
}

func newStore(t *testing.T, cfg objectstore.Config) *objectstore.Store {
	t.Helper()
	s, err := objectstore.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("New() = %v", err)
	}
	return s
}

func put(t *testing.T, s *objectstore.Store, key string, body []byte) {
	t.Helper()
	if err := s.Put(t.Context(), key, "audio/mpeg", body); err != nil {
		t.Fatalf("Put(%s) = %v", key, err)
	}
}

func exists(t *testing.T, s *objectstore.Store, key string) bool {
	t.Helper()
	ok, err := s.Exists(t.Context(), key)
	if err != nil {
		t.Fatalf("Exists(%s) = %v", key, err)
	}
	return ok
}

func TestPutGet(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for name, body := range map[string][]byte{
		"evaluations/e1/recording.wav": bytes.Repeat([]byte("sound"), 2<<20),
		"demo/ü b+c%.mp3":              []byte("x"),
		"empty":                        {},
	} {
		put(t, s, name, []byte("an older version"))
		put(t, s, name, body)
		got, contentType, err := s.Get(t.Context(), name)
		if err != nil || !bytes.Equal(got, body) || contentType != "audio/mpeg" {
			t.Errorf("Get(%s) = %d bytes, %q, %v, want %d bytes, audio/mpeg", name, len(got), contentType, err, len(body))
		}
		if !exists(t, s, name) {
			t.Errorf("Exists(%s) = false", name)
		}
	}
}

func TestMissingObject(t *testing.T) {
	t.Parallel()
	s := setup(t)
	if _, _, err := s.Get(t.Context(), "nothing"); !errors.Is(err, evaluation.ErrNotFound) {
		t.Errorf("Get(nothing) = %v, want ErrNotFound", err)
	}
	if exists(t, s, "nothing") {
		t.Error("Exists(nothing) = true")
	}
}

func TestDeletePrefix(t *testing.T) {
	t.Parallel()
	s := setup(t)
	put(t, s, "evaluations/e1/recording.wav", []byte("a"))
	put(t, s, "evaluations/e1/feedback/deep/b.mp3", []byte("b"))
	put(t, s, "evaluations/e12/recording.wav", []byte("c"))
	put(t, s, "demo/d.mp3", []byte("d"))
	for range 2 { // the second time there is nothing
		if err := s.DeletePrefix(t.Context(), "evaluations/e1/"); err != nil {
			t.Fatalf("DeletePrefix() = %v", err)
		}
	}
	got := map[string]bool{}
	for _, key := range []string{
		"evaluations/e1/recording.wav", "evaluations/e1/feedback/deep/b.mp3", "evaluations/e12/recording.wav", "demo/d.mp3",
	} {
		got[key] = exists(t, s, key)
	}
	want := map[string]bool{
		"evaluations/e1/recording.wav": false, "evaluations/e1/feedback/deep/b.mp3": false,
		"evaluations/e12/recording.wav": true, "demo/d.mp3": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects after DeletePrefix (-want +got):\n%s", diff)
	}
}

// TestDeletePrefixPages deletes more than one page of the listing.
func TestDeletePrefixPages(t *testing.T) {
	t.Parallel()
	s := setup(t)
	const objects = 1100
	work := make(chan int)
	errs := make(chan error)
	for range 8 {
		go func() {
			var failed error
			for i := range work {
				failed = errors.Join(failed, s.Put(t.Context(), fmt.Sprintf("p/%d", i), "text/plain", []byte("x")))
			}
			errs <- failed
		}()
	}
	for i := range objects {
		work <- i
	}
	close(work)
	for range 8 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeletePrefix(t.Context(), "p/"); err != nil {
		t.Fatalf("DeletePrefix(p/) = %v", err)
	}
	for i := range objects {
		if i%100 == 0 && exists(t, s, fmt.Sprintf("p/%d", i)) {
			t.Errorf("p/%d is left", i)
		}
	}
}

func TestDeletePrefixRefusesEverything(t *testing.T) {
	t.Parallel()
	s := newStore(t, objectstore.Config{Endpoint: "http://127.0.0.1:1", Bucket: "b", Region: "r", AccessKeyID: "k", SecretAccessKey: "s"})
	for _, prefix := range []string{"", "/", "evaluations", "evaluations/eval_1"} {
		if err := s.DeletePrefix(t.Context(), prefix); err == nil || errors.Is(err, evaluation.ErrUnavailable) {
			t.Errorf("DeletePrefix(%q) = %v, want it refused", prefix, err)
		}
	}
}

// fetched is an answer to a client.
type fetched struct {
	status int
	header http.Header
	body   string
}

// fetch reads a URL as a client would, without credentials.
func fetch(t *testing.T, address string) fetched {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return fetched{resp.StatusCode, resp.Header, string(body)}
}

func presign(t *testing.T, s *objectstore.Store, key, name string) (string, time.Time) {
	t.Helper()
	address, expires, err := s.Presign(t.Context(), key, name)
	if err != nil {
		t.Fatalf("Presign(%s) = %v", key, err)
	}
	return address, expires
}

func TestPresign(t *testing.T) {
	t.Parallel()
	s := setup(t)
	put(t, s, "evaluations/e1/a b.mp3", []byte("mp3 data"))
	put(t, s, "evaluations/e2/secret.mp3", []byte("another learner's"))
	address, expires := presign(t, s, "evaluations/e1/a b.mp3", "feedback.mp3")
	resp := fetch(t, address)
	got := []string{strconv.Itoa(resp.status), resp.body, resp.header.Get("Content-Type"), resp.header.Get("Content-Disposition")}
	if diff := cmp.Diff([]string{"200", "mp3 data", "audio/mpeg", "inline; filename=feedback.mp3"}, got); diff != "" {
		t.Errorf("GET of the URL (-want +got):\n%s", diff)
	}
	if in := time.Until(expires); in < 71*time.Hour || in > 72*time.Hour {
		t.Errorf("expires in %v, want 72h", in)
	}
	for name, tampered := range map[string]string{
		"another object": strings.Replace(address, "e1/a%20b.mp3", "e2/secret.mp3", 1),
		"longer life":    strings.Replace(address, "X-Amz-Expires=259200", "X-Amz-Expires=604800", 1),
		"other name":     strings.Replace(address, "feedback.mp3", "feedback.exe", 1),
	} {
		if tampered == address {
			t.Fatalf("%s: nothing was changed in the URL", name)
		}
		if status := fetch(t, tampered).status; status != http.StatusForbidden {
			t.Errorf("%s: GET = %d, want 403", name, status)
		}
	}
}

func TestPresignedURLExpires(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *objectstore.Config) { c.URLTTL = time.Second })
	put(t, s, "a.mp3", []byte("x"))
	address, _ := presign(t, s, "a.mp3", "")
	testkit.WaitFor(t, 10*time.Second, "the URL to expire", func() bool {
		return fetch(t, address).status == http.StatusForbidden
	})
}

// TestPublicEndpoint checks that a signature is made for the host clients use, and holds for that alone.
func TestPublicEndpoint(t *testing.T) {
	t.Parallel()
	var public string
	s := setup(t, func(c *objectstore.Config) {
		u, err := url.Parse(c.Endpoint)
		if err != nil {
			t.Fatal(err)
		}
		public = "http://localhost:" + u.Port()
		c.PublicEndpoint = public
	})
	put(t, s, "a.mp3", []byte("x"))
	address, _ := presign(t, s, "a.mp3", "")
	if !strings.HasPrefix(address, public+"/") {
		t.Errorf("Presign() = %s…, want it under %s", address[:min(40, len(address))], public)
	}
	if status := fetch(t, address).status; status != http.StatusOK {
		t.Errorf("GET by the public endpoint = %d, want 200", status)
	}
	if status := fetch(t, strings.Replace(address, "//localhost:", "//127.0.0.1:", 1)).status; status != http.StatusForbidden {
		t.Errorf("GET by the other host = %d, want 403", status)
	}
}

func TestEnsureBucket(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *objectstore.Config) { c.Bucket += "-new" })
	err := s.Ready(t.Context())
	if !errors.Is(err, evaluation.ErrUnavailable) || !strings.Contains(err.Error(), "S3_BUCKET") {
		t.Errorf("Ready() without a bucket = %v, want ErrUnavailable naming S3_BUCKET", err)
	}
	if err := s.Put(t.Context(), "k", "text/plain", nil); !errors.Is(err, evaluation.ErrUnavailable) {
		t.Errorf("Put() without a bucket = %v, want ErrUnavailable", err)
	}
	for range 2 {
		if err := s.EnsureBucket(t.Context()); err != nil {
			t.Fatalf("EnsureBucket() = %v", err)
		}
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("Ready() = %v", err)
	}
}

func TestWrongCredentials(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*objectstore.Config)
		want   string
	}{
		"key":    {func(c *objectstore.Config) { c.AccessKeyID = "nobody" }, "AWS_ACCESS_KEY_ID"},
		"secret": {func(c *objectstore.Config) { c.SecretAccessKey = "wrong" }, "AWS_SECRET_ACCESS_KEY"},
		"region": {func(c *objectstore.Config) { c.Region = "eu-south-7" }, "S3_REGION"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t, test.change)
			err := s.Put(t.Context(), "k", "text/plain", []byte("x"))
			if err == nil || errors.Is(err, evaluation.ErrUnavailable) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Put() = %v, want an error naming %s", err, test.want)
			}
			if err := s.Ready(t.Context()); err == nil || errors.Is(err, evaluation.ErrUnavailable) {
				t.Errorf("Ready() = %v, want an error that is not an outage", err)
			}
		})
	}
}

// TestOutage checks what callers wait for and what they do not.
func TestOutage(t *testing.T) {
	t.Parallel()
	answer := func(status int, code string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>told so</Message></Error>", code)
		}
	}
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		outage  bool
	}{
		"slow down":      {answer(http.StatusServiceUnavailable, "SlowDown"), true},
		"internal error": {answer(http.StatusInternalServerError, "InternalError"), true},
		"bad gateway":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, true},
		"too many":       {answer(http.StatusTooManyRequests, "Throttling"), true},
		"cut off":        {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, true},
		"denied":         {answer(http.StatusForbidden, "AccessDenied"), false},
		"clock":          {answer(http.StatusForbidden, "RequestTimeTooSkewed"), false},
		"too large":      {answer(http.StatusBadRequest, "EntityTooLarge"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(test.handler)
			defer server.Close()
			s := newStore(t, objectstore.Config{Endpoint: server.URL, Bucket: "b", Region: "us-east-1", AccessKeyID: "k", SecretAccessKey: "s"})
			err := s.Put(t.Context(), "k", "text/plain", []byte("x"))
			if err == nil || errors.Is(err, evaluation.ErrUnavailable) != test.outage {
				t.Errorf("Put() = %v, want an outage: %v", err, test.outage)
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	s := newStore(t, objectstore.Config{Endpoint: "http://127.0.0.1:1", Bucket: "b", Region: "us-east-1", AccessKeyID: "k", SecretAccessKey: "s"})
	if err := s.Ready(t.Context()); !errors.Is(err, evaluation.ErrUnavailable) {
		t.Errorf("Ready() = %v, want ErrUnavailable", err)
	}
}

// TestFrozenStore checks that a caller's own limit holds and counts as an outage, and that giving up does not.
func TestFrozenStore(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	s := newStore(t, objectstore.Config{Endpoint: server.URL, Bucket: "b", Region: "us-east-1", AccessKeyID: "k", SecretAccessKey: "s"})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := s.Put(ctx, "k", "text/plain", []byte("x")); !errors.Is(err, evaluation.ErrUnavailable) {
		t.Errorf("Put() = %v, want ErrUnavailable", err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("Put() took %v, want 200 ms", took)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := s.Put(ctx, "k", "text/plain", []byte("x")); !errors.Is(err, context.Canceled) || errors.Is(err, evaluation.ErrUnavailable) {
		t.Errorf("Put() after giving up = %v, want context.Canceled", err)
	}
}

func TestConfigNamesEverySetting(t *testing.T) {
	t.Parallel()
	_, err := objectstore.New(objectstore.Config{
		Endpoint: "127.0.0.1:7070", PublicEndpoint: "ftp://x", AccessKeyID: "only", URLTTL: 200 * time.Hour,
	}, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("New() = nil, want an error")
	}
	for _, name := range []string{"S3_ENDPOINT", "S3_PUBLIC_ENDPOINT", "S3_BUCKET", "S3_REGION", "AWS_SECRET_ACCESS_KEY", "S3_URL_TTL"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("New() = %v, want it to name %s", err, name)
		}
	}
}
