package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"oktalk/internal/account"
	"oktalk/internal/client"
	"oktalk/internal/devstack"
	"oktalk/internal/postgres"
)

// The whole path: evaluations are posted at a steady rate, whatever becomes of those before, and each is followed by a socket until it
// is done. Assessor, coach and voice answer at once.
const (
	pathRate    = 100 // evaluations a second that are aimed at
	pathStep    = 50  // between higher rates; half of it between lower ones
	pathUsers   = 200 // so that nobody has more open than the fair share
	pathText    = "I like red apples"
	pathPatient = 20 * time.Second // for one evaluation
	pathWarmUp  = 3 * time.Second  // not measured
)

// held is what a rate must show to count as held: nothing fails and 99 of 100 are done in a second.
func (p pathRun) held() bool { return p.failed == 0 && quantile(p.done, 0.99) < time.Second }

// pathRun are the figures of one rate.
type pathRun struct {
	rate         int
	posted, done []time.Duration // from the start of the POST to its answer, and to the message done
	failed       int
	reason       error // why the first failed
	cpu          []pathCPU
	others       float64 // part of the processors that others had meanwhile
}

// pathCPU is what a process computed for one evaluation.
type pathCPU struct {
	name string
	each time.Duration
}

// measurePath measures the rate that is aimed at, then higher ones until one is not held, or lower ones until one is.
func (b *bench) measurePath(ctx context.Context) error {
	p, err := startPath(ctx, b)
	if err != nil {
		return fmt.Errorf("whole path: %w", err)
	}
	defer p.stop(ctx)
	if _, err := p.run(ctx, pathRate/2, pathWarmUp); err != nil {
		return err
	}
	if err := p.analyze(ctx); err != nil {
		return err
	}
	step := pathStep
	for rate, d := pathRate, b.pathTime; rate > 0; rate, d = rate+step, b.pathTime/3 {
		r, err := p.run(ctx, rate, d)
		if err != nil {
			return err
		}
		b.results.path = append(b.results.path, r)
		b.say("whole path at %d evaluations/s: POST p99 %v, done p50 %v, p99 %v, %d failed", rate, quantile(r.posted, 0.99).Round(time.Millisecond),
			quantile(r.done, 0.5).Round(time.Millisecond), quantile(r.done, 0.99).Round(time.Millisecond), r.failed)
		switch {
		case !r.held() && rate == pathRate:
			step = -pathStep / 2 // lower ones, until one is held
		case !r.held() && step > 0, r.held() && step < 0:
			return nil
		}
	}
	return nil
}

// path is the programs on servers of the bench.
type path struct {
	servers  *servers
	programs []*devstack.Process
	names    []string
	users    []*client.Client
	audio    []byte
	database string
	give     func()
}

func startPath(ctx context.Context, b *bench) (_ *path, err error) {
	p := &path{servers: b.servers}
	sp, give, err := b.servers.space(ctx, kind{name: "the whole path", sql: true, prepare: prepareWhole})
	if err != nil {
		return nil, err
	}
	p.give, p.database = give, sp.Database
	defer func() {
		if err != nil {
			p.stop(ctx)
		}
	}()
	if p.audio, err = reading(ctx, b.servers.state.Path("reading.wav")); err != nil {
		return nil, err
	}
	bin := b.servers.state.Path("bin")
	if err := build(ctx, bin); err != nil {
		return nil, err
	}
	addr, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"api", "worker-feedback", "worker-tts"} {
		if err := p.start(ctx, filepath.Join(bin, name), name, addr, sp); err != nil {
			return nil, err
		}
	}
	return p, p.makeUsers(ctx, "http://"+addr, sp)
}

// reading is a recording of the text.
func reading(ctx context.Context, file string) ([]byte, error) {
	if out, err := exec.CommandContext(ctx, "flite", "-voice", "rms", "-t", pathText, "-o", file).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("speak the recording with flite: %w: %s", err, out)
	}
	return os.ReadFile(file)
}

// build builds the programs of the checkout.
func build(ctx context.Context, dir string) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "oktalk").Output()
	if err != nil {
		return fmt.Errorf("find the checkout: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", dir+"/", "./cmd/api", "./cmd/worker-feedback", "./cmd/worker-tts")
	cmd.Dir, cmd.Env = strings.TrimSpace(string(root)), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the programs: %w: %s", err, out)
	}
	return nil
}

func freeAddr(ctx context.Context) (string, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// start starts a program and waits until it is ready.
func (p *path) start(ctx context.Context, file, name, addr string, sp space) error {
	metrics, err := freeAddr(ctx)
	if err != nil {
		return err
	}
	stack := p.servers.stack
	program := devstack.NewProcess(devstack.Command{
		Name: name, Path: file,
		Env: append(os.Environ(), "API_ADDR="+addr, "METRICS_ADDR="+metrics, "DATABASE_URL="+sp.Database, "REDIS_URL="+sp.Redis,
			"S3_ENDPOINT="+stack.S3Endpoint, "S3_BUCKET="+stack.Bucket, "S3_REGION="+stack.S3Region, "AWS_ACCESS_KEY_ID="+stack.S3AccessKey,
			"AWS_SECRET_ACCESS_KEY="+stack.S3SecretKey, "API_STOP_DELAY=0s", "LOG_LEVEL=error", "WORKER_CONCURRENCY=32",
			"ASSESSOR=instant", "COACH=instant", "VOICE=instant"),
		Ready: func(ctx context.Context) error { return getOK(ctx, "http://"+metrics+"/readyz") },
	})
	if err := program.Start(ctx); err != nil {
		return err
	}
	p.programs, p.names = append(p.programs, program), append(p.names, name)
	return nil
}

func getOK(ctx context.Context, url string) error {
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
		return errors.New(resp.Status)
	}
	return nil
}

