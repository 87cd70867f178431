package evaluation

import (
	"encoding/json"
	"strings"
	"time"
)

// View is an evaluation as clients see it: the one JSON form of GET, of progress messages and of stored snapshots.
// Words are left out of messages: they never change once scored, and a long text's are larger than many clients' limit.
type View struct {
	ID               string         `json:"evaluation_id" doc:"Identifier of the evaluation" example:"eval_01jd3k8v5n9q2w7x4y6z0a1b2c"`
	Status           Status         `json:"status" enum:"pending,processing,completed,failed" doc:"Where the evaluation stands; completed and failed are final"`
	Version          int64          `json:"version" doc:"Rises by one with every change; also the ETag"`
	CreatedAt        time.Time      `json:"created_at" doc:"When it was accepted (UTC)"`
	TargetText       string         `json:"target_text" doc:"What the learner was asked to say"`
	Language         string         `json:"language" doc:"Language of the target text" example:"en-US"`
	Category         Category       `json:"category" enum:"word,sentence,paragraph" doc:"Length class of the target text"`
	FeedbackLanguage string         `json:"feedback_language" doc:"Language of the coaching text" example:"en"`
	NativeLanguage   *string        `json:"native_language" doc:"Language that the learner grew up with, as a BCP 47 tag; null if it was not said" example:"zh"`
	Audio            AudioView      `json:"audio" doc:"The recording"`
	Scores           *ScoresView    `json:"scores" doc:"Null until scored"`
	Level            *Level         `json:"level" enum:"S,A,B,C" doc:"Class shown to the learner; null until scored"`
	Assessor         *string        `json:"assessor" doc:"Who scored it; null until scored" example:"offline"`
	Words            *[]WordView    `json:"words,omitempty" doc:"Every word of the target text in order, inserted words between them; absent from progress messages"`
	Feedback         FeedbackView   `json:"feedback" doc:"Coaching text and its audio"`
	Demo             DemoView       `json:"demo" doc:"Model reading"`
	Progress         ProgressView   `json:"progress" doc:"How far it is"`
	Degraded         []DegradedView `json:"degraded" doc:"Artifacts that are fallback or failed, with the reason"`
	Error            *ErrorView     `json:"error" doc:"Why a failed evaluation could not be scored; null otherwise"`
	WebsocketChannel string         `json:"websocket_channel" doc:"Name of the progress channel: the evaluation's id"`
	ProgressURL      string         `json:"progress_url" doc:"Path of the progress WebSocket, SSE stream and long poll"`
	Ticket           string         `json:"ticket,omitempty" doc:"Single-use ticket for the progress socket; only in the answer to POST"`
}

// AudioView is the recording.
type AudioView struct {
	DurationMS int64  `json:"duration_ms" doc:"Duration in milliseconds"`
	Format     string `json:"format" enum:"wav,mp3,ogg,webm,m4a,flac" doc:"Format by content"`
}

// ScoresView is the scores, 0-100.
type ScoresView struct {
	Overall   int  `json:"overall" minimum:"0" maximum:"100"`
	Accuracy  int  `json:"accuracy" minimum:"0" maximum:"100"`
	Fluency   int  `json:"fluency" minimum:"0" maximum:"100"`
	Integrity int  `json:"integrity" minimum:"0" maximum:"100"`
	Prosody   *int `json:"prosody" doc:"Stress of words and range of pitch, with a tenth of the overall score; null when the assessor does not measure it, or the recording has too little voice"`
}

// WordView is a scored word.
type WordView struct {
	Text        string        `json:"text" doc:"The word as written, without surrounding punctuation"`
	Score       *int          `json:"score" doc:"0-100; null for an insertion"`
	Error       WordError     `json:"error" enum:"none,mispronunciation,omission,insertion"`
	Approximate bool          `json:"approximate" doc:"The word is not in the dictionary; its pronunciation is a guess"`
	OffsetMS    *int64        `json:"offset_ms" doc:"From the start of the recording; null for an omission"`
	DurationMS  *int64        `json:"duration_ms" doc:"Null for an omission"`
	Phonemes    []PhonemeView `json:"phonemes"`
	// Syllables are left out when there are none.
	Syllables []SyllableView `json:"syllables,omitempty" doc:"The phonemes by syllables, in order; absent when the assessor does not tell"`
}

// SyllableView is a scored part of a word.
type SyllableView struct {
	IPA         string  `json:"ipa" example:"ˈæ" doc:"Its sounds, with ˈ or ˌ before them when the dictionary has its stress"`
	ARPAbet     string  `json:"arpabet" example:"AE" doc:"Its sounds with spaces between them"`
	Score       int     `json:"score" minimum:"0" maximum:"100"`
	Stress      *Stress `json:"stress" enum:"primary,secondary,none" doc:"As the dictionary has it; null in words of one syllable, and when there is no one right place"`
	HeardStress *Stress `json:"heard_stress" enum:"primary,none" doc:"primary for the syllable that bore the main stress as it was said; null when that is not sure"`
	OffsetMS    int64   `json:"offset_ms"`
	DurationMS  int64   `json:"duration_ms"`
}

