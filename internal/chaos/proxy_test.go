package chaos

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
)

// mode is what a proxy does to what passes.
type mode int

const (
	pass     mode = iota
	lose          // a reply is thrown away and its connection closed: the server did what was asked, and nobody knows
	loseJobs      // the same, of replies that name jobs alone: from Redis, deliveries
	stall         // nothing passes, connections stay
	away          // connections are closed, new ones refused
)

// proxy passes connections on to a server and breaks them as told.
type proxy struct {
	target string
	ln     net.Listener
	fault  sync.Mutex // held by the fault that has the proxy

	mu    sync.Mutex
	mode  mode
	moved chan struct{}         // closed when mode changes
	conns map[net.Conn]struct{} // both ends of all connections
	lost  int                   // replies thrown away
	cuts  int                   // connections closed
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{target: target, ln: ln, moved: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	var serving sync.WaitGroup
	serving.Go(p.serve)
	t.Cleanup(func() {
		_ = ln.Close()
		p.set(away)
		serving.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.ln.Addr().String() }

// set changes the mode, and closes all connections when the server is to be away.
func (p *proxy) set(m mode) {
	p.mu.Lock()
	p.mode = m
	close(p.moved)
	p.moved = make(chan struct{})
	p.mu.Unlock()
	if m == away {
		p.cut()
	}
}

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
		p.cuts++
	}
}

func (p *proxy) serve() {
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		client, err := p.ln.Accept()
		if err != nil {
			return
		}
		conns.Go(func() { p.connect(client) })
	}
}

func (p *proxy) connect(client net.Conn) {
	defer p.forget(client)
	if !p.know(client) {
		return
	}
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer p.forget(server)
	if !p.know(server) {
		return
	}
	var up sync.WaitGroup
	up.Go(func() {
		p.pump(server, client, false)
		_ = server.Close()
	})
	p.pump(client, server, true)
	_ = client.Close()
	up.Wait()
}

func (p *proxy) know(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = struct{}{}
	return p.mode != away
}

func (p *proxy) forget(c net.Conn) {
	_ = c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

func (p *proxy) pump(to io.Writer, from io.Reader, replies bool) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if !p.mayPass(buf[:n], replies) {
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// mayPass waits while the proxy stalls; it reports false when a reply is to be lost.
func (p *proxy) mayPass(b []byte, reply bool) bool {
	for {
		p.mu.Lock()
		m, moved := p.mode, p.moved
		loses := reply && (m == lose || m == loseJobs && bytes.Contains(b, []byte("job_")))
		if loses {
			p.lost++
		}
		p.mu.Unlock()
		switch {
		case m == stall:
			<-moved
		case loses:
			return false
		default:
			return m != away
		}
	}
}
