package postgres

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"oktalk/internal/evaluation"
)

// evaluationColumns reads an evaluation with its artifacts in one statement, so both are of one moment.
const evaluationColumns = `
	e.id, e.user_id, e.status, e.version, e.created_at, e.updated_at, e.target_text, e.language, e.category,
	e.feedback_language, e.native_language, e.demo_mode, e.recording_key, e.audio_format, e.audio_type, e.audio_bytes, e.audio_sha256,
	e.audio_duration_ms, e.assessor, e.overall, e.accuracy, e.fluency, e.integrity, e.prosody, e.level, e.waiting_for, e.failure,
	(SELECT array_agg(ARRAY[a.kind, a.state, a.text, a.demo_type, a.object_key, a.contrast_key, a.content_type, a.provider, a.reason, a.message])
		FROM artifacts a WHERE a.evaluation_id = e.id) AS artifacts`

const (
	withWords    = "SELECT" + evaluationColumns + ", e.words FROM evaluations e "
	withoutWords = "SELECT" + evaluationColumns + ", NULL::jsonb AS words FROM evaluations e "
)

// Conditions of statements that find rows by ids, made so that no partial index serves them. Such a statement is planned once, and a plan made
// while few jobs were open, or while there were few evaluations, might read all of those there are later.
const (
	isOpen = "lower(state) = 'open'"
	isKept = "num_nonnulls(deleted_at) = 0"
)

// evaluationRow is an evaluation as it is stored.
type evaluationRow struct {
	ID               string              `db:"id"`
	UserID           string              `db:"user_id"`
	Status           evaluation.Status   `db:"status"`
	Version          int64               `db:"version"`
	CreatedAt        time.Time           `db:"created_at"`
	UpdatedAt        time.Time           `db:"updated_at"`
	TargetText       string              `db:"target_text"`
	Language         string              `db:"language"`
	Category         evaluation.Category `db:"category"`
	FeedbackLanguage string              `db:"feedback_language"`
	NativeLanguage   string              `db:"native_language"`
	DemoMode         evaluation.DemoMode `db:"demo_mode"`
	RecordingKey     string              `db:"recording_key"`
	AudioFormat      string              `db:"audio_format"`
	AudioType        string              `db:"audio_type"`
	AudioBytes       int64               `db:"audio_bytes"`
	AudioSHA256      []byte              `db:"audio_sha256"`
	AudioDurationMS  int64               `db:"audio_duration_ms"`
	Assessor         *string             `db:"assessor"`
	Overall          *int                `db:"overall"`
	Accuracy         *int                `db:"accuracy"`
	Fluency          *int                `db:"fluency"`
	Integrity        *int                `db:"integrity"`
	Prosody          *int                `db:"prosody"`
	Level            *evaluation.Level   `db:"level"`
	WaitingFor       string              `db:"waiting_for"`
	Failure          *evaluation.Failure `db:"failure"`
	Words            []wordJSON          `db:"words"`

	Artifacts pgtype.FlatArray[string] `db:"artifacts"` // all columns of the first, then those of the next
}

// artifactRow is an artifact as it is stored; the names are the columns'.
type artifactRow struct {
	Kind        evaluation.ArtifactKind  `json:"kind"`
	State       evaluation.ArtifactState `json:"state"`
	Text        string                   `json:"text"`
	DemoType    evaluation.DemoType      `json:"demo_type"`
	ObjectKey   string                   `json:"object_key"`
	ContrastKey string                   `json:"contrast_key"`
	ContentType string                   `json:"content_type"`
	Provider    string                   `json:"provider"`
	Reason      string                   `json:"reason"`
	Message     string                   `json:"message"`
}

type wordJSON struct {
	Text        string               `json:"text"`
	Score       int                  `json:"score"`
	Error       evaluation.WordError `json:"error"`
	Approximate bool                 `json:"approximate,omitempty"`
	OffsetMS    int64                `json:"offset_ms"`
	DurationMS  int64                `json:"duration_ms"`
	Phonemes    []phonemeJSON        `json:"phonemes,omitempty"`
	Syllables   []syllableJSON       `json:"syllables,omitempty"`
}

