// Package rediskv keeps what may be lost in Redis: snapshots of evaluations, their Pub/Sub channels, marks of things
// that may be used once, and permits of limits that all processes share.
//
// # Snapshots
//
// A snapshot is the latest state of an evaluation in the form clients see, stored by version and published in one step:
//
//	<prefix>:eval:result:<id>    hash, with a TTL     the state; field "json" is the body of messages
//	<prefix>:eval:progress:<id>  Pub/Sub channel      {"id","version","final","body"} or {"id","deleted":true}
//
// The relay that sends states repeats and reorders them. A script therefore stores and publishes a state only when its
// version is above the stored one, so that what a channel carries rises strictly as long as Redis keeps its data. After a
// wipe an older state may be published once more: receivers must drop what is not above what they have, and only
// PostgreSQL knows what the latest version is. A removed snapshot can come back when a relay that read its state before
// the removal sends it afterwards; whoever removes does so again once no relay can still hold such a state.
//
// Its scripts touch one key each, so they work on a cluster, and are sent with EVAL: in a pipeline, EVALSHA would fail
// after a restart of Redis without falling back.
//
// # Feed
//
// A [Feed] holds the one Pub/Sub connection of a process. Pub/Sub delivers at most once: whatever is published while the
// connection is down is lost, also when the library reconnects by itself. The feed reports each time that the
// connection was made anew and all channels are confirmed, and its user then reads the state from elsewhere. The order that
// loses nothing is: [Feed.Add] returns (Redis confirmed the channel), then read the state.
//
// # Limits
//
// A [Limiter] gives out permits of the limits that hold for a stage: its own and its vendor's.
//
//	<prefix>:limit:{limits}:stage:feedback  hash    pace, and who has and wants how many permits; see permit.lua
//	<prefix>:limit:{limits}:vendor:openai   hash
//
// They share one hash tag, so that one script gives a permit of both limits or of none: nobody holds one while waiting for the
// other, on a cluster too. Times are of Redis's clock. No key has a TTL that eviction could choose.
//
//   - The pace is kept by GCRA: requests are spread evenly, and a burst is what may come together after a pause. A permit
//     may be given up to 50 ms before it holds, so that the way from Redis costs no pace.
//   - Permits at a time belong to a holder, a stage's runner in one process, which says with each call how many it has. It calls when
//     it wants one or gives one back, and every second while it has any; after 4 s of silence it counts as dead and its
//     permits are free. It says how many it has, not what changed, so a lost reply does no harm.
//   - Permits go to the holder that has waited longest, and a holder that got one waits anew behind the others, so that replicas
//     get the same share. A holder that does not come when it is its turn is passed over.
//   - After a loss of Redis, and when all leases ran out at once, nothing is given for one lease: who has permits says so
//     within it. The first permit of a new limit therefore takes 4 s.
//   - While Redis is away nobody gets a permit. Nothing is delivered then either.
//
// A process that is frozen for longer than its lease and goes on still uses the permits that others may have by then.
//
// # What it does not do
//
// It decides nothing: whether an evaluation exists, and which version it has, is PostgreSQL's to say. All errors of Redis
// wrap [evaluation.ErrUnavailable]: all but limits is a cache, and callers go on without it.
package rediskv
