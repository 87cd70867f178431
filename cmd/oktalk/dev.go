package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"oktalk/internal/devstack"
)

// devFlags are the choices of a person who runs oktalk dev.
type devFlags struct {
	stateDir    string         // keeps data, ports and the demo key
	postgresDir string         // keeps PostgreSQL's data; empty: in stateDir or, as root, below /var/lib/oktalk
	apiAddr     string         // host:port of the API
	replicas    map[string]int // processes of a kind; 1 where not named
}

func newDevCommand(getenv func(string) string) *cobra.Command {
	var flags devFlags
	var where bool
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run everything on this machine: servers, API and workers",
		Long: `dev starts PostgreSQL, Redis and an S3 server of its own on free ports, migrates, makes
a bucket and a demo key, and runs the API and the workers until Ctrl-C. Everything is kept
in the state folder: a second start finds the same data, addresses and key.

A child that dies is named and started again. While the stack is up, dev.json in the state
folder says for programs where everything is.

Servers named by DATABASE_URL, REDIS_URL or S3_ENDPOINT (with AWS_ACCESS_KEY_ID and
AWS_SECRET_ACCESS_KEY) are used instead of private ones.`,
		Example: `  oktalk dev
  oktalk dev --api-addr 127.0.0.1:8081
  oktalk dev --replicas api=2,worker-tts=4
  oktalk dev --where`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if where {
				dirs, err := devstack.DataDirs(flags.stateDir)
				for _, dir := range dirs {
					_, _ = fmt.Fprintln(cmd.OutOrStdout(), dir)
				}
				return err
			}
			if flags.apiAddr == "" {
				flags.apiAddr = getenv("API_ADDR")
			}
			if flags.apiAddr == "" {
				flags.apiAddr = "127.0.0.1:8080"
			}
			return runDev(cmd.Context(), flags, getenv, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&flags.stateDir, "state-dir", ".oktalk", "folder for data, ports and the demo key")
	cmd.Flags().StringVar(&flags.postgresDir, "postgres-dir", "", "folder for PostgreSQL's data (default: in the state folder; as root in /var/lib/oktalk)")
	cmd.Flags().StringVar(&flags.apiAddr, "api-addr", "", "address of the API (default: API_ADDR, or 127.0.0.1:8080)")
	cmd.Flags().BoolVar(&where, "where", false, "print the folders that hold its data, one a line, and start nothing")
	cmd.Flags().StringToIntVar(&flags.replicas, "replicas", nil, "processes of a kind, as in api=2,worker-tts=4 (default: one each)")
	return cmd
}

// dev is a development stack under way.
type dev struct {
	flags   devFlags
	getenv  func(string) string
	out     io.Writer
	colour  bool
	bin     string // folder of the programs
	state   *devstack.State
	printer *devstack.Printer

	stack      *devstack.Stack
	supervisor *devstack.Supervisor
	children   []*child

	mu    sync.Mutex // guards what follows, and dev.json
	ready bool
	key   string
}

// runDev runs the whole stack until ctx ends or something cannot be started.
func runDev(ctx context.Context, flags devFlags, getenv func(string) string, out io.Writer) error {
	began := time.Now()
	state, err := devstack.OpenState(flags.stateDir)
	if err != nil {
		return explainInUse(err, flags)
	}
	defer func() { _ = state.Close() }()
	d := &dev{flags: flags, getenv: getenv, out: out, colour: wantsColour(out, getenv), state: state}
	if err := d.prepare(ctx); err != nil {
		return err
	}

	force, release := watchSignals()
	defer release()
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	err = d.start(running, began)
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-d.supervisor.Failed():
			err = explainStart(err)
		}
	}
	interrupted := ctx.Err() != nil
	cancel()
	d.stop(force)
	if interrupted {
		return nil
	}
	return err
}

func explainInUse(err error, flags devFlags) error {
	var inUse *devstack.InUseError
	if !errors.As(err, &inUse) {
		return err
	}
	return fmt.Errorf("oktalk dev already runs here (process %d): stop it with Ctrl-C in its terminal or `kill %d`, "+
		"or run another beside it with --state-dir and --api-addr; its state folder is %s", inUse.PID, inUse.PID, flags.stateDir)
}

