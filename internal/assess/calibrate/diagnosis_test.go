package calibrate_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"testing"

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
	all := append(drawn(2000, "one"), drawn(2000, "other")...)
	d, err := calibrate.FitDiagnosis(all)
	if err != nil {
		t.Fatal(err)
	}
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

func TestFitDiagnosisNeedsSpeakers(t *testing.T) {
	t.Parallel()
	if _, err := calibrate.FitDiagnosis(drawn(20, "one")); !errors.Is(err, calibrate.ErrFewSpeakers) {
		t.Errorf("FitDiagnosis of one speaker = %v, want ErrFewSpeakers", err)
	}
}
