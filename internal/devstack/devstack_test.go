package devstack_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"oktalk/internal/devstack"
)

// openState makes a state folder that user postgres can enter.
func openState(t *testing.T, dir string) *devstack.State {
	t.Helper()
	state, err := devstack.OpenState(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = state.Close() })
	return state
}

func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "oktalk-devstack-") //nolint:usetesting // user postgres cannot enter t.TempDir of root
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func config(state *devstack.State) devstack.Config {
	return devstack.Config{State: state, PostgresDir: state.Path("postgres"), Volatile: true}
}

// needServers skips a test that starts servers when the tests that need none are asked for.
func needServers(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs servers, which -short leaves out")
	}
}

func start(t *testing.T, cfg devstack.Config) *devstack.Stack {
	t.Helper()
	needServers(t)
	stack, err := devstack.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stack.Stop(context.Background()) })
	return stack
}

// write puts a value into each server.
func write(t *testing.T, s *devstack.Stack) {
	t.Helper()
	execSQL(t, s, `CREATE TABLE kept (v text)`)
	execSQL(t, s, `INSERT INTO kept VALUES ('a')`)
	if err := redisClient(t, s).Set(t.Context(), "kept", "a", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateBucket(t.Context(), "kept"); err != nil {
		t.Fatal(err)
	}
}

// checkKept checks that each server has what write put there.
func checkKept(t *testing.T, s *devstack.Stack) {
	t.Helper()
	if got := querySQL(t, s, `SELECT v FROM kept`); got != "a" {
		t.Errorf("PostgreSQL has %q, want a", got)
	}
	if got, err := redisClient(t, s).Get(t.Context(), "kept").Result(); got != "a" {
		t.Errorf("Redis has %q (%v), want a", got, err)
	}
	if status := getStatus(t, s.S3Endpoint+"/kept"); status != http.StatusForbidden {
		t.Errorf("unsigned GET of the bucket = %d, want %d as for one that exists", status, http.StatusForbidden)
	}
}

func execSQL(t *testing.T, s *devstack.Stack, query string) {
	t.Helper()
	conn := connect(t, s)
	if _, err := conn.Exec(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

func querySQL(t *testing.T, s *devstack.Stack, query string) (v string) {
	t.Helper()
	if err := connect(t, s).QueryRow(t.Context(), query).Scan(&v); err != nil {
		t.Error(err)
	}
	return v
}

func connect(t *testing.T, s *devstack.Stack) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func redisClient(t *testing.T, s *devstack.Stack) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(s.RedisURL)
	if err != nil {
		t.Fatal(err)
	}
	options.ContextTimeoutEnabled = true
	options.MaxRetries = -1
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func getStatus(t *testing.T, url string) int {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Error(err)
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func TestSecondStartKeepsDataAndAddresses(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	state := openState(t, dir)
	first := start(t, config(state))
	write(t, first)
	first.Stop(t.Context())
	if err := state.Close(); err != nil {
		t.Fatal(err)
	}

	began := time.Now()
	second := start(t, config(openState(t, dir)))
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("second start took %v, want at most 10 s", took)
	}
	checkKept(t, second)
	if second.Servers != first.Servers {
		t.Errorf("second start has %+v, want the addresses and secrets of the first, %+v", second.Servers, first.Servers)
	}
}

func TestKilledServersStartAgainWithTheirData(t *testing.T) {
	t.Parallel()
	stack := start(t, config(openState(t, tempDir(t))))
	write(t, stack)
	open := connect(t, stack) // its backend outlives the killed server for a moment
	for _, p := range stack.Processes() {
		killed := p.PID()
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		if p.PID() != 0 || p.Why() != "signal: killed" {
			t.Errorf("after Kill %s has pid %d and ended by %q", p.Name(), p.PID(), p.Why())
		}
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if p.PID() == 0 || p.PID() == killed {
			t.Errorf("after Start %s has pid %d, killed was %d", p.Name(), p.PID(), killed)
		}
	}
	_ = open
	checkKept(t, stack)
}

func TestSuspendedServersDoNotAnswer(t *testing.T) {
	t.Parallel()
	stack := start(t, config(openState(t, tempDir(t))))
	write(t, stack)
	conn, client := connect(t, stack), redisClient(t, stack)
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	for _, p := range stack.Processes() {
		if err := p.Suspend(); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := client.Ping(ctx).Err(); err == nil {
		t.Error("a suspended Redis answers")
	}
	if err := conn.Ping(ctx); err == nil {
		t.Error("an open connection to a suspended PostgreSQL answers")
	}
	for _, p := range stack.Processes() {
		if err := p.Resume(); err != nil {
			t.Fatal(err)
		}
	}
	checkKept(t, stack)
}

func TestServersNamedAreUsed(t *testing.T) {
	t.Parallel()
	own := start(t, config(openState(t, tempDir(t))))
	cfg := config(openState(t, tempDir(t)))
	cfg.Servers = own.Servers
	cfg.Servers.Bucket = "another"
	stack := start(t, cfg)
	if got := stack.Processes(); len(got) != 0 {
		t.Errorf("%d private servers were started, want none", len(got))
	}
	if status := getStatus(t, own.S3Endpoint+"/another"); status != http.StatusForbidden {
		t.Errorf("bucket was not made in the named store: status %d", status)
	}
}

func TestTakenPortIsReplaced(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	state := openState(t, dir)
	port, err := state.Port("api")
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := state.Port("api"); again != port {
		t.Errorf("Port = %d, then %d; want the same while it is free", port, again)
	}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if !devstack.PortInUse(l.Addr().String()) {
		t.Errorf("PortInUse(%v) = false while it is listened on", l.Addr())
	}
	if other, err := state.Port("api"); err != nil || other == port {
		t.Errorf("Port = %d, %v while %d is taken; want another", other, err, port)
	}
}

func TestStateBelongsToOneProcess(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	openState(t, dir)
	_, err := devstack.OpenState(dir)
	var inUse *devstack.InUseError
	if !errors.As(err, &inUse) || inUse.PID != os.Getpid() {
		t.Errorf("second OpenState = %v, want an InUseError naming process %d", err, os.Getpid())
	}
}

func TestDamagedStateSaysWhatToDo(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte(`{"id":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := devstack.OpenState(dir); err == nil || !strings.Contains(err.Error(), "remove the folder") {
		t.Errorf("OpenState of a damaged folder = %v, want what to do", err)
	}
}

func TestMissingProgramsAreNamedTogether(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	cfg := config(openState(t, tempDir(t)))
	cfg.Versitygw = "no-such-program"
	_, err := devstack.Start(t.Context(), cfg)
	if err == nil {
		t.Fatal("Start without programs succeeded")
	}
	for _, want := range []string{"redis-server", "versitygw", "make setup"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Start without programs = %q, want it to name %s", err, want)
		}
	}
}

func TestRemovedStateStartsAfresh(t *testing.T) {
	t.Parallel()
	data := filepath.Join(tempDir(t), "postgres")
	cfg := config(openState(t, tempDir(t)))
	cfg.PostgresDir = data
	first := start(t, cfg)
	write(t, first)
	first.Stop(t.Context())

	cfg.State = openState(t, tempDir(t))
	second := start(t, cfg)
	if got := querySQL(t, second, `SELECT count(*)::text FROM pg_tables WHERE tablename = 'kept'`); got != "0" {
		t.Error("a new state folder found the tables of another")
	}
}

// A pid file or postmaster.pid that names a process of somebody else must neither stop the start nor that process.
func TestStalePIDFiles(t *testing.T) {
	t.Parallel()
	state := openState(t, tempDir(t))
	cfg := config(state)
	start(t, cfg).Stop(t.Context())
	self := []byte(strings.Join([]string{itoa(os.Getpid()), state.Path("postgres", "data"), "0", "5432", "", "127.0.0.1", "0 0", "ready", ""}, "\n"))
	for _, file := range []string{state.Path("postgres", "data", "postmaster.pid"), state.Path("run", "redis.pid")} {
		if err := os.WriteFile(file, self, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	start(t, cfg) // would end this test if it believed the files
	if err := syscall.Kill(os.Getpid(), 0); err != nil {
		t.Error(err)
	}
}

// A killed server whose parent has not waited for it is a zombie, which PostgreSQL takes for one that runs.
func TestStartBesideAZombieServer(t *testing.T) {
	t.Parallel()
	state := openState(t, tempDir(t))
	cfg := config(state)
	start(t, cfg).Stop(t.Context())
	file, lockFile := state.Path("zombie"), state.Path("postgres", "data", "postmaster.pid")
	cmd := script("neglectful", `sleep 0.2 & echo $! >`+file+`; exec sleep 60`)
	if cmd.User = postgresUser(t); cmd.User != nil { // to PostgreSQL, processes of others are no servers
		writeFor(t, cmd.User, file, "")
	}
	neglectful := devstack.NewProcess(cmd)
	if err := neglectful.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { neglectful.Stop(context.Background()) })
	var dead int
	eventually(t, "there is a zombie", func() bool {
		b, _ := os.ReadFile(file)
		dead, _ = strconv.Atoi(strings.TrimSpace(string(b)))
		return dead > 0 && (zombie(dead) || runtime.GOOS != "linux")
	})
	lock := []string{itoa(dead), state.Path("postgres", "data"), "0", "5432", "", "127.0.0.1", "0 0", "ready", ""}
	writeFor(t, cmd.User, lockFile, strings.Join(lock, "\n"))
	start(t, cfg)
}

// postgresUser is whom PostgreSQL runs as; nil: us.
func postgresUser(t *testing.T) *devstack.User {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	return &devstack.User{Name: u.Username, UID: uint32(uid), GID: uint32(gid)}
}

// writeFor writes a file that belongs to a user; nil: us.
func writeFor(t *testing.T, u *devstack.User, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	if u == nil {
		return
	}
	if err := os.Chown(file, int(u.UID), int(u.GID)); err != nil {
		t.Fatal(err)
	}
}

func TestStopLeftovers(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	state := openState(t, dir)
	cmd := script("api", "exec sleep 60")
	cmd.PIDFile = state.Path("run", "api.pid")
	p := devstack.NewProcess(cmd)
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := state.StopLeftovers(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if p.Why() != "signal: terminated" {
		t.Errorf("the former api ended by %q, want signal: terminated", p.Why())
	}
}

func TestCheckAddr(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for addr, want := range map[string]error{
		l.Addr().String(): syscall.EADDRINUSE,
		"192.0.2.1:8080":  syscall.EADDRNOTAVAIL, // TEST-NET-1: nobody's
	} {
		if err := devstack.CheckAddr(addr); !errors.Is(err, want) {
			t.Errorf("CheckAddr(%s) = %v, want %v", addr, err, want)
		}
	}
}
