package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"oktalk/internal/evaluation"
)

const (
	dialTimeout  = 10 * time.Second
	messageLimit = 64 << 10 // the server promises 16 KB
	firstPause   = 250 * time.Millisecond
	longestPause = 5 * time.Second
)

// Message is a progress message.
type Message struct {
	Type       evaluation.MessageType `json:"type"`
	Version    int64                  `json:"version"`
	Evaluation evaluation.View        `json:"evaluation"` // without words
}

// ClosedError is a connection that the server ended for good.
type ClosedError struct {
	Code   int
	Reason string
}

// Error implements error.
func (e *ClosedError) Error() string {
	return fmt.Sprintf("the server closed the connection for good: %s (%d)", e.Reason, e.Code)
}

// Follow calls each for every new state of an evaluation until it is final, and connects again whenever that may help. Versions
// rise strictly over all connections. It returns nil after the final state, a [*Problem] when the server refuses, a [*ClosedError] when
// it ended the connection for good (4501: the key was revoked, 4504: the evaluation was deleted), the error of each, or that of ctx.
func (c *Client) Follow(ctx context.Context, id string, each func(Message) error) error {
	f := follower{client: c, id: id, each: each}
	for pause := firstPause; ; pause = min(longestPause, 2*pause) {
		err := f.connect(ctx)
		switch {
		case err == nil && f.done:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !mayHelp(err):
			return err
		}
		if f.heard {
			f.heard, pause = false, firstPause
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause/2 + rand.N(pause)):
		}
	}
}

// mayHelp reports whether connecting again may help after err.
func mayHelp(err error) bool {
	var p *Problem
	var closed *ClosedError
	var handler *handlerError
	switch {
	case errors.As(err, &p):
		return p.Status >= http.StatusInternalServerError || p.Status == http.StatusTooManyRequests
	case errors.As(err, &closed), errors.As(err, &handler):
		return false
	}
	return true
}

// handlerError is an error of the caller's function.
type handlerError struct{ err error }

func (e *handlerError) Error() string { return e.err.Error() }
func (e *handlerError) Unwrap() error { return e.err }

type follower struct {
	client  *Client
	id      string
	each    func(Message) error
	version int64 // the last one passed on
	done    bool  // the final state was passed on
	heard   bool  // the connection brought a message
}

// connect opens one connection and reads it to its end. It returns nil when the server closed it and connecting again is due, or
// the final state was passed on.
func (f *follower) connect(ctx context.Context) error {
	dial, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	address := "ws" + strings.TrimPrefix(f.client.base, "http") + path(f.id, "/progress")
	conn, resp, err := websocket.Dial(dial, address, &websocket.DialOptions{ //nolint:bodyclose // Dial says: never needs to be closed
		HTTPHeader: http.Header{"Authorization": {"Bearer " + f.client.key}},
	})
	if err != nil {
		if resp != nil {
			return problemOf(resp)
		}
		return fmt.Errorf("open the progress of %s: %w", f.id, err)
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(messageLimit)
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			return f.ended(err)
		}
		f.heard = true
		if err := f.take(data); err != nil {
			return err
		}
	}
}

// ended judges the end of a connection by its close code.
func (f *follower) ended(err error) error {
	var closed websocket.CloseError
	switch {
	case f.done:
		return nil
	case !errors.As(err, &closed):
		return fmt.Errorf("read the progress of %s: %w", f.id, err)
	case closed.Code >= 4500 && closed.Code < 5000:
		return &ClosedError{Code: int(closed.Code), Reason: closed.Reason}
	}
	return nil
}

// take passes a message on if it is a newer state. Other types of messages are for those who know them.
func (f *follower) take(data []byte) error {
	var m Message
	if err := json.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("read a progress message of %s: %w", f.id, err)
	}
	switch m.Type {
	case evaluation.MessageSnapshot, evaluation.MessageProgress, evaluation.MessageDone:
	default:
		return nil
	}
	if m.Version > f.version {
		f.version = m.Version
		if err := f.each(m); err != nil {
			return &handlerError{err}
		}
	}
	f.done = f.done || m.Type == evaluation.MessageDone
	return nil
}
