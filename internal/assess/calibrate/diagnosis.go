package calibrate

import (
	"errors"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"oktalk/internal/assess/calibration"
	"oktalk/internal/assess/offline"
	"oktalk/internal/assess/stats"
)

// Heard is the evidence for one phone of which is known what was said.
type Heard struct {
	offline.Evidence
	Said    string // ARPAbet of the sound that was said for it; empty when it was right
	Speaker string // recordings of a speaker, shifted ones too, are judged by what the others' gave
	Clean   bool   // limits are chosen by looking at these
}

// Fitted is a diagnosis with those by which it can be judged.
type Fitted struct {
	Diagnosis *offline.Diagnosis // of all speakers
	// Without has for each speaker with clean recordings a diagnosis that is fitted to the others alone, its limit too.
	Without map[string]*offline.Diagnosis
}

// ErrFewSpeakers is for too few voices: without one of them there must be two, the one to choose a limit for the other.
var ErrFewSpeakers = errors.New("a diagnosis needs recordings of three speakers or more")

const (
	// mostAlarms is the share of right phones of the others' that may be called wrong; of a speaker who is unlike them it is soon half as
	// much more.
	mostAlarms = 0.01
	// leastLimit is the least log odds from which a sound is heard: at 57 in 100 it is clearly likelier than not. A learner who is told of a
	// slip that was none is worse off than one who is not told of one.
	leastLimit = 0.3
	// leastOfPair is how many phones a pair must have been said for to get weights of its own.
	leastOfPair = 5
	// How strongly weights are held: those that all pairs share to 0, and a pair's to those, so that a few examples do not turn a line. Each
	// is as so many observations with a feature's usual spread; the bias is free.
	looseBias, firmShared, firmPair = 0.3, 3, 200
)

// FitDiagnosis fits diagnoses: logistic regressions with weights that all pairs share and, held to these, weights of each pair. A limit is
// that with the best F1 among those with few enough alarms, for speakers who were left out of the fit.
func FitDiagnosis(all []Heard) (Fitted, error) {
	var speakers []string
	for i := range all {
		if h := &all[i]; h.Clean && !slices.Contains(speakers, h.Speaker) {
			speakers = append(speakers, h.Speaker)
		}
	}
	if len(speakers) < 3 {
		return Fitted{}, ErrFewSpeakers
	}
	slices.Sort(speakers)
	fits := fitWithout(all, leftOut(speakers))
	out := Fitted{Diagnosis: fits[""], Without: map[string]*offline.Diagnosis{}}
	for _, one := range speakers {
		out.Without[one] = fits[one]
		var judged []verdict
		for _, other := range speakers {
			if other != one {
				judged = append(judged, verdicts(fits[without(one, other)], all, other)...)
			}
		}
		out.Without[one].Limit = bestLimit(judged)
	}
	var judged []verdict
	for _, one := range speakers {
		judged = append(judged, verdicts(fits[one], all, one)...)
	}
	out.Diagnosis.Limit = bestLimit(judged)
	return out, nil
}

// leftOut lists whom to leave out: nobody, each speaker and each two, as [without] writes them.
func leftOut(speakers []string) []string {
	out := []string{""}
	for i, one := range speakers {
		out = append(out, one)
		for _, other := range speakers[:i] {
			out = append(out, without(one, other))
		}
	}
	return out
}

// without writes two speakers in order.
func without(one, other string) string { return min(one, other) + "," + max(one, other) }

// fitWithout fits weights for each set of speakers to leave out.
func fitWithout(all []Heard, sets []string) map[string]*offline.Diagnosis {
	out := make([]*offline.Diagnosis, len(sets))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, set := range sets {
		g.Go(func() error {
			left := strings.Split(set, ",")
			out[i] = fitPairs(slices.DeleteFunc(slices.Clone(all), func(h Heard) bool { return slices.Contains(left, h.Speaker) }))
			return nil
		})
	}
	_ = g.Wait() // none gives an error
	fits := map[string]*offline.Diagnosis{}
	for i, set := range sets {
		fits[set] = out[i]
	}
	return fits
}

// verdict is what a diagnosis says of a phone.
type verdict struct {
	wrong bool
	odds  float64 // log odds of the likeliest candidate
}

// verdicts are those on the clean phones of a speaker.
func verdicts(d *offline.Diagnosis, all []Heard, speaker string) []verdict {
	var out []verdict
	for i := range all {
		h := &all[i]
		if h.Speaker != speaker || !h.Clean {
			continue
		}
		v := verdict{h.Said != "", math.Inf(-1)}
		for k := range h.Candidates {
			v.odds = max(v.odds, d.LogOdds(h.ARPAbet, &h.Candidates[k]))
		}
		out = append(out, v)
	}
	return out
}

func bestLimit(judged []verdict) float64 {
	best, limit := -1.0, 0.0
	for step := range 200 {
		at := 5 - float64(step)/20
		var c stats.Counts
		for _, v := range judged {
			c.Add(v.wrong, v.odds >= at)
		}
		if f1 := c.F1(); c.AlarmRate() <= mostAlarms && f1 > best {
			best, limit = f1, at
		}
	}
	return rounded([]float64{max(limit, leastLimit)})[0]
}

