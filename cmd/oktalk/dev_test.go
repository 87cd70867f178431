package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"oktalk/internal/process"
	"oktalk/internal/testkit"
)

// TestMain lets the test program play the programs of a stack: as oktalk it is the real command, under the name api or
// worker-… one that only reports to be well.
func TestMain(m *testing.M) {
	if os.Getenv("DEV_TEST_PROGRAM") == "" {
		testkit.Main(m)
		return
	}
	if name := filepath.Base(os.Args[0]); name != "oktalk" {
		playChild(name)
		return
	}
	main()
}

// playChild serves what dev looks at. It dies at once when DEV_TEST_BROKEN names it, as one that is not set up when DEV_TEST_UNFIT does
// or names a file that is there. One that DEV_TEST_STUBBORN names does not stop when asked.
func playChild(name string) {
	if os.Getenv("DEV_TEST_BROKEN") == name {
		fmt.Fprintln(os.Stderr, "the acoustic model is missing")
		os.Exit(1)
	}
	if unfit := os.Getenv("DEV_TEST_UNFIT"); unfit == name || name == "api" && exists(unfit) {
		fmt.Fprintln(os.Stderr, name+": settings:\n  - the acoustic model is missing")
		os.Exit(process.ExitSetup)
	}
	fmt.Println("listening")
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for _, addr := range []string{os.Getenv("METRICS_ADDR"), os.Getenv("API_ADDR")} {
		if addr != "" && (name == "api" || addr != os.Getenv("API_ADDR")) {
			go func() { panic(http.ListenAndServe(addr, ok)) }()
		}
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	<-signals
	if os.Getenv("DEV_TEST_STUBBORN") == name {
		<-signals
	}
	fmt.Println("drained")
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// devRun is an oktalk dev under test, with a Redis of its own and the other servers of testkit.
type devRun struct {
	cmd     *exec.Cmd
	dir     string // state folder
	apiAddr string
	exit    chan error

	mu  sync.Mutex
	out bytes.Buffer
}

// Write implements io.Writer.
func (r *devRun) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.Write(p)
}

func (r *devRun) output() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.String()
}

// programs is a folder with the programs of a stack, all of them this one.
func programs(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range append([]string{"oktalk"}, childKinds...) {
		if err := os.Link(self, filepath.Join(dir, name)); err != nil {
			copyFile(t, self, filepath.Join(dir, name)) // another file system
		}
	}
	return dir
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o700); err != nil {
		t.Fatal(err)
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func startDev(t *testing.T, bin, stateDir, apiAddr string, env ...string) *devRun {
	t.Helper()
	servers := testkit.Servers(t)
	r := &devRun{dir: stateDir, apiAddr: apiAddr, exit: make(chan error, 1)}
	r.cmd = exec.Command(filepath.Join(bin, "oktalk"), "dev", "--state-dir", stateDir, "--api-addr", apiAddr)
	r.cmd.Env = append(os.Environ(), "DEV_TEST_PROGRAM=1", "REDIS_URL=",
		"DATABASE_URL="+servers.DatabaseURL, "S3_ENDPOINT="+servers.S3Endpoint,
		"AWS_ACCESS_KEY_ID="+servers.S3AccessKey, "AWS_SECRET_ACCESS_KEY="+servers.S3SecretKey)
	r.cmd.Env = append(r.cmd.Env, env...)
	r.cmd.Stdout, r.cmd.Stderr = r, r
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.exit <- r.cmd.Wait() }()
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		if t.Failed() {
			t.Logf("oktalk dev printed:\n%s", r.output())
		}
	})
	return r
}

// await waits until dev.json is there and fulfils cond.
func (r *devRun) await(t *testing.T, what string, cond func(devFile) bool) devFile {
	t.Helper()
	var f devFile
	testkit.WaitFor(t, 20*time.Second, what, func() bool {
		b, err := os.ReadFile(filepath.Join(r.dir, "dev.json"))
		f = devFile{}
		return err == nil && json.Unmarshal(b, &f) == nil && cond(f)
	})
	return f
}

func (r *devRun) awaitExit(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.exit:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("oktalk dev did not end")
		return nil
	}
}

func pidOf(f devFile, name string) int {
	for _, p := range f.Processes {
		if p.Name == name {
			return p.PID
		}
	}
	return 0
}

