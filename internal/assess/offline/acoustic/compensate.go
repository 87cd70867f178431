package acoustic

import (
	"cmp"
	"math"
	"slices"
)

// Steady noise (a fan, a street far off, hiss) is not only taken out as far as that goes ([removeNoise]): what is left of it is added to
// what the model expects to hear, and silence is the noise itself. In each mel filter the powers of speech and noise add up, so the logarithm of speech x and noise n is
//
//	y = log(e^x + e^n) = x + log(1 + e^(n-x)),   dy/dx = 1 / (1 + e^(n-x))
//
// Means of Gaussians are moved from x to y, variances and differences of cepstra are scaled by dy/dx (P. Moreno, B. Raj, R. Stern, "A vector
// Taylor series approach for environment-independent speech recognition", ICASSP 1996; M. Gales, S. Young, "Robust continuous speech
// recognition using parallel model combination", IEEE Trans. Speech and Audio Processing 4(5), 1996; differences: A. Acero, L. Deng,
// T. Kristjansson, J. Zhang, "HMM adaptation using vector Taylor series for noisy speech recognition", ICSLP 2000).
const (
	// quietShare is the share of frames, the quietest, that are taken for noise alone; quietSpan is how many frames on each side their level is
	// averaged with, so that they lie together.
	quietShare = 0.15
	quietSpan  = 2
	leastQuiet = 5 // frames; a recording of fewer tells nothing about its noise
	// quietBias is by how much more cepstra of the noise vary than in the quiet frames, which are those where it happens to be low. With 1 more noise is
	// heard as weak sounds, with 3 nearly all.
	quietBias = 1.5
	// steadyVariance is the variance of the logarithm of a filter's power in quiet frames, the mean over filters, up to which noise is
	// steady. Of noise with a normal distribution it is 0.2 to 0.3 in our filters; people who talk behind have 1 to 2 (measured).
	steadyVariance = 0.6
	// The loudest tenth of the frames is above the quiet ones, in dB and the mean over filters, by less than leastDistance where there is only noise,
	// and by noisyRange and more where there is none to reckon with: clean speech has 30 and more, with white noise 20 dB below it 8 to 18 (measured).
	leastDistance, noisyRange = 3, 25
	// differenceShare is how much of dy/dx is applied to differences of cepstra: the model knows them apart from the cepstra themselves, so only the
	// mean of dy/dx over a phone's is known. With all of it the AUC of wrong against right sounds falls below that without (0.91 and 0.93;
	// 0.94 with 0.3 to 0.7; white noise at 15 dB).
	differenceShare = 0.6
)

// Noise is what is known of the steady noise in a recording, for [Scorer.Expect].
type Noise struct {
	level     []float64                      // by filter: mean of the logarithm of its power, where there is no speech
	cepstra   [streams][CepstrumSize]float64 // where there is no speech: their mean
	variance  [streams][CepstrumSize]float64 // and variance
	speech    []float64                      // by filter: mean of the logarithm of the power of the speech alone
	mean      [CepstrumSize]float32          // cepstra are counted from it
	transform *frontEnd
}

// logPowers are the logarithms of powers.
//
//go:norace
func logPowers(dst, powers []float32) []float32 {
	for _, p := range powers {
		dst = append(dst, float32(math.Log(float64(p)+energyFloor)))
	}
	return dst
}

// quietFrames lists the quietest frames of a recording, given its levels in each filter, and how far the loudest tenth is above them, in nats.
func quietFrames(levels []float32, filters int) (quiet []int, distance float64) {
	frames := len(levels) / filters
	sums, smooth := make([]float64, frames), make([]float64, frames)
	for t := range sums {
		for _, l := range levels[t*filters : (t+1)*filters] {
			sums[t] += float64(l) / float64(filters)
		}
	}
	for t := range smooth {
		near := sums[max(0, t-quietSpan):min(frames, t+quietSpan+1)]
		for _, l := range near {
			smooth[t] += l / float64(len(near))
		}
	}
	sorted := slices.Sorted(slices.Values(smooth))
	limit := sorted[int(quietShare*float64(frames))]
	low := 0.0
	for t, l := range smooth {
		if l <= limit {
			quiet = append(quiet, t)
			low += sums[t]
		}
	}
	return quiet, sorted[int(0.9*float64(frames))] - low/float64(len(quiet))
}

// steadyNoise lists the frames in which a steady noise is alone; none when there is no such noise in the recording.
func steadyNoise(levels []float32, filters int) []int {
	if len(levels) == 0 {
		return nil
	}
	quiet, distance := quietFrames(levels, filters)
	if distance *= 10 / math.Ln10; len(quiet) < leastQuiet || distance < leastDistance || distance > noisyRange {
		return nil
	}
	sum := 0.0
	for i := range filters {
		_, variance := moments(levels, filters, i, quiet)
		sum += variance
	}
	if sum > steadyVariance*float64(filters) {
		return nil
	}
	return quiet
}