// wantsColour says whether the output is for a terminal whose owner has not said no (no-color.org).
func wantsColour(out io.Writer, getenv func(string) string) bool {
	f, ok := out.(*os.File)
	return ok && isatty.IsTerminal(f.Fd()) && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
}

// prepare checks all that can be checked before anything is started.
func (d *dev) prepare(ctx context.Context) error {
	_ = os.Remove(d.state.Path("dev.json")) // of a run that was killed
	self, err := os.Executable()
	if err != nil {
		return err
	}
	d.bin = filepath.Dir(self)
	if err := d.state.StopLeftovers(ctx); err != nil { // they may have the API's address
		return err
	}
	if err := checkAddress(d.flags.apiAddr); err != nil {
		return err
	}
	if err := d.planChildren(); err != nil {
		return err
	}
	names := []string{"oktalk"}
	for _, c := range d.children {
		names = append(names, c.name)
	}
	d.printer = devstack.NewPrinter(d.out, d.colour, names...)
	d.supervisor = devstack.NewSupervisor(d.say, d.noteChange)
	return nil
}

// checkAddress says in a sentence why the API could not listen on an address.
func checkAddress(addr string) error {
	const example = "for example `API_ADDR=127.0.0.1:8081 make run`"
	host, port, err := net.SplitHostPort(addr)
	if number, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil || number == 0 {
		return fmt.Errorf("API_ADDR is %q; use host:port with a port from 1 to 65535, for example 127.0.0.1:8080", addr)
	}
	var noName *net.DNSError
	switch err := devstack.CheckAddr(addr); {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s is in use by another program: stop that, or choose another address, %s", addr, example)
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.As(err, &noName):
		return fmt.Errorf("%s is not an address of this machine: leave it out to listen on all, or choose another, %s", host, example)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("port %s needs root: choose one from 1024 on, %s", port, example)
	default:
		return fmt.Errorf("the API cannot listen on %s: %w", addr, err)
	}
}

// say prints a sentence of our own.
func (d *dev) say(sentence string) { d.printer.For(len(d.children), "oktalk")(sentence) }

// start starts everything in order; began is for the report.
func (d *dev) start(ctx context.Context, began time.Time) error {
	d.say("starting PostgreSQL, Redis and S3")
	if err := d.startServers(ctx); err != nil {
		return explainStart(err)
	}
	if err := d.migrate(ctx); err != nil {
		return err
	}
	d.say("starting " + strings.Join(d.childNames(), ", "))
	if err := d.startChildren(ctx); err != nil {
		return explainStart(err)
	}
	if err := d.prepareDemo(ctx); err != nil {
		return err
	}
	d.mu.Lock()
	d.ready = true
	d.mu.Unlock()
	d.noteChange()
	d.greet(time.Since(began))
	return nil
}

func (d *dev) startServers(ctx context.Context) error {
	stack, err := devstack.Start(ctx, devstack.Config{
		State: d.state, PostgresDir: d.flags.postgresDir,
		Servers: devstack.Servers{
			DatabaseURL: d.getenv("DATABASE_URL"),
			RedisURL:    d.getenv("REDIS_URL"),
			S3Endpoint:  d.getenv("S3_ENDPOINT"),
			S3AccessKey: d.getenv("AWS_ACCESS_KEY_ID"),
			S3SecretKey: d.getenv("AWS_SECRET_ACCESS_KEY"),
			S3Region:    d.getenv("S3_REGION"),
			Bucket:      d.getenv("S3_BUCKET"),
		},
	})
	if err != nil {
		return err
	}
	d.stack = stack
	for _, p := range stack.Processes() {
		d.supervisor.Keep(ctx, p)
	}
	return nil
}

// migrate runs `oktalk migrate up`, so that what a developer gets is what an operator runs.
func (d *dev) migrate(ctx context.Context) error {
	_, err := d.runSelf(ctx, "migrate", "up")
	return err
}

