// Package intake takes a recording in: it checks, decodes, scores and stores it, so that afterwards either the whole evaluation
// exists or nothing of it.
//
//	check text --> reserve idempotency key --> decode --> gate --+--> score ------------------+--> one transaction
//	                                                             +--> put into object store --+
//
// The object store gets the recording while it is scored, and half a second more. If it has not taken it by then, the
// recording goes into the spool, in the same transaction as the evaluation, and housekeeping uploads it later; the client does not
// notice. An upload that was given up may still arrive: it would put the same bytes under the same key.
//
// # When it is refused or fails
//
// A refusal ([evaluation.Refusal]), an error or a client that goes away before the transaction leaves nothing: the idempotency
// key is free again before the answer, and what was put is removed after it, in the background. Once a recording is scored
// and the transaction has begun, a client that goes away changes nothing: the evaluation is stored, and the same idempotency key
// finds it.
//
// If the connection to the database breaks inside the transaction, nobody knows whether it was committed. The recording is
// then kept until the database says, some time later, that there is no such evaluation.
//
// # What it does not do
//
// If the process dies between the put and the transaction, the recording stays in the object store without an
// evaluation. It cannot be reached through the API. Its key, evaluations/<id>/recording.<format>, carries its time of
// creation (a ULID), and no row has that id: that is how to recognize one. A record of each put in the database before it happens
// would avoid it, at the price of a transaction more for every recording.
package intake
