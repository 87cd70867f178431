package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"oktalk/internal/client"
	"oktalk/internal/devstack"
	"oktalk/internal/postgres"
	"oktalk/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// programs builds the programs once for this test run and returns their folder.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "oktalk-e2e-")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", dir+"/", "oktalk/cmd/...").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return dir, nil
})

// stack is an installation of its own: servers, two API nodes, a worker of each kind.
type stack struct {
	*devstack.Stack

	api     [2]*devstack.Process
	workers map[string]*devstack.Process
	url     [2]string
	env     []string
	db      *pgxpool.Pool
}

// start starts an installation. With own servers the test may kill them.
func start(t *testing.T, own bool) *stack {
	t.Helper()
	s := &stack{workers: map[string]*devstack.Process{}}
	var database string
	if own {
		s.Stack = testkit.OwnServers(t)
		database = s.DatabaseURL
		if err := postgres.Migrate(t.Context(), database); err != nil {
			t.Fatal(err)
		}
	} else {
		s.Stack = testkit.Servers(t)
		database = testkit.Database(t, postgres.Migrate)
	}
	bucket := testkit.Store{Endpoint: s.S3Endpoint, Bucket: s.Bucket, AccessKey: s.S3AccessKey, SecretKey: s.S3SecretKey}
	prefix := "oktalk"
	if !own {
		bucket, prefix = testkit.Bucket(t), testkit.Prefix(t)
	}
	s.env = append(os.Environ(), "DATABASE_URL="+database, "REDIS_URL="+s.RedisURL, "REDIS_PREFIX="+prefix, "S3_ENDPOINT="+bucket.Endpoint,
		"S3_BUCKET="+bucket.Bucket, "AWS_ACCESS_KEY_ID="+bucket.AccessKey, "AWS_SECRET_ACCESS_KEY="+bucket.SecretKey, "LOG_LEVEL=warn", "LOG_FORMAT=text")
	pool, err := pgxpool.New(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s.db = pool
	for i := range s.api {
		addr := freeAddr(t)
		s.url[i] = "http://" + addr
		s.api[i] = s.launch(t, "api", s.url[i]+"/readyz", "API_ADDR="+addr, "METRICS_ADDR=off", "API_STOP_DELAY=0s")
	}
	for _, name := range []string{"worker-feedback", "worker-tts"} {
		addr := freeAddr(t)
		s.workers[name] = s.launch(t, name, "http://"+addr+"/readyz", "METRICS_ADDR="+addr)
	}
	return s
}

// launch starts a program and waits until ready answers 200.
func (s *stack) launch(t *testing.T, name, ready string, env ...string) *devstack.Process {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	p := devstack.NewProcess(devstack.Command{
		Name: name, Path: filepath.Join(dir, name), Env: append(append([]string(nil), s.env...), env...),
		Output:       func(line string) { t.Logf("%-15s %s", name, line) },
		Ready:        func(ctx context.Context) error { return get(ctx, ready) },
		ReadyTimeout: time.Minute,
	})
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(context.Background()) })
	return p
}

// tool runs oktalk and returns its output.
func (s *stack) tool(t *testing.T, args ...string) string {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "oktalk"), args...)
	cmd.Env = s.env
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("oktalk %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// user makes a user and returns a client of the API node with a new key.
func (s *stack) user(t *testing.T, name string, node int) *client.Client {
	t.Helper()
	return s.client(t, s.key(t, name), node)
}

func (s *stack) key(t *testing.T, user string) string {
	t.Helper()
	var key struct{ Key string }
	if err := json.Unmarshal([]byte(s.tool(t, "keys", "create", "--user", user, "--json")), &key); err != nil {
		t.Fatal(err)
	}
	return key.Key
}

func (s *stack) client(t *testing.T, key string, node int) *client.Client {
	t.Helper()
	c, err := client.New(s.url[node], key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}

// freeAddr finds a loopback address that nothing listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}
