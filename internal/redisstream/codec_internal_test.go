package redisstream

import (
	"strconv"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

func TestDecodeReadsWhatEncodeWrote(t *testing.T) {
	t.Parallel()
	want := pipeline.Entry{
		ID: "17-0", Stage: evaluation.StageDemo, JobID: "job_1", EvaluationID: "eval_1", UserID: "user_1", Attempt: 3, Low: true,
		EnqueuedAt: time.Date(2026, 1, 22, 10, 35, 0, 123e6, time.UTC), Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	}
	got := decode(evaluation.StageDemo, true, "17-0", asRead(encode(nil, want)))
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("decode(encode(e)) differs (-want +got):\n%s", d)
	}
}

// asRead is what the server returns for arguments: all of them are text.
func asRead(args []any) map[string]any {
	fields := map[string]any{}
	for i := 0; i < len(args); i += 2 {
		fields[args[i].(string)] = textOf(args[i+1])
	}
	return fields
}

func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int:
		return strconv.Itoa(v)
	default:
		return strconv.FormatInt(v.(int64), 10)
	}
}

// Whatever bytes an entry has, it comes out decoded with ids that a database takes, or with its raw fields and the reason.
func FuzzDecode(f *testing.F) {
	f.Add("job_1", "eval_1", "user_1", "1", "1737000000000", "00-4bf9-00f0-01", "extra")
	f.Add("", "", "", "", "", "", "")
	f.Add("job\x00", "\xff", "user", "-1", "99999999999999999999", "", "job")
	f.Fuzz(func(t *testing.T, job, eval, user, attempt, at, trace, extra string) {
		e := decode(evaluation.StageFeedback, false, "1-0", map[string]any{
			fieldJob: job, fieldEvaluation: eval, fieldUser: user, fieldAttempt: attempt, fieldEnqueuedAt: at, fieldTraceparent: trace, "extra": extra,
		})
		if e.ID != "1-0" || e.Stage != evaluation.StageFeedback {
			t.Fatalf("entry lost its id or stage: %+v", e)
		}
		if e.DecodeErr != nil {
			if e.Raw[fieldJob] != job || e.Raw["extra"] != extra || e.JobID != "" {
				t.Errorf("undecodable entry %+v, want all raw fields and no ids", e)
			}
			return
		}
		for _, s := range []string{e.JobID, e.EvaluationID, e.UserID, e.Traceparent} {
			if !utf8.ValidString(s) || len(s) > maxField {
				t.Errorf("%q passed", s)
			}
		}
		if e.JobID == "" || e.EvaluationID == "" || e.Attempt < 1 || e.EnqueuedAt.Year() > 9999 {
			t.Errorf("decoded %+v", e)
		}
		again := decode(e.Stage, false, "1-0", asRead(encode(nil, e)))
		if d := cmp.Diff(e, again); d != "" {
			t.Errorf("decode(encode(e)) differs (-want +got):\n%s", d)
		}
	})
}

// Members of the delayed set come from scripts; anything else is ignored.
func FuzzAddDelayed(f *testing.F) {
	f.Add(`["0","job","job_1","evaluation_id","eval_1"]`)
	f.Add(`["0","job"]`)
	f.Add("{\xff")
	f.Fuzz(func(_ *testing.T, member string) { addDelayed(member, map[string]struct{}{}) })
}

// Replies of scripts are lists of lists; anything else is ignored.
func FuzzRecord(f *testing.F) {
	f.Add("1-0", "job", "job_1", 2)
	f.Fuzz(func(t *testing.T, id, name, value string, shape int) {
		for _, v := range []any{
			[]any{id, []any{name, value}}, []any{id, []any{name}}, []any{id, name}, []any{shape, []any{}}, []any{id}, id, nil, []any{id, nil},
		} {
			got, fields, ok := record(v)
			if ok && (got != id || fields == nil) {
				t.Errorf("record(%v) = %q, %v", v, got, fields)
			}
		}
	})
}