// runSelf runs this program with the settings of the stack and returns what it prints.
func (d *dev) runSelf(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(d.bin, "oktalk"), args...)
	cmd.Env = d.settings()
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("oktalk %s: %w\n%s", strings.Join(args, " "), err, strings.TrimSpace(complaint.String()))
	}
	return out, nil
}

func (d *dev) startChildren(ctx context.Context) error {
	var g errgroup.Group // without its context: a failure stops the rest in stop, where each is waited for
	for _, c := range d.children {
		c.process = d.newProcess(c)
	}
	for _, c := range d.children {
		g.Go(func() error { return d.supervisor.Start(ctx, c.process) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return d.awaitReady(ctx)
}

// explainStart says of a child that did not start what it said itself: its complaint if its setup is wrong, else its last lines.
func explainStart(err error) error {
	var failed *devstack.StartError
	if !errors.As(err, &failed) || len(failed.Tail) == 0 {
		return err
	}
	if failed.Final {
		return fmt.Errorf("%s cannot run: %s", failed.Name, complaint(failed.Tail))
	}
	return fmt.Errorf("%s did not start (%s); its last lines were:\n    %s",
		failed.Name, failed.Why, strings.Join(failed.Tail, "\n    "))
}

// complaint is the error with which one of our programs ended, without the program's name: its last line, or several from the last one
// that begins with a name.
func complaint(tail []string) string {
	for i, line := range slices.Backward(tail) {
		for _, kind := range childKinds {
			if text, ok := strings.CutPrefix(line, kind+": "); ok {
				return strings.Join(append([]string{text}, tail[i+1:]...), "\n")
			}
		}
	}
	return tail[len(tail)-1]
}

// sameSignal is how close two signals belong together: make and timeout pass on what the terminal sent already.
const sameSignal = 500 * time.Millisecond

// watchSignals returns a context that is done at the second signal, for a person who does not want to wait for the stop
// that the first one began.
func watchSignals() (force context.Context, release func()) {
	force, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		var first time.Time
		for range signals {
			if first.IsZero() {
				first = time.Now()
			} else if time.Since(first) > sameSignal {
				cancel()
			}
		}
	}()
	return force, func() {
		signal.Stop(signals)
		close(signals)
		cancel()
	}
}

// stop stops what was started, the children before their servers. When force is done it kills the rest.
func (d *dev) stop(force context.Context) {
	d.mu.Lock()
	d.ready = false
	_ = os.Remove(d.state.Path("dev.json"))
	d.mu.Unlock()
	d.supervisor.Wait()

	var children, servers []*devstack.Process
	for _, c := range d.children {
		if c.process != nil {
			children = append(children, c.process)
		}
	}
	if d.stack != nil {
		servers = d.stack.Processes()
	}
	d.stopAll(force, children)
	d.stopAll(force, servers)
	dirs := []string{d.flags.stateDir}
	if d.flags.postgresDir != "" {
		dirs = append(dirs, d.flags.postgresDir)
	} else if all, err := devstack.DataDirs(d.flags.stateDir); err == nil && len(all) > 1 {
		dirs = append(dirs, all[1:]...)
	}
	d.say("stopped; the data stays in " + strings.Join(dirs, " and "))
}

// stopAll stops processes side by side.
func (d *dev) stopAll(ctx context.Context, ps []*devstack.Process) {
	ps = slices.DeleteFunc(ps, func(p *devstack.Process) bool { return p.PID() == 0 })
	if len(ps) == 0 {
		return
	}
	d.say("stopping " + strings.Join(processNames(ps), ", ") + " (Ctrl-C again kills)")
	var wg sync.WaitGroup
	for _, p := range ps {
		wg.Go(func() { p.Stop(ctx) })
	}
	wg.Wait()
}

func processNames(ps []*devstack.Process) []string {
	names := make([]string, len(ps))
	for i, p := range ps {
		names[i] = p.Name()
	}
	return names
}
