package acoustic

import (
	"math"
	"slices"
)

// Speaker is how a voice differs from those of the model, learned from frames of which is known what was said in them: the linear
// map of its cepstra under which the model fits them best (constrained maximum likelihood linear regression: M. Gales, "Maximum likelihood
// linear transformations for HMM-based speech recognition", Computer Speech and Language 12, 1998). Differences of cepstra are mapped by
// the same matrix, so that few frames are enough. Frames are learned, then [Speaker.Settle] finds the map; which Gaussians made the frames is
// surer with a map, so learning them again makes it better.
type Speaker struct {
	voice     voiceMap
	frames    float64
	curve     [CepstrumSize][affine][affine]float64 // by cepstrum of the result; the lower half
	pull      [CepstrumSize][affine]float64
	precision [CepstrumSize]float64 // summed over frames and streams, as power is
	power     [CepstrumSize]float64
}

// affine is the cepstra and one for the constant.
const affine = CepstrumSize + 1

// voiceMap maps cepstra: row d gives cepstrum d of the result, the last number being the constant.
type voiceMap [CepstrumSize][affine]float64

// NewSpeaker is a speaker who is as those of the model.
func NewSpeaker() *Speaker {
	v := &Speaker{}
	for d := range v.voice {
		v.voice[d][d] = 1
	}
	return v
}

const (
	// How strongly a voice is held to those of the model: as by frames that have the mean spread and are right as they are, for the matrix, and
	// by frames with the mean precision for the constant. Measured with tuning speakers who had no part in the weights, F1 of wrong phones
	// is 0.750 with 40 and 20 frames, 0.754 with these and 0.755 with 10 and 10.
	heldMatrix   = 20
	heldConstant = 15
	// mapRounds is how often the rows of the matrix are fitted in turn; each depends on the others by the determinant alone.
	mapRounds = 5
)

// Learn adds a frame of the last recording that was scored, in which a senone of a phone was said.
//
//go:norace
func (s *Scorer) Learn(v *Speaker, features []float32, frame int, p Phone, senone uint16) {
	v.frames++
	plain := (*[FeatureSize]float32)(features[frame*FeatureSize:])
	mapped := v.voice.apply(plain)
	for stream := range streams {
		i := int(p)*streams + stream
		book := s.model.gaussians.codebook(i)
		near := s.kept[frame*s.model.gaussians.codebooks*streams+i]
		near.rescore(mapped[stream*CepstrumSize:][:CepstrumSize], book)
		share := s.shares(&near, int(senone)*streams+stream)
		var x [affine]float64
		for d, f := range plain[stream*CepstrumSize:][:CepstrumSize] {
			x[d] = float64(f)
		}
		n := CepstrumSize
		if stream == 0 {
			x[CepstrumSize], n = 1, affine
		}
		for d := range CepstrumSize {
			precision, pull := 0.0, 0.0
			for k, weight := range share {
				at := int(near.index[k])/lanes*groupSize + lanes*(1+2*d) + int(near.index[k])%lanes
				double := 2 * weight * float64(book[at+lanes])
				precision, pull = precision+double, pull+double*float64(book[at])
			}
			v.precision[d] += precision
			v.power[d] += x[d] * x[d]
			curve := &v.curve[d]
			for a, f := range x[:n] {
				v.pull[d][a] += pull * f
				f *= precision
				row := curve[a][:a+1]
				for c := range row {
					row[c] += f * x[c]
				}
			}
		}
	}
}

// shares are how likely each of the closest Gaussians is to have made the frame in a senone's stream.
func (s *Scorer) shares(b *best, senoneStream int) (share [topGaussians]float64) {
	weights := s.model.mixtures.weights[senoneStream*s.model.mixtures.densities:]
	most := float64(Never)
	for k := range share {
		share[k] = float64(b.score[k] - weightStep*float32(weights[b.index[k]]))
		most = max(most, share[k])
	}
	sum := 0.0
	for k := range share {
		share[k] = math.Exp(share[k] - most)
		sum += share[k]
	}
	for k := range share {
		share[k] /= sum
	}
	return share
}

