package acoustic

import (
	"context"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// topGaussians is the number of Gaussians of a codebook and stream that count in a frame, PocketSphinx' -topn. The
// others are too far away to matter; 2 would be faster and moves scores visibly.
const topGaussians = 4

// Scorer scores frames. It is used by one goroutine at a time; its result depends on the features alone.
type Scorer struct {
	model     *Model
	gaussians *gaussians // the model's, or noisy
	noisy     *gaussians // nil until noise is expected
	exponent  *exponents
	frames    [blockFrames][FeatureSize]float32
	densities []float32                           // of one codebook and stream in each frame of the block
	marks     []uint8                             // of the densities of one frame that may be among the best; whole words of 64, the rest stays 0
	top       [blockFrames][]best                 // by codebook and stream
	kept      []best                              // the same of all frames of the last recording
	mapped    [][blockFrames][FeatureSize]float32 // its features for a speaker, by block; see Adapt
	fresh     []bool                              // by block and codebook: kept is of these
	filled    []bool                              // by frame and codebook: see Fill
}

// best holds the closest Gaussians of one codebook and stream, best first.
type best struct {
	index [topGaussians]uint8
	score [topGaussians]float32
}

// NewScorer makes a scorer.
func (m *Model) NewScorer() *Scorer {
	n := m.gaussians.groups()
	s := &Scorer{model: m, gaussians: m.gaussians, exponent: newExponents(), densities: make([]float32, blockFrames*lanes*n), marks: make([]uint8, (n+7)/8*8)}
	for f := range s.top {
		s.top[f] = make([]best, m.gaussians.codebooks*streams)
	}
	return s
}

// Scores appends the log likelihood of every senone in every frame to dst, each frame's best shifted to zero, so that
// sums over long recordings keep their precision.
func (s *Scorer) Scores(ctx context.Context, dst, features []float32) ([]float32, error) {
	last := s.top[blockFrames-1]
	for i := range last {
		last[i] = best{index: [topGaussians]uint8{0, 1, 2, 3}}
	}
	n := s.model.Senones()
	frames := len(features) / FeatureSize
	dst = slices.Grow(dst, frames*n)
	s.kept, s.mapped = slices.Grow(s.kept[:0], frames*len(last)), s.mapped[:0]
	for t := 0; t < frames; t += blockFrames {
		if t%checkEvery == 0 && ctx.Err() != nil {
			return dst, ctx.Err()
		}
		s.findTop(features[t*FeatureSize:])
		for f := range min(blockFrames, frames-t) {
			dst = dst[:len(dst)+n]
			s.scoreSenones(s.top[f], dst[len(dst)-n:])
			s.kept = append(s.kept, s.top[f]...)
		}
	}
	return dst, nil
}

// findTop finds the closest Gaussians of every codebook and stream in the first frames of features. If there are fewer than a block
// has, the others are left from before and mean nothing.
func (s *Scorer) findTop(features []float32) {
	for f := range s.frames {
		if at := f * FeatureSize; at+FeatureSize <= len(features) {
			s.frames[f] = [FeatureSize]float32(features[at:])
		}
	}
	size := len(s.densities) / blockFrames
	for i := range s.top[0] {
		scoreBlock(s.densities, &s.frames, i%streams, s.gaussians.codebook(i))
		previous := &s.top[blockFrames-1][i].index
		for f := range s.top {
			s.top[f][i].find(previous, s.densities[f*size:(f+1)*size], s.marks)
			previous = &s.top[f][i].index
		}
	}
}

// find finds the highest densities. The fourth best cannot be below any of those that were best in the frame before, which spares
// nearly all comparisons: speech changes slowly.
//
//go:norace
func (b *best) find(previous *[topGaussians]uint8, densities []float32, marks []uint8) {
	limit := densities[previous[0]]
	for _, d := range previous[1:] {
		limit = min(limit, densities[d])
	}
	markAbove(marks[:len(densities)/lanes], densities, limit)
	b.score = [topGaussians]float32{Never, Never, Never, Never}
	for at := 0; at < len(marks); at += 8 {
		for mark := binary.LittleEndian.Uint64(marks[at:]); mark != 0; mark &= mark - 1 {
			d := at*lanes + bits.TrailingZeros64(mark)
			if v := densities[d]; v > b.score[topGaussians-1] {
				b.insert(uint8(d), v)
			}
		}
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

// scoreSenones mixes the closest Gaussians with each senone's weights and adds the streams.
//
//go:norace
func (s *Scorer) scoreSenones(top []best, out []float32) {
	m := s.model.mixtures
	highest := Never
	for senone := range out {
		codebook := int(s.model.definition.codebook[senone])
		var total float32
		for stream := range streams {
			at := (senone*streams + stream) * m.densities
			total += s.mix(&top[codebook*streams+stream], m.weights[at:at+m.densities])
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
