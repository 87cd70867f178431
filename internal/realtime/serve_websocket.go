package realtime

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"oktalk/internal/evaluation"
	"oktalk/internal/pause"
)

const (
	// maxInbound is the largest message a client may send, in bytes; a larger one closes the connection with 1009. Nothing is
	// expected from clients, but many send pings of their own as messages.
	maxInbound = 4 << 10
	// inboundEvery is the lasting rate at which messages of a client are read, inboundBurst the number it may be ahead. A client
	// that sends more is slowed down by TCP.
	inboundEvery = 100 * time.Millisecond
	inboundBurst = 32
)

// ServeWebSocket answers a request to upgrade with the progress of an evaluation and returns when the connection has ended, which
// it says with a [CloseCode]. What the client sends is read and ignored. The server's timeouts do not apply to the connection.
//
// An error means that nothing was written, and the caller answers: [ErrClosed] or that of the viewer's Admit. The caller has seen to it
// that the request is a proper one to upgrade.
func (h *Hub) ServeWebSocket(w http.ResponseWriter, r *http.Request, id string, viewer evaluation.Viewer) error {
	leave, ok := h.enter()
	if !ok {
		return ErrClosed
	}
	defer leave()
	if err := admit(r.Context(), viewer); err != nil {
		return err
	}
	// Any origin: requests carry a key or a ticket, never a cookie, so another site's page has nothing to abuse.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		h.log.Debug("websocket not accepted", "err", err)
		return nil // it has answered
	}
	conn.SetReadLimit(maxInbound)
	// A hijacked request's context no longer ends with the connection; the reader's end does.
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		defer cancel()
		discard(ctx, conn)
	}()
	code, err := h.serveSocket(ctx, conn, id, viewer)
	if err == nil {
		err = conn.Close(websocket.StatusCode(code), code.Reason())
	}
	if err != nil {
		h.log.Debug("websocket ended by the client", "evaluation_id", id, "err", err)
	}
	_ = conn.CloseNow() // does nothing after Close
	cancel()
	<-gone
	return nil
}

func (h *Hub) serveSocket(ctx context.Context, conn *websocket.Conn, id string, viewer evaluation.Viewer) (CloseCode, error) {
	sub, err := h.Subscribe(ctx, id, 0)
	if err != nil {
		return closeCode(err)
	}
	defer sub.Close()
	sub.holdTo(viewer.KeyID)
	s, err := h.firstState(ctx, sub)
	if err != nil {
		return closeCode(err)
	}
	p := &socket{hub: h, conn: conn}
	if err := p.send(ctx, s.Message(true)); err != nil {
		return 0, err
	}
	return h.follow(ctx, sub, p, s, viewer.Stay)
}

// closeCode tells what to say about an error; the error itself if the client is gone.
func closeCode(err error) (CloseCode, error) {
	switch {
	case errors.Is(err, ErrClosed):
		return CloseRestart, nil
	case errors.Is(err, errRevoked):
		return CloseRevoked, nil
	case errors.Is(err, evaluation.ErrNotFound):
		return CloseDeleted, nil
	case errors.Is(err, evaluation.ErrUnavailable):
		return CloseUnavailable, nil
	}
	return 0, err
}

// socket is the peer of a WebSocket.
type socket struct {
	hub  *Hub
	conn *websocket.Conn
}

func (p *socket) send(ctx context.Context, m evaluation.Message) error {
	data, err := p.hub.encode(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, p.hub.cfg.WriteTimeout)
	defer cancel()
	return p.conn.Write(ctx, websocket.MessageText, data)
}

// idle waits for the answer to a ping. A state that comes meanwhile waits for one round trip.
func (p *socket) idle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.hub.cfg.WriteTimeout)
	defer cancel()
	return p.conn.Ping(ctx)
}

// discard reads until the connection ends, so that pongs and close frames are seen, and drops messages. Its reads have no context:
// an expired one would cut the connection before the close handshake.
func discard(ctx context.Context, conn *websocket.Conn) {
	var ahead time.Time // when all that was read would have been allowed
	for {
		_, reader, err := conn.Reader(context.Background())
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, reader); err != nil {
			return
		}
		now := time.Now()
		if ahead.Before(now) {
			ahead = now
		}
		ahead = ahead.Add(inboundEvery)
		if excess := ahead.Sub(now) - inboundBurst*inboundEvery; excess > 0 {
			pause.For(ctx, excess)
		}
	}
}
