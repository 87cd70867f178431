// Package postgres keeps OKTalk's truth: evaluations, jobs, the outbox, accounts, and the schema they live in.
//
// # One lock order
//
// Everything that changes an evaluation after it was stored locks the evaluation's row first (FOR NO KEY UPDATE), then the job,
// then the artifacts, and computes the new state from all artifacts as read under that lock. Two stages that end together,
// and DELETE, therefore take turns; without the lock the last two would each see the other's artifact pending and leave the
// evaluation unfinished for ever. Begin and Release touch one job row and nothing else, so they wait for no one in a circle.
//
// # Fences
//
// A job's run number rises with every begin. Whatever a delivery writes afterwards carries WHERE state = 'open' AND run = its own,
// so one that was taken over changes nothing. A call whose answer was lost may be repeated: each method recognizes its own work.
//
// # What must be sent
//
// Nothing here talks to Redis. A transaction that makes something true which others must hear of leaves a row in the outbox; the
// relay (package outbox) reads the state when it sends, or is given it by the transaction that left the row ([DB.OnLeft]).
//
// # Deleted evaluations
//
// DELETE marks the row, empties it and cancels its jobs; the erase jobs remove what is left. Every insert that names an evaluation
// is made under that evaluation's lock and only while it is not deleted, so no row of it comes back.
//
// # Round trips
//
// Begin is one round trip to the server, settling is two, creating is two: BEGIN travels with the first statements and COMMIT with
// the last. Jobs that are begun, or settled, at the same time go together; a group waits for no lock, and what somebody else holds is
// done alone.
//
// Errors of the driver stay inside: a missing row is evaluation.ErrNotFound, a server that is away, overloaded or slower than
// ten seconds is evaluation.ErrUnavailable.
package postgres
