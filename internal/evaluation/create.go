package evaluation

// CreateOptions is what is stored together with a new evaluation, in the same transaction.
type CreateOptions struct {
	IdempotencyKey string // reserved before; the evaluation becomes its result; empty: none
	Fingerprint    []byte // what the key was reserved with
	Announced      bool   // the recording was announced before it was put into the object store, and is claimed now
	Spooled        []byte // the recording, when the object store did not take it; nil: it did
	Traceparent    string // W3C trace context that its jobs continue; may be empty
}
