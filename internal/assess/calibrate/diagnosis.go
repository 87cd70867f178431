package calibrate

import (
	"errors"
	"maps"
	"math"
	"slices"

	"oktalk/internal/assess/offline"
	"oktalk/internal/assess/stats"
)

// Heard is the evidence for one phone of which is known what was said.
type Heard struct {
	offline.Evidence
	Said    string // ARPAbet of the sound that was said for it; empty when it was right
	Speaker string // recordings of a speaker, shifted ones too, are judged by what the others' gave
	Clean   bool   // the limit is chosen by looking at these
}

// ErrFewSpeakers is for too few voices to judge one by the others.
var ErrFewSpeakers = errors.New("a diagnosis needs recordings of two speakers or more")

const (
	// mostAlarms is the share of right phones that may be called wrong.
	mostAlarms = 0.01
	// leastOfPair is how many phones a pair must have been said for to get weights of its own.
	leastOfPair = 5
	// How strongly a pair's weights are held to those that all pairs share: a few examples must not turn a line. Features from
	// firstCircumstance to lastCircumstance are about the recording, of which there are fewer than of phones.
	looseBias, firmWeight, firmCircumstance = 0.3, 300, 1000
	firstCircumstance, lastCircumstance     = 9, 13
)

// FitDiagnosis fits a diagnosis: logistic regressions with weights that all pairs share and, held to these, weights of each pair. The limit is
// that with the best F1 among those with few enough alarms, for speakers that were left out of the fit.
func FitDiagnosis(all []Heard) (*offline.Diagnosis, error) {
	speakers := map[string]bool{}
	for i := range all {
		if all[i].Clean {
			speakers[all[i].Speaker] = true
		}
	}
	if len(speakers) < 2 {
		return nil, ErrFewSpeakers
	}
	var judged []verdict
	for _, speaker := range slices.Sorted(maps.Keys(speakers)) {
		d := fitPairs(slices.DeleteFunc(slices.Clone(all), func(h Heard) bool { return h.Speaker == speaker }))
		for i := range all {
			if h := &all[i]; h.Speaker == speaker && h.Clean {
				judged = append(judged, verdictOf(d, h))
			}
		}
	}
	d := fitPairs(all)
	d.Limit = rounded([]float64{bestLimit(judged)})[0]
	return d, nil
}

// verdict is what a diagnosis says of a phone.
type verdict struct {
	wrong bool
	odds  float64 // log odds of the likeliest candidate
}

func verdictOf(d *offline.Diagnosis, h *Heard) verdict {
	v := verdict{h.Said != "", math.Inf(-1)}
	for i := range h.Candidates {
		v.odds = max(v.odds, d.LogOdds(h.ARPAbet, &h.Candidates[i]))
	}
	return v
}

func bestLimit(judged []verdict) float64 {
	best, limit := -1.0, 0.0
	for step := range 100 {
		at := 5 - float64(step)/10
		var c stats.Counts
		for _, v := range judged {
			c.Add(v.wrong, v.odds >= at)
		}
		if f1 := c.F1(); c.AlarmRate() <= mostAlarms && f1 > best {
			best, limit = f1, at
		}
	}
	return limit
}

// trials are a candidate in all its places.
type trials struct {
	listed bool
	xs     [][]float64
	said   []bool
}

// fitPairs fits all weights; the limit is the caller's.
func fitPairs(all []Heard) *offline.Diagnosis {
	pairs := map[string]*trials{}
	var rest trials
	for i := range all {
		h := &all[i]
		for _, c := range h.Candidates {
			t := &rest
			if key := offline.PairKey(h.ARPAbet, c.ARPAbet); c.Listed {
				if t = pairs[key]; t == nil {
					t = &trials{listed: true}
					pairs[key] = t
				}
			}
			t.xs, t.said = append(t.xs, c.Features), append(t.said, h.Said == c.ARPAbet)
		}
	}
	maps.DeleteFunc(pairs, func(_ string, t *trials) bool { return t.times() < leastOfPair })
	d := &offline.Diagnosis{Features: offline.FeatureNames(), Pairs: map[string][]float64{}}
	keys := slices.Sorted(maps.Keys(pairs))
	biases := fitShared(d, keys, pairs)
	for _, key := range keys {
		prior, hold := slices.Clone(d.Shared), make([]float64, len(d.Shared))
		prior[0] = biases[key]
		for i := range hold {
			hold[i] = firmWeight
			if i >= firstCircumstance && i <= lastCircumstance {
				hold[i] = firmCircumstance
			}
		}
		hold[0] = looseBias
		d.Pairs[key] = rounded(regress(pairs[key].xs, pairs[key].said, prior, hold))
	}
	d.Unlisted = rounded([]float64{rest.bias(d.Shared)})[0]
	d.Shared = rounded(d.Shared)
	return d
}

