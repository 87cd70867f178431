// Package chaos holds the fault suite: real worker processes on real PostgreSQL, Redis and S3, while all of them are killed,
// frozen, cut off, wiped and restarted, thousands of evaluations long.
//
// The workers are this package's own test program, started again as another process. They are put together as the real programs are
// ([process.Open], the stages' own handlers, housekeeping, the relay); only the voice is a small stand-in, and before each job
// there is a pause and now and then an error, so that faults find something in flight. Each process reaches each server
// through a TCP proxy of its own, which can lose replies, stall, cut connections and refuse new ones.
//
// What is checked comes from outside the code under test: triggers that the suite adds to the database note every settled artifact,
// every step of a version and every write to what was settled or deleted, and the handlers note when they begin and end.
//
//   - every evaluation that was stored ends, completed or deleted;
//   - every artifact is settled once, and every job by the run that began it last: what stale runs bring is refused;
//   - versions rise in steps of one, nothing is written to what was deleted;
//   - no job is handled twice at once, unless a fault took the lease from its first worker;
//   - streams, delayed sets, the outbox and the groups' consumers are clean at the end.
//
// The order of faults follows from a seed; what they hit does not.
//
// make chaos runs the long form, SEED=n repeats one; make test runs a short form.
package chaos
