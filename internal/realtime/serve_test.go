package realtime_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"oktalk/internal/evaluation"
	"oktalk/internal/realtime"
	"oktalk/internal/redisconn"
	"oktalk/internal/rediskv"
	"oktalk/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// node is an API node in small: a hub on a real Redis, served over HTTP. Its database is in memory.
type node struct {
	t         testing.TB
	hub       *realtime.Hub
	db        *database
	keys      keyring
	snapshots *rediskv.Snapshots
	redis     redis.UniversalClient
	url       string
	admit     func(context.Context) error // set before the first request
	stop      func()
}

// quick are settings under which nothing but the network takes time.
func quick() realtime.Config {
	return realtime.Config{
		CheckInterval: 2 * time.Second, PollInterval: 100 * time.Millisecond, PingInterval: 500 * time.Millisecond,
		WriteTimeout: 2 * time.Second, CloseSpread: time.Millisecond,
	}
}

func newNode(t testing.TB, cfg realtime.Config, redisURL, prefix string, db *database) *node {
	t.Helper()
	client, err := redisconn.Blocking(redisconn.Config{URL: redisURL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	n := &node{t: t, db: db, redis: client, snapshots: rediskv.NewSnapshots(client, prefix, 0)}
	n.hub = realtime.NewHub(cfg, db, &n.keys, n.snapshots, rediskv.NewFeed(client, prefix, discard()), discard())
	n.stop = run(t, n.hub)
	server := httptest.NewUnstartedServer(http.HandlerFunc(n.serve))
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetWriteBuffer(16 << 10) // a client that does not read is noticed after a few messages
		}
		return ctx
	}
	server.Config.WriteTimeout = 5 * time.Second // streams must not be bound by it
	server.Start()
	n.url = server.URL
	t.Cleanup(func() {
		n.stop()
		server.CloseClientConnections()
		server.Close()
	})
	testkit.WaitFor(t, patience, "the feed", func() bool { return n.hub.Stats().FeedUp })
	return n
}

func (n *node) serve(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(r.URL.Path, "/")
	viewer := evaluation.Viewer{KeyID: r.Header.Get("Key"), Stay: r.URL.Query().Has("stay")}
	if n.admit != nil {
		viewer.Admit = n.admit
	}
	last, _ := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64)
	var err error
	if r.Header.Get("Upgrade") != "" {
		err = n.hub.ServeWebSocket(w, r, id, viewer)
	} else {
		err = n.hub.ServeEvents(w, r, id, last, viewer)
	}
	switch {
	case errors.Is(err, evaluation.ErrUnauthorized):
		w.WriteHeader(http.StatusUnauthorized)
	case errors.Is(err, evaluation.ErrNotFound):
		w.WriteHeader(http.StatusNotFound)
	case err != nil:
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

// settle stores a state and publishes it, as a worker and the relay do.
func (n *node) settle(e *evaluation.Evaluation) {
	n.t.Helper()
	n.db.put(e)
	if err := n.snapshots.Publish(n.t.Context(), []*evaluation.Evaluation{e}); err != nil {
		n.t.Fatalf("Publish() = %v", err)
	}
}

func (n *node) dial(id string) *websocket.Conn { return n.dialWith(id, "") }

// dialWith opens a socket with a key.
func (n *node) dialWith(id, key string) *websocket.Conn {
	n.t.Helper()
	conn, _, err := websocket.Dial( //nolint:bodyclose // Dial says that it never needs to be closed
		n.t.Context(), n.url+"/"+id, &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"https://app.example"}, "Key": {key}}},
	)
	if err != nil {
		n.t.Fatalf("dial %s: %v", id, err)
	}
	n.t.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(64 << 10)
	return conn
}

// read gives the next message as "type version", or the close code as "close code".
func read(t testing.TB, conn *websocket.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, data, err := conn.Read(ctx)
	if code := websocket.CloseStatus(err); code != -1 {
		return fmt.Sprint("close ", int(code))
	}
	if err != nil {
		return "error " + err.Error()
	}
	return describe(t, string(data))
}

// describe checks a message and gives its "type version".
func describe(t testing.TB, data string) string {
	t.Helper()
	var m evaluation.Message
	var view evaluation.View
	if err := errors.Join(json.Unmarshal([]byte(data), &m), json.Unmarshal(m.Evaluation, &view)); err != nil {
		t.Fatalf("message %s: %v", data, err)
	}
	if view.Version != m.Version || view.Words != nil || view.Ticket != "" {
		t.Fatalf("message %s: want the view of version %d without words and ticket", data, m.Version)
	}
	return fmt.Sprint(m.Type, " ", m.Version)
}

