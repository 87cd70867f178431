package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"oktalk/internal/devstack"
)

// The recording that the printed curl line posts.
const (
	sampleFile = "sample.wav"
	sampleText = "I like apples"
)

// prepareDemo makes sure that there is a key that works and a recording to post.
func (d *dev) prepareDemo(ctx context.Context) error {
	key, err := d.demoKey(ctx)
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.key = key
	d.mu.Unlock()
	return d.speakSample(ctx)
}

// demoKey is the key of the demo user, the same at every start for as long as the API takes it. Another database than the
// last time, for example one named by DATABASE_URL, does not know it.
func (d *dev) demoKey(ctx context.Context) (string, error) {
	if key := d.state.Value("demo_key"); key != "" {
		ok, err := d.keyWorks(ctx, key)
		if err != nil || ok {
			return key, err
		}
	}
	out, err := d.runSelf(ctx, "keys", "create", "--user", "demo", "--why", "oktalk dev", "--json")
	if err != nil {
		return "", err
	}
	var made struct {
		Key string `json:"key"`
	}
	if err := json.Unmarshal(bytes.TrimSpace(out), &made); err != nil || made.Key == "" {
		return "", errors.New("oktalk keys create --json printed no key")
	}
	return made.Key, d.state.Set("demo_key", made.Key)
}

// keyWorks asks the API whether it takes a key.
func (d *dev) keyWorks(ctx context.Context, key string) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, baseURL(d.flags.apiAddr)+"/v1/evaluations?limit=1", nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, fmt.Errorf("try the demo key: %w", err)
	}
	return resp.StatusCode != http.StatusUnauthorized, resp.Body.Close()
}

// speakSample lets flite speak the recording, once.
func (d *dev) speakSample(ctx context.Context) error {
	file := d.state.Path(sampleFile)
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	unfinished := d.state.Path("new-" + sampleFile)
	if out, err := exec.CommandContext(ctx, "flite", "-voice", "slt", "-t", sampleText, "-o", unfinished).CombinedOutput(); err != nil {
		return fmt.Errorf("make a sample recording with flite: %w: %s", err, out)
	}
	return os.Rename(unfinished, file)
}

// devFile is dev.json: where everything is, for programs.
type devFile struct {
	URL         string `json:"url"`
	Key         string `json:"key"`
	DatabaseURL string `json:"database_url"` // for oktalk keys and migrate; the file is its owner's alone
	// Environment is where the other stores are, for oktalk replay, stages and explain.
	Environment map[string]string `json:"environment"`
	Metrics     []string          `json:"metrics"` // URLs
	Processes   []devProcess      `json:"processes"`
}

type devProcess struct {
	Name string `json:"name"`
	PID  int    `json:"pid"`
}

// noteChange writes dev.json anew: when the stack is ready and whenever a child was started again.
func (d *dev) noteChange() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.ready {
		return
	}
	f := devFile{URL: baseURL(d.flags.apiAddr), Key: d.key, DatabaseURL: d.stack.DatabaseURL, Environment: d.stores()}
	for _, c := range d.children {
		f.Metrics = append(f.Metrics, "http://"+c.metrics+"/metrics")
		f.Processes = append(f.Processes, devProcess{Name: c.name, PID: c.process.PID()})
	}
	for _, p := range d.stack.Processes() {
		f.Processes = append(f.Processes, devProcess{Name: p.Name(), PID: p.PID()})
	}
	if err := devstack.WriteJSON(d.state.Path("dev.json"), f); err != nil {
		d.say(fmt.Sprintf("cannot write %s: %v", d.state.Path("dev.json"), err))
	}
}

// greet tells the person how to use what runs now.
func (d *dev) greet(took time.Duration) {
	bold, normal := "", ""
	if d.colour {
		bold, normal = "\x1b[1m", "\x1b[0m"
	}
	url := baseURL(d.flags.apiAddr)
	var b strings.Builder
	fmt.Fprintf(&b, "\n%sOKTalk is ready: %s%s (after %.1f s; the API is described at %s/docs)\n\n", bold, url, normal, took.Seconds(), url)
	for _, c := range d.children {
		if c.apiAddr != "" && c.apiAddr != d.flags.apiAddr {
			fmt.Fprintf(&b, "  %s  %s\n", c.name, baseURL(c.apiAddr))
		}
	}
	fmt.Fprintf(&b, "  demo key  %s\n\n", d.key)
	fmt.Fprintf(&b, "  try it    %s\n", d.curlLine(url))
	b.WriteString("  or        make demo     (in another terminal)\n  stop      Ctrl-C\n\n")
	d.printer.Block(b.String())
}

// curlLine is a command that posts the sample recording, to be pasted into a shell.
func (d *dev) curlLine(url string) string {
	file := d.state.Path(sampleFile)
	if dir, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(dir, file); err == nil && len(rel) < len(file) {
			file = rel
		}
	}
	return fmt.Sprintf(`curl -sS -H 'Authorization: Bearer %s' -F %s -F 'target_text=%s' -F language=en-US %s/v1/evaluations`,
		d.key, shellQuote("audio=@"+file), sampleText, url)
}

// shellQuote makes one word of s for a shell.
func shellQuote(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_", r)
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
