package match_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/assess/match"
)

func TestPhones(t *testing.T) {
	t.Parallel()
	tests := []struct {
		want, got string
		partners  []int
	}{
		{"TH IH NG K", "TH IH NG K", []int{0, 1, 2, 3}},
		{"TH IH NG K", "S IH NG K", []int{0, 1, 2, 3}},
		{"L IH T AH L", "L IH T L", []int{0, 1, 2, match.None, 3}},
		{"F AY R", "F AY ER", []int{0, 1, match.None}}, // a vowel is no partner of a consonant
		{"K AA R", "K AA", []int{0, 1, match.None}},
		{"AH", "", []int{match.None}},
		{"", "AH", []int{}},
		{"Y UW S", "UW S", []int{match.None, 0, 1}},
	}
	for _, tc := range tests {
		if diff := cmp.Diff(tc.partners, match.Phones(strings.Fields(tc.want), strings.Fields(tc.got))); diff != "" {
			t.Errorf("Phones(%s, %s) (-want +got):\n%s", tc.want, tc.got, diff)
		}
	}
}
