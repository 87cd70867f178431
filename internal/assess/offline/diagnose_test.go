package offline_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"oktalk/internal/assess/offline"
	"oktalk/internal/evaluation"
)

// A sound that was heard for another, its score, its word and its confidence tell the same story.
func TestHeardSoundsAreConsistent(t *testing.T) {
	t.Parallel()
	found := 0
	for _, tc := range []struct{ text, said string }{
		{"I think so", "I sink so"},
		{"please turn the light on", "please turn the right on"},
		{"this is a very good day", "this is a wary good day"},
		{"my brother works in a large hospital", "my brother works in a large hospital"},
	} {
		for _, voice := range voices {
			for _, w := range assess(t, flite(t, voice, tc.said), tc.text).Words {
				named := false
				for _, p := range w.Phonemes {
					if p.Heard == "" {
						if p.Confidence != 0 {
							t.Errorf("%s says %q: %q has %+v, want no confidence without another sound", voice, tc.said, w.Text, p)
						}
						continue
					}
					found, named = found+1, true
					if p.Score >= 50 || p.Confidence <= 0 || p.Confidence > 1 || p.Heard == p.ARPAbet {
						t.Errorf("%s says %q: %q has %+v, want a score below 50 and a confidence up to 1", voice, tc.said, w.Text, p)
					}
				}
				if named && (w.Error != evaluation.WordMispronunciation || w.Score >= 60) {
					t.Errorf("%s says %q: %q has a wrong sound, but is %s with score %d", voice, tc.said, w.Text, w.Error, w.Score)
				}
			}
		}
	}
	if found == 0 {
		t.Error("no sound was heard for another, want some")
	}
}

// One more wrong sound never raises the overall score.
func TestMoreWrongSoundsScoreLess(t *testing.T) {
	t.Parallel()
	text := "I think the red light is very good"
	for _, voice := range voices {
		last := 101
		for _, said := range []string{text, "I sink the red light is very good", "I sink the red right is very good", "I sink the led right is very good", "I sink the led right is wary good"} {
			got := assess(t, flite(t, voice, said), text).Scores.Overall
			if got > last {
				t.Errorf("%s says %q: overall %d, with one wrong sound less %d", voice, said, got, last)
			}
			last = got
		}
	}
}

// The first language makes its typical slips more likely to be found, and nothing less.
func TestNativeLanguage(t *testing.T) {
	t.Parallel()
	a, text := setup(t), "I think the red light is very good"
	recording := flite(t, "awb", "I sink the led right is wary good")
	heard := func(native string) []string {
		got, err := a.AssessLearner(t.Context(), recording, text, "en-US", native)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, w := range got.Words {
			for _, p := range w.Phonemes {
				if p.Heard != "" {
					all = append(all, w.Text+" "+p.ARPAbet)
				}
			}
		}
		return all
	}
	plain := heard("")
	for _, native := range []string{"zh", "zh-Hant-HK", "yue", "zh_CN"} {
		got := heard(native)
		for _, p := range plain {
			if !slices.Contains(got, p) {
				t.Errorf("native language %s: %q was not found, found without", native, p)
			}
		}
	}
	if other := heard("fr"); !slices.Equal(other, plain) {
		t.Errorf("native language fr: found %q, without %q", other, plain)
	}
}

func TestEvidence(t *testing.T) {
	t.Parallel()
	got, err := setup(t).Evidence(t.Context(), flite(t, "rms", "I sink so"), "I think so")
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || len(got[1]) != 4 || got[1][0].ARPAbet != "TH" {
		t.Fatalf("evidence = %+v, want that of TH IH NG K for the second of three words", got)
	}
	alone := slices.Index(offline.FeatureNames(), "alone")
	most := slices.MaxFunc(got[1][0].Candidates, func(a, b offline.Candidate) int { return int(100 * (a.Features[alone] - b.Features[alone])) })
	if most.ARPAbet != "S" || !most.Listed || len(most.Features) != len(offline.FeatureNames()) {
		t.Errorf("the likeliest sound for TH is %+v, want a listed S", most)
	}
}

func TestParseDiagnosisSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	names := offline.FeatureNames()
	features := `["` + strings.Join(names, `","`) + `"]`
	shared := "[0" + strings.Repeat(",0", len(names)-1) + "]"
	for name, tc := range map[string]struct{ data, want string }{
		"no JSON":              {"{", "unexpected end"},
		"other features":       {`{"features":["one"],"shared":[1]}`, "other features"},
		"too few weights":      {`{"features":` + features + `,"shared":[1]}`, fmt.Sprintf("1 weights for %d features", len(names))},
		"a pair with too few ": {`{"features":` + features + `,"shared":` + shared + `,"pairs":{"TH S":[]}}`, "0 weights"},
	} {
		if _, err := offline.ParseDiagnosis([]byte(tc.data)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: ParseDiagnosis = %v, want %q", name, err, tc.want)
		}
	}
}

func FuzzParseDiagnosis(f *testing.F) {
	f.Add([]byte(`{"features":["one"],"shared":[1],"pairs":{"TH S":[1]}}`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		d, err := offline.ParseDiagnosis(data)
		if err != nil {
			return
		}
		d.LogOdds("TH", &offline.Candidate{ARPAbet: "S", Features: make([]float64, len(offline.FeatureNames()))})
	})
}
