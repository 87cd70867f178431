// Package outbox sends what transactions left to be sent: entries to streams, snapshots to readers.
//
// A row in the outbox names a job to enqueue or an evaluation whose state changed, never a payload. The [Relay] has the [Store]
// claim a batch of rows, sends what they name as it is now, and the store deletes them. Rows of one evaluation coalesce to its
// latest state, a deleted evaluation becomes its removal, and a job that is no longer open is dropped.
//
// The usual way is shorter. The process that commits holds the rows it writes for a second, in which no relay claims them, and gives them to
// its own relay with the states that the transaction made ([Relay.Take]): they are sent without being claimed and read, together with
// what else was committed meanwhile, and deleted some time later, many at once. A process that dies before leaves them to be claimed.
//
// Delivery is at least once and in no order: a crash between sending and deleting sends again. Receivers tolerate that: a job is
// begun under a fence, and a snapshot that is not newer than the stored one is dropped.
//
// Every process runs a relay. They claim different rows and never wait for one another; a nudge at commit makes the usual way
// short, polling finds what other processes left. While Redis is away, rows wait in PostgreSQL. Each destination, a stage or the
// snapshots, is waited for by itself: while one is away, what goes to the others is sent, and what was sent is not sent again.
package outbox
