package redisstream_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
	"oktalk/internal/pipeline/pipelinetest"
	"oktalk/internal/redisconn"
	"oktalk/internal/redisstream"
	"oktalk/internal/testkit"
)

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "8") // these tests wait for servers more than they compute
	testkit.Main(m)
}

// quick is the timing of tests on a real server: a tenth of the defaults.
var quick = pipelinetest.Timing{Lease: 800 * time.Millisecond, Beat: 200 * time.Millisecond, Block: 2 * time.Second}

func config(t pipelinetest.Timing) redisstream.Config {
	return redisstream.Config{Lease: t.Lease, Beat: t.Beat, Block: t.Block, GhostCheck: time.Second}
}

// stage is a stage of a Redis server.
type stage struct {
	cfg            redisstream.Config
	prefix         string
	work, blocking redis.UniversalClient
	*redisstream.Producer
}

// open makes an empty stage on a server.
func open(t *testing.T, url string, timing pipelinetest.Timing) *stage {
	t.Helper()
	return openWith(t, redisconn.Config{URL: url, MinIdle: 1}, timing)
}

func openWith(t *testing.T, conn redisconn.Config, timing pipelinetest.Timing) *stage {
	t.Helper()
	work, err := redisconn.Work(conn)
	if err != nil {
		t.Fatal(err)
	}
	blocking, err := redisconn.Blocking(conn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = work.Close(), blocking.Close() })
	prefix := testkit.Prefix(t)
	return &stage{config(timing), prefix, work, blocking, redisstream.NewProducer(work, prefix)}
}

func (s *stage) key(name string) string {
	return s.prefix + ":stage:{" + string(pipelinetest.StageName) + "}:" + name
}

func (s *stage) Source(t *testing.T, consumer string) pipeline.Source {
	t.Helper()
	return s.source(t, consumer)
}

func (s *stage) source(t *testing.T, consumer string) *redisstream.Source {
	t.Helper()
	return redisstream.NewSource(s.cfg, s.work, s.blocking, s.prefix, pipelinetest.StageName, consumer, logger(t))
}

func (s *stage) Add(t *testing.T, entries ...pipeline.Entry) {
	t.Helper()
	if err := s.Enqueue(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
}

func (s *stage) AddRaw(t *testing.T, fields map[string]string) {
	t.Helper()
	if err := s.work.XAdd(t.Context(), &redis.XAddArgs{Stream: s.key("stream"), Values: fields}).Err(); err != nil {
		t.Fatal(err)
	}
}

func (s *stage) Dead(t *testing.T) []pipelinetest.Dead {
	t.Helper()
	records, err := s.work.XRange(t.Context(), s.key("dead"), "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	var dead []pipelinetest.Dead
	for _, r := range records {
		text := func(name string) string { v, _ := r.Values[name].(string); return v }
		dead = append(dead, pipelinetest.Dead{
			Entry:  pipeline.Entry{ID: text("dead_entry"), JobID: text("job"), EvaluationID: text("evaluation_id"), UserID: text("user_id")},
			Reason: text("dead_reason"),
		})
	}
	return dead
}

// logger writes to the test's log, which is shown when it fails.
func logger(t testing.TB) *slog.Logger {
	t.Helper()
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	if w.t.Context().Err() == nil { // the test still runs
		w.t.Log(strings.TrimSpace(string(p)))
	}
	return len(p), nil
}

// run keeps a source's lease until the returned function is called or the test ends.
func run(t *testing.T, src pipeline.Source) (kill func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := src.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	kill = func() { cancel(); <-done }
	t.Cleanup(kill)
	return kill
}

const slow = 20 * time.Second

// read reads until n entries have come; failing reads are repeated, as a runner does.
func read(t *testing.T, src pipeline.Source, n int) []pipeline.Entry {
	t.Helper()
	entries := readFor(t, src, n, slow)
	if len(entries) < n {
		t.Fatalf("%s got %d entries within %v, want %d", src.Consumer(), len(entries), slow, n)
	}
	return entries
}

func readFor(t *testing.T, src pipeline.Source, n int, limit time.Duration) []pipeline.Entry {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var entries []pipeline.Entry
	for len(entries) < n && ctx.Err() == nil {
		got, err := src.Read(ctx, n-len(entries))
		if err != nil && !errors.Is(err, evaluation.ErrUnavailable) {
			t.Fatalf("Read(%s): %v", src.Consumer(), err)
		}
		if err != nil {
			pause(50 * time.Millisecond)
		}
		entries = append(entries, got...)
	}
	return entries
}

// pause keeps a repeated call from spinning.
func pause(d time.Duration) { <-time.After(d) }

func ack(t *testing.T, src pipeline.Source, entries ...pipeline.Entry) {
	t.Helper()
	for _, e := range entries {
		if err := pipelinetest.Ack(context.Background(), src, e); err != nil {
			t.Fatalf("Ack(%s) by %s: %v", e.ID, src.Consumer(), err)
		}
	}
}

// server is a redis-server of the test's own, which it may break.
type server struct {
	t    testing.TB
	port int
	args []string
	cmd  *exec.Cmd
}

// startServer starts a server; args are further settings.
func startServer(t testing.TB, args ...string) *server {
	t.Helper()
	s := &server{t: t, port: freePort(t), args: append([]string{"--dir", t.TempDir(), "--save", ""}, args...)}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *server) start() {
	s.t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		s.t.Fatal("redis-server is not installed: apt-get install redis-server")
	}
	s.cmd = exec.Command(program, append([]string{"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1"}, s.args...)...)
	log, err := os.Create(filepath.Join(s.t.TempDir(), "redis.log"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("start redis-server: %v", err)
	}
	client := s.client()
	defer func() { _ = client.Close() }()
	testkit.WaitFor(s.t, slow, "redis-server to answer", func() bool { return client.Ping(context.Background()).Err() == nil })
}

func (s *server) client() *redis.Client {
	return redis.NewClient(&redis.Options{Addr: s.addr(), MaxRetries: -1, DialerRetries: 1})
}

func (s *server) addr() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }
func (s *server) url() string  { return "redis://" + s.addr() }

// kill ends the server without a word.
func (s *server) kill() {
	if s.cmd.ProcessState == nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
}

func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}
