package rediskv

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func FuzzDecodeMessage(f *testing.F) {
	for _, seed := range []string{
		`{"id":"e","version":3,"final":true,"body":{"a":1}}`, `{"id":"e","deleted":true}`, `{}`, `null`, `{"id":"e","version":1e400}`, "\x00",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := decodeMessage(data)
		if err != nil {
			return
		}
		if s.ID == "" || !s.Deleted && (s.Version < 1 || len(s.Body) == 0) {
			t.Fatalf("decodeMessage(%q) = %+v, which cannot be used", data, s)
		}
		again, err := encodeMessage(s)
		if err != nil {
			t.Fatalf("encodeMessage(%+v) = %v", s, err)
		}
		s2, err := decodeMessage(again)
		if err != nil {
			t.Fatalf("decodeMessage(%q) = %v, after a round trip", again, err)
		}
		s.Body, s2.Body = nil, nil // white space and escapes may differ
		if diff := cmp.Diff(s, s2); diff != "" {
			t.Fatalf("round trip (-want +got):\n%s", diff)
		}
	})
}