func anyFile(devFile) bool { return true }

func TestDevRunsRestartsAndStops(t *testing.T) {
	t.Parallel()
	bin, dir, addr := programs(t), filepath.Join(t.TempDir(), "state"), freeAddr(t)
	r := startDev(t, bin, dir, addr)
	first := r.await(t, "oktalk dev to be ready", anyFile)
	if first.URL != "http://"+addr || first.Key == "" || len(first.Metrics) != 3 {
		t.Errorf("dev.json = %+v, want the API's URL, a key and three metrics URLs", first)
	}
	names := []string{}
	for _, p := range first.Processes {
		names = append(names, p.Name)
		if p.PID == 0 {
			t.Errorf("dev.json has no pid for %s", p.Name)
		}
	}
	if want := []string{"api", "worker-feedback", "worker-tts", "redis"}; !slices.Equal(names, want) {
		t.Errorf("processes in dev.json = %v, want %v", names, want)
	}

	for _, name := range []string{"worker-tts", "redis"} {
		before := pidOf(first, name)
		if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		r.await(t, name+" to run again", func(f devFile) bool { return pidOf(f, name) != before && pidOf(f, name) != 0 })
		want := name + " died (signal: killed), starting it again in 0.5 s"
		if !strings.Contains(r.output(), want) {
			t.Errorf("output does not say %q", want)
		}
	}

	last := r.await(t, "dev.json", anyFile)
	if err := r.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := r.awaitExit(t); err != nil {
		t.Errorf("oktalk dev ended with %v after Ctrl-C, want success", err)
	}
	for _, p := range last.Processes {
		if syscall.Kill(p.PID, 0) == nil {
			t.Errorf("%s (process %d) still runs after Ctrl-C", p.Name, p.PID)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "dev.json")); err == nil {
		t.Error("dev.json is still there after Ctrl-C")
	}
	out := r.output()
	for _, want := range []string{
		"api             | listening", "worker-tts      | drained", "OKTalk is ready: http://" + addr,
		"stopping api, worker-feedback, worker-tts", "stopping redis", "curl -sS -H 'Authorization: Bearer " + first.Key + "'",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("output does not have %q", want)
		}
	}
	if strings.Index(out, "drained") > strings.Index(out, "stopping redis") {
		t.Error("a server was stopped before the workers")
	}

	second := startDev(t, bin, dir, addr).await(t, "the second start", anyFile)
	if second.Key != first.Key || !slices.Equal(second.Metrics, first.Metrics) {
		t.Errorf("second start has key %s and metrics %v, the first %s and %v", second.Key, second.Metrics, first.Key, first.Metrics)
	}
}

func TestDevSecondSignalKills(t *testing.T) {
	t.Parallel()
	r := startDev(t, programs(t), filepath.Join(t.TempDir(), "state"), freeAddr(t), "DEV_TEST_STUBBORN=worker-feedback")
	stubborn := pidOf(r.await(t, "oktalk dev to be ready", anyFile), "worker-feedback")
	began := time.Now()
	testkit.WaitFor(t, 20*time.Second, "oktalk dev to end", func() bool {
		_ = r.cmd.Process.Signal(syscall.SIGTERM)
		return len(r.exit) == 1
	})
	if took := time.Since(began); took > childGrace {
		t.Errorf("it took %v, as if only the first signal had counted", took)
	}
	if syscall.Kill(stubborn, 0) == nil {
		t.Errorf("process %d still runs", stubborn)
	}
	if out := r.output(); !strings.Contains(out, "worker-tts      | drained") {
		t.Error("signals that came right after the first one killed a worker that would have stopped")
	}
}

