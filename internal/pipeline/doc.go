// Package pipeline runs stages: it reads the entries of a stage, begins their jobs, hands them to a handler and settles them.
// It knows neither Redis nor SQL; a [Source] delivers entries and a [Ledger] keeps jobs.
//
// # A delivery
//
//	Source.Read --> Ledger.Begin --> Handler.Handle --> Ledger.Settle --> Source.Ack
//	                  |                  |
//	                  |                  +-- transient error   --> Ledger.Retry,   Source.Delay     (counts an attempt)
//	                  |                  +-- environment error --> Ledger.Wait,    Source.Delay     (counts nothing)
//	                  |                  +-- permanent error, attempts
//	                  |                  |   or budget used up --> Handler.Fallback, Ledger.Settle, Source.Ack or SetAside
//	                  |                  +-- shutdown          --> Ledger.Release, Source.GiveBack  (counts nothing)
//	                  |                  +-- superseded        --> Source.Delay by 5 s      (then it is settled, or begun anew)
//	                  +-- settled before --> Source.Ack
//	                  +-- owner lives    --> Source.Delay by 5 s (counts nothing)
//	                  +-- too many crashes --> Handler.Fallback, Ledger.Settle as dead, Source.SetAside
//
// Delivery is at least once; effects are once. Begin raises the job's run number and every later write carries it, so a
// delivery that was taken over changes nothing ([ErrSuperseded]). The handler only returns a result or an error; the runner
// alone settles.
//
// A worker, a goroutine, runs deliveries one after the other, the handler included; it wakes another worker before it calls the
// handler, so that every entry is begun at once, whatever handlers wait for. Settled entries are acknowledged by one goroutine,
// as many in a call as came together; a slot is free when that is done. A handler that does not return within 2 s after its
// context ended is left to itself with its goroutine, counts as failed, and a new goroutine goes on with the delivery.
//
// # Leases
//
// A consumer is alive while it renews one lease for its stage ([Source.Run]); what it holds is its own as long as it is
// alive, however long a handler takes. Entries of a consumer whose lease ran out are delivered to others. A handler
// is bounded by the stage's deadline.
//
// # Budgets
//
// A stage may have a budget: so long after the job was first begun, its fallback begins at the latest. An attempt's time is cut to
// what is left, and a retry that would come too late for a second's work is not waited for. The first begin is recorded in the
// ledger and moves on by as long as the job waited for the environment. What a job waits for a slot or a permit is
// beyond it: then the fallback is made as soon as it is delivered.
//
// # Limits
//
// Where a stage or its vendor has a limit ([Runner.LimitBy]), a delivery gets a permit before its job is begun, so that a wait, and a
// crash during it, counts nothing, and gives it back when the handler has returned or was abandoned. All entries of a stage need the same
// permits. So while one waits, no more are read: in the stream they keep their order and their lanes, and other processes
// can have them. A drain gives back at once what waits. Without a limit nothing is asked and entries are read as slots are free.
//
// # When something is away
//
// While the ledger is away, deliveries in flight wait in place with growing pauses up to 30 s: a result that was made is
// kept and settled when the ledger is back, and no more is read than there are free slots. While the source is away, the
// reader waits the same way; what waits for a permit goes on waiting while the store of permits is away; an acknowledgement that was lost comes back as a delivery of a settled job and is acknowledged then.
//
// # What it does not do
//
// It orders nothing: entries of one evaluation may run at the same time. It does not enqueue: next stages are enqueued by
// the outbox, from rows that Ledger.Settle writes.
package pipeline
