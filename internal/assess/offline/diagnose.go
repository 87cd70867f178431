package offline

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"oktalk/internal/assess/offline/acoustic"
)

// Diagnosis decides from evidence which sound was said for another: for each pair a line through the features whose value is the
// logarithm of the odds that it was. `oktalk calibrate --diagnosis` makes it from generated recordings.
type Diagnosis struct {
	MadeFrom string `json:"made_from"` // which recordings, for a person
	// Limit is the log odds from which a sound counts as heard.
	Limit    float64   `json:"limit"`
	Features []string  `json:"features"` // their names, [FeatureNames] when it was made
	Shared   []float64 `json:"shared"`   // weights for usual substitutes that Pairs does not have
	// Unlisted is added to the log odds of sounds that are no usual substitutes.
	Unlisted float64              `json:"unlisted"`
	Pairs    map[string][]float64 `json:"pairs"` // weights by pair, "TH S" for an S in place of a TH
}

// ParseDiagnosis reads a diagnosis from JSON. One that was made for other features is an error.
func ParseDiagnosis(data []byte) (*Diagnosis, error) {
	var d Diagnosis
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("read a diagnosis: %w", err)
	}
	if !slices.Equal(d.Features, FeatureNames()) {
		return nil, errors.New("read a diagnosis: it was made for other features; make it again with oktalk calibrate --diagnosis")
	}
	weights := [][]float64{d.Shared}
	for pair := range d.Pairs {
		weights = append(weights, d.Pairs[pair])
	}
	for _, w := range weights {
		if len(w) != len(d.Features) {
			return nil, fmt.Errorf("read a diagnosis: %d weights for %d features", len(w), len(d.Features))
		}
	}
	return &d, nil
}

//go:embed diagnosis.json
var diagnosisJSON []byte

// PairKey is a pair's key in [Diagnosis].Pairs.
func PairKey(phone, said string) string { return phone + " " + said }

// LogOdds is how likely it is that a candidate was said for a phone.
func (d *Diagnosis) LogOdds(phone string, c *Candidate) float64 {
	weights, ok := d.Pairs[PairKey(phone, c.ARPAbet)]
	if !ok {
		weights = d.Shared
	}
	sum := 0.0
	if !c.Listed {
		sum = d.Unlisted
	}
	for i, f := range c.Features {
		sum += weights[i] * f
	}
	return sum
}

// finding is the sound that was heard in place of a phone; empty when none was.
type finding struct {
	heard      string
	confidence float64 // 0 to 1
}

// nativeOdds is added to the log odds of substitutes that are typical of the learner's first language: twice the odds.
const nativeOdds = math.Ln2

// A reading of fewer than shortPhones phones tells little about the voice, and the median of so few is no measure: a sound must be surer to
// be heard then, by shortOdds. Of 160 right readings, 40 words by four flite voices, 3 are called wrong, 2 with 1.5, and more wrong sounds
// are found.
const (
	shortPhones = 10
	shortOdds   = 0.7
)

// limit is the log odds from which a sound counts as heard in a reading.
func (w *worker) limit(r *reading) float64 {
	phones := 0
	for i := range r.words {
		phones += len(r.words[i].phones)
	}
	if phones < shortPhones {
		return w.diagnosis.Limit + shortOdds
	}
	return w.diagnosis.Limit
}

// diagnose decides for each phone whether another sound was heard.
func (w *worker) diagnose(r *reading, language string) {
	s, limit := w.substitutes[language], w.limit(r)
	w.examine(r, &s, func(_ int, p *spokenPhone, cs []Candidate) {
		name, most := w.model.Name(p.phone), math.Inf(-1)
		for i := range cs {
			odds := w.diagnosis.LogOdds(name, &cs[i])
			q, ok := w.model.Phone(cs[i].ARPAbet)
			if ok && w.frontEnd.Narrow() && w.narrow.accepts(p.phone, q, surroundings{}) {
				continue // what tells them apart is above the band
			}
			if ok && s.typical[[2]acoustic.Phone{p.phone, q}] {
				odds += nativeOdds
			}
			if odds > most && odds >= limit {
				most, p.finding = odds, finding{cs[i].ARPAbet, math.Round(100/(1+math.Exp(-odds))) / 100}
			}
		}
	})
}

const (
	// A phone for which another was heard scores at most foundScore less foundRange times the confidence, any other at least soundScore,
	// so that below 50 and heard mean the same.
	foundScore = 45
	foundRange = 30
	soundScore = 50
)

// score is a phone's score, given that of its goodness.
func (f finding) score(goodness float64) float64 {
	if f.heard == "" {
		return max(goodness, soundScore)
	}
	return min(goodness, foundScore-foundRange*f.confidence)
}
