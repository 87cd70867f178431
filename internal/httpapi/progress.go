package httpapi

import (
	"context"
	"encoding/base64"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"oktalk/internal/evaluation"
)

type progressInput struct {
	ID          string `path:"id" doc:"Identifier of the evaluation" example:"eval_01jd3k8v5n9q2w7x4y6z0a1b2c"`
	After       int64  `query:"after" minimum:"0" doc:"Long poll: the version the client has; 0 for none"`
	Wait        int    `query:"wait" minimum:"0" maximum:"60" doc:"Long poll: seconds to wait for a newer version; 0 answers at once"`
	Ticket      string `query:"ticket" doc:"Ticket instead of the Authorization header; used up by a request that is served"`
	Stay        bool   `query:"stay" doc:"WebSocket and server-sent events: stay open after done; what changes later, when a replay is applied, comes as progress"`
	Accept      string `header:"Accept" doc:"text/event-stream gives server-sent events"`
	LastEventID string `header:"Last-Event-ID" doc:"Server-sent events: the version the client has"`
}

// getProgress serves one path in three ways: a WebSocket if the request asks to upgrade, server-sent events if it accepts them,
// and a long poll otherwise.
func getProgress(evaluations Evaluations, progress Progress, log *slog.Logger) func(context.Context, *progressInput) (*huma.StreamResponse, error) {
	return func(ctx context.Context, in *progressInput) (*huma.StreamResponse, error) {
		id, err := evaluationID(in.ID)
		if err != nil {
			return nil, err
		}
		if !caller(ctx).ByTicket { // a ticket was made for an evaluation of its bearer; a key may be anyone's
			if err := evaluations.Owns(ctx, caller(ctx).UserID, id); err != nil {
				return nil, err
			}
		}
		return &huma.StreamResponse{Body: func(hctx huma.Context) {
			r, w := humachi.Unwrap(hctx)
			r = r.WithContext(hctx.Context()) // with the caller
			// The server's read timeout would end the request while it waits.
			_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // not supported by test recorders, which have none
			w.Header().Set("Cache-Control", "no-store")
			if err := serveProgress(w, r, progress, id, in); err != nil {
				answer(hctx, log, err)
			}
		}}, nil
	}
}

func serveProgress(w http.ResponseWriter, r *http.Request, progress Progress, id string, in *progressInput) error {
	viewer := evaluation.Viewer{KeyID: caller(r.Context()).KeyID, Admit: useTicket, Stay: in.Stay}
	switch {
	case isUpgrade(r):
		if err := checkUpgrade(r); err != nil {
			return err
		}
		return progress.ServeWebSocket(w, r, id, viewer)
	case strings.Contains(strings.ToLower(in.Accept), "text/event-stream") && r.Method == http.MethodGet:
		version, _ := strconv.ParseInt(in.LastEventID, 10, 64) // what is no version is none
		return progress.ServeEvents(w, r, id, max(version, 0), viewer)
	default:
		return longPoll(w, r, progress, id, in)
	}
}

// longPoll answers with the newest message. A ticket is used up before, since a client that got a newer version has what it wanted; a HEAD
// gets no message and leaves its ticket as it is.
func longPoll(w http.ResponseWriter, r *http.Request, progress Progress, id string, in *progressInput) error {
	wait := time.Duration(in.Wait) * time.Second
	if r.Method == http.MethodHead {
		wait = 0
	} else if err := useTicket(r.Context()); err != nil {
		return err
	}
	m, err := progress.Wait(r.Context(), id, in.After, wait)
	if err != nil {
		return err
	}
	w.Header().Set("Vary", "Accept")
	writeJSON(w, http.StatusOK, m)
	return nil
}

func isUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// checkUpgrade says what is wrong with a client's opening handshake (RFC 6455, section 4.2.1).
func checkUpgrade(r *http.Request) error {
	const version = "13"
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(r.Header.Get("Sec-WebSocket-Key")))
	switch {
	case r.Method != http.MethodGet:
		return invalid("A WebSocket is opened with GET.")
	case !r.ProtoAtLeast(1, 1):
		return invalid("A WebSocket needs HTTP/1.1. If a proxy is in between, let it speak HTTP/1.1 to this server.")
	case !headerHas(r.Header, "Connection", "upgrade"):
		return invalid(`The header "Connection: Upgrade" is missing. If a proxy is in between, let it pass on Connection and Upgrade.`)
	case r.Header.Get("Sec-WebSocket-Version") != version:
		return invalid("The header Sec-WebSocket-Version must be %s.", version).with("Sec-WebSocket-Version", version)
	case err != nil || len(key) != 16:
		return invalid("The header Sec-WebSocket-Key must be 16 bytes in base64. Use a WebSocket library, such as: npx wscat -c ws://…")
	}
	return nil
}

// headerHas reports whether one of a header's elements is token, in whatever case.
func headerHas(h http.Header, name, token string) bool {
	for element := range strings.SplitSeq(strings.Join(h.Values(name), ","), ",") {
		if strings.EqualFold(strings.TrimSpace(element), token) {
			return true
		}
	}
	return false
}
