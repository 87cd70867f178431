// Command bench runs the same job, one that does nothing, through OKTalk's stage engine and through other ways to run jobs in Go, on
// the same servers in one run; then evaluations through the whole of OKTalk. It prints a report and writes it to docs/benchmarks.md.
//
// It is a module of its own, so that what OKTalk is compared with never becomes a dependency of OKTalk.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures until it is done or a signal comes.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	debug.SetGCPercent(400) // as process.CollectLess makes workers; all contenders gain by it
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if len(args) == 2 && args[0] == childFlag {
		return runChild(ctx, args[1], stdout)
	}
	b := &bench{log: stderr, results: newResults()}
	o, err := b.parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if b.servers, err = startServers(ctx, b.durable); err != nil {
		return fmt.Errorf("start servers: %w", err)
	}
	defer func() { _ = b.servers.stop(ctx) }()
	m, err := describe(ctx, b.servers)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := b.measure(ctx); err != nil {
		return err
	}
	b.say("measured for %v", time.Since(start).Round(time.Second))
	text, err := b.report(m, args)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(stdout, text); err != nil || o.out == "" {
		return err
	}
	return os.WriteFile(o.out, []byte(text), 0o644)
}

// bench is one run.
type bench struct {
	kinds      []kind
	parts      []string
	durable    bool
	runs       int
	runTime    time.Duration
	pickupTime time.Duration
	crashes    int
	crashTime  time.Duration
	floodTime  time.Duration
	pathTime   time.Duration

	log     io.Writer
	servers *servers
	results *results
}

// options are those of the program rather than of the measurements.
type options struct{ out, profile string }

func (b *bench) parse(args []string, stderr io.Writer) (o options, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.out, "out", "", "also write the report to this file")
	f.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of this process to this file")
	names := f.String("contenders", ".", "run those whose name matches this regular expression")
	parts := f.String("parts", strings.Join(allParts, ","), "measure these")
	slots := f.Int("slots", 0, "slots of every contender when throughput is measured; 0 for what each is set to")
	f.BoolVar(&b.durable, "durable", false, "let the servers keep what they are told on the disk")
	f.IntVar(&b.runs, "runs", 5, "runs of each contender for throughput, after one to warm up")
	f.DurationVar(&b.runTime, "run-time", time.Second, "about how long such a run takes")
	f.DurationVar(&b.pickupTime, "pickup-time", 80*time.Second, "how long pickup is measured")
	f.IntVar(&b.crashes, "crashes", 12, "most workers of each contender that are killed")
	f.DurationVar(&b.crashTime, "crash-time", 110*time.Second, "longest time for killing workers")
	f.DurationVar(&b.floodTime, "flood-time", 6*time.Second, "how long the flood is measured")
	f.DurationVar(&b.pathTime, "path-time", 30*time.Second, "how long the whole path is measured at the first rate; others take a third of it")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	pattern, err := regexp.Compile(*names)
	if err != nil {
		return o, fmt.Errorf("-contenders: %w", err)
	}
	b.kinds = slices.DeleteFunc(kinds(), func(k kind) bool { return !pattern.MatchString(k.name) })
	for i := range b.kinds {
		if *slots > 0 {
			b.kinds[i].slots = *slots
		}
	}
	b.parts = strings.Split(*parts, ",")
	for _, p := range b.parts {
		if !slices.Contains(allParts, p) {
			return o, fmt.Errorf("-parts: there is no %q; there are %s", p, strings.Join(allParts, ", "))
		}
	}
	if len(b.kinds) == 0 || b.runs < 1 {
		return o, errors.New("nothing to run: see -contenders and -runs")
	}
	return o, nil
}

// The parts of a run.
const (
	partThroughput = "throughput"
	partPickup     = "pickup"
	partCrash      = "crash"
	partQueued     = "queued"
	partFairness   = "fairness"
	partFlight     = "flight"
	partPath       = "path"
)

var allParts = []string{partThroughput, partPickup, partCrash, partQueued, partFairness, partFlight, partPath}

// measure runs the parts. Killing workers takes long and computes little, so it goes on beside the measurement of idle workers.
func (b *bench) measure(ctx context.Context) error {
	if err := b.part(ctx, partThroughput, b.measureThroughput); err != nil {
		return err
	}
	crashed := make(chan error, 1)
	go func() { crashed <- b.part(ctx, partCrash, b.measureCrashes) }()
	err := b.part(ctx, partPickup, b.measurePickup)
	if err = errors.Join(err, <-crashed); err != nil {
		return err
	}
	if err := b.part(ctx, partQueued, b.measureQueued); err != nil {
		return err
	}
	if err := b.part(ctx, partFairness, b.measureFairness); err != nil {
		return err
	}
	if err := b.part(ctx, partFlight, b.measureFlight); err != nil {
		return err
	}
	return b.part(ctx, partPath, b.measurePath)
}

func (b *bench) part(ctx context.Context, name string, measure func(context.Context) error) error {
	if !slices.Contains(b.parts, name) {
		return nil
	}
	return measure(ctx)
}

// say tells how far it is.
func (b *bench) say(format string, args ...any) { _, _ = fmt.Fprintf(b.log, format+"\n", args...) }
