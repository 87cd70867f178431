// Package realtime sends clients the progress of their evaluations, over WebSocket, server-sent events and long polls.
//
// # Guarantees
//
//   - The first message is a snapshot, or done if the evaluation is final. Versions of one connection rise strictly. After done
//     the connection ends, unless it was asked to stay. Every message carries the whole changing state, so versions may be skipped, never missed for good.
//   - A connection is never silent about a change for longer than the check interval (15 s), whatever is lost; for longer than
//     about a second while Redis is away; and as long as PostgreSQL is away, it gets what Redis still carries.
//   - A slow client delays nobody. There is no queue to overflow: a connection takes the latest state when it is ready for one.
//
// # How the state is known
//
// PostgreSQL alone knows which version is the latest; Redis carries changes and keeps bodies, and may lose both.
//
//	Subscribe --> channel confirmed by Redis --> check --> first message
//	                                              ^  ^
//	   every 15 s, with jitter  ------------------+  +--- after each new connection of the feed
//	   every second while Redis is away ----------+
//
//	check: ids collected for 10 ms --> one query for all versions
//	         id is absent            --> deleted
//	         version is not above    --> nothing to do
//	         Redis has this version  --> body from Redis
//	         else                    --> body from PostgreSQL
//
// Between checks, states published by Redis are taken as they come, if they are above what is known. If PostgreSQL is away when a
// connection begins, it starts from the snapshot in Redis and is put right by a later check; if neither has it within 10 s, the
// connection is closed with [CloseUnavailable].
//
// # What ends a connection
//
// See [CloseCode]. A client that stops reading cannot be sent a close frame: after the write timeout the connection is cut, which
// the client sees as 1006, and reconnects. A client that goes away without a word is noticed by pings.
//
// Who may watch an evaluation is decided before, by the caller.
package realtime
