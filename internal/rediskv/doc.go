// Package rediskv keeps what may be lost in Redis: snapshots of evaluations, their Pub/Sub channels, and marks of things
// that may be used once.
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
// Every script touches one key, so all of them work on a cluster, and is sent with EVAL: in a pipeline, EVALSHA would fail
// after a restart of Redis without falling back.
//
// # Feed
//
// A [Feed] holds the one Pub/Sub connection of a process. Pub/Sub delivers at most once: whatever is published while the
// connection is down is lost, also when the library reconnects by itself. The feed reports each time that the
// connection was made anew and all channels are confirmed, and its user then reads the state from elsewhere. The order that
// loses nothing is: [Feed.Add] returns (Redis confirmed the channel), then read the state.
//
// # What it does not do
//
// It decides nothing: whether an evaluation exists, and which version it has, is PostgreSQL's to say. All errors of Redis
// wrap [evaluation.ErrUnavailable]: everything here is a cache and callers go on without it.
package rediskv
