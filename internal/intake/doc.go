// Package intake takes a recording in: it checks, decodes, scores and stores it, so that afterwards either the whole evaluation
// exists or nothing of it.
//
//	admit --> check text --> reserve idempotency key --> decode --> gate --+--> score ----------------------------+--> one transaction
//	                                                                       +--> announce --> put into object store --+
//
// The object store gets the recording while it is scored, and half a second more. If it has not taken it by then, the
// recording goes into the spool, in the same transaction as the evaluation, and housekeeping uploads it later; the client does not
// notice. An upload that was given up may still arrive: it would put the same bytes under the same key.
//
// # Bounds
//
// A request takes a place before its recording is read ([Service.Admit], [Config].Max), so that memory is bounded; one that finds none
// is refused at once. As many recordings are decoded at a time as there are cores, and as many are scored (package
// assess/offline). A request waits for 5 s at most to be decoded, and for 3 s (a setting) to be scored;
// with all that decoding and scoring take at most 45 s.
//
// # When it is refused or fails
//
// A refusal ([evaluation.Refusal]), an error or a client that goes away before the transaction leaves nothing: the idempotency
// key is free again before the answer, and what was put is removed after it, in the background. Once a recording is scored
// and the transaction has begun, a client that goes away changes nothing: the evaluation is stored, and the same idempotency key
// finds it.
//
// A recording is announced before it is put: a row says that it may be in the object store with no evaluation. The transaction that
// makes the evaluation claims the recording: it takes the row away. A row that stays for ten minutes, because the recording was refused, the
// process died, the connection broke inside a transaction that was not committed, or an upload arrived after all, is given up by
// housekeeping: nobody can claim it any more, then its objects are removed, then the row. A request that was frozen for so
// long, as on a machine that slept, finds that it cannot claim its recording, and fails.
package intake
