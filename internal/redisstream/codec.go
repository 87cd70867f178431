package redisstream

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// Names of an entry's fields. Every entry has all of them in the order of [encode], since Redis stores the names of a run of
// entries with equal names once (measured: 148 bytes an entry).
const (
	fieldJob         = "job"
	fieldEvaluation  = "evaluation_id"
	fieldUser        = "user_id"
	fieldAttempt     = "attempt"
	fieldEnqueuedAt  = "enqueued_at" // ms since 1970
	fieldTraceparent = "traceparent"
)

// width is how many names and values an encoded entry has.
const width = 12

// maxField bounds a field of an entry; our ids have 31 bytes, a traceparent has 55.
const maxField = 256

// encode appends the fields of an entry.
func encode(args []any, e pipeline.Entry) []any {
	at := e.EnqueuedAt
	if at.IsZero() {
		at = time.Now()
	}
	return append(args, fieldJob, e.JobID, fieldEvaluation, e.EvaluationID, fieldUser, e.UserID,
		fieldAttempt, max(1, e.Attempt), fieldEnqueuedAt, at.UnixMilli(), fieldTraceparent, e.Traceparent)
}

// decode makes an entry of the fields of a record. Fields it does not know are ignored, so that a newer program may add some.
// When it cannot, the entry has its Raw fields and a DecodeErr.
func decode(stage evaluation.StageName, m message) pipeline.Entry {
	e := pipeline.Entry{ID: m.id, Stage: stage, Low: m.low}
	if err := decodeFields(&e, m.fields); err != nil {
		e = pipeline.Entry{ID: m.id, Stage: stage, Low: m.low, Raw: raw(m.fields), DecodeErr: fmt.Errorf("decode entry %s of %s: %w", m.id, stage, err)}
		if user := e.Raw[fieldUser]; checkText(fieldUser, user) == nil {
			e.UserID = user // it was counted among the user's open entries
		}
	}
	return e
}

func decodeFields(e *pipeline.Entry, fields []string) error {
	var attempt, at string
	texts := [...]struct {
		name string
		to   *string
	}{
		{fieldJob, &e.JobID},
		{fieldEvaluation, &e.EvaluationID},
		{fieldUser, &e.UserID},
		{fieldAttempt, &attempt},
		{fieldEnqueuedAt, &at},
		{fieldTraceparent, &e.Traceparent},
	}
	next := 0 // names come in this order, unless another program wrote them
	for i := 0; i+1 < len(fields); i += 2 {
		for range texts {
			t := &texts[next]
			next = (next + 1) % len(texts)
			if t.name == fields[i] {
				*t.to = fields[i+1]
				break
			}
		}
	}
	for i := range texts {
		if err := checkText(texts[i].name, *texts[i].to); err != nil {
			return err
		}
	}
	if e.JobID == "" || e.EvaluationID == "" {
		return fmt.Errorf("%s and %s must not be empty", fieldJob, fieldEvaluation)
	}
	n, err := strconv.Atoi(attempt)
	if err != nil || n < 1 {
		return fmt.Errorf("%s is %.40q, not a number from 1", fieldAttempt, attempt)
	}
	ms, err := strconv.ParseInt(at, 10, 64)
	if err != nil || ms < 0 || ms > 253402300799999 { // the last ms of the year 9999
		return fmt.Errorf("%s is %.40q, not a time in ms", fieldEnqueuedAt, at)
	}
	e.Attempt, e.EnqueuedAt = n, time.UnixMilli(ms).UTC()
	return nil
}

// checkText returns an error if a field that ends in the database is not bounded UTF-8 without NUL.
func checkText(name, s string) error {
	if len(s) > maxField || !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return fmt.Errorf("%s is not a text of at most %d bytes", name, maxField)
	}
	return nil
}

func raw(fields []string) map[string]string {
	m := make(map[string]string, len(fields)/2)
	for i := 0; i+1 < len(fields); i += 2 {
		m[fields[i]] = fields[i+1]
	}
	return m
}

// record reads an entry as scripts return it: {id, {field, value, ...}}.
func record(low bool, v any) (m message, ok bool) {
	pair, _ := v.([]any)
	if len(pair) != 2 {
		return message{}, false
	}
	id, _ := pair[0].(string)
	flat, _ := pair[1].([]any)
	fields := make([]string, len(flat))
	for i := range flat {
		fields[i], _ = flat[i].(string)
	}
	return message{low: low, id: id, fields: fields}, id != ""
}
