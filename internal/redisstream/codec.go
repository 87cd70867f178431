package redisstream

import (
	"errors"
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
func decode(stage evaluation.StageName, low bool, id string, fields map[string]any) pipeline.Entry {
	e := pipeline.Entry{ID: id, Stage: stage, Low: low}
	if err := decodeFields(&e, fields); err != nil {
		e = pipeline.Entry{ID: id, Stage: stage, Low: low, Raw: texts(fields), DecodeErr: fmt.Errorf("decode entry %s of %s: %w", id, stage, err)}
		if user, err := text(fields, fieldUser); err == nil {
			e.UserID = user // it was counted among the user's open entries
		}
	}
	return e
}

func decodeFields(e *pipeline.Entry, fields map[string]any) error {
	var errs [4]error
	e.JobID, errs[0] = text(fields, fieldJob)
	e.EvaluationID, errs[1] = text(fields, fieldEvaluation)
	e.UserID, errs[2] = text(fields, fieldUser)
	e.Traceparent, errs[3] = text(fields, fieldTraceparent)
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	if e.JobID == "" || e.EvaluationID == "" {
		return fmt.Errorf("%s and %s must not be empty", fieldJob, fieldEvaluation)
	}
	attempt, _ := fields[fieldAttempt].(string)
	n, err := strconv.Atoi(attempt)
	if err != nil || n < 1 {
		return fmt.Errorf("%s is %.40q, not a number from 1", fieldAttempt, attempt)
	}
	at, _ := fields[fieldEnqueuedAt].(string)
	ms, err := strconv.ParseInt(at, 10, 64)
	if err != nil || ms < 0 || ms > 253402300799999 { // the last ms of the year 9999
		return fmt.Errorf("%s is %.40q, not a time in ms", fieldEnqueuedAt, at)
	}
	e.Attempt, e.EnqueuedAt = n, time.UnixMilli(ms).UTC()
	return nil
}

// text reads a field that ends in the database: bounded, UTF-8 and without NUL. A missing one is empty.
func text(fields map[string]any, name string) (string, error) {
	s, _ := fields[name].(string)
	if len(s) > maxField || !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return "", fmt.Errorf("%s is not a text of at most %d bytes", name, maxField)
	}
	return s, nil
}

func texts(fields map[string]any) map[string]string {
	raw := make(map[string]string, len(fields))
	for k, v := range fields {
		if s, ok := v.(string); ok {
			raw[k] = s
		}
	}
	return raw
}

// record reads an entry as scripts return it: {id, {field, value, ...}}.
func record(v any) (id string, fields map[string]any, ok bool) {
	pair, _ := v.([]any)
	if len(pair) != 2 {
		return "", nil, false
	}
	id, _ = pair[0].(string)
	flat, _ := pair[1].([]any)
	fields = make(map[string]any, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		if k, ok := flat[i].(string); ok {
			fields[k] = flat[i+1]
		}
	}
	return id, fields, id != ""
}
