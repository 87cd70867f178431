package offline

import (
	"math"

	"oktalk/internal/assess/offline/acoustic"
)

// The pitch is found as D. Talkin does ("A robust algorithm for pitch tracking (RAPT)", in: Speech Coding and Synthesis, 1995): the peaks of the
// normalized cross-correlation of each frame are candidates, and the cheapest path through them (Viterbi) is the pitch. The costs are his,
// in steps of 10 ms.
const (
	pitchStep  = 4 // every so many samples are kept: 4 kHz
	pitchRate  = acoustic.SampleRate / pitchStep
	pitchShift = acoustic.FrameShift / pitchStep
	// frameMiddle is where the middle of a frame's 25.6 ms is, from its first sample.
	frameMiddle = acoustic.SampleRate * 128 / 10000 / pitchStep
	pitchWindow = pitchRate / 50 // 20 ms
	leastLag    = pitchRate / 500
	mostLag     = pitchRate / 60

	leastPeak   = 0.3 // correlation of a candidate; voices have 0.8 and more
	peakCount   = 4   // candidates a frame
	longLagCost = 0.3 // of the correlation, at mostLag: of two peaks as good the shorter lag is the pitch
	octaveCost  = 1   // for a jump of an octave
	voicingCost = 0.3 // for each change between voiced and unvoiced
)

// pitch is a candidate: the lag of a peak, or 0 for a frame without voice.
type pitch struct {
	lag  float64 // in samples of pitchRate
	cost float64
	from int8 // which candidate of the frame before
}

// pitchTracker finds the pitch of recordings. Its buffers are reused.
type pitchTracker struct {
	low        []float32 // the recording at pitchRate
	candidates [][peakCount + 1]pitch
	counts     []int8
	taps       []float32
	track      []float64
}

// newPitchTracker makes the low pass: a windowed sinc that ends at half of pitchRate.
func newPitchTracker() pitchTracker {
	const half = 4 * pitchStep
	taps := make([]float32, 2*half+1)
	sum := 0.0
	at := func(i int) float64 {
		x := float64(i-half) * math.Pi / pitchStep * 0.6
		w := 0.54 + 0.46*math.Cos(math.Pi*float64(i-half)/half)
		if x == 0 {
			return w
		}
		return w * math.Sin(x) / x
	}
	for i := range taps {
		sum += at(i)
	}
	for i := range taps {
		taps[i] = float32(at(i) / sum)
	}
	return pitchTracker{taps: taps}
}

// follow gives the pitch of each frame in semitones above 1 Hz, 0 where there is no voice. It looks at the frames that wanted accepts.
func (p *pitchTracker) follow(samples []float32, frames int, wanted []bool) []float64 {
	p.decimate(samples)
	p.candidates, p.counts = resize(p.candidates, frames), resize(p.counts, frames)
	for t := range frames {
		p.counts[t] = 1
		best := 0.0
		if wanted[t] {
			best = p.look(t)
		}
		p.candidates[t][0] = pitch{cost: best}
		p.connect(t)
	}
	return p.trace(frames)
}

// decimate filters and keeps every pitchStep-th sample, without direct current.
func (p *pitchTracker) decimate(samples []float32) {
	n := len(samples) / pitchStep
	p.low = resize(p.low, n)
	half := len(p.taps) / 2
	before, level := float32(0), float32(0)
	for i := range n {
		var sum float32
		first := i*pitchStep - half
		if first >= 0 && first+len(p.taps) <= len(samples) {
			for k, x := range samples[first : first+len(p.taps)] {
				sum += p.taps[k] * x
			}
		}
		level = sum - before + 0.95*level // takes off what is below 30 Hz
		p.low[i], before = level, sum
	}
}

// look lists the peaks of a frame's correlation and returns the height of the best.
//
//go:norace
func (p *pitchTracker) look(t int) float64 {
	var phi [mostLag + 2]float32
	middle := t*pitchShift + frameMiddle
	if middle-(pitchWindow+mostLag+1)/2 < 0 || middle+(pitchWindow+mostLag+1)/2+1 > len(p.low) {
		return 0
	}
	for lag := leastLag - 1; lag <= mostLag+1; lag++ {
		first := middle - (pitchWindow+lag)/2
		phi[lag] = correlation(p.low[first:first+pitchWindow], p.low[first+lag:first+lag+pitchWindow])
	}
	best := 0.0
	for lag := leastLag; lag <= mostLag; lag++ {
		y := phi[lag]
		if y < leastPeak || y < phi[lag-1] || y <= phi[lag+1] {
			continue
		}
		best = max(best, float64(y))
		bend := float64(2*y - phi[lag-1] - phi[lag+1])
		exact := float64(lag) + float64(phi[lag+1]-phi[lag-1])/(2*max(bend, 1e-6))
		p.add(t, pitch{lag: exact, cost: 1 - float64(y)*(1-longLagCost*float64(lag)/mostLag)})
	}
	return best
}

// add keeps the cheapest candidates of a frame.
func (p *pitchTracker) add(t int, c pitch) {
	all := &p.candidates[t]
	if n := p.counts[t]; n <= peakCount {
		all[n] = c
		p.counts[t]++
		return
	}
	worst := 1
	for i := 2; i <= peakCount; i++ {
		if all[i].cost > all[worst].cost {
			worst = i
		}
	}
	if c.cost < all[worst].cost {
		all[worst] = c
	}
}

// correlation is the normalized cross-correlation of two stretches.
//
//go:norace
func correlation(a, b []float32) float32 {
	var ab, aa, bb float32
	b = b[:len(a)]
	for i, x := range a {
		y := b[i]
		ab += x * y
		aa += x * x
		bb += y * y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / float32(math.Sqrt(float64(aa)*float64(bb)))
}

// connect finds the cheapest way to each candidate of a frame.
func (p *pitchTracker) connect(t int) {
	if t == 0 {
		return
	}
	for i := range p.counts[t] {
		c := &p.candidates[t][i]
		least := math.Inf(1)
		for j := range p.counts[t-1] {
			b := &p.candidates[t-1][j]
			cost := b.cost
			switch {
			case (b.lag == 0) != (c.lag == 0):
				cost += voicingCost
			case c.lag > 0:
				cost += octaveCost * math.Abs(math.Log2(c.lag/b.lag))
			}
			if cost < least {
				least, c.from = cost, j
			}
		}
		c.cost += least
	}
}

// trace follows the cheapest path back.
func (p *pitchTracker) trace(frames int) []float64 {
	p.track = resize(p.track, frames)
	if frames == 0 {
		return p.track
	}
	best := int8(0)
	for i := range p.counts[frames-1] {
		if p.candidates[frames-1][i].cost < p.candidates[frames-1][best].cost {
			best = i
		}
	}
	for t := frames - 1; t >= 0; t-- {
		c := p.candidates[t][best]
		p.track[t] = 0
		if c.lag > 0 {
			p.track[t] = 12 * math.Log2(pitchRate/c.lag)
		}
		best = c.from
	}
	return p.track
}
