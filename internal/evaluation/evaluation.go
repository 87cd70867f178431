package evaluation

import (
	"slices"
	"time"
)

// Status says where an evaluation stands, as the client sees it.
type Status string

const (
	// StatusPending is an evaluation that was accepted and is not scored yet. It leaves by scoring.
	StatusPending Status = "pending"
	// StatusProcessing is a scored evaluation with at least one pending artifact. Scoring moves it in, settling the
	// last artifact moves it out.
	StatusProcessing Status = "processing"
	// StatusCompleted is a scored evaluation whose artifacts are all settled, well or not. It is final.
	StatusCompleted Status = "completed"
	// StatusFailed is an evaluation that could not be scored. It is final; its artifacts are skipped.
	StatusFailed Status = "failed"
)

// Final reports whether no further message will follow for an evaluation of this status.
func (s Status) Final() bool { return s == StatusCompleted || s == StatusFailed }

// Category is the length class of a target text.
type Category string

// The categories. An empty one is inferred from the text by [InferCategory].
const (
	CategoryWord      Category = "word"
	CategorySentence  Category = "sentence"
	CategoryParagraph Category = "paragraph"
)

// DemoMode says when a model reading is made.
type DemoMode string

const (
	// DemoAuto makes one when the overall score is below [DemoThreshold].
	DemoAuto DemoMode = "auto"
	// DemoAlways makes one for every evaluation.
	DemoAlways DemoMode = "always"
	// DemoNever makes none.
	DemoNever DemoMode = "never"
)

// Recording is the stored audio of an utterance.
type Recording struct {
	ObjectKey   string        // key in the object store
	Format      string        // wav, mp3, ogg, webm, m4a or flac: by content, not by file name
	ContentType string        // MIME type it is stored with
	Bytes       int64         // size as received
	SHA256      []byte        // of the bytes as received
	Duration    time.Duration // of the decoded audio
}

// Evaluation is the whole course of one submitted utterance.
type Evaluation struct {
	ID               string // "eval_" and a lower-case ULID, so that ids sort by creation time
	UserID           string
	Status           Status
	Version          int64 // rises by one with every change a client can see; 1 when first stored
	CreatedAt        time.Time
	UpdatedAt        time.Time
	TargetText       string
	Language         string // of the target text, "en-US"
	Category         Category
	FeedbackLanguage string // "en" or "zh-CN"
	NativeLanguage   string // what the learner grew up with, a BCP 47 tag, "zh"; empty: not said
	DemoMode         DemoMode
	Recording        Recording
	Assessment       *Assessment // nil until scored
	Artifacts        Artifacts
	WaitingFor       string   // what a stage waits for while the environment is away ("s3", "voice"); empty if nothing
	Failure          *Failure // set when Status is StatusFailed
}

// Failure is why an evaluation could not be scored.
type Failure struct {
	Problem string `json:"problem"` // problem name, as in "/problems/<name>"
	Message string `json:"message"` // one sentence a client can show
}

// Plan sets the artifacts a scored evaluation starts with and computes its status: text and its audio are pending,
// the demo is pending or skipped as mode and scores say. It must be called once, when Assessment is set.
func (e *Evaluation) Plan() {
	e.Artifacts = Artifacts{
		{Kind: FeedbackText, State: StatePending},
		{Kind: FeedbackAudio, State: StatePending},
		planDemo(e),
	}
	e.recompute()
}

// Settle puts a settled artifact in its place and recomputes the status from all artifacts. It is the only way an
// artifact leaves [StatePending]. When the coaching text failed there is nothing to speak, so its audio fails with it.
// It reports whether the evaluation changed; an artifact that is already settled is left as it is.
func (e *Evaluation) Settle(a Artifact) bool {
	i := slices.IndexFunc(e.Artifacts, func(x Artifact) bool { return x.Kind == a.Kind })
	if i < 0 || e.Artifacts[i].State != StatePending || a.State == StatePending {
		return false
	}
	if a.Kind == DemoAudio { // what is read aloud was decided with the plan
		a.Text, a.DemoType = e.Artifacts[i].Text, e.Artifacts[i].DemoType
	}
	e.Artifacts[i] = a
	if a.Kind == FeedbackText && a.State == StateFailed {
		e.Settle(Artifact{Kind: FeedbackAudio, State: StateFailed, Reason: "no-text", Message: "There is no coaching text to speak."})
	}
	e.WaitingFor = ""
	e.recompute()
	return true
}

func (e *Evaluation) recompute() {
	switch {
	case e.Failure != nil:
		e.Status = StatusFailed
	case e.Assessment == nil:
		e.Status = StatusPending
	case e.Artifacts.Pending():
		e.Status = StatusProcessing
	default:
		e.Status = StatusCompleted
		e.WaitingFor = ""
	}
}

// Percent is how far the evaluation is, 0-100: 5 accepted, 40 scored, then 25 for the text, 20 for its audio and 15 for
// the demo as each is settled, a skipped one at once. It is 100 only when the status is completed.
func (e *Evaluation) Percent() int {
	if e.Assessment == nil {
		return 5
	}
	p := 40
	for _, a := range e.Artifacts {
		if a.State != StatePending {
			p += a.Kind.percent()
		}
	}
	return p
}

// CurrentStage names the stage whose artifact is pending, the earliest one first; it is empty when the evaluation is
// final.
func (e *Evaluation) CurrentStage() StageName {
	if e.Status == StatusPending {
		return StageAssess
	}
	for _, a := range e.Artifacts {
		if a.State == StatePending {
			return a.Kind.Stage()
		}
	}
	return ""
}