func TestDevExplains(t *testing.T) {
	t.Parallel()
	bin := programs(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() }) // after the subtests, which outlive this function
	busy := filepath.Join(t.TempDir(), "state")
	startDev(t, bin, busy, freeAddr(t)).await(t, "oktalk dev to be ready", anyFile)

	tests := []struct {
		name  string
		state string
		addr  string
		env   string
		want  []string
	}{
		{"port in use", t.TempDir(), taken.Addr().String(), "", []string{"is in use", "API_ADDR=127.0.0.1:8081 make run"}},
		{"not an address", t.TempDir(), "8080", "", []string{`API_ADDR is "8080"`}},
		{"port too high", t.TempDir(), ":99999", "", []string{`API_ADDR is ":99999"`, "a port from 1 to 65535"}},
		{"port not a number", t.TempDir(), ":80x", "", []string{`API_ADDR is ":80x"`, "a port from 1 to 65535"}},
		{"another machine's address", t.TempDir(), "192.0.2.1:8080", "", []string{"192.0.2.1 is not an address of this machine"}},
		{"no host of that name", t.TempDir(), "nowhere.invalid:8080", "", []string{"nowhere.invalid is not an address of this machine"}},
		{"runs already", busy, freeAddr(t), "", []string{"already runs here (process "}},
		{"no speech tools", t.TempDir(), freeAddr(t), "PATH=/nowhere", []string{"not installed: flite, espeak-ng, ffmpeg", "make setup"}},
		{"broken child", t.TempDir(), freeAddr(t), "DEV_TEST_BROKEN=api", []string{
			"api did not start (exit status 1), trying again in 0.5 s", "api did not start (exit status 1); its last lines were:",
			"the acoustic model is missing",
		}},
		{"unfit child", t.TempDir(), freeAddr(t), "DEV_TEST_UNFIT=worker-tts", []string{
			"oktalk: worker-tts cannot run: settings:\n  - the acoustic model is missing\n",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			env := []string{}
			if tt.env != "" {
				env = append(env, tt.env)
			}
			r := startDev(t, bin, tt.state, tt.addr, env...)
			var exit *exec.ExitError
			if err := r.awaitExit(t); !errors.As(err, &exit) {
				t.Errorf("oktalk dev ended with %v, want a failure", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(r.output(), want) {
					t.Errorf("output does not say %q", want)
				}
			}
		})
	}
}

func TestDevStopsWhenAChildBecomesUnfit(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing")
	r := startDev(t, programs(t), filepath.Join(t.TempDir(), "state"), freeAddr(t), "DEV_TEST_UNFIT="+missing)
	f := r.await(t, "oktalk dev to be ready", anyFile)
	if err := os.WriteFile(missing, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pidOf(f, "api"), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := r.awaitExit(t); err == nil || !strings.Contains(r.output(), "oktalk: api cannot run: settings:\n  - the acoustic model is missing\n") {
		t.Errorf("oktalk dev ended with %v, want a failure and the api's complaint", err)
	}
	for _, p := range f.Processes {
		if syscall.Kill(p.PID, 0) == nil {
			t.Errorf("%s (process %d) still runs", p.Name, p.PID)
		}
	}
}

// Run at once after all of it was killed, it must neither take the address of the killed api for somebody else's nor stumble over locks.
func TestDevAfterAKill(t *testing.T) {
	t.Parallel()
	bin, dir, addr := programs(t), filepath.Join(t.TempDir(), "state"), freeAddr(t)
	r := startDev(t, bin, dir, addr)
	f := r.await(t, "oktalk dev to be ready", anyFile)
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, p := range f.Processes {
		_ = syscall.Kill(p.PID, syscall.SIGKILL)
	}
	_ = r.awaitExit(t)
	startDev(t, bin, dir, addr).await(t, "the second start", func(devFile) bool { return true })
}

func TestReplicasAreCheckedBeforeAnythingStarts(t *testing.T) {
	t.Parallel()
	for replicas, want := range map[string]string{
		"api=0": "at least one API", "apis=2": "use one of api, worker-feedback, worker-tts", "worker-tts=-1": "a number from 0 to 8", "api=9": "a number from 0 to 8",
	} {
		var out strings.Builder
		args := []string{"dev", "--state-dir", filepath.Join(t.TempDir(), "state"), "--api-addr", freeAddr(t), "--replicas", replicas}
		err := run(t.Context(), args, func(string) string { return "" }, &out, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(out.String(), "starting") {
			t.Errorf("--replicas %s = %v after printing %q, want %q before anything is started", replicas, err, out.String(), want)
		}
	}
}

func TestHelpListsCommands(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run(t.Context(), []string{"--help"}, func(string) string { return "" }, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "dev ") {
		t.Errorf("help does not list dev:\n%s", out.String())
	}
}