// moments are mean and variance of a filter's level in some frames.
func moments(levels []float32, filters, filter int, frames []int) (mean, variance float64) {
	var sum, squares float64
	for _, t := range frames {
		l := float64(levels[t*filters+filter])
		sum, squares = sum+l, squares+l*l
	}
	n := float64(len(frames))
	return sum / n, max(0, squares/n-sum/n*sum/n)
}

// newNoise measures noise in the quiet frames of a recording and guesses the speech without it. speech selects the frames over which the mean of
// the cepstra was taken.
func (m *Model) newNoise(f *frontEnd, levels, features []float32, quiet []int, speech []bool, mean [CepstrumSize]float32) *Noise {
	filters := len(f.filters)
	frames := len(levels) / filters
	n := &Noise{level: make([]float64, filters), speech: make([]float64, filters), mean: mean, transform: f}
	for s := range n.variance {
		for i := range n.variance[s] {
			n.cepstra[s][i], n.variance[s][i] = moments(features, FeatureSize, s*CepstrumSize+i, quiet)
		}
	}
	var spoken []int
	for t := range min(frames, len(speech)) {
		if speech[t] {
			spoken = append(spoken, t)
		}
	}
	for i := range filters {
		n.level[i], _ = moments(levels, filters, i, quiet)
		n.speech[i] = n.level[i]
		if len(spoken) > 0 {
			heard, _ := moments(levels, filters, i, spoken)
			n.speech[i] = speechLevel(heard, n.level[i], math.Sqrt(m.levelVariance(f, i)))
		}
	}
	return n
}

// levelVariance is the variance of a filter's level in clean speech, by the model.
func (m *Model) levelVariance(f *frontEnd, filter int) float64 {
	inverse := f.inverse(filter)
	sum := melRest
	for a := range inverse {
		for b := range inverse {
			sum += inverse[a] * inverse[b] * m.covariance[a][b]
		}
	}
	return sum
}

// inverse is how the level of a filter is made of cepstra: its row of the inverse of the cosine transform.
func (f *frontEnd) inverse(filter int) (row [CepstrumSize]float64) {
	for i, d := range f.dct[filter] {
		row[i] = float64(d) / (f.gain[i] * f.gain[i])
	}
	return row
}

const (
	// The mean of speech is looked for from deepest nats below the noise to highest nats above it, in so many halvings.
	deepest, highest, halvings = 8, 25, 16
	// levelPoints is how many levels of equal probability stand for a normal distribution.
	levelPoints = 16
)

// speechLevel is the mean of the levels of speech, normally distributed, for which levels with the noise have the mean that was heard.
func speechLevel(heard, noise, deviation float64) float64 {
	var points [levelPoints]float64
	for i := range points {
		points[i] = deviation * math.Sqrt2 * math.Erfinv((2*float64(i)+1)/levelPoints-1)
	}
	low, high := noise-deepest, noise+highest
	for range halvings {
		middle, mean := (low+high)/2, 0.0
		for _, p := range points {
			mean += addNoise(middle+p, noise) / levelPoints
		}
		if mean < heard {
			low = middle
		} else {
			high = middle
		}
	}
	return (low + high) / 2
}

// addNoise is the level of speech and noise together.
func addNoise(speech, noise float64) float64 {
	return max(speech, noise) + math.Log1p(math.Exp(-math.Abs(speech-noise)))
}

// Expect makes the scorer expect steady noise in the next recordings; nil is none.
func (s *Scorer) Expect(n *Noise) {
	s.gaussians = s.model.gaussians
	if n == nil {
		return
	}
	if s.noisy == nil {
		s.noisy = &gaussians{codebooks: s.model.gaussians.codebooks, densities: s.model.gaussians.densities, values: slices.Clone(s.model.gaussians.values)}
	}
	s.model.expect(s.exponent, s.noisy, n)
	s.gaussians = s.noisy
}

// expect writes the model's codebooks as they are in noise to out.
func (m *Model) expect(e *exponents, out *gaussians, n *Noise) {
	f := n.transform
	inverses := make([][CepstrumSize]float64, len(f.filters))
	for i := range inverses {
		inverses[i] = f.inverse(i)
	}
	slopes := make([]float64, len(f.filters))
	for book := range out.codebooks {
		if book == int(m.definition.codebook[m.SenonesOf(m.Silence())[0]]) {
			m.silence(out, n, book)
			continue
		}
		clear(slopes)
		usage := m.usageOf(book, 0)
		from, to := m.gaussians.codebook(book*streams), out.codebook(book*streams)
		for k := range out.densities {
			at := k/lanes*groupSize + k%lanes
			n.moveMean(e, to[at:], from[at:], inverses, slopes, usage[k])
		}
		for stream := range streams {
			if stream == 1 {
				for i := range slopes {
					slopes[i] = 1 - differenceShare*(1-slopes[i])
				}
			}
			j := jacobian(f, inverses, slopes)
			added, squares := n.added(stream, j), j.squares()
			from, to := m.gaussians.codebook(book*streams+stream), out.codebook(book*streams+stream)
			for k := range out.densities {
				at := k/lanes*groupSize + k%lanes
				squares.widen(to[at:], from[at:], &added)
				if stream > 0 {
					j.scaleMean(to[at:], from[at:])
				}
			}
		}
	}
}