// PhonemeView is a scored sound.
type PhonemeView struct {
	IPA        string  `json:"ipa" example:"æ"`
	ARPAbet    string  `json:"arpabet" example:"AE"`
	Score      int     `json:"score" minimum:"0" maximum:"100"`
	Heard      *string `json:"heard" doc:"ARPAbet of the other sound that was heard; null when none was"`
	Confidence float64 `json:"confidence,omitempty" minimum:"0" maximum:"1" doc:"How sure the assessor is of heard; absent when none was heard or it does not say"`
	OffsetMS   int64   `json:"offset_ms"`
	DurationMS int64   `json:"duration_ms"`
}

// FeedbackView is the coaching text and its audio.
type FeedbackView struct {
	TextState  ArtifactState `json:"text_state" enum:"pending,ready,fallback,failed,skipped"`
	Text       *string       `json:"text" doc:"Null until there is text"`
	AudioState ArtifactState `json:"audio_state" enum:"pending,ready,fallback,failed,skipped"`
	AudioURL   *string       `json:"audio_url" doc:"Path on this server; null until there is audio"`
}

// DemoView is the model reading.
type DemoView struct {
	State    ArtifactState `json:"state" enum:"pending,ready,fallback,failed,skipped"`
	Type     *DemoType     `json:"type" enum:"word,sentence" doc:"Null when skipped"`
	Text     *string       `json:"text" doc:"What is read; null when skipped"`
	AudioURL *string       `json:"audio_url" doc:"Path on this server; null until there is audio"`
	// ContrastAudioURL is null when no other sound was heard, or nothing can speak it.
	ContrastAudioURL *string `json:"contrast_audio_url" doc:"Path on this server of what was heard and what is meant, one after the other; null until there is audio, and when no other sound was heard"`
}

// ProgressView is how far an evaluation is.
type ProgressView struct {
	Percent    int        `json:"percent" minimum:"0" maximum:"100" doc:"100 only when completed"`
	Stage      *StageName `json:"stage" doc:"The stage at work; null when final" example:"feedback"`
	WaitingFor *string    `json:"waiting_for" doc:"What the stage waits for while a part of the environment is away; null otherwise" example:"s3"`
}

// DegradedView is an artifact that is not as intended.
type DegradedView struct {
	Artifact ArtifactKind  `json:"artifact"`
	State    ArtifactState `json:"state"`
	Reason   string        `json:"reason"`
	Message  string        `json:"message"`
}

// ErrorView is a problem object inside a failed evaluation.
type ErrorView struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

// Path is the evaluation's own path on the API.
func Path(id string) string { return "/v1/evaluations/" + id }

// ObjectPrefix is where everything of one evaluation, and nothing else, is in the object store.
func ObjectPrefix(id string) string { return "evaluations/" + id + "/" }

// View renders the evaluation without its words, as progress messages carry it.
func (e *Evaluation) View() View {
	v := View{
		ID: e.ID, Status: e.Status, Version: e.Version, CreatedAt: e.CreatedAt.UTC().Truncate(time.Millisecond),
		TargetText: e.TargetText, Language: e.Language, Category: e.Category, FeedbackLanguage: e.FeedbackLanguage, NativeLanguage: orNil(e.NativeLanguage),
		Audio:    AudioView{DurationMS: e.Recording.Duration.Milliseconds(), Format: e.Recording.Format},
		Feedback: e.feedbackView(), Demo: e.demoView(), Degraded: e.degradedView(),
		Progress:         ProgressView{Percent: e.Percent(), Stage: orNil(e.CurrentStage()), WaitingFor: orNil(e.WaitingFor)},
		WebsocketChannel: e.ID, ProgressURL: Path(e.ID) + "/progress",
	}
	if a := e.Assessment; a != nil {
		v.Scores = &ScoresView{a.Scores.Overall, a.Scores.Accuracy, a.Scores.Fluency, a.Scores.Integrity, a.Scores.Prosody}
		v.Level, v.Assessor = orNil(a.Level), orNil(a.Assessor)
	}
	if f := e.Failure; f != nil {
		v.Error = &ErrorView{Type: "/problems/" + f.Problem, Title: f.Problem, Detail: f.Message}
	}
	return v
}

// FullView renders the evaluation with its words, as GET answers.
func (e *Evaluation) FullView() View {
	v := e.View()
	words := []WordView{}
	if e.Assessment != nil {
		for _, w := range e.Assessment.Words {
			words = append(words, w.view())
		}
	}
	v.Words = &words
	return v
}

