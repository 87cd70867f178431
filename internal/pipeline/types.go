package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"oktalk/internal/evaluation"
)

// Entry is one record of a stage's stream: a reference to a job, never its payload.
type Entry struct {
	ID           string // entry id in the stream, "1737-0"; empty until added
	Stage        evaluation.StageName
	JobID        string
	EvaluationID string
	UserID       string
	Attempt      int               // the try it was added for, from 1; the job's own count decides
	EnqueuedAt   time.Time         // when the job was first added
	Due          time.Time         // when it may run; zero or past: now
	Traceparent  string            // W3C trace context; may be empty
	Low          bool              // in the low lane; when added: asks for it, as replays do
	Raw          map[string]string // fields as read, set when they could not be decoded
	DecodeErr    error             // why not; such an entry is set aside whole
}

// Source delivers the entries of one stage to one consumer. Delivery is at least once and in no particular order. All
// methods are safe for concurrent use. Settling methods return [ErrNotOwner] when the entry was taken over (Ack names such
// entries), and then change nothing; after any other error the call may be repeated, and must be, since the entry counts as in flight until
// it is settled.
type Source interface {
	// Consumer is this process's name in the stage's group, unique over all time.
	Consumer() string
	// Run keeps the lease, takes over entries of dead consumers, promotes delayed entries that are due and finds entries that
	// were delivered to this consumer without its knowledge. It blocks until ctx ends.
	Run(ctx context.Context) error
	// Read waits for entries, a few seconds at most, and returns at most so many of them (most >= 1); none is not an error.
	Read(ctx context.Context, most int) ([]Entry, error)
	// Ack settles entries for good, some hundreds at most, all in one call, and returns those that were taken over. After an error it may be repeated.
	Ack(ctx context.Context, entries []Entry) (lost []Entry, err error)
	// Delay settles the entry and adds it again when due.
	Delay(ctx context.Context, e Entry, due time.Time) error
	// GiveBack settles the entry and adds it again at once, for another consumer.
	GiveBack(ctx context.Context, e Entry) error
	// SetAside settles the entry and keeps it, whole, among the stage's dead letters.
	SetAside(ctx context.Context, e Entry, reason string) error
	// Alive reports whether a consumer of this stage holds its lease.
	Alive(ctx context.Context, consumer string) (bool, error)
	// Leave gives up the lease and removes the consumer if nothing is pending for it. It is the last call, after Run has ended.
	Leave(ctx context.Context) error
}

// Job is a job that was begun: what a handler works on.
type Job struct {
	ID           string
	Stage        evaluation.StageName
	EvaluationID string
	UserID       string
	Evaluation   *evaluation.Evaluation // as it was at begin; nil for stages that settle no artifact
	Owner        string                 // the consumer that began it
	Run          int64                  // fences all writes of this delivery
	Attempt      int                    // number of this try of the work, from 1
	Crashes      int                    // runs whose owner died without a word
	Waits        int                    // times in a row that the environment was away
	EntryID      string
	StartedAt    time.Time
	Since        time.Time // when it was first begun, later by as long as it waited for the environment; the stage's budget counts from it
	Replay       *Replay   // set when the job runs past work again; Evaluation then has the input that the work had
}

// Result is what a handler made.
type Result struct {
	Artifact      evaluation.Artifact // in a final state; zero for stages that settle no artifact
	InputHash     string              // of all that decides the output: text, voice, speed, provider, model, prompt version
	Provider      string
	Model         string
	PromptVersion string
	Usage         json.RawMessage // tokens, characters, cost as the provider reports them; nil when it does not
}

// Outcome is how a run ended, as recorded in stage_runs.
type Outcome string

// The outcomes.
const (
	OutcomeDone       Outcome = "done"
	OutcomeRetried    Outcome = "retried"
	OutcomeFallback   Outcome = "fallback"
	OutcomeFailed     Outcome = "failed"
	OutcomeDead       Outcome = "dead"
	OutcomeSuperseded Outcome = "superseded"
	OutcomeCancelled  Outcome = "cancelled"
)

// NeedsPerson reports whether a job that ends with o because of cause is set aside for a person to look at, and ends dead. A failed
// result without a cause is what was to be expected of the work, and is not.
func (o Outcome) NeedsPerson(cause error) bool {
	return o == OutcomeDead || o == OutcomeFailed && cause != nil
}