// Settle finds the map for the frames that were learned, and forgets these. Without any the speaker stays as it was.
func (v *Speaker) Settle() {
	if v.frames == 0 {
		return
	}
	m := NewSpeaker().voice
	cases := streams * v.frames
	for d := range m {
		precision := v.precision[d] / cases
		for x := range CepstrumSize {
			v.curve[d][x][x] += heldMatrix * streams * precision * v.power[x] / cases
		}
		v.pull[d][d] += heldMatrix * streams * precision * v.power[d] / cases
		v.curve[d][CepstrumSize][CepstrumSize] += heldConstant * precision
		decompose(&v.curve[d])
	}
	cases += heldMatrix * streams
	for range mapRounds {
		for d := range m {
			m[d] = bestRow(cofactors(&m, d), &v.curve[d], &v.pull[d], cases)
		}
	}
	*v = Speaker{voice: m}
}

// bestRow is the row of a map under which its cases are likeliest, given the cofactors, which stand for the other rows.
func bestRow(cofactors [affine]float64, curve *[affine][affine]float64, pull *[affine]float64, cases float64) (row [affine]float64) {
	along, plain := solve(curve, cofactors), solve(curve, *pull)
	var square, product float64
	for i, c := range cofactors {
		square, product = square+c*along[i], product+c*plain[i]
	}
	// The likelihood has a top on each side of a determinant of 0; the higher one is on the side of the product.
	root := math.Copysign(math.Sqrt(product*product+4*square*cases), product)
	by := (root - product) / (2 * square)
	for i := range row {
		row[i] = by*along[i] + plain[i]
	}
	return row
}

// cofactors are those of a row of a map, 0 for the constant.
func cofactors(m *voiceMap, row int) (out [affine]float64) {
	// What is added to the row changes the determinant by its product with the cofactors: with the inverse, one elimination gives them all.
	var a [CepstrumSize][CepstrumSize]float64
	for i := range a {
		copy(a[i][:], m[i][:])
	}
	var x [CepstrumSize]float64
	x[row] = 1
	determinant := 1.0
	for i := range a {
		pivot := i
		for r := i + 1; r < CepstrumSize; r++ {
			if math.Abs(a[r][i]) > math.Abs(a[pivot][i]) {
				pivot = r
			}
		}
		if pivot != i {
			a[i], a[pivot], x[i], x[pivot], determinant = a[pivot], a[i], x[pivot], x[i], -determinant
		}
		determinant *= a[i][i]
		for r := i + 1; r < CepstrumSize; r++ {
			by := a[r][i] / a[i][i]
			for c := i; c < CepstrumSize; c++ {
				a[r][c] -= by * a[i][c]
			}
			x[r] -= by * x[i]
		}
	}
	for i := CepstrumSize - 1; i >= 0; i-- {
		for c := i + 1; c < CepstrumSize; c++ {
			x[i] -= a[i][c] * x[c]
		}
		x[i] /= a[i][i]
	}
	for i := range x {
		out[i] = determinant * x[i]
	}
	return out
}