func want(t testing.TB, conn *websocket.Conn, wanted ...string) {
	t.Helper()
	for _, w := range wanted {
		if got := read(t, conn); got != w {
			t.Fatalf("received %q, want %q", got, w)
		}
	}
}

func TestWebSocketCourse(t *testing.T) {
	t.Parallel()
	prefix, url := testkit.Prefix(t), testkit.RedisURL(t)
	db := newDatabase(processing("e", 1))
	here, there := newNode(t, quick(), url, prefix, db), newNode(t, quick(), url, prefix, db)
	conn := there.dial("e")
	want(t, conn, "snapshot 1")
	here.settle(processing("e", 2)) // posted and settled on one node, watched on another
	want(t, conn, "progress 2")
	here.settle(completed("e", 3))
	want(t, conn, "done 3", "close 1000")
	want(t, there.dial("e"), "done 3", "close 1000")
	testkit.WaitFor(t, patience, "the subscriptions to end", func() bool { return there.hub.Stats().Evaluations == 0 })
}

// A connection that stays sees what an applied replay changes after done, and still ends with its evaluation.
func TestConnectionsThatStay(t *testing.T) {
	t.Parallel()
	n := newNode(t, quick(), testkit.RedisURL(t), testkit.Prefix(t), newDatabase(processing("e", 1), completed("f", 7)))
	socket, stream := n.dial("e?stay"), openEvents(t, n, http.DefaultClient, "e?stay", "")
	late, known := n.dial("f?stay"), openEvents(t, n, http.DefaultClient, "f?stay", "7")
	want(t, socket, "snapshot 1")
	stream.want("snapshot 1")
	want(t, late, "done 7")
	testkit.WaitFor(t, patience, "the connections", func() bool { return n.hub.Stats().Subscriptions == 4 })
	for _, version := range []int64{2, 3} {
		n.settle(completed("e", version))
		n.settle(completed("f", version+6))
		message := fmt.Sprint(map[int64]string{2: "done ", 3: "progress "}[version], version)
		want(t, socket, message)
		stream.want(message)
		want(t, late, fmt.Sprint("progress ", version+6))
		known.want(fmt.Sprint("progress ", version+6))
	}
	n.db.remove("e")
	want(t, socket, "close 4504")
	stream.want("close 4504 false", "end")
}

func TestWebSocketOfDeleted(t *testing.T) {
	t.Parallel()
	n := newNode(t, quick(), testkit.RedisURL(t), testkit.Prefix(t), newDatabase(processing("e", 1)))
	want(t, n.dial("nothing"), "close 4504")
	conn := n.dial("e")
	want(t, conn, "snapshot 1")
	n.db.remove("e")
	if err := n.snapshots.Remove(t.Context(), []string{"e"}); err != nil {
		t.Fatal(err)
	}
	want(t, conn, "close 4504")
	want(t, n.dial("e"), "close 4504")
}

func TestRevokedKeyEndsItsConnections(t *testing.T) {
	t.Parallel()
	n := newNode(t, quick(), testkit.RedisURL(t), testkit.Prefix(t), newDatabase(processing("e", 1), processing("f", 1)))
	anns, others, bobs := n.dialWith("e", "key_ann"), n.dialWith("f", "key_ann"), n.dialWith("e", "key_bob")
	for _, conn := range []*websocket.Conn{anns, others, bobs} {
		want(t, conn, "snapshot 1")
	}
	n.keys.revoke("key_ann")
	want(t, anns, "close 4501")
	want(t, others, "close 4501")
	n.settle(completed("e", 2))
	want(t, bobs, "done 2", "close 1000")
}

// What admits a viewer is asked when all else is settled; its refusal is the answer.
func TestViewerIsAdmittedLast(t *testing.T) {
	t.Parallel()
	n := newNode(t, quick(), testkit.RedisURL(t), testkit.Prefix(t), newDatabase(processing("e", 1)))
	asked := 0
	n.admit = func(context.Context) error { asked++; return evaluation.ErrUnauthorized }
	if missing := openEvents(t, n, http.DefaultClient, "nothing", ""); missing.resp.StatusCode != http.StatusNotFound || asked != 0 {
		t.Errorf("stream of nothing = %s after asking %d times, want 404 and none", missing.resp.Status, asked)
	}
	if refused := openEvents(t, n, http.DefaultClient, "e", ""); refused.resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("stream = %s, want 401", refused.resp.Status)
	}
	_, resp, err := websocket.Dial(t.Context(), n.url+"/e", nil) //nolint:bodyclose // Dial says that it never needs to be closed
	if err == nil || resp == nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("socket = %v, %v, want 401", resp, err)
	}
	n.stop()
	_, resp, err = websocket.Dial(t.Context(), n.url+"/e", nil) //nolint:bodyclose // as above
	if err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable || asked != 2 {
		t.Errorf("socket of a hub that stopped = %v, %v after asking %d times, want 503 and 2", resp, err, asked)
	}
}

