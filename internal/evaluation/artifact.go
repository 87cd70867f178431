package evaluation

import "slices"

// ArtifactKind names one of the things that are made for an evaluation after it is scored.
type ArtifactKind string

// The artifacts, in the order in which clients see them.
const (
	FeedbackText  ArtifactKind = "feedback_text"  // the coaching text
	FeedbackAudio ArtifactKind = "feedback_audio" // the coaching text, spoken
	DemoAudio     ArtifactKind = "demo_audio"     // a model reading of the hardest word or of the sentence
)

// Stage is the stage that makes the artifact.
func (k ArtifactKind) Stage() StageName {
	switch k {
	case FeedbackText:
		return StageFeedback
	case FeedbackAudio:
		return StageSpeech
	default:
		return StageDemo
	}
}

func (k ArtifactKind) percent() int {
	switch k {
	case FeedbackText:
		return 25
	case FeedbackAudio:
		return 20
	default:
		return 15
	}
}

// ArtifactState says how far an artifact is. All but [StatePending] are final.
type ArtifactState string

const (
	// StatePending is an artifact whose stage has not settled it.
	StatePending ArtifactState = "pending"
	// StateReady is an artifact made as intended.
	StateReady ArtifactState = "ready"
	// StateFallback is an artifact made by the simpler means kept for when the intended one fails.
	StateFallback ArtifactState = "fallback"
	// StateFailed is an artifact that could not be made; Reason and Message say why.
	StateFailed ArtifactState = "failed"
	// StateSkipped is an artifact that is not needed, such as the demo of a perfect reading.
	StateSkipped ArtifactState = "skipped"
)

// Available reports whether the artifact has content.
func (s ArtifactState) Available() bool { return s == StateReady || s == StateFallback }

// DemoType says what a model reading reads.
type DemoType string

// The demo types.
const (
	DemoWord     DemoType = "word"
	DemoSentence DemoType = "sentence"
)

// Artifact is one thing made for an evaluation.
type Artifact struct {
	Kind        ArtifactKind
	State       ArtifactState
	Text        string   // the coaching text (FeedbackText), or what is read aloud (DemoAudio); else empty
	DemoType    DemoType // DemoAudio only, empty when skipped
	ObjectKey   string   // audio only; set when State.Available
	ContrastKey string   // DemoAudio only: audio of a word as it was heard and as it is meant; empty when no other sound was heard
	ContentType string   // audio only, "audio/mpeg"
	Provider    string   // who made it, "offline" or a vendor's name
	Reason      string   // why it is fallback or failed, a fixed word such as "voice-unavailable"
	Message     string   // the same as one sentence a client can show
}

// Artifacts are the artifacts of one evaluation in the order of the kinds.
type Artifacts []Artifact

// Get returns the artifact of a kind; the zero Artifact if there is none.
func (as Artifacts) Get(k ArtifactKind) Artifact {
	for _, a := range as {
		if a.Kind == k {
			return a
		}
	}
	return Artifact{}
}

// Pending reports whether any artifact is pending.
func (as Artifacts) Pending() bool {
	return slices.ContainsFunc(as, func(a Artifact) bool { return a.State == StatePending })
}

// DemoThreshold is the overall score from which [DemoAuto] makes no demo.
const DemoThreshold = 90

// fluentFrom is the fluency from which nothing is said about the flow of a reading.
const fluentFrom = 80

// planDemo decides whether a model reading is made and of what: the sentence when integrity is below 60, when two or more
// words are wrong, when no word is below 80, or when all were accepted and it was the flow that fell short; the worst word otherwise. An
// omitted word counts as wrong and may be the worst; an inserted one does not count. A word that is wrong is worse than one that is not.
func planDemo(e *Evaluation) Artifact {
	a := Artifact{Kind: DemoAudio, State: StateSkipped}
	if e.Assessment == nil || e.DemoMode == DemoNever || (e.DemoMode != DemoAlways && e.Assessment.Scores.Overall >= DemoThreshold) {
		return a
	}
	a.State, a.DemoType, a.Text = StatePending, DemoSentence, e.TargetText
	var worst *Word
	targets, wrong := 0, 0
	for i := range e.Assessment.Words {
		w := &e.Assessment.Words[i]
		if w.Error == WordInsertion {
			continue
		}
		targets++
		marked := w.Error != WordCorrect
		if marked {
			wrong++
		}
		if worst == nil || marked && worst.Error == WordCorrect || marked == (worst.Error != WordCorrect) && w.Score < worst.Score {
			worst = w
		}
	}
	oneWord := targets == 1
	halting := wrong == 0 && e.Assessment.Scores.Fluency < fluentFrom
	single := worst != nil && worst.Score < 80 && wrong < 2 && !halting && e.Assessment.Scores.Integrity >= 60
	if oneWord || single {
		a.DemoType, a.Text = DemoWord, worst.Text
	}
	return a
}
