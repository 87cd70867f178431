package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"oktalk/internal/devstack"
	"oktalk/internal/process"
)

// childKinds are the programs of a stack, in the order in which they are shown.
var childKinds = []string{"api", "worker-feedback", "worker-tts"}

const (
	// childGrace is how long a child may finish what it has in hand. Less than the drain of production: what is cut off
	// runs again at the next start, and a person waits at the terminal.
	childGrace = 10 * time.Second
	// readyWait bounds the wait for an API whose process is up. It has loaded the acoustic model by then.
	readyWait = 30 * time.Second
	// maxReplicas of each kind: with ten connections each, three times as many are what the private PostgreSQL takes (300).
	maxReplicas = 8
)

// child is one API or worker process.
type child struct {
	name    string // unique: "worker-tts", the next replica "worker-tts-2"
	path    string
	apiAddr string // api only
	metrics string // host:port
	process *devstack.Process
}

// planChildren decides which processes there will be and where they listen.
func (d *dev) planChildren() error {
	if err := checkReplicas(d.flags.replicas); err != nil {
		return err
	}
	if err := d.checkPrograms(); err != nil {
		return err
	}
	for _, kind := range childKinds {
		n, ok := d.flags.replicas[kind]
		if !ok {
			n = 1
		}
		for i := range n {
			c, err := d.planChild(kind, i)
			if err != nil {
				return err
			}
			d.children = append(d.children, c)
		}
	}
	return nil
}

func checkReplicas(replicas map[string]int) error {
	for kind, n := range replicas {
		if !slices.Contains(childKinds, kind) || n < 0 || n > maxReplicas {
			return fmt.Errorf("--replicas %s=%d: use one of %s and a number from 0 to %d", kind, n, strings.Join(childKinds, ", "), maxReplicas)
		}
	}
	if n, ok := replicas["api"]; ok && n == 0 {
		return errors.New("--replicas api=0: a stack has at least one API")
	}
	return nil
}

func (d *dev) planChild(kind string, replica int) (*child, error) {
	c := &child{name: kind, path: filepath.Join(d.bin, kind)}
	if replica > 0 {
		c.name = fmt.Sprintf("%s-%d", kind, replica+1)
	}
	port, err := d.state.Port("metrics_" + c.name)
	if err != nil {
		return nil, err
	}
	c.metrics = fmt.Sprintf("127.0.0.1:%d", port)
	if kind == "api" {
		c.apiAddr = d.flags.apiAddr
	}
	if kind == "api" && replica > 0 {
		port, err := d.state.Port(c.name)
		if err != nil {
			return nil, err
		}
		c.apiAddr = fmt.Sprintf("127.0.0.1:%d", port)
	}
	return c, nil
}

// checkPrograms names what the stack needs beside its servers and does not find, before anything is started.
func (d *dev) checkPrograms() error {
	for _, name := range append([]string{"oktalk"}, childKinds...) {
		path := filepath.Join(d.bin, name)
		if _, err := exec.LookPath(path); err != nil {
			return fmt.Errorf("%s is not built: run `make build`", path)
		}
	}
	var missing []string
	for _, name := range []string{"flite", "espeak-ng", "ffmpeg"} {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("not installed: %s: run `make setup`", strings.Join(missing, ", "))
	}
	return nil
}

func (d *dev) childNames() []string {
	names := make([]string, len(d.children))
	for i, c := range d.children {
		names[i] = c.name
	}
	return names
}

func (d *dev) newProcess(c *child) *devstack.Process {
	return devstack.NewProcess(devstack.Command{
		Name:      c.name,
		Path:      c.path,
		Env:       d.childEnv(c),
		StopGrace: childGrace,
		Ready:     func(ctx context.Context) error { return getOK(ctx, "http://"+c.metrics+"/healthz") },
		FinalExit: process.ExitSetup,
		PIDFile:   d.state.Path("run", c.name+".pid"),
		Output:    d.printer.For(slices.Index(d.children, c), c.name),
	})
}

// settings is the environment of a program that works with the stack: ours, and where its servers are.
func (d *dev) settings() []string {
	env := append(os.Environ(), "DATABASE_URL="+d.stack.DatabaseURL)
	stores := d.stores()
	for _, name := range slices.Sorted(maps.Keys(stores)) {
		env = append(env, name+"="+stores[name])
	}
	return env
}

// stores is where the stores other than the database are, by the names of settings.
func (d *dev) stores() map[string]string {
	public := d.getenv("S3_PUBLIC_ENDPOINT")
	if public == "" {
		public = d.stack.S3Endpoint
	}
	return map[string]string{
		"REDIS_URL":             d.stack.RedisURL,
		"S3_ENDPOINT":           d.stack.S3Endpoint,
		"S3_PUBLIC_ENDPOINT":    public,
		"S3_BUCKET":             d.stack.Bucket,
		"AWS_ACCESS_KEY_ID":     d.stack.S3AccessKey,
		"AWS_SECRET_ACCESS_KEY": d.stack.S3SecretKey,
		"S3_REGION":             d.stack.S3Region,
	}
}

func (d *dev) childEnv(c *child) []string {
	env := append(d.settings(), "METRICS_ADDR="+c.metrics)
	if c.apiAddr != "" {
		env = append(env, "API_ADDR="+c.apiAddr)
	}
	if d.getenv("API_STOP_DELAY") == "" { // no load balancer, but a person who waits
		env = append(env, "API_STOP_DELAY=0s")
	}
	// A child writes into a pipe, but a person reads it.
	if d.getenv("LOG_FORMAT") == "" {
		env = append(env, "LOG_FORMAT=text")
	}
	if d.colour {
		env = append(env, "FORCE_COLOR=1")
	}
	return env
}

// awaitReady waits until each API reports that all it needs answers.
func (d *dev) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for _, c := range d.children {
		if c.apiAddr == "" {
			continue
		}
		last := getOK(ctx, baseURL(c.apiAddr)+"/readyz")
		for last != nil {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return fmt.Errorf("%s is not ready: %w", c.name, last)
			}
			if err := getOK(ctx, baseURL(c.apiAddr)+"/readyz"); err == nil || ctx.Err() == nil {
				last = err
			}
		}
	}
	return nil
}

// baseURL is how this machine reaches a server that listens on addr.
func baseURL(addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// getOK fetches a URL and reports anything but 200, with the beginning of the answer.
func getOK(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		return fmt.Errorf("%s answers %s: %s", url, resp.Status, strings.TrimSpace(string(body)))
	}
	return nil
}
