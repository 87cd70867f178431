package acoustic

import (
	"math"
	"slices"
)

// Recordings from telephones end at 3.4 or 4 kHz, while the model knows speech up to 6.8: the missing filters would be taken for very
// soft sounds. Then the cepstra are estimated from the filters that are left, by what the model's own Gaussians say about how the
// bands of speech go together.
const (
	// deadFilters is how many filters at the top must be dead for a recording to be of narrow band, leastFilters how many are kept at
	// least (those below 2.6 kHz).
	deadFilters  = 3
	leastFilters = 15
	// A filter is dead when its loud frames are at most deadRange dB above its quiet ones, speech being 36 and more, in noise of 10 dB
	// 10 and more. Those below are dead as well up to the first whose loud frames are deadEdge dB above them.
	deadRange = 8
	deadEdge  = 25
	// deadDepth is how far, in dB, dead filters are below the middle one, so that noise all over the band is not taken for its end.
	deadDepth = 25
	// melRest is the variance of a filter's level, in nats, that 13 cepstra do not explain.
	melRest = 0.1
)

// live counts the filters from the lowest that hold speech.
func live(powers []float32, filters int) int {
	frames := len(powers) / filters
	if frames == 0 {
		return filters
	}
	column := make([]float32, frames)
	loudest := func(i int) (loud, above float64) {
		for t := range column {
			column[t] = powers[t*filters+i]
		}
		slices.Sort(column)
		level := func(share int) float64 { return 10 * math.Log10(float64(column[frames*share/100])+energyFloor) }
		return level(95), level(95) - level(10)
	}
	dead := math.Inf(-1)
	for i := filters - deadFilters; i < filters; i++ {
		loud, above := loudest(i)
		if above > deadRange {
			return filters
		}
		dead = max(dead, loud)
	}
	if loud, _ := loudest(filters / 2); dead > loud-deadDepth {
		return filters
	}
	n := filters - deadFilters
	for ; n > leastFilters; n-- {
		if loud, _ := loudest(n - 1); loud > dead+deadEdge {
			break
		}
	}
	return n
}

// narrow gives the matrix that estimates cepstra from the levels of the lowest filters: the mean of cepstra with a normal distribution
// of this covariance, given the levels. Constants do not matter, since the mean over the recording is taken off.
func (f *frontEnd) narrow(covariance *[CepstrumSize][CepstrumSize]float64, filters int) [][CepstrumSize]float32 {
	var precision [CepstrumSize][CepstrumSize]float64
	levels := make([][CepstrumSize]float64, filters) // of each filter, by cepstrum: the inverse of the cosine transform
	for j := range levels {
		for i, d := range f.dct[j] {
			levels[j][i] = float64(d) / (f.gain[i] * f.gain[i])
		}
	}
	inverse := invert(*covariance)
	for a := range CepstrumSize {
		for b := range CepstrumSize {
			precision[a][b] = inverse[a][b]
			for j := range levels {
				precision[a][b] += levels[j][a] * levels[j][b] / melRest
			}
		}
	}
	estimate := invert(precision)
	matrix := make([][CepstrumSize]float32, filters)
	for j := range matrix {
		for i := range CepstrumSize {
			var sum float64
			for k := range CepstrumSize {
				sum += estimate[i][k] * levels[j][k]
			}
			matrix[j][i] = float32(sum / melRest)
		}
	}
	return matrix
}

// invert inverts a positive definite matrix (Gauss and Jordan).
func invert(m [CepstrumSize][CepstrumSize]float64) [CepstrumSize][CepstrumSize]float64 {
	var out [CepstrumSize][CepstrumSize]float64
	for i := range out {
		out[i][i] = 1
	}
	for i := range m {
		scale := 1 / m[i][i]
		for k := range m {
			m[i][k], out[i][k] = m[i][k]*scale, out[i][k]*scale
		}
		for r := range m {
			if by := m[r][i]; r != i {
				for k := range m {
					m[r][k], out[r][k] = m[r][k]-by*m[i][k], out[r][k]-by*out[i][k]
				}
			}
		}
	}
	return out
}

// covariance is that of the cepstra of all Gaussians of the first stream together.
func (g *gaussians) covariance() (c [CepstrumSize][CepstrumSize]float64) {
	n := float64(g.codebooks * g.densities)
	var mean [CepstrumSize]float64
	for book := range g.codebooks {
		groups := g.codebook(book * streams)
		for k := range g.densities {
			group := groups[k/lanes*groupSize+k%lanes:]
			for a := range CepstrumSize {
				x := float64(group[lanes*(1+2*a)])
				mean[a] += x / n
				for b := range CepstrumSize {
					c[a][b] += x * float64(group[lanes*(1+2*b)]) / n
				}
				c[a][a] += 0.5 / float64(group[lanes*(2+2*a)]) / n
			}
		}
	}
	for a := range c {
		for b := range c {
			c[a][b] -= mean[a] * mean[b]
		}
	}
	return c
}
