package calibrate_test

import (
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/assess/calibrate"
	"oktalk/internal/assess/offline"
)

// drawn makes evidence for TH in which one feature tells whether an S was said: it is 2 higher then.
func drawn(n int, speaker string) []calibrate.Heard {
	rng := rand.New(rand.NewPCG(1, uint64(len(speaker))))
	var out []calibrate.Heard
	for i := range n {
		features := make([]float64, len(offline.FeatureNames()))
		features[0], features[3] = 1, rng.NormFloat64()/2-1
		h := calibrate.Heard{Speaker: speaker, Clean: true}
		if i%10 == 0 {
			h.Said = "S"
			features[3] += 2
		}
		h.Evidence = offline.Evidence{ARPAbet: "TH", Candidates: []offline.Candidate{{ARPAbet: "S", Listed: true, Features: features}}}
		out = append(out, h)
	}
	return out
}

func TestFitDiagnosis(t *testing.T) {
	t.Parallel()
	all := slices.Concat(drawn(2000, "one"), drawn(2000, "other"), drawn(2000, "another"))
	fitted, err := calibrate.FitDiagnosis(all)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(maps.Keys(fitted.Without)), []string{"another", "one", "other"}; !slices.Equal(got, want) {
		t.Errorf("FitDiagnosis has diagnoses without %v, want %v", got, want)
	}
	d := fitted.Diagnosis
	data, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if d, err = offline.ParseDiagnosis(data); err != nil {
		t.Fatalf("ParseDiagnosis of what was fitted = %v", err)
	}
	hits, alarms, wrong := 0, 0, 0
	for i := range all {
		found := d.LogOdds("TH", &all[i].Candidates[0]) >= d.Limit
		switch {
		case all[i].Said != "":
			wrong++
			if found {
				hits++
			}
		case found:
			alarms++
		}
	}
	if hits*10 < wrong*8 || alarms*100 > len(all) {
		t.Errorf("%d of %d wrong sounds found, %d of %d right ones called wrong, want 8 in 10 and 1 in 100", hits, wrong, alarms, len(all)-wrong)
	}
}

// TestFitDiagnosisLeavesSpeakersOut: what a speaker's recordings hold does not change the diagnosis that judges them.
func TestFitDiagnosisLeavesSpeakersOut(t *testing.T) {
	t.Parallel()
	others := slices.Concat(drawn(1000, "one"), drawn(1000, "other"))
	var all []offline.Diagnosis
	for _, n := range []int{500, 1500} {
		fitted, err := calibrate.FitDiagnosis(append(slices.Clone(others), drawn(n, "judge")...))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, *fitted.Without["judge"])
	}
	if diff := cmp.Diff(all[0], all[1]); diff != "" {
		t.Errorf("diagnosis without a speaker, after other recordings of that speaker (-before +after):\n%s", diff)
	}
}

func TestFitDiagnosisNeedsSpeakers(t *testing.T) {
	t.Parallel()
	if _, err := calibrate.FitDiagnosis(append(drawn(20, "one"), drawn(20, "other")...)); !errors.Is(err, calibrate.ErrFewSpeakers) {
		t.Errorf("FitDiagnosis of two speakers = %v, want ErrFewSpeakers", err)
	}
}
