// Package model checks the protocol of leases, take-over, begin and settle by visiting every state of a model of it. It is tests only;
// docs/model.md tells what was found.
//
// # The model
//
// One job, two or three workers with one or two entries in hand each, the relay, the rebuilder and the sweep; at most two entries of the
// job at a time. A step of the model is one call to Redis or one transaction of PostgreSQL, since those are atomic: a
// script, an XREADGROUP, the lock-and-write of a settle. Between any two steps of a process any other may do any of its own.
//
// There is no clock. A worker that is frozen, slow or cut off is one that takes no steps for a while, and its lease may run out
// meanwhile; a worker that is killed takes none any more. What takes time in truth is a step that may come at any moment that its
// conditions allow: a lease's time passes only when every worker that is up has renewed, or one has not and loses its lease by that.
// The job's run is not a number: all that matters is whether a delivery's run is the job's, so that there is no bound on runs.
//
// # Faults
//
// Any of these at any moment, up to a number in all: a worker is killed (one always lives); a lease runs out although its worker is up; the
// reply of a call is lost after it had its effect, and the call is made again; Redis is wiped; Redis forgets an entry or a
// delivery; the relay or the rebuilder dies between its steps; DELETE.
//
// # Promises
//
//   - an artifact is settled once, never after DELETE, never by a delivery that was superseded;
//   - a job is not begun while a worker that has kept its lease since it began is at work on it;
//   - no entry is taken from a worker that holds its lease, and none is changed that is another's;
//   - from every state, however it was reached, the end can be reached without further faults: the job is settled, and no entry, outbox
//     row or delivery is left. As every step that is possible again and again is taken some time, it is reached.
//
// Each variant that leaves out a rule must break one of these. The rules are named in type rules.
//
// # Limits
//
// The model knows one job, so nothing of lanes, fairness or limits; at most two entries at a time, so a relay waits where it would
// add a third; one rebuilder at a time, although a frozen one may wake up beside its successor; no attempts, crashes and deadlines, which
// bound how often a job is tried. Leases are lost in a wipe or all together, not one by one: a worker whose first registration is lost
// with the last second of Redis's log, while an older table survives, may be taken for dead for up to a beat. That the program does what the model
// does is for the tests of packages pipeline, redisstream and postgres, and for package chaos.
package model
