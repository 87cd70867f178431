package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"oktalk/internal/evaluation"
)

// reconnectDelay is what an event stream tells browsers to wait before they connect again.
const reconnectDelay = 2 * time.Second

// ServeEvents answers with the progress of an evaluation as server-sent events and returns when the stream has ended. The event
// names are the message types, the event ids versions, the data messages. lastEventID is the version a client that reconnects has (0:
// none): the stream starts with a snapshot only if the evaluation is at another one, and a client that has the final one gets
// 204, which stops browsers from reconnecting, unless it stays. A stream that ends before done ends with the event "close", whose data is
// {"code","reason","reconnect"} with a [CloseCode].
//
// An error means that nothing was written, and the caller answers: [evaluation.ErrNotFound], [evaluation.ErrUnavailable] or that of the
// viewer's Admit.
func (h *Hub) ServeEvents(w http.ResponseWriter, r *http.Request, id string, lastEventID int64, viewer evaluation.Viewer) error {
	leave, ok := h.enter()
	if !ok {
		return ErrClosed
	}
	defer leave()
	ctx := r.Context()
	sub, err := h.Subscribe(ctx, id, 0)
	if err != nil {
		return err
	}
	defer sub.Close()
	sub.holdTo(viewer.KeyID)
	s, err := h.firstState(ctx, sub)
	if err == nil {
		err = admit(ctx, viewer)
	}
	if err != nil {
		return err
	}
	known := s.Version <= lastEventID
	if known && s.Final && !viewer.Stay {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if err := h.serveEvents(ctx, newEventStream(h, w), sub, s, known, viewer.Stay); err != nil {
		h.log.Debug("event stream ended by the client", "evaluation_id", id, "err", err)
	}
	return nil
}

func (h *Hub) serveEvents(ctx context.Context, p *eventStream, sub *Subscription, s evaluation.Snapshot, known, stay bool) error {
	if err := p.open(); err != nil {
		return err
	}
	if !known {
		if err := p.send(ctx, s.Message(true)); err != nil {
			return err
		}
	}
	code, err := h.follow(ctx, sub, p, s, stay)
	if err != nil || code == CloseDone {
		return err
	}
	return p.end(code)
}

// eventStream is the peer of a stream of server-sent events (HTML standard, section 9.2).
type eventStream struct {
	hub  *Hub
	w    http.ResponseWriter
	ctrl *http.ResponseController
}

func newEventStream(h *Hub, w http.ResponseWriter) *eventStream {
	return &eventStream{hub: h, w: w, ctrl: http.NewResponseController(w)}
}

func (p *eventStream) open() error {
	header := p.w.Header()
	header.Set("Content-Type", "text/event-stream; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // nginx would hold events back
	if err := p.ctrl.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	p.w.WriteHeader(http.StatusOK)
	return p.write(fmt.Sprintf("retry: %d\n\n", reconnectDelay.Milliseconds()))
}

func (p *eventStream) send(_ context.Context, m evaluation.Message) error {
	data, err := p.hub.encode(m)
	if err != nil {
		return err
	}
	return p.write(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", m.Version, m.Type, data))
}

func (p *eventStream) idle(context.Context) error { return p.write(": idle\n\n") }

func (p *eventStream) end(code CloseCode) error {
	data, err := json.Marshal(struct {
		Code      CloseCode `json:"code"`
		Reason    string    `json:"reason"`
		Reconnect bool      `json:"reconnect"`
	}{code, code.Reason(), code.Reconnect()})
	if err != nil {
		return err
	}
	return p.write(fmt.Sprintf("event: close\ndata: %s\n\n", data))
}

// write sends a piece at once and gives the client Config.WriteTimeout to take it, whatever the server's own timeout is.
func (p *eventStream) write(piece string) error {
	if err := p.ctrl.SetWriteDeadline(time.Now().Add(p.hub.cfg.WriteTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := p.w.Write([]byte(piece)); err != nil {
		return err
	}
	return p.ctrl.Flush()
}
