package replay

import (
	"encoding/json"
	"time"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// Status is where the job of an entry stands.
type Status string

// The statuses.
const (
	StatusPending   Status = "pending"   // waiting, being worked on or put off
	StatusDone      Status = "done"      // settled
	StatusDead      Status = "dead"      // set aside
	StatusCancelled Status = "cancelled" // its evaluation was deleted, or it was dropped
)

// Filter chooses entries of a stage. Its zero value chooses all; conditions add up.
type Filter struct {
	IDs    []string  // of jobs, evaluations or stream entries
	Since  time.Time // added at or after
	User   string    // id or name
	Status Status
	Grep   string // in the target text, the coaching text or an error; letter case does not matter; at least 3 characters
	Limit  int    // most entries, the newest; 0 means 100
}

// Entry is an entry of a stage and its job.
type Entry struct {
	JobID         string               `json:"job_id"`
	EntryID       string               `json:"entry_id" doc:"In the stream, of the last run; empty before the first"`
	Stage         evaluation.StageName `json:"stage"`
	EvaluationID  string               `json:"evaluation_id"`
	UserID        string               `json:"user_id"`
	User          string               `json:"user" doc:"Name of the user"`
	Status        Status               `json:"status" enum:"pending,done,dead,cancelled"`
	Run           int64                `json:"run" doc:"Times that it was begun"`
	Attempts      int                  `json:"attempts" doc:"Tries of the work that failed"`
	Crashes       int                  `json:"crashes" doc:"Runs whose worker died"`
	CreatedAt     time.Time            `json:"created_at"`
	UpdatedAt     time.Time            `json:"updated_at"`
	Outcome       string               `json:"outcome" doc:"Of the last run that ended"`
	Provider      string               `json:"provider"`
	Model         string               `json:"model"`
	PromptVersion string               `json:"prompt_version"`
	LatencyMS     int64                `json:"latency_ms"`
	Error         string               `json:"error"`
	Evaluation    string               `json:"evaluation_status" enum:"pending,processing,completed,failed,deleted"`
	ReplayOf      string               `json:"replay_of" doc:"The original job, if this is one of a replay; those are listed only when asked for by id"`
}

// Deleted is the Evaluation of an entry whose evaluation was deleted.
const Deleted = "deleted"

// Request asks for a replay.
type Request struct {
	Stage    evaluation.StageName
	Filter   Filter
	Provider string // empty: as configured, as are Model and Prompt
	Model    string // a vendor's model, or a voice
	Prompt   string // version of a prompt
	Chain    bool   // the following stages run too
	Apply    bool   // the results take the originals' place; implies Chain
	DryRun   bool   // only say what would be replayed
	Actor    string // who asks
	Why      string // not needed for a dry run
}

// Replay is a replay that was asked for.
type Replay struct {
	ID        string               `json:"replay_id"`
	CreatedAt time.Time            `json:"created_at"`
	Actor     string               `json:"actor"`
	Why       string               `json:"why"`
	Stage     evaluation.StageName `json:"stage"`
	Filter    json.RawMessage      `json:"filter" doc:"How entries were chosen, without identifiers and texts"`
	Selected  int                  `json:"selected" doc:"Entries that were run again"`
	Provider  string               `json:"provider"`
	Model     string               `json:"model"`
	Prompt    string               `json:"prompt"`
	Chain     bool                 `json:"chain"`
	Apply     bool                 `json:"apply"`
}

// Skipped is an entry that is not replayed.
type Skipped struct {
	ID     string `json:"id" doc:"Of the job, or as it was asked for"`
	Reason string `json:"reason"`
}

// Result is what became of a request.
type Result struct {
	Replay  *Replay   `json:"replay" doc:"Null for a dry run and when nothing was chosen"`
	Entries []Entry   `json:"entries" doc:"That are, or would be, run again"`
	Skipped []Skipped `json:"skipped"`
	More    bool      `json:"more" doc:"More entries match than the limit lets through"`
}

// Version is one making of an artifact: a run and what it made.
type Version struct {
	JobID         string          `json:"job_id"`
	Run           int64           `json:"run"`
	Outcome       string          `json:"outcome" doc:"Empty while it is under way"`
	Status        Status          `json:"status" enum:"pending,done,dead,cancelled"`
	Provider      string          `json:"provider"`
	Model         string          `json:"model"`
	PromptVersion string          `json:"prompt_version"`
	Text          string          `json:"text" doc:"Coaching text"`
	ObjectKey     string          `json:"object_key" doc:"Audio"`
	AudioURL      string          `json:"audio_url" doc:"Signed address of the audio; empty if there is none"`
	LatencyMS     int64           `json:"latency_ms"`
	Usage         json.RawMessage `json:"usage" doc:"Tokens, characters, cost, as the provider reports them; null if it does not"`
	Error         string          `json:"error"`
	Applied       int64           `json:"applied_version" doc:"Version of the evaluation that has it; 0: not applied"`
}

// Pair is an original and its replay.
type Pair struct {
	EvaluationID string               `json:"evaluation_id"`
	Stage        evaluation.StageName `json:"stage"`
	Old          Version              `json:"old"`
	New          Version              `json:"new"`
}

// Diff compares a replay with what it replays.
type Diff struct {
	Replay  Replay `json:"replay"`
	Pairs   []Pair `json:"pairs"`
	Deleted int    `json:"deleted" doc:"Entries whose evaluation was deleted since; nothing is left of them"`
}

// Run is a run of a job as it was recorded when it ended.
type Run struct {
	JobID         string               `json:"job_id"`
	Run           int64                `json:"run"`
	Stage         evaluation.StageName `json:"stage"`
	StartedAt     time.Time            `json:"started_at"`
	EntryID       string               `json:"entry_id"`
	Owner         string               `json:"owner"`
	Attempt       int                  `json:"attempt"`
	Outcome       string               `json:"outcome"`
	Provider      string               `json:"provider"`
	Model         string               `json:"model"`
	PromptVersion string               `json:"prompt_version"`
	LatencyMS     int64                `json:"latency_ms"`
	Error         string               `json:"error"`
	ReplayOf      string               `json:"replay_of"`
}

// Job is a job as it stands.
type Job struct {
	ID        string               `json:"job_id"`
	Stage     evaluation.StageName `json:"stage"`
	Status    Status               `json:"status" enum:"pending,done,dead,cancelled"`
	Run       int64                `json:"run" doc:"Times that it was begun"`
	Owner     string               `json:"owner" doc:"Worker that has it, or had it last; empty between runs"`
	OwnerIs   string               `json:"owner_is" doc:"alive or gone while it is pending; empty if that is not known"`
	Attempts  int                  `json:"attempts"`
	Crashes   int                  `json:"crashes"`
	Waits     int                  `json:"waits" doc:"Times in a row that it was put off because something was away"`
	EntryID   string               `json:"entry_id"`
	NotBefore time.Time            `json:"not_before"`
	CreatedAt time.Time            `json:"created_at"`
	UpdatedAt time.Time            `json:"updated_at"`
	LastError string               `json:"last_error"`
	ReplayID  string               `json:"replay_id"`
	ReplayOf  string               `json:"replay_of"`
	Applied   int64                `json:"applied_version"`
}

// ArtifactState is an artifact as it stands.
type ArtifactState struct {
	Kind      evaluation.ArtifactKind  `json:"kind"`
	State     evaluation.ArtifactState `json:"state"`
	Provider  string                   `json:"provider"`
	ObjectKey string                   `json:"object_key"`
	Reason    string                   `json:"reason"`
	Spooled   bool                     `json:"spooled" doc:"Its object waits in the database for the object store"`
	UpdatedAt time.Time                `json:"updated_at"`
}

// OutboxRow is something that is still to be sent.
type OutboxRow struct {
	Kind      string    `json:"kind"`
	JobID     string    `json:"job_id"`
	CreatedAt time.Time `json:"created_at"`
}

// EntryState is an entry that a stream holds.
type EntryState struct {
	Stage      evaluation.StageName `json:"stage"`
	EntryID    string               `json:"entry_id"`
	JobID      string               `json:"job_id"`
	Lane       string               `json:"lane" enum:"stream,low"`
	AddedAt    time.Time            `json:"added_at"`
	Consumer   string               `json:"consumer" doc:"To whom it is delivered; empty when it is settled or unread"`
	Deliveries int64                `json:"deliveries" doc:"So far, while it is delivered"`
}

// History is everything that is known of an evaluation's course.
type History struct {
	EvaluationID string            `json:"evaluation_id"`
	UserID       string            `json:"user_id"`
	Status       evaluation.Status `json:"status"`
	Version      int64             `json:"version"`
	CreatedAt    time.Time         `json:"created_at"`
	UpdatedAt    time.Time         `json:"updated_at"`
	DeletedAt    *time.Time        `json:"deleted_at" doc:"Null unless it was deleted and is being erased"`
	WaitingFor   string            `json:"waiting_for"`
	Artifacts    []ArtifactState   `json:"artifacts"`
	Jobs         []Job             `json:"jobs" doc:"Oldest first"`
	Runs         []Run             `json:"runs" doc:"Every run that ended, oldest first"`
	Outbox       []OutboxRow       `json:"outbox" doc:"What is still to be sent; sent rows are gone"`
	Entries      []EntryState      `json:"entries" doc:"Entries that the streams still hold"`
	Note         string            `json:"note" doc:"What could not be looked at; empty if nothing"`
}

// Dead is a dead letter: a job that was set aside, or an entry that could not be decoded.
type Dead struct {
	ID           string               `json:"id" doc:"The job's; of an entry that names none, its id in the dead stream"`
	Stage        evaluation.StageName `json:"stage"`
	EvaluationID string               `json:"evaluation_id"`
	User         string               `json:"user"`
	EntryID      string               `json:"entry_id"`
	At           time.Time            `json:"at"`
	Attempts     int                  `json:"attempts"`
	Crashes      int                  `json:"crashes"`
	Reason       string               `json:"reason"`
	Fields       map[string]string    `json:"fields,omitempty" doc:"Of an entry that could not be decoded"`
}

// StageState is a stage as it stands.
type StageState struct {
	Stage     evaluation.StageName `json:"stage"`
	Paused    bool                 `json:"paused"`
	Open      int64                `json:"open" doc:"Jobs that are not settled, in the database"`
	DeadJobs  int64                `json:"dead_jobs"`
	Lag       int64                `json:"lag" doc:"Entries not yet delivered"`
	Low       int64                `json:"low" doc:"Those of the low lane"`
	Pending   int64                `json:"pending" doc:"Entries delivered and not settled"`
	Delayed   int64                `json:"delayed"`
	Dead      int64                `json:"dead" doc:"Entries in the dead stream"`
	Consumers int64                `json:"consumers"`
	Note      string               `json:"note" doc:"Why the figures of Redis are missing; empty if they are not"`
}

func (s *StageState) measured(m pipeline.StageStats) {
	s.Lag, s.Low, s.Pending, s.Delayed, s.Dead, s.Consumers = m.Lag, m.Low, m.Pending, m.Delayed, m.Dead, m.Consumers
}
