package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
)

type progressInput struct {
	ID          string `path:"id" doc:"Identifier of the evaluation" example:"eval_01jd3k8v5n9q2w7x4y6z0a1b2c"`
	After       int64  `query:"after" minimum:"0" doc:"Long poll: the version the client has; 0 for none"`
	Wait        int    `query:"wait" minimum:"0" maximum:"60" doc:"Long poll: seconds to wait for a newer version; 0 answers at once"`
	Ticket      string `query:"ticket" doc:"Ticket instead of the Authorization header; used up by the request"`
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
		if caller(ctx).KeyID != "" { // a ticket was made for an evaluation of its bearer; a key may be anyone's
			if _, err := evaluations.Get(ctx, caller(ctx).UserID, id); err != nil {
				return nil, err
			}
		}
		return &huma.StreamResponse{Body: func(hctx huma.Context) {
			r, w := humachi.Unwrap(hctx)
			// The server's read timeout would end the request while it waits.
			_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // not supported by test recorders, which have none
			w.Header().Set("Cache-Control", "no-store")
			var err error
			switch {
			case isUpgrade(r):
				progress.ServeWebSocket(w, r, id)
			case strings.Contains(strings.ToLower(in.Accept), "text/event-stream"):
				version, _ := strconv.ParseInt(in.LastEventID, 10, 64) // what is no version is none
				err = progress.ServeEvents(w, r, id, max(version, 0))
			default:
				err = longPoll(w, r, progress, id, in)
			}
			if err != nil {
				answer(hctx, log, err)
			}
		}}, nil
	}
}

func longPoll(w http.ResponseWriter, r *http.Request, progress Progress, id string, in *progressInput) error {
	m, err := progress.Wait(r.Context(), id, in.After, time.Duration(in.Wait)*time.Second)
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
