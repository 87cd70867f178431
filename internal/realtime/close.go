package realtime

import "github.com/coder/websocket"

// CloseCode is why the server ends a connection: the close code of a WebSocket, and the code in the last event of an event
// stream. From 4000 to 4499 the client should connect again, after a short random pause; from 4500 to 4999 it should not.
//
//	code  name              again  when
//	1000  CloseDone         no     after done: nothing is left to come
//	4001  CloseRestart      yes    this server stops; another one will answer
//	4002  CloseUnavailable  yes    the state could not be read: stores are away
//	4501  CloseRevoked      no     the key was revoked with which it, or its ticket, was opened
//	4504  CloseDeleted      no     the evaluation was deleted
//
// A WebSocket may also end with 1009, when the client sent a message above 4 KB, and without a close frame, which clients report
// as 1006 and answer by connecting again. A server that stops answers new connections with status 503.
type CloseCode int

// The close codes.
const (
	CloseDone        CloseCode = CloseCode(websocket.StatusNormalClosure)
	CloseRestart     CloseCode = 4001
	CloseUnavailable CloseCode = 4002
	CloseRevoked     CloseCode = 4501
	CloseDeleted     CloseCode = 4504
)

// Reason is a short sentence for the client, at most 123 bytes, the limit of a close frame (RFC 6455, section 5.5).
func (c CloseCode) Reason() string {
	switch c {
	case CloseDone:
		return "the evaluation is final"
	case CloseRestart:
		return "the server is restarting; connect again"
	case CloseUnavailable:
		return "the state cannot be read at the moment; connect again"
	case CloseRevoked:
		return "the key was revoked"
	case CloseDeleted:
		return "the evaluation was deleted"
	default:
		return ""
	}
}

// Reconnect reports whether the client should connect again.
func (c CloseCode) Reconnect() bool { return c >= 4000 && c < 4500 }