// CheckResult returns an error if a result does not settle what the stage of a job makes.
func CheckResult(j Job, r Result) error {
	stage, ok := evaluation.StageByName(j.Stage)
	if !ok || stage.Artifact == "" {
		return nil
	}
	if a := r.Artifact; a.Kind != stage.Artifact || !a.State.Available() && a.State != evaluation.StateFailed {
		return fmt.Errorf("job %s of %s was to settle %s, and its result is %q in state %q", j.ID, j.Stage, stage.Artifact, a.Kind, a.State)
	}
	return nil
}

// Ledger keeps jobs. Each method is one transaction. Methods return an error wrapping [evaluation.ErrUnavailable] when
// the store is away; the runner then repeats the call.
type Ledger interface {
	// Begin takes the job of an entry for owner: run + 1, and one crash more if its last owner died without a word, which
	// alive tells. A job whose last owner is owner itself is begun anew and no crash is counted: the runner never begins a job
	// that it has in flight, so this is a Begin whose answer was lost. Errors: [ErrSettled] when there is nothing to do any more
	// (done, dead, cancelled or unknown), [ErrBusy] when a live owner works on it.
	Begin(ctx context.Context, e Entry, owner string, alive func(ctx context.Context, consumer string) (bool, error)) (Job, error)
	// Settle records the result and everything that follows from it: artifact, status, version, next jobs, messages. cause is nil,
	// or why it is a fallback or failure; the job ends dead when [Outcome.NeedsPerson] says so, otherwise done. It refuses a result that does not
	// settle the stage's artifact, and returns [ErrSuperseded] when the job was taken over or cancelled, and then records only that.
	Settle(ctx context.Context, j Job, r Result, o Outcome, cause error) error
	// Retry records a failed attempt and frees the job until due. It returns [ErrSuperseded] as Settle does.
	Retry(ctx context.Context, j Job, cause error, due time.Time) error
	// Wait records that the job waits for a part of the environment and frees it until due; no attempt is counted. The
	// evaluation shows what it waits for. It returns [ErrSuperseded] as Settle does.
	Wait(ctx context.Context, j Job, what string, cause error, due time.Time) error
	// Release frees the job as if it had not been begun, for a drain. It returns [ErrSuperseded] as Settle does.
	Release(ctx context.Context, j Job) error
}

// Handler does the work of one stage. It must be safe for concurrent use, respect ctx and leave nothing behind that a
// second run of the same job would not overwrite with the same bytes.
type Handler interface {
	// Handle makes the result. Its error decides what follows: [Permanent] and [WaitFor] errors as they say, every other one is
	// transient and is retried while attempts are left. An artifact that is known to be impossible, such as audio in a language
	// without a voice, is a result like others, with state failed: nobody has to look at it.
	Handle(ctx context.Context, j Job) (Result, error)
	// Fallback makes a simpler result after cause ended the attempts; its artifact's state is fallback, or failed with a
	// reason and a message a client can show. It must not depend on what failed.
	Fallback(ctx context.Context, j Job, cause error) (Result, error)
}

// Sentinels of sources and ledgers.
var (
	// ErrNotOwner is for an entry that another consumer took over.
	ErrNotOwner = errors.New("entry was taken over")
	// ErrSettled is for a job that is done, dead, cancelled or unknown.
	ErrSettled = errors.New("job is settled")
	// ErrBusy is for a job whose owner is alive.
	ErrBusy = errors.New("job is being worked on")
	// ErrSuperseded is for a write of a delivery whose job was taken over or cancelled.
	ErrSuperseded = errors.New("delivery was superseded")
)

// PermanentError is an error that trying again would not change.
type PermanentError struct{ Err error }

// Permanent marks err as one that is not retried.
func Permanent(err error) error { return &PermanentError{Err: err} }

func (e *PermanentError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *PermanentError) Unwrap() error { return e.Err }

// EnvironmentError says that a part of the environment is away; the job waits for it and no attempt is counted.
type EnvironmentError struct {
	What string // short name a client can show: "s3", "voice"
	Err  error
}

// WaitFor marks err as a failure of the environment, not of the job.
func WaitFor(what string, err error) error { return &EnvironmentError{What: what, Err: err} }

func (e *EnvironmentError) Error() string { return fmt.Sprintf("waiting for %s: %v", e.What, e.Err) }

// Unwrap returns the cause.
func (e *EnvironmentError) Unwrap() error { return e.Err }

// RetryAfterError is a transient error of a provider that said when to come back.
type RetryAfterError struct {
	After time.Duration // at least this long; bounded by the runner
	Err   error
}

// RetryAfter marks err as transient, not to be tried again before after has passed.
func RetryAfter(after time.Duration, err error) error {
	return &RetryAfterError{After: after, Err: err}
}

func (e *RetryAfterError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *RetryAfterError) Unwrap() error { return e.Err }