type syllableJSON struct {
	Phonemes   int               `json:"phonemes"`
	Score      int               `json:"score"`
	Stress     evaluation.Stress `json:"stress,omitempty"`
	Heard      evaluation.Stress `json:"heard,omitempty"`
	OffsetMS   int64             `json:"offset_ms"`
	DurationMS int64             `json:"duration_ms"`
}

type phonemeJSON struct {
	ARPAbet    string  `json:"arpabet"`
	Score      int     `json:"score"`
	Heard      string  `json:"heard,omitempty"`
	Confidence float64 `json:"confidence,omitempty"`
	OffsetMS   int64   `json:"offset_ms"`
	DurationMS int64   `json:"duration_ms"`
}

// collectEvaluations reads the rows of a query that selects [evaluationColumns].
func collectEvaluations(rows pgx.Rows) ([]*evaluation.Evaluation, error) {
	list, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[evaluationRow])
	if err != nil {
		return nil, err
	}
	es := make([]*evaluation.Evaluation, len(list))
	for i, r := range list {
		es[i] = r.toEvaluation()
	}
	return es, nil
}

// oneEvaluation makes the callback of a batch statement that selects at most one evaluation; *e stays nil if there is none.
func oneEvaluation(e **evaluation.Evaluation) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		es, err := collectEvaluations(rows)
		if err == nil && len(es) > 0 {
			*e = es[0]
		}
		return err
	}
}

// optional makes the callback of a batch statement that selects at most one row; *found says whether it did.
func optional(found *bool, dest ...any) func(pgx.Row) error {
	return func(row pgx.Row) error {
		err := row.Scan(dest...)
		*found = err == nil
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	}
}

func (r *evaluationRow) toEvaluation() *evaluation.Evaluation {
	return &evaluation.Evaluation{
		ID: r.ID, UserID: r.UserID, Status: r.Status, Version: r.Version, CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
		TargetText: r.TargetText, Language: r.Language, Category: r.Category, FeedbackLanguage: r.FeedbackLanguage, NativeLanguage: r.NativeLanguage,
		DemoMode: r.DemoMode,
		Recording: evaluation.Recording{
			ObjectKey: r.RecordingKey, Format: r.AudioFormat, ContentType: r.AudioType, Bytes: r.AudioBytes, SHA256: r.AudioSHA256,
			Duration: time.Duration(r.AudioDurationMS) * time.Millisecond,
		},
		Assessment: r.toAssessment(), Artifacts: toArtifacts(r.Artifacts), WaitingFor: r.WaitingFor, Failure: r.Failure,
	}
}

func (r *evaluationRow) toAssessment() *evaluation.Assessment {
	if r.Assessor == nil {
		return nil
	}
	return &evaluation.Assessment{
		Assessor: *r.Assessor, Level: value(r.Level), Words: toWords(r.Words),
		Scores: evaluation.Scores{
			Overall: value(r.Overall), Accuracy: value(r.Accuracy), Fluency: value(r.Fluency), Integrity: value(r.Integrity), Prosody: r.Prosody,
		},
	}
}

// toArtifacts puts artifacts in the order of their kinds, which the table does not keep. columns are as [evaluationColumns] has them.
func toArtifacts(columns []string) evaluation.Artifacts {
	var as evaluation.Artifacts
	for _, kind := range []evaluation.ArtifactKind{evaluation.FeedbackText, evaluation.FeedbackAudio, evaluation.DemoAudio} {
		for c := range slices.Chunk(columns, 10) {
			if evaluation.ArtifactKind(c[0]) == kind {
				as = append(as, evaluation.Artifact{
					Kind: kind, State: evaluation.ArtifactState(c[1]), Text: c[2], DemoType: evaluation.DemoType(c[3]), ObjectKey: c[4], ContrastKey: c[5],
					ContentType: c[6], Provider: c[7], Reason: c[8], Message: c[9],
				})
			}
		}
	}
	return as
}

