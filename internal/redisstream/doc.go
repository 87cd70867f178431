// Package redisstream keeps the entries of stages in Redis Streams: it implements [pipeline.Source] for workers, and a
// [Producer] for whoever adds entries and looks after the keys. It needs Redis 6.2 or later, a single server or a cluster.
//
// # Keys
//
// Everything of one stage has the hash tag {stage}, so it lives in one slot of a cluster; every script declares its keys.
//
//	<prefix>:stage:{feedback}:stream      stream   the ordinary lane
//	<prefix>:stage:{feedback}:stream:low  stream   the low lane
//	<prefix>:stage:{feedback}:open        hash     user -> entries added and not settled
//	<prefix>:stage:{feedback}:delayed     zset     entries to be added later, by due time
//	<prefix>:stage:{feedback}:dead        stream   entries set aside, with reason, attempts and their fields
//	<prefix>:stage:{feedback}:leases      zset     consumer -> expiry
//	<prefix>:stage:{feedback}:generation  string   marker: the keys are whole
//	<prefix>:stage:{feedback}:paused      string   exists while the stage is paused
//
// An entry has the fields job, evaluation_id, user_id, attempt, enqueued_at (ms) and traceparent: references, never payloads.
// Times are of Redis's own clock; workers only send spans, so their clocks may differ.
//
// The streams are logs: a settled entry stays until [Producer.Trim] finds it old. Entries are never deleted one by one, which
// would make the group's lag unknown.
//
// # Leases
//
// A consumer is one start of one process in one stage; its name is never used again ([ConsumerName]). It is alive while its
// lease runs: 4 s, renewed every second by [Source.Run] with one script, on a connection of its own. What is delivered to a
// living consumer stays its own, however long it takes. The script also
//
//   - counts what dead consumers hold, and removes a dead consumer once it holds nothing, never before: XGROUP DELCONSUMER
//     forgets what is pending;
//   - adds delayed entries that are due and says when the next is, so that the loop can rest until then;
//   - every fifth time looks for consumers of the group that have no lease at all, which gives them one more to come back with,
//     and clears the counts of open entries
//     when there are none, so that counts of entries that were lost do not stay.
//
// When dead consumers hold something, Read takes it over before anything new, and exactly as much as it has room for; the rest
// is left to others. A reader that waits at the server is woken by CLIENT UNBLOCK. So a killed worker's entries run elsewhere
// after the rest of its lease and at most one beat.
//
// Death is judged by the member #since of the leases: its score is the time from which on a missing or expired lease means
// something. It is set when the table is new, because after a loss of Redis the living register again within a beat, and when
// all leases ran out at once, because then Redis was away and not the workers. Until a lease after it, nobody is dead.
//
// # Settling
//
// Ack, Delay, GiveBack and SetAside are scripts that look first whether the entry is still pending for this consumer; if not they
// change nothing and return [pipeline.ErrNotOwner]. (A plain XACK would take the entry from its new owner.) Ack settles many
// entries in one call and names those that were taken over.
//
// # Ghosts
//
// A reply of XREADGROUP that is lost on the way leaves entries pending for a consumer that does not know of them, and it is
// alive. The source remembers what it delivered and was not settled; after every failed read, and every 30 s, it asks for
// what else is pending for it and delivers that.
//
// # Lanes
//
// The script that adds entries counts each user's open ones; above the fair share (4) an entry goes to the low lane, as replays
// do. Entries of the low lane get at most half of a process's slots, leave some free for the ordinary lane (the last of their
// share a fourth, the others an eighth), and get never less than one: while the ordinary lane has more than a process can take, it looks at the low lane every 50 ms if it has none of it in flight.
//
// # Failures
//
//	FLUSHALL, an empty fail-over   a waiting reader gets UNBLOCKED, later calls NOGROUP: groups are made again after the lease is
//	                               registered. The marker is gone, which tells housekeeping to add the unfinished jobs again.
//	no connection, no answer       errors wrap evaluation.ErrUnavailable; Read fails until the server is back, Run tries on; nothing is
//	                               read before the lease is renewed, since a server that comes back may have forgotten it
//	restart of Redis               as above; scripts are sent again by their text
//	lease lost                     what was taken over answers ErrNotOwner; nothing is read until the lease is renewed
//	a worker stopped and continued the same; its consumer may have been removed, and comes back with the next beat
//	bytes that are no entry        delivered with Raw and DecodeErr, to be set aside whole
//	a record that is gone          taken off the pending list; housekeeping's sweep adds the job again
//
// # What it does not do
//
// It keeps no order. It delivers an entry again after every loss of an answer, and an entry may have been added twice: what
// begins jobs must tolerate both. It does not notice delayed entries that another process adds before its next beat, so
// such an entry may be up to a second late if it is the next one due. It does not rebuild lost stages: it offers
// [Producer.Marker] and [Producer.Present] to those who do.
package redisstream
