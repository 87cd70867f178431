package evaluation

import "time"

// StageName names a step of the work that has its own stream and consumer group.
type StageName string

// The stages.
const (
	StageAssess   StageName = "assess"   // scoring; it runs inside the request
	StageFeedback StageName = "feedback" // writes the coaching text
	StageSpeech   StageName = "speech"   // speaks the coaching text
	StageDemo     StageName = "demo"     // speaks a model reading
	StageErase    StageName = "erase"    // removes what is left of a deleted evaluation
)

// Stage is a row of the table of stages: everything the engine needs to know about one.
type Stage struct {
	Name     StageName
	Artifact ArtifactKind    // what it settles; empty if it makes none
	After    ArtifactKind    // the artifact that must be available first; empty: starts as soon as the evaluation is scored
	Deadline time.Duration   // for one run of the handler; a run that takes longer is cancelled and counts as an attempt
	Attempts int             // real tries of the work, the first included, before its fallback is used
	Backoff  []time.Duration // pause before attempt 2, 3, …; the last one repeats; jitter of a fifth is added
	// Budget is how long after its first begin a job's fallback begins at the latest, whatever attempts are left; waiting for the
	// environment does not count. 0: no bound.
	Budget  time.Duration
	Crashes int // runs whose owner died without a word before the job is set aside
}

// stages is the table. Attempts and backoff of feedback and speech: three retries after 2, 4 and 8 s; demo has one less,
// since a model reading is the least of the three. Deadlines: a call of a language model may take 10 s and of a voice 8 s,
// storing audio 30 s with retries. A learner who waits for a text gets the simpler one within half a minute, however slow the model is.
var stages = []Stage{
	{Name: StageFeedback, Artifact: FeedbackText, Deadline: 12 * time.Second, Attempts: 4, Backoff: seconds(2, 4, 8), Budget: 30 * time.Second, Crashes: 3},
	{Name: StageSpeech, Artifact: FeedbackAudio, After: FeedbackText, Deadline: 45 * time.Second, Attempts: 4, Backoff: seconds(2, 4, 8), Crashes: 3},
	{Name: StageDemo, Artifact: DemoAudio, Deadline: 45 * time.Second, Attempts: 3, Backoff: seconds(2, 4), Crashes: 3},
	{Name: StageErase, Deadline: 60 * time.Second, Attempts: 1000, Backoff: seconds(2, 4, 8, 15, 30), Crashes: 1000},
}

// Stages returns the table of stages that have streams, in the order in which an evaluation passes them.
func Stages() []Stage { return append([]Stage(nil), stages...) }

// StageByName finds a row of the table.
func StageByName(name StageName) (Stage, bool) {
	for _, s := range stages {
		if s.Name == name {
			return s, true
		}
	}
	return Stage{}, false
}

// LongestDeadline is the longest time a run of any stage may take: after it, no worker that was busy when an evaluation
// was deleted can still write an object for it.
func LongestDeadline() time.Duration {
	var d time.Duration
	for _, s := range stages {
		d = max(d, s.Deadline)
	}
	return d
}

// Start lists the stages whose work can begin in the evaluation's present state: their artifact is pending and what they
// wait for is available. With a kind, only those that wait for that kind; with an empty one, only those that wait for nothing.
func (e *Evaluation) Start(after ArtifactKind) []StageName {
	var names []StageName
	for _, s := range stages {
		if s.Artifact == "" || s.After != after || e.Artifacts.Get(s.Artifact).State != StatePending {
			continue
		}
		if after == "" || e.Artifacts.Get(after).State.Available() {
			names = append(names, s.Name)
		}
	}
	return names
}

func seconds(n ...int) []time.Duration {
	ds := make([]time.Duration, len(n))
	for i, s := range n {
		ds[i] = time.Duration(s) * time.Second
	}
	return ds
}