// silence makes the codebook of silence one Gaussian, the noise. With its own ones moved into the noise, of which only topGaussians count, F and HH,
// which vanish in noise as well, would be heard in its place. The four that are used most stand for all, each for a fourth.
func (m *Model) silence(out *gaussians, n *Noise, book int) {
	for stream := range streams {
		usage := m.usageOf(book, stream)
		order := make([]int, len(usage))
		for k := range order {
			order[k] = k
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(usage[b], usage[a]) })
		groups := out.codebook(book*streams + stream)
		for i, k := range order {
			lane := groups[k/lanes*groupSize+k%lanes:]
			lane[0] = Never
			if i >= topGaussians {
				continue
			}
			constant := -math.Log(topGaussians * usage[k])
			for d := range CepstrumSize {
				v := max(quietBias*n.variance[stream][d], varianceFloor)
				constant -= 0.5 * math.Log(2*math.Pi*v)
				lane[lanes*(1+2*d)] = float32(n.cepstra[stream][d])
				lane[lanes*(2+2*d)] = float32(0.5 / v)
			}
			lane[0] = float32(constant)
		}
	}
}

// moveMean moves the mean of a Gaussian of the first stream, from and to being its lane, and adds what the noise leaves of a change of each filter's level to
// slopes, times weight.
//
//go:norace
func (n *Noise) moveMean(e *exponents, to, from []float32, inverses [][CepstrumSize]float64, slopes []float64, weight float64) {
	var mean, moved [CepstrumSize]float64
	for i := range mean {
		mean[i] = float64(from[lanes*(1+2*i)])
	}
	for f := range inverses {
		x := n.speech[f]
		for i, v := range inverses[f] {
			x += v * mean[i]
		}
		level := float64(e.logAdd(float32(x), float32(n.level[f])))
		slopes[f] += weight * math.Exp(x-level)
		for i, d := range n.transform.dct[f] {
			moved[i] += float64(d) * level
		}
	}
	for i, v := range moved {
		to[lanes*(1+2*i)] = float32(v - float64(n.mean[i]))
	}
}

// cepstralMatrix maps changes of cepstra; its first index is the column.
type cepstralMatrix [CepstrumSize][CepstrumSize]float64

// jacobian is how cepstra in noise change with those of the speech.
func jacobian(f *frontEnd, inverses [][CepstrumSize]float64, slopes []float64) *cepstralMatrix {
	var j cepstralMatrix
	for i, slope := range slopes {
		for b, v := range inverses[i] {
			for a, d := range f.dct[i] {
				j[b][a] += float64(d) * slope * v
			}
		}
	}
	return &j
}

// added is the variance that noise adds to cepstra or their differences.
func (n *Noise) added(stream int, j *cepstralMatrix) (v [CepstrumSize]float64) {
	for b := range v {
		for a, x := range j[b] {
			if a == b {
				x = 1 - x
			}
			v[a] += x * x * n.variance[stream][b]
		}
	}
	return v
}

// squares has the squares of a matrix's numbers.
func (j *cepstralMatrix) squares() *cepstralMatrix {
	s := *j
	for b := range s {
		for a, x := range s[b] {
			s[b][a] = x * x
		}
	}
	return &s
}

// scaleMean maps the mean of a Gaussian. The matrix has the Jacobian by column.
//
//go:norace
func (j *cepstralMatrix) scaleMean(to, from []float32) {
	var mean [CepstrumSize]float64
	for b := range j {
		v := float64(from[lanes*(1+2*b)])
		for a, x := range j[b] {
			mean[a] += x * v
		}
	}
	for a, v := range mean {
		to[lanes*(1+2*a)] = float32(v)
	}
}

// widen maps the variances of a Gaussian and adds those of the noise. The matrix has the squares of the Jacobian's numbers, by column.
//
//go:norace
func (j *cepstralMatrix) widen(to, from []float32, added *[CepstrumSize]float64) {
	variance := *added
	for b := range j {
		v := 0.5 / float64(from[lanes*(2+2*b)])
		for a, x := range j[b] {
			variance[a] += x * v
		}
	}
	product := 1.0
	for a, v := range variance {
		v = max(v, varianceFloor)
		product *= 2 * math.Pi * v
		to[lanes*(2+2*a)] = float32(0.5 / v)
	}
	to[0] = float32(-0.5 * math.Log(product))
}