// trials are a candidate in all its places.
type trials struct {
	xs   [][]float64
	said []bool
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
					t = &trials{}
					pairs[key] = t
				}
			}
			t.xs, t.said = append(t.xs, c.Features), append(t.said, h.Said == c.ARPAbet)
		}
	}
	maps.DeleteFunc(pairs, func(_ string, t *trials) bool { return t.times() < leastOfPair })
	d := &offline.Diagnosis{Features: offline.FeatureNames(), Pairs: map[string][]float64{}}
	keys := slices.Sorted(maps.Keys(pairs))
	spread := variances(pairs)
	biases := fitShared(d, keys, pairs, spread)
	hold := scaled(spread, firmPair)
	hold[0] = looseBias
	for _, key := range keys {
		prior := slices.Clone(d.Shared)
		prior[0] = biases[key]
		d.Pairs[key] = rounded(regress([]*trials{pairs[key]}, []float64{0}, prior, prior, hold))
	}
	d.Unlisted = rounded([]float64{rest.bias(d.Shared) - d.Shared[0]})[0]
	d.Shared = rounded(d.Shared)
	return d
}

// variances are those of each feature over the candidates of all pairs.
func variances(pairs map[string]*trials) []float64 {
	n := len(offline.FeatureNames())
	sum, squares, times := make([]float64, n), make([]float64, n), 0.0
	for _, key := range slices.Sorted(maps.Keys(pairs)) { // in order, so that sums are the same each time
		for _, x := range pairs[key].xs {
			times++
			for i, f := range x {
				sum[i], squares[i] = sum[i]+f, squares[i]+f*f
			}
		}
	}
	for i := range squares {
		squares[i] = max(squares[i]/max(times, 1)-math.Pow(sum[i]/max(times, 1), 2), 1e-6)
	}
	return squares
}

func scaled(xs []float64, by float64) []float64 {
	out := make([]float64, len(xs))
	for i, x := range xs {
		out[i] = by * x
	}
	return out
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
func fitShared(d *offline.Diagnosis, keys []string, pairs map[string]*trials, spread []float64) map[string]float64 {
	biases := map[string]float64{}
	weights, none := make([]float64, len(d.Features)), make([]float64, len(d.Features))
	hold := scaled(spread, firmShared)
	hold[0] = given
	for range sharedRounds {
		all, offsets := make([]*trials, len(keys)), make([]float64, len(keys))
		for i, key := range keys {
			all[i], offsets[i] = pairs[key], biases[key]
		}
		weights[0] = 0
		weights = regress(all, offsets, weights, none, hold)
		for _, key := range keys {
			biases[key] = pairs[key].bias(weights)
		}
	}
	for _, key := range keys {
		weights[0] += biases[key] / float64(len(keys))
	}
	d.Shared = weights
	return biases
}

// given holds a weight to its value.
const given = 1e9

// bias fits the bias alone, given the other weights.
func (t *trials) bias(weights []float64) float64 {
	sums := trials{make([][]float64, len(t.xs)), t.said}
	for k, x := range t.xs {
		sum := 0.0
		for i, f := range x[1:] {
			sum += weights[i+1] * f
		}
		sums.xs[k] = []float64{1, sum}
	}
	prior := []float64{-3, 1}
	return regress([]*trials{&sums}, []float64{0}, prior, prior, []float64{0.2, given})[0]
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
	mostNewton = 15
	longStep   = 3    // of any weight; longer steps lead away from a flat part
	enoughStep = 1e-3 // changes nothing that is shown
)

// regress fits a logistic regression (Newton's method), from start on, to trials whose log odds have an offset each. Its weights are held
// to a prior: hold is by how much, as if so many observations of variance 1 spoke for it.
func regress(all []*trials, offsets, start, prior, hold []float64) []float64 {
	b := slices.Clone(start)
	for range mostNewton {
		slope, curve := make([]float64, len(b)), make([][]float64, len(b))
		for i := range b {
			slope[i] = hold[i] * (prior[i] - b[i])
			curve[i] = make([]float64, len(b))
			curve[i][i] = hold[i]
		}
		for i, t := range all {
			t.add(b, offsets[i], slope, curve)
		}
		step, longest := solve(curve, slope), 0.0
		for _, s := range step {
			longest = max(longest, math.Abs(s))
		}
		for i, s := range step {
			b[i] += s * min(1, longStep/max(longest, 1e-12))
		}
		if longest < enoughStep {
			break
		}
	}
	return b
}

// add adds how the likelihood of the trials changes with the weights b.
func (t *trials) add(b []float64, offset float64, slope []float64, curve [][]float64) {
	for k, x := range t.xs {
		z, y := offset, 0.0
		for i, f := range x {
			z += b[i] * f
		}
		if t.said[k] {
			y = 1
		}
		p := calibration.Logistic(z)
		v := p * (1 - p)
		for i, f := range x {
			slope[i] += (y - p) * f
			row := curve[i][:i+1]
			f *= v
			for j := range row {
				row[j] += f * x[j]
			}
		}
	}
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
