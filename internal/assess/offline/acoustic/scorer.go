package acoustic

import (
	"context"
	"math"
	"slices"
)

// topGaussians is the number of Gaussians of a codebook and stream that count in a frame, PocketSphinx' -topn. The
// others are too far away to matter; 2 would be faster and moves scores visibly.
const topGaussians = 4

// Scorer scores frames. It is used by one goroutine at a time; its result depends on the features alone.
type Scorer struct {
	model    *Model
	exponent *exponents
	top      []best // by codebook and stream, of the last frame
}

// best holds the closest Gaussians of one codebook and stream, best first.
type best struct {
	index [topGaussians]uint8
	score [topGaussians]float32
}

// NewScorer makes a scorer.
func (m *Model) NewScorer() *Scorer {
	return &Scorer{model: m, exponent: newExponents(), top: make([]best, m.gaussians.codebooks*streams)}
}

// Scores appends the log likelihood of every senone in every frame to dst, each frame's best shifted to zero, so that
// sums over long recordings keep their precision.
func (s *Scorer) Scores(ctx context.Context, dst, features []float32) ([]float32, error) {
	for i := range s.top {
		s.top[i] = best{index: [topGaussians]uint8{0, 1, 2, 3}}
	}
	n := s.model.Senones()
	frames := len(features) / FeatureSize
	dst = slices.Grow(dst, frames*n)
	for t := range frames {
		if t%checkEvery == 0 && ctx.Err() != nil {
			return dst, ctx.Err()
		}
		s.findTop((*[FeatureSize]float32)(features[t*FeatureSize:]))
		dst = dst[:len(dst)+n]
		s.scoreSenones(dst[len(dst)-n:])
	}
	return dst, nil
}

// findTop finds the closest Gaussians of every codebook and stream.
func (s *Scorer) findTop(feature *[FeatureSize]float32) {
	g := s.model.gaussians
	block := g.densities * densitySize
	for i := range s.top {
		x := (*[CepstrumSize]float32)(feature[i%streams*CepstrumSize:])
		s.top[i].find(x, g.values[i*block:(i+1)*block])
	}
}

// find searches one codebook's Gaussians. The best of the frame before come first: speech changes slowly, so they are
// nearly always close, and every other one is given up after seven dimensions if it has fallen below them. That changes
// nothing in the result, because a sum of squares only grows. The loop is unrolled because it is where the assessor
// spends most of its time (measured in docs/scoring.md).
//
//go:norace
func (b *best) find(x *[CepstrumSize]float32, values []float32) {
	previous := b.index
	b.score = [topGaussians]float32{Never, Never, Never, Never}
	for _, d := range previous {
		b.insert(d, density(x, (*[densitySize]float32)(values[int(d)*densitySize:])))
	}
	limit := b.score[topGaussians-1]
	x0, x1, x2, x3, x4, x5, x6 := x[0], x[1], x[2], x[3], x[4], x[5], x[6]
	x7, x8, x9, x10, x11, x12 := x[7], x[8], x[9], x[10], x[11], x[12]
	for d := 0; len(values) >= densitySize; d, values = d+1, values[densitySize:] {
		g := (*[densitySize]float32)(values)
		d0, d1, d2, d3, d4, d5, d6 := x0-g[1], x1-g[3], x2-g[5], x3-g[7], x4-g[9], x5-g[11], x6-g[13]
		v := (g[0] - d0*d0*g[2] - d1*d1*g[4] - d2*d2*g[6]) - (d3*d3*g[8] + d4*d4*g[10]) - (d5*d5*g[12] + d6*d6*g[14])
		if v <= limit {
			continue
		}
		d0, d1, d2, d3, d4, d5 = x7-g[15], x8-g[17], x9-g[19], x10-g[21], x11-g[23], x12-g[25]
		v -= (d0*d0*g[16] + d1*d1*g[18] + d2*d2*g[20]) + (d3*d3*g[22] + d4*d4*g[24] + d5*d5*g[26])
		if v <= limit || slices.Contains(previous[:], uint8(d)) {
			continue
		}
		b.insert(uint8(d), v)
		limit = b.score[topGaussians-1]
	}
}

// insert puts a Gaussian in its place among the best and drops the last.
//
//go:norace
func (b *best) insert(d uint8, v float32) {
	i := topGaussians - 1
	for ; i > 0 && v > b.score[i-1]; i-- {
		b.index[i], b.score[i] = b.index[i-1], b.score[i-1]
	}
	b.index[i], b.score[i] = d, v
}

// density is the log density of one Gaussian.
//
//go:norace
func density(x *[CepstrumSize]float32, g *[densitySize]float32) float32 {
	v := g[0]
	for i, value := range x {
		d := value - g[1+2*i]
		v -= d * d * g[2+2*i]
	}
	return v
}

// scoreSenones mixes the closest Gaussians with each senone's weights and adds the streams.
//
//go:norace
func (s *Scorer) scoreSenones(out []float32) {
	m := s.model.mixtures
	highest := Never
	for senone := range out {
		codebook := int(s.model.definition.codebook[senone])
		var total float32
		for stream := range streams {
			at := (senone*streams + stream) * m.densities
			total += s.mix(&s.top[codebook*streams+stream], m.weights[at:at+m.densities])
		}
		out[senone] = total
		highest = max(highest, total)
	}
	for i := range out {
		out[i] -= highest
	}
}

//go:norace
func (s *Scorer) mix(b *best, weights []uint8) float32 {
	sum := b.score[0] - weightStep*float32(weights[b.index[0]])
	for i := 1; i < topGaussians; i++ {
		sum = s.exponent.logAdd(sum, b.score[i]-weightStep*float32(weights[b.index[i]]))
	}
	return sum
}

// exponents is a table of log(1 + e^-x).
type exponents [exponentRange * exponentSteps]float32

// Up to 16, in steps of 1/64: the error of a sum is below 0.004, and what is left out below 1e-7.
const (
	exponentRange = 16
	exponentSteps = 64
)

func newExponents() *exponents {
	e := &exponents{}
	for i := range e {
		e[i] = float32(math.Log1p(math.Exp(-(float64(i) + 0.5) / exponentSteps)))
	}
	return e
}

// logAdd is log(e^a + e^b).
//
//go:norace
func (e *exponents) logAdd(a, b float32) float32 {
	if a < b {
		a, b = b, a
	}
	if d := (a - b) * exponentSteps; d < exponentRange*exponentSteps {
		return a + e[int(d)]
	}
	return a
}