// TestRedisBreaks loses Redis in every way while a socket is open: no change is missed and no version comes twice.
func TestRedisBreaks(t *testing.T) {
	t.Parallel()
	stack := testkit.OwnServers(t)
	n := newNode(t, quick(), stack.RedisURL, "p", newDatabase(processing("e", 1)))
	conn := n.dial("e")
	want(t, conn, "snapshot 1")

	if err := n.redis.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	n.settle(processing("e", 2))
	want(t, conn, "progress 2")

	if err := n.redis.Do(t.Context(), "CLIENT", "KILL", "TYPE", "pubsub").Err(); err != nil {
		t.Fatal(err)
	}
	n.settle(processing("e", 3)) // perhaps before the feed is back
	want(t, conn, "progress 3")

	n.db.put(processing("e", 4)) // the message is lost: it was never sent
	want(t, conn, "progress 4")

	if err := stack.Redis.Kill(); err != nil {
		t.Fatal(err)
	}
	n.db.put(processing("e", 5)) // the relay cannot send
	want(t, conn, "progress 5")
	late := n.dial("e")
	want(t, late, "snapshot 5")
	n.db.put(processing("e", 6))
	want(t, conn, "progress 6")
	want(t, late, "progress 6")

	if err := stack.Redis.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	testkit.WaitFor(t, patience, "the feed", func() bool { return n.hub.Stats().FeedUp })
	n.settle(completed("e", 7))
	want(t, conn, "done 7", "close 1000")
	want(t, late, "done 7", "close 1000")
}

func TestManySockets(t *testing.T) {
	t.Parallel()
	const sockets, evaluations = 500, 100
	db := newDatabase()
	for i := range evaluations {
		db.put(processing(fmt.Sprint("e", i), 1))
	}
	cfg := quick()
	cfg.CheckInterval, cfg.PingInterval = time.Minute, time.Minute
	n := newNode(t, cfg, testkit.RedisURL(t), testkit.Prefix(t), db)
	var conns []*websocket.Conn
	for i := range sockets {
		conns = append(conns, n.dial(fmt.Sprint("e", i%evaluations)))
	}
	for _, conn := range conns {
		want(t, conn, "snapshot 1")
	}
	if queries, _ := db.counts(); queries >= sockets {
		t.Errorf("%d queries for %d sockets", queries, sockets)
	}
	start := time.Now()
	for i := range evaluations {
		n.settle(completed(fmt.Sprint("e", i), 2))
	}
	for _, conn := range conns {
		want(t, conn, "done 2", "close 1000")
	}
	t.Logf("%d sockets done after %v", sockets, time.Since(start).Round(time.Millisecond))
	if queries, _ := db.counts(); queries != 0 {
		t.Errorf("%d queries for messages that Redis carried, want 0", queries)
	}
}

// TestSlowClient has one client that does not read: the other one gets everything, and the slow one is cut off.
func TestSlowClient(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.WriteTimeout = 500 * time.Millisecond
	n := newNode(t, cfg, testkit.RedisURL(t), testkit.Prefix(t), newDatabase(processing("e", 1)))
	slow, fast := stalled(t, n, "e"), n.dial("e")
	want(t, fast, "snapshot 1")
	testkit.WaitFor(t, patience, "both sockets", func() bool { return n.hub.Stats().Subscriptions == 2 })
	version := int64(1)
	testkit.WaitFor(t, patience, "the slow client to be cut off", func() bool {
		for range 50 {
			version++
			e := processing("e", version)
			e.TargetText = strings.Repeat("word ", 2000)
			n.settle(e)
			want(t, fast, fmt.Sprint("progress ", version))
		}
		return n.hub.Stats().Subscriptions == 1
	})
	_ = slow.Close()
}