// decompose is Cholesky's decomposition of the lower half of a symmetric positive definite matrix, in place.
func decompose(a *[affine][affine]float64) {
	for i := range a {
		for j := range i + 1 {
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
}

// solve solves the equations of a matrix that was decomposed.
func solve(a *[affine][affine]float64, b [affine]float64) [affine]float64 {
	for i := range b {
		for k := range i {
			b[i] -= a[i][k] * b[k]
		}
		b[i] /= a[i][i]
	}
	for i := affine - 1; i >= 0; i-- {
		for k := i + 1; k < affine; k++ {
			b[i] -= a[k][i] * b[k]
		}
		b[i] /= a[i][i]
	}
	return b
}

// Adapt lets [Scorer.Score], [Scorer.ScoreParts] and [Scorer.Fill] score the last recording as if the speaker were one of the model's. features are those that
// were scored.
func (s *Scorer) Adapt(v *Speaker, features []float32) {
	frames := len(features) / FeatureSize
	s.mapped = s.mapped[:0]
	for t := 0; t < frames; t += blockFrames {
		var block [blockFrames][FeatureSize]float32
		for f := range min(blockFrames, frames-t) {
			block[f] = v.voice.apply((*[FeatureSize]float32)(features[(t+f)*FeatureSize:]))
		}
		s.mapped = append(s.mapped, block)
	}
	n := len(s.mapped) * s.model.gaussians.codebooks
	s.fresh = slices.Grow(s.fresh[:0], n)[:n]
	clear(s.fresh)
	n = len(s.mapped) * blockFrames * s.model.gaussians.codebooks
	s.filled = slices.Grow(s.filled[:0], n)[:n]
	clear(s.filled)
}

// Fill fills in scores, which have the form of those of [Scorer.Scores], for the states of a phone on its own, from start up to, not
// including, end, as the speaker of [Scorer.Adapt] says them. They are not shifted. What was filled in before is left as it is.
func (s *Scorer) Fill(scores []float32, p Phone, start, end int) {
	n, books := s.model.Senones(), s.model.gaussians.codebooks
	for t := start; t < end; t++ {
		filled := &s.filled[t*books+int(p)]
		if *filled {
			continue
		}
		*filled = true
		for _, senone := range s.model.SenonesOf(p) {
			parts := s.ScoreParts(p, senone, t)
			scores[t*n+int(senone)] = parts[0] + parts[1] + parts[2]
		}
	}
}

// near gives the closest Gaussians of a phone in a frame, by stream: those of the speaker if there is one, which are found when they are
// asked for, since few phones are compared in a frame.
func (s *Scorer) near(frame int, p Phone) []best {
	books := s.model.gaussians.codebooks
	if block := frame / blockFrames; block < len(s.mapped) && !s.fresh[block*books+int(p)] {
		s.fresh[block*books+int(p)] = true
		s.findAgain(block, p)
	}
	return s.kept[(frame*books+int(p))*streams:][:streams]
}

// findAgain finds the closest Gaussians of a phone in the frames of a block. Those that were closest without the map are nearly as close with
// it, so that few others have to be looked at.
func (s *Scorer) findAgain(block int, p Phone) {
	width, size := s.model.gaussians.codebooks*streams, len(s.densities)/blockFrames
	for stream := range streams {
		i := int(p)*streams + stream
		scoreBlock(s.densities, &s.mapped[block], stream, s.model.gaussians.codebook(i))
		for f := range blockFrames {
			if at := (block*blockFrames+f)*width + i; at < len(s.kept) {
				before := s.kept[at].index
				s.kept[at].find(&before, s.densities[f*size:(f+1)*size], s.marks)
			}
		}
	}
}

// apply maps a frame: differences of cepstra without the constant.
//
//go:norace
func (m *voiceMap) apply(frame *[FeatureSize]float32) (out [FeatureSize]float32) {
	for stream := range streams {
		x := frame[stream*CepstrumSize:][:CepstrumSize]
		for d := range m {
			sum := 0.0
			if stream == 0 {
				sum = m[d][CepstrumSize]
			}
			for k, f := range x {
				sum += m[d][k] * float64(f)
			}
			out[stream*CepstrumSize+d] = float32(sum)
		}
	}
	return out
}

// rescore calculates the densities again, without sorting them.
//
//go:norace
func (b *best) rescore(x, book []float32) {
	for k, index := range b.index {
		group := book[int(index)/lanes*groupSize:][:groupSize]
		lane := int(index) % lanes
		v := group[lane]
		for d, f := range x {
			diff := f - group[lane+lanes*(1+2*d)]
			v -= float32(float32(diff*diff) * group[lane+lanes*(2+2*d)])
		}
		b.score[k] = v
	}
}
