package pipeline

import "time"

// Replay says that a job runs past work again. What it makes is kept apart and changes nothing that a learner sees, unless it
// is applied afterwards. A handler therefore neither reads nor writes a cache for it, and keeps its objects under Prefix.
type Replay struct {
	ID       string // of the replay that the job belongs to
	Of       string // the job whose work is done again
	Parent   string // the job of the same replay whose result this one works on; empty if none
	Provider string // overrides what is configured, as do Model and Prompt; empty: it does not
	Model    string // a vendor's model, or a voice
	Prompt   string // version of a prompt
	Chain    bool   // the following stages run too
	Apply    bool   // the result takes the original's place
}

// Prefix begins the keys of all objects that a replay makes for an evaluation.
func (r *Replay) Prefix(evaluationID string) string {
	return "replays/" + r.ID + "/" + evaluationID + "/"
}

// StageStats are the sizes of a stage's keys.
type StageStats struct {
	Lag       int64 // entries not yet delivered, both lanes
	Low       int64 // those of the low lane
	Pending   int64 // delivered and not settled
	Delayed   int64 // waiting until they are due
	Dead      int64 // set aside
	Consumers int64 // that hold their lease
	Paused    bool
}

// DeadLetter is an entry that was set aside.
type DeadLetter struct {
	ID         string            // in the dead stream
	EntryID    string            // that it had in its lane; empty if it was not in one
	JobID      string            // empty when it could not be decoded
	Reason     string            // why it was set aside
	Deliveries int64             // how often it was delivered
	At         time.Time         // when it was set aside
	Fields     map[string]string // of the entry, whole
}

// Location is where an entry is at the moment.
type Location struct {
	EntryID    string
	Low        bool      // in the low lane
	JobID      string    // that it names
	AddedAt    time.Time // by the server's clock
	Consumer   string    // to whom it is delivered; empty when it is not pending
	Deliveries int64     // so far; 0 when it is not pending
}