func (p *path) makeUsers(ctx context.Context, base string, sp space) error {
	db, err := postgres.Open(ctx, postgres.Config{URL: sp.Database}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer db.Close()
	keys := account.NewService(postgres.NewAccounts(db))
	for n := range pathUsers {
		key, err := keys.CreateKey(ctx, fmt.Sprintf("user %d", n))
		if err != nil {
			return err
		}
		c, err := client.New(base, key.Key)
		if err != nil {
			return err
		}
		p.users = append(p.users, c)
	}
	return nil
}

func (p *path) stop(ctx context.Context) {
	for _, program := range slices.Backward(p.programs) {
		program.Stop(context.WithoutCancel(ctx))
	}
	p.give()
}

func (p *path) analyze(ctx context.Context) error {
	pool, err := pgxpool.New(ctx, p.database)
	if err != nil {
		return err
	}
	defer pool.Close()
	return analyze(ctx, pool)
}

// run posts rate evaluations a second for a time and waits until all are done.
func (p *path) run(ctx context.Context, rate int, d time.Duration) (pathRun, error) {
	r := pathRun{rate: rate}
	before, machine, start := p.cpu(), machineCPU(), time.Now()
	n := int(d.Seconds() * float64(rate))
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	for i := range n {
		rest(ctx, time.Until(start.Add(time.Duration(i)*time.Second/time.Duration(rate))))
		g.Go(func() error {
			posted, done, err := p.evaluate(ctx, p.users[i%len(p.users)])
			if ctx.Err() != nil {
				return ctx.Err()
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				r.failed++
				r.reason = errors.Join(r.reason, err)
				if r.failed > 1 {
					r.reason = err
				}
				return nil
			}
			r.posted, r.done = append(r.posted, posted), append(r.done, done)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return r, err
	}
	slices.Sort(r.posted)
	slices.Sort(r.done)
	var ours time.Duration
	for i, c := range p.cpu() {
		spent := c.each - before[i].each
		ours += spent
		r.cpu = append(r.cpu, pathCPU{c.name, spent / time.Duration(max(1, n))})
	}
	r.others = max(0, float64(machineCPU()-machine-ours)/float64(time.Since(start))/float64(runtime.NumCPU()))
	return r, nil
}

// evaluate posts a recording and follows its evaluation until it is done.
func (p *path) evaluate(ctx context.Context, c *client.Client) (posted, done time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, pathPatient)
	defer cancel()
	start := time.Now()
	e, err := c.Create(ctx, client.Recording{Audio: p.audio, TargetText: pathText})
	if err != nil {
		return 0, 0, err
	}
	posted = time.Since(start)
	if err := c.Follow(ctx, e.ID, func(client.Message) error { return nil }); err != nil {
		return 0, 0, err
	}
	return posted, time.Since(start), nil
}

// cpu is what each process has computed since it started; the last is this one, which makes the load.
func (p *path) cpu() []pathCPU {
	var all []pathCPU
	for i, program := range p.programs {
		all = append(all, pathCPU{p.names[i], processCPU(program.PID()) + childrenCPU(program.PID())})
	}
	stack := p.servers.stack
	return append(all,
		pathCPU{"PostgreSQL", processCPU(stack.Postgres.PID()) + childrenCPU(stack.Postgres.PID())},
		pathCPU{"Redis", processCPU(stack.Redis.PID())},
		pathCPU{"S3", processCPU(stack.S3.PID())},
		pathCPU{"load", processCPU(os.Getpid())},
	)
}

// pathTable says how long evaluations took at each rate.
func (b *bench) pathTable() string {
	rows := [][]string{{"evaluations/s", "POST p50 ms", "POST p99 ms", "done p50 ms", "done p99 ms", "failed", "others used"}}
	for _, r := range b.results.path {
		rows = append(rows, []string{
			fmt.Sprint(r.rate), millis(quantile(r.posted, 0.5)), millis(quantile(r.posted, 0.99)), millis(quantile(r.done, 0.5)),
			millis(quantile(r.done, 0.99)), fmt.Sprint(r.failed), percent(r.others),
		})
	}
	return table(rows)
}

// pathCPUTable says who computes for an evaluation at the first rate.
func (b *bench) pathCPUTable() string {
	if len(b.results.path) == 0 {
		return ""
	}
	head, row := []string{"CPU ms an evaluation"}, []string{"at " + fmt.Sprint(b.results.path[0].rate) + "/s"}
	var sum time.Duration
	for _, c := range b.results.path[0].cpu {
		head, row = append(head, c.name), append(row, millis(c.each))
		sum += c.each
	}
	return table([][]string{append(head, "sum"), append(row, millis(sum))})
}
