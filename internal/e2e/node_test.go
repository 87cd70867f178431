package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"oktalk/internal/client"
	"oktalk/internal/testkit"
)

// A node that is told to stop says so and serves on, until load balancers had time to notice.
func TestStoppingNodeServesOn(t *testing.T) {
	t.Parallel()
	s := start(t, false)
	addr := freeAddr(t)
	url := "http://" + addr
	node := s.launch(t, "api", url+"/readyz", "API_ADDR="+addr, "METRICS_ADDR=off", "API_STOP_DELAY=6s", "STAGES=")
	stopped := make(chan struct{})
	go func() { defer close(stopped); node.Stop(context.Background()) }()
	testkit.WaitFor(t, time.Minute, "/readyz to say that it is stopping", func() bool { return strings.Contains(body(t, url+"/readyz"), `"stopping"`) })
	if err := get(t.Context(), url+"/healthz"); err != nil {
		t.Errorf("a stopping node does not serve: %v", err)
	}
	<-stopped
	if why := node.Why(); why != "exit status 0" {
		t.Errorf("the node ended with %s, want exit status 0", why)
	}
	if err := get(t.Context(), url+"/healthz"); err == nil {
		t.Error("the node still answers")
	}
}

// body is what a GET answers with, whatever its status; empty if nobody answers.
func body(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer func() { _ = resp.Body.Close() }()
	b, _ := io.ReadAll(resp.Body)
	return string(b)
}

// Revoking a key ends the sockets that it opened.
func TestRevokedKeyEndsSockets(t *testing.T) {
	t.Parallel()
	s := start(t, false)
	s.workers["worker-feedback"].Stop(t.Context()) // so that the evaluation stays open
	addr := freeAddr(t)
	url := "http://" + addr
	s.launch(t, "api", url+"/readyz", "API_ADDR="+addr, "METRICS_ADDR=off", "API_STOP_DELAY=0s", "STAGES=", "REALTIME_CHECK_INTERVAL=300ms")
	var key struct{ ID, Key string }
	if err := json.Unmarshal([]byte(s.tool(t, "keys", "create", "--user", "ann", "--json")), &key); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(url, key.Key)
	if err != nil {
		t.Fatal(err)
	}
	v, err := c.Create(t.Context(), client.Recording{Audio: say(t, "slt", sentence), TargetText: sentence})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Follow(t.Context(), v.ID, func(client.Message) error {
		s.tool(t, "keys", "revoke", key.ID, "--why", "test")
		return nil
	})
	if closed, ok := errors.AsType[*client.ClosedError](err); !ok || closed.Code != 4501 {
		t.Errorf("Follow = %v after the key was revoked, want close code 4501", err)
	}
}