func (t *trials) times() int {
	n := 0
	for _, said := range t.said {
		if said {
			n++
		}
	}
	return n
}

// sharedRounds is how often shared weights and biases are fitted in turn; they no longer change in what matters.
const sharedRounds = 4

// fitShared fits the weights that all pairs share, with a bias of its own for each pair, and gives the biases.
func fitShared(d *offline.Diagnosis, keys []string, pairs map[string]*trials) map[string]float64 {
	biases := map[string]float64{}
	weights := make([]float64, len(d.Features))
	for range sharedRounds {
		var xs [][]float64
		var said []bool
		for _, key := range keys {
			for i, x := range pairs[key].xs {
				x = slices.Clone(x)
				x[0] = biases[key]
				xs, said = append(xs, x), append(said, pairs[key].said[i])
			}
		}
		hold := slices.Repeat([]float64{0.1}, len(weights))
		weights[0], hold[0] = 1, given
		weights = regress(xs, said, weights, hold)
		sum := 0.0
		for _, key := range keys {
			biases[key] = pairs[key].bias(weights)
			sum += biases[key]
		}
		weights[0] = sum / float64(max(len(keys), 1))
	}
	d.Shared = weights
	return biases
}

// given holds a weight to its value.
const given = 1e9

// bias fits the bias alone, given the other weights; for [offline.Diagnosis].Unlisted it is counted from weights[0].
func (t *trials) bias(weights []float64) float64 {
	xs := make([][]float64, len(t.xs))
	for k, x := range t.xs {
		sum := 0.0
		if !t.listed {
			sum = weights[0]
		}
		for i, f := range x[1:] {
			sum += weights[i+1] * f
		}
		xs[k] = []float64{1, sum}
	}
	return regress(xs, t.said, []float64{-3, 1}, []float64{0.2, given})[0]
}

// rounded keeps the file readable.
func rounded(xs []float64) []float64 {
	out := make([]float64, len(xs))
	for i, x := range xs {
		out[i] = math.Round(x*1e4) / 1e4
	}
	return out
}

const (
	mostNewton = 12
	longStep   = 3 // of any weight; longer steps lead away from a flat part
)

// regress fits a logistic regression (Newton's method) whose weights are held to a prior: hold is by how much, as if so many
// observations of variance 1 spoke for it.
func regress(xs [][]float64, said []bool, prior, hold []float64) []float64 {
	b := slices.Clone(prior)
	for range mostNewton {
		slope, curve := make([]float64, len(b)), make([][]float64, len(b))
		for i := range b {
			slope[i] = hold[i] * (prior[i] - b[i])
			curve[i] = make([]float64, len(b))
			curve[i][i] = hold[i]
		}
		for k, x := range xs {
			z, y := 0.0, 0.0
			for i, f := range x {
				z += b[i] * f
			}
			if said[k] {
				y = 1
			}
			p := logistic(z)
			v := p * (1 - p)
			for i, f := range x {
				slope[i] += (y - p) * f
				for j, g := range x[:i+1] {
					curve[i][j] += v * f * g
				}
			}
		}
		step, longest := solve(curve, slope), 0.0
		for _, s := range step {
			longest = max(longest, math.Abs(s))
		}
		for i, s := range step {
			b[i] += s * min(1, longStep/max(longest, 1e-12))
		}
		if longest < 1e-4 {
			break
		}
	}
	return b
}

// solve gives x with a x = b for a symmetric positive definite a, of which the lower half is read (Cholesky's decomposition). It
// overwrites both.
func solve(a [][]float64, b []float64) []float64 {
	for i := range a {
		for j := 0; j <= i; j++ {
			for k := range j {
				a[i][j] -= a[i][k] * a[j][k]
			}
			if i == j {
				a[i][i] = math.Sqrt(max(a[i][i], 1e-12))
			} else {
				a[i][j] /= a[j][j]
			}
		}
	}
	for i := range b {
		for k := range i {
			b[i] -= a[i][k] * b[k]
		}
		b[i] /= a[i][i]
	}
	for i := len(b) - 1; i >= 0; i-- {
		for k := i + 1; k < len(b); k++ {
			b[i] -= a[k][i] * b[k]
		}
		b[i] /= a[i][i]
	}
	return b
}
