// Package housekeeping keeps the stores in order, in one process at a time.
//
// Whichever process holds the lock of the [Leader] does all of it, each duty in a loop of its own:
//
//   - Markers, every 2 s. Each stage has a generation in PostgreSQL and a marker with the same value among its keys in Redis. A
//     marker that is missing or different means that the stage's keys were lost: FLUSHALL, failover to an empty node. Then it waits one
//     lease, so that consumers that live register again and are not taken for dead, leaves a draft in the marker's place, enqueues the
//     stage's open jobs, and replaces the draft by the marker last: if it dies on the way, or the keys are lost again, the marker is
//     still missing and the rebuild begins anew.
//   - Pauses, every 2 s: the flags of paused stages in Redis are made to equal those in PostgreSQL, which are what counts.
//   - Sweep, every 10 s. An open job that should have an entry in Redis and has none for 20 s is enqueued again. That is what a Redis
//     that was killed costs the jobs of the last second, which it had not written to disk. Jobs that have an entry, a delayed
//     one too, are left alone however long they wait or run.
//   - Spool, every 5 s: what the object store did not take is stored there, the oldest first.
//   - Unclaimed recordings, every minute: a recording that was announced ten minutes ago and has no evaluation is given up, so that
//     none can claim it any more, removed from the object store, and forgotten last.
//   - Trim, every minute: streams keep acknowledged entries for a time, so that they can be read and replayed.
//   - Idempotency keys expire after a day, every 10 minutes.
//   - Partitions for three months ahead, every hour; those that are older than the records of runs are to be are dropped.
//   - Old jobs, every 10 minutes: those that were settled long ago are removed, a thousand at a time.
//
// A job that is enqueued twice, as may happen when a loss is noticed while the job is under way, is begun once: the second delivery
// finds it busy or settled.
//
// A duty whose store is away says so once and tries again. None waits for another.
package housekeeping
