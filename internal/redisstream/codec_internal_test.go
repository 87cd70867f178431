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
	got := decode(evaluation.StageDemo, message{true, "17-0", asRead(encode(nil, want))})
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("decode(encode(e)) differs (-want +got):\n%s", d)
	}
}

// asRead is what the server returns for arguments: all of them are text.
func asRead(args []any) []string {
	var fields []string
	for _, v := range args {
		fields = append(fields, textOf(v))
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
		e := decode(evaluation.StageFeedback, message{false, "1-0", []string{
			"extra", extra, fieldEvaluation, eval, fieldJob, job, fieldUser, user, fieldAttempt, attempt, fieldTraceparent, trace, fieldEnqueuedAt, at,
		}})
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
		again := decode(e.Stage, message{false, "1-0", asRead(encode(nil, e))})
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
			got, ok := record(true, v)
			if ok && (got.id != id || got.fields == nil || !got.low) {
				t.Errorf("record(%v) = %+v", v, got)
			}
		}
	})
}

func TestParseReadOfBothProtocols(t *testing.T) {
	t.Parallel()
	const one = "*2\r\n$3\r\n1-0\r\n*4\r\n$3\r\njob\r\n$2\r\n\r\n\r\n$1\r\na\r\n:7\r\n"
	want := []message{{false, "1-0", []string{"job", "\r\n", "a", "7"}}, {true, "2-0", nil}}
	for name, reply := range map[string]string{
		"2": "*2\r\n*2\r\n$1\r\ns\r\n*1\r\n" + one + "*2\r\n$3\r\nlow\r\n*1\r\n*2\r\n$3\r\n2-0\r\n*-1\r\n",
		"3": "%2\r\n$1\r\ns\r\n*1\r\n" + one + "$3\r\nlow\r\n*1\r\n*2\r\n$3\r\n2-0\r\n_\r\n",
	} {
		got, err := parseRead(reply, "low")
		if d := cmp.Diff(want, got, cmp.AllowUnexported(message{})); err != nil || d != "" {
			t.Errorf("protocol %s: %v (-want +got):\n%s", name, err, d)
		}
	}
	for name, reply := range map[string]string{"2": "*-1\r\n", "3": "_\r\n"} {
		if got, err := parseRead(reply, "low"); len(got) > 0 || err != nil {
			t.Errorf("nothing in protocol %s = %v, %v", name, got, err)
		}
	}
	for _, reply := range []string{"-NOGROUP No such key\r\n", "!20\r\nNOGROUP No such key \r\n"} {
		if _, err := parseRead(reply, "low"); !isNoGroup(err) {
			t.Errorf("parseRead(%q) = %v, want what the server said", reply, err)
		}
	}
}

// A reply is read as it was written, or refused; nothing is read beyond its end.
func FuzzParseRead(f *testing.F) {
	f.Add("*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$3\r\njob\r\n$1\r\nj\r\n")
	f.Add("%1\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-0\r\n_\r\n")
	f.Add("*999999999\r\n")
	f.Add("$-1\r\n")
	f.Add("*1\r\n$9223372036854775807\r\n\r\n")
	f.Fuzz(func(t *testing.T, reply string) {
		got, err := parseRead(reply, "low")
		if err != nil && len(got) > 0 {
			t.Errorf("%d entries and an error: %v", len(got), err)
		}
		size := 0
		for _, m := range got {
			size += len(m.id)
			for _, field := range m.fields {
				size += len(field)
			}
		}
		if size > len(reply) {
			t.Errorf("%d bytes read out of %d", size, len(reply))
		}
	})
}

func TestCompareIDsAsTheServerDoes(t *testing.T) {
	t.Parallel()
	order := []string{"0-1", "9-5", "9-40", "10-0", "1737000000000-9", "1737000000000-10", "1737000000001-0"}
	for i, a := range order {
		for j, b := range order {
			if got := compareIDs(a, b); got != min(1, max(-1, i-j)) {
				t.Errorf("compareIDs(%s, %s) = %d", a, b, got)
			}
		}
	}
}