func (e *Evaluation) feedbackView() FeedbackView {
	text, audio := e.Artifacts.Get(FeedbackText), e.Artifacts.Get(FeedbackAudio)
	f := FeedbackView{TextState: stateOr(text.State), AudioState: stateOr(audio.State)}
	if text.State.Available() {
		f.Text = &text.Text
	}
	if audio.State.Available() {
		f.AudioURL = orNil(Path(e.ID) + "/feedback-audio")
	}
	return f
}

func (e *Evaluation) demoView() DemoView {
	a := e.Artifacts.Get(DemoAudio)
	d := DemoView{State: stateOr(a.State), Type: orNil(a.DemoType), Text: orNil(a.Text)}
	if a.State.Available() {
		d.AudioURL = orNil(Path(e.ID) + "/demo-audio")
	}
	if a.State.Available() && a.ContrastKey != "" {
		d.ContrastAudioURL = orNil(Path(e.ID) + "/demo-audio?track=contrast")
	}
	return d
}

func (e *Evaluation) degradedView() []DegradedView {
	ds := []DegradedView{}
	for _, a := range e.Artifacts {
		if a.State == StateFallback || a.State == StateFailed {
			ds = append(ds, DegradedView{a.Kind, a.State, a.Reason, a.Message})
		}
	}
	return ds
}

func (w Word) view() WordView {
	v := WordView{Text: w.Text, Error: w.Error, Approximate: w.Approximate, Phonemes: []PhonemeView{}}
	if w.Error != WordInsertion {
		v.Score = &w.Score
	}
	if w.Error != WordOmission {
		off, dur := w.Offset.Milliseconds(), w.Duration.Milliseconds()
		v.OffsetMS, v.DurationMS = &off, &dur
	}
	for _, p := range w.Phonemes {
		v.Phonemes = append(v.Phonemes, PhonemeView{p.IPA(), p.ARPAbet, p.Score, orNil(p.Heard), p.Confidence, p.Offset.Milliseconds(), p.Duration.Milliseconds()})
	}
	v.Syllables = w.syllableViews()
	return v
}

func (w Word) syllableViews() []SyllableView {
	var views []SyllableView
	at := 0
	for _, s := range w.Syllables {
		v := SyllableView{
			IPA: stressMarks[s.Stress], Score: s.Score, Stress: orNil(s.Stress), HeardStress: orNil(s.Heard),
			OffsetMS: s.Offset.Milliseconds(), DurationMS: s.Duration.Milliseconds(),
		}
		end := min(at+s.Phonemes, len(w.Phonemes))
		var arpabet []string
		for _, p := range w.Phonemes[at:end] {
			v.IPA += p.IPA()
			arpabet = append(arpabet, p.ARPAbet)
		}
		v.ARPAbet, at = strings.Join(arpabet, " "), end
		views = append(views, v)
	}
	return views
}

// stressMarks are those of the International Phonetic Alphabet, before a syllable.
var stressMarks = map[Stress]string{StressPrimary: "ˈ", StressSecondary: "ˌ"}

// MessageType is the type of a versioned progress message.
type MessageType string

const (
	// MessageSnapshot is the first message of a connection, and of a resync.
	MessageSnapshot MessageType = "snapshot"
	// MessageProgress is every later one while the evaluation is not final, and those after done on a connection that stays.
	MessageProgress MessageType = "progress"
	// MessageDone says that the evaluation is final. It is the last unless the connection stays.
	MessageDone MessageType = "done"
)

// Message is a versioned progress message. It carries the whole changing state, so a client may miss any of them.
type Message struct {
	Type       MessageType     `json:"type" enum:"snapshot,progress,done"`
	Version    int64           `json:"version"`
	Evaluation json.RawMessage `json:"evaluation"` // a View without words
}

// Snapshot is the stored and published form of an evaluation's state.
type Snapshot struct {
	ID      string
	UserID  string
	Version int64
	Final   bool            // the status is final: a message of it is MessageDone
	Deleted bool            // the evaluation is gone; Body is empty
	Body    json.RawMessage // a View without words
}

// Snapshot renders the evaluation for storing and publishing.
func (e *Evaluation) Snapshot() (Snapshot, error) {
	body, err := json.Marshal(e.View())
	if err != nil {
		return Snapshot{}, err
	}
	return Snapshot{ID: e.ID, UserID: e.UserID, Version: e.Version, Final: e.Status.Final(), Body: body}, nil
}

// Message makes the message of a snapshot; first says that it is the first one of a connection.
func (s Snapshot) Message(first bool) Message {
	m := Message{Type: MessageProgress, Version: s.Version, Evaluation: s.Body}
	switch {
	case s.Final:
		m.Type = MessageDone
	case first:
		m.Type = MessageSnapshot
	}
	return m
}

func stateOr(s ArtifactState) ArtifactState {
	if s == "" {
		return StateSkipped
	}
	return s
}

func orNil[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