// stalled opens a WebSocket whose client never reads and never answers.
func stalled(t *testing.T, n *node, id string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(4 << 10)
	}
	if _, err := fmt.Fprintf(conn, "GET /%s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", id); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestDeadClientIsNoticed(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.PingInterval, cfg.WriteTimeout = 50*time.Millisecond, 100*time.Millisecond
	n := newNode(t, cfg, testkit.RedisURL(t), testkit.Prefix(t), newDatabase(processing("e", 1)))
	_ = stalled(t, n, "e")
	testkit.WaitFor(t, patience, "the socket", func() bool { return n.hub.Stats().Subscriptions == 1 })
	testkit.WaitFor(t, patience, "the dead client to be cut off", func() bool { return n.hub.Stats().Subscriptions == 0 })
}

// TestClientThatTalks checks that what a client sends changes nothing, unless it is too large.
func TestClientThatTalks(t *testing.T) {
	t.Parallel()
	n := newNode(t, quick(), testkit.RedisURL(t), testkit.Prefix(t), newDatabase(processing("e", 1)))
	conn := n.dial("e")
	want(t, conn, "snapshot 1")
	for range 20 {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"ping"}`)); err != nil {
			t.Fatal(err)
		}
	}
	n.settle(processing("e", 2))
	want(t, conn, "progress 2")
	if err := conn.Write(t.Context(), websocket.MessageBinary, make([]byte, 8<<10)); err != nil {
		t.Fatal(err)
	}
	want(t, conn, "close 1009")
}

// TestFloodIsSlowedDown sends far more than is read: the flood stops at the sockets' buffers, and messages still arrive.
func TestFloodIsSlowedDown(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.PingInterval = time.Minute
	n := newNode(t, cfg, testkit.RedisURL(t), testkit.Prefix(t), newDatabase(processing("e", 1)))
	conn := n.dial("e")
	want(t, conn, "snapshot 1")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	flooded := make(chan int)
	go func() {
		sent := 0
		for conn.Write(ctx, websocket.MessageText, make([]byte, 4000)) == nil {
			sent++
		}
		flooded <- sent
	}()
	for version := int64(2); version < 5; version++ {
		n.settle(processing("e", version))
		want(t, conn, fmt.Sprint("progress ", version))
	}
	if sent := <-flooded; sent > 20_000 {
		t.Errorf("%d messages taken in a second", sent)
	}
}

func TestShutdown(t *testing.T) { //nolint:paralleltest // counts the goroutines of the program
	url := testkit.RedisURL(t)
	client := http.Client{Transport: &http.Transport{}}
	before := runtime.NumGoroutine()
	n := newNode(t, quick(), url, testkit.Prefix(t), newDatabase(processing("e", 1)))
	var conns []*websocket.Conn
	for range 20 {
		conn := n.dial("e")
		want(t, conn, "snapshot 1")
		conns = append(conns, conn)
	}
	events := openEvents(t, n, &client, "e", "")
	events.want("snapshot 1")
	stopped := make(chan struct{})
	go func() { defer close(stopped); n.stop() }()
	for _, conn := range conns {
		want(t, conn, "close 4001")
	}
	events.want("close 4001 true", "end")
	<-stopped
	if got := n.hub.Stats(); got.Subscriptions != 0 {
		t.Errorf("%d subscriptions after Run", got.Subscriptions)
	}
	if _, _, err := websocket.Dial(t.Context(), n.url+"/e", nil); err == nil || !strings.Contains(err.Error(), "503") { //nolint:bodyclose // as above
		t.Errorf("dial after Run = %v, want status 503", err)
	}
	client.CloseIdleConnections()
	http.DefaultClient.CloseIdleConnections()
	_ = n.redis.Close()
	testkit.WaitFor(t, patience, "the goroutines to end", func() bool { return runtime.NumGoroutine() <= before+1 }) // the test server's
}

// events reads an event stream.
type events struct {
	t    *testing.T
	resp *http.Response
	scan *bufio.Scanner
}

func openEvents(t *testing.T, n *node, client *http.Client, id, last string) *events {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.url+"/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return &events{t: t, resp: resp, scan: bufio.NewScanner(resp.Body)}
}

// next gives the next event as "type version" or "close code reconnect"; "end" at the end.
func (e *events) next() string {
	e.t.Helper()
	id, name := "", ""
	for e.scan.Scan() {
		field, value, _ := strings.Cut(e.scan.Text(), ": ")
		switch field {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			if name == "close" {
				return e.closing(value)
			}
			got := describe(e.t, value)
			if got != name+" "+id {
				e.t.Fatalf("event %s with id %s carries %s", name, id, got)
			}
			return got
		}
	}
	if err := e.scan.Err(); err != nil {
		return "error " + err.Error()
	}
	return "end"
}

func (e *events) closing(data string) string {
	e.t.Helper()
	var c struct {
		Code      int
		Reason    string
		Reconnect bool
	}
	if err := json.Unmarshal([]byte(data), &c); err != nil || c.Reason == "" {
		e.t.Fatalf("event close carries %s (%v)", data, err)
	}
	return fmt.Sprint("close ", c.Code, " ", c.Reconnect)
}

func (e *events) want(wanted ...string) {
	e.t.Helper()
	for _, w := range wanted {
		if got := e.next(); got != w {
			e.t.Fatalf("received %q, want %q", got, w)
		}
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	n := newNode(t, quick(), testkit.RedisURL(t), testkit.Prefix(t), newDatabase(processing("e", 3), processing("d", 1)))
	client := http.DefaultClient
	stream, known, behind, ahead := openEvents(t, n, client, "e", ""), openEvents(t, n, client, "e", "3"),
		openEvents(t, n, client, "e", "2"), openEvents(t, n, client, "e", "99")
	header := []string{stream.resp.Status, stream.resp.Header.Get("Content-Type"), stream.resp.Header.Get("Cache-Control")}
	if diff := cmp.Diff([]string{"200 OK", "text/event-stream; charset=utf-8", "no-store"}, header); diff != "" {
		t.Errorf("response (-want +got):\n%s", diff)
	}
	for _, s := range []*events{stream, behind} {
		s.want("snapshot 3")
	}
	testkit.WaitFor(t, patience, "the streams", func() bool { return n.hub.Stats().Subscriptions == 4 })
	n.settle(processing("e", 4))
	for _, s := range []*events{stream, behind, ahead, known} {
		s.want("progress 4")
	}
	n.settle(completed("e", 5))
	for _, s := range []*events{stream, behind, ahead, known} {
		s.want("done 5", "end")
	}
	if again := openEvents(t, n, client, "e", "5"); again.resp.StatusCode != http.StatusNoContent {
		t.Errorf("with the final version: %s, want 204", again.resp.Status)
	}
	openEvents(t, n, client, "e", "4").want("done 5", "end")

	deleted := openEvents(t, n, client, "d", "")
	deleted.want("snapshot 1")
	n.db.remove("d")
	deleted.want("close 4504 false", "end") // nothing was published: the check finds it
	if missing := openEvents(t, n, client, "d", ""); missing.resp.StatusCode != http.StatusNotFound {
		t.Errorf("of a deleted one: %s, want 404", missing.resp.Status)
	}
}

// TestStreamsOutliveTheServersTimeouts keeps a stream and a socket open for longer than the server's write timeout of 5 s.
func TestStreamsOutliveTheServersTimeouts(t *testing.T) {
	t.Parallel()
	n := newNode(t, quick(), testkit.RedisURL(t), testkit.Prefix(t), newDatabase(processing("e", 1)))
	stream, conn := openEvents(t, n, http.DefaultClient, "e", ""), n.dial("e")
	stream.want("snapshot 1")
	want(t, conn, "snapshot 1")
	time.AfterFunc(6*time.Second, func() { n.db.put(completed("e", 2)) })
	want(t, conn, "done 2", "close 1000")
	stream.want("done 2", "end")
}

// BenchmarkPublishToSocket measures from publishing a state to the client's having read it, over Redis and a WebSocket.
func BenchmarkPublishToSocket(b *testing.B) {
	n := newNode(b, realtime.Config{}, testkit.RedisURL(b), testkit.Prefix(b), newDatabase(processing("e", 1)))
	conn := n.dial("e")
	want(b, conn, "snapshot 1")
	version := int64(1)
	for b.Loop() {
		version++
		n.settle(processing("e", version))
		want(b, conn, fmt.Sprint("progress ", version))
	}
}

// BenchmarkIdleSocket reports the memory that an open socket takes on the server and the client together.
func BenchmarkIdleSocket(b *testing.B) {
	n := newNode(b, realtime.Config{}, testkit.RedisURL(b), testkit.Prefix(b), newDatabase(processing("e", 1)))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	conns := make([]*websocket.Conn, 0, b.N)
	for b.Loop() {
		conn := n.dial("e")
		want(b, conn, "snapshot 1")
		conns = append(conns, conn)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse)/float64(len(conns)), "B/socket")
}