func toWords(stored []wordJSON) []evaluation.Word {
	var words []evaluation.Word
	for _, w := range stored {
		word := evaluation.Word{
			Text: w.Text, Score: w.Score, Error: w.Error, Approximate: w.Approximate, Offset: ms(w.OffsetMS), Duration: ms(w.DurationMS),
		}
		for _, p := range w.Phonemes {
			word.Phonemes = append(word.Phonemes, evaluation.Phoneme{
				ARPAbet: p.ARPAbet, Score: p.Score, Heard: p.Heard, Confidence: p.Confidence, Offset: ms(p.OffsetMS), Duration: ms(p.DurationMS),
			})
		}
		for _, s := range w.Syllables {
			word.Syllables = append(word.Syllables, evaluation.Syllable{
				Phonemes: s.Phonemes, Score: s.Score, Stress: s.Stress, Heard: s.Heard, Offset: ms(s.OffsetMS), Duration: ms(s.DurationMS),
			})
		}
		words = append(words, word)
	}
	return words
}

func fromWords(words []evaluation.Word) []wordJSON {
	stored := make([]wordJSON, 0, len(words))
	for _, w := range words {
		word := wordJSON{
			Text: storable(w.Text, evaluation.MaxTextCharacters), Score: w.Score, Error: w.Error, Approximate: w.Approximate,
			OffsetMS: w.Offset.Milliseconds(), DurationMS: w.Duration.Milliseconds(),
		}
		for _, p := range w.Phonemes {
			word.Phonemes = append(word.Phonemes, phonemeJSON{p.ARPAbet, p.Score, p.Heard, p.Confidence, p.Offset.Milliseconds(), p.Duration.Milliseconds()})
		}
		for _, s := range w.Syllables {
			word.Syllables = append(word.Syllables, syllableJSON{s.Phonemes, s.Score, s.Stress, s.Heard, s.Offset.Milliseconds(), s.Duration.Milliseconds()})
		}
		stored = append(stored, word)
	}
	return stored
}

// fromArtifact makes an artifact storable: texts of providers may hold anything.
func fromArtifact(a evaluation.Artifact) artifactRow {
	const long, short = 20_000, 2_000
	r := artifactRow(a)
	r.Text, r.Message = storable(a.Text, long), storable(a.Message, short)
	r.ObjectKey, r.ContrastKey, r.ContentType = storable(a.ObjectKey, short), storable(a.ContrastKey, short), storable(a.ContentType, short)
	r.Provider, r.Reason = storable(a.Provider, short), storable(a.Reason, short)
	return r
}

// fromEvaluation gives the arguments of insertEvaluation.
func fromEvaluation(e *evaluation.Evaluation) (pgx.NamedArgs, error) {
	rec := e.Recording
	args := pgx.NamedArgs{
		"id": e.ID, "user_id": e.UserID, "status": e.Status, "version": e.Version, "created_at": e.CreatedAt, "updated_at": e.UpdatedAt,
		"target_text": e.TargetText, "language": e.Language, "category": e.Category, "feedback_language": e.FeedbackLanguage,
		"native_language": storable(e.NativeLanguage, 100), "demo_mode": e.DemoMode, "recording_key": rec.ObjectKey, "audio_format": rec.Format, "audio_type": rec.ContentType,
		"audio_bytes": rec.Bytes, "audio_sha256": nonNil(rec.SHA256), "audio_duration_ms": rec.Duration.Milliseconds(),
		"assessor": nil, "overall": nil, "accuracy": nil, "fluency": nil, "integrity": nil, "prosody": nil, "level": nil,
		"words": nil, "waiting_for": e.WaitingFor, "failure": e.Failure,
	}
	if a := e.Assessment; a != nil {
		words, err := json.Marshal(fromWords(a.Words))
		if err != nil {
			return nil, fmt.Errorf("encode words: %w", err)
		}
		args["assessor"], args["level"], args["words"] = a.Assessor, a.Level, json.RawMessage(words)
		args["overall"], args["accuracy"], args["fluency"] = a.Scores.Overall, a.Scores.Accuracy, a.Scores.Fluency
		args["integrity"], args["prosody"] = a.Scores.Integrity, a.Scores.Prosody
	}
	return args, nil
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
