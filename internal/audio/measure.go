package audio

import (
	"math"
	"slices"
)

// signal is what the gate knows about a recording. Levels are in dB below full scale, of 20 ms each.
type signal struct {
	peak    float64 // of the loudest frames
	level   float64 // mean power of the frames within 20 dB of the loudest: of the speech, if there is any
	floor   float64 // of the quietest frames
	voice   float64 // periodicity of the most periodic loud frames, 0 to 1
	clipped float64 // part of the loud samples that stand at the ceiling
	tone    float64 // part of the power that two samples do not predict of the next; a pure tone leaves none
}

// swing is how far the loudest frames stand out from the quietest, in dB.
func (s signal) swing() float64 { return s.peak - s.floor }

const (
	frameHop  = Rate / 50 // 20 ms
	pitchRate = 4_000     // enough for the pitch and the first formants, and sixteen times cheaper than 16 kHz
	// Speech may be one short word in a long recording: the loudest and the most periodic frames are looked for among at most
	// these many, 160 ms and 120 ms.
	loudestFrames  = 8
	periodicFrames = 6
)

// measure looks at a clip at [Rate] of at least one frame.
func measure(c Clip) signal {
	x := floats(c.Samples)
	s := signal{clipped: clippedPart(x)}
	highPass(x)
	levels := frameLevels(x)
	sorted := slices.Sorted(slices.Values(levels))
	s.peak, s.floor = highest(sorted, 0.05, loudestFrames), sorted[len(sorted)/10]
	var powers []float64
	for _, l := range levels {
		if l >= s.peak-20 {
			powers = append(powers, math.Pow(10, l/10))
		}
	}
	s.level = 10 * math.Log10(mean(powers))
	s.voice, s.tone = voicing(x, levels, s.peak-15), unpredicted(x)
	return s
}

// highest gives the value that a part of the sorted values reach, at most n of them.
func highest(sorted []float64, part float64, n int) float64 {
	return sorted[len(sorted)-1-min(n, int(part*float64(len(sorted))))]
}

// highPass removes a constant offset and the hum of mains: fourth-order Butterworth at 100 Hz, which takes 24 dB off 50 Hz and
// leaves every voice its harmonics.
func highPass(x []float32) {
	out := make([]float64, len(x))
	offset := 0.0
	for _, v := range x {
		offset += float64(v)
	}
	offset /= float64(max(1, len(x)))
	for i, v := range x {
		out[i] = float64(v) - offset // taken off first, so that the filter does not ring at the start
	}
	k := math.Tan(math.Pi * 100 / Rate)
	for _, q := range []float64{0.54119610, 1.30656296} {
		a0 := 1 + k/q + k*k
		biquad(out, [3]float64{1 / a0, -2 / a0, 1 / a0}, 2*(k*k-1)/a0, (1-k/q+k*k)/a0)
	}
	for i := range x {
		x[i] = float32(out[i])
	}
}

// frameLevels gives the level of every 20 ms.
func frameLevels(x []float32) []float64 {
	var levels []float64
	for frame := range slices.Chunk(x, frameHop) {
		levels = append(levels, 10*math.Log10(power(frame)+1e-12))
	}
	return levels
}

// voicing is the periodicity of the most periodic of the frames that reach a level: the normalized autocorrelation at lags of
// 70 to 400 Hz. Clean vowels have 0.9 and more, noise 0.4 and less.
func voicing(x []float32, levels []float64, atLeast float64) float64 {
	y := resample(x, Rate, pitchRate)
	const size, hop = pitchRate / 25, pitchRate / 50 // 40 ms every 20 ms
	all := []float64{0}
	for i, l := range levels {
		if l >= atLeast && i*hop+size+pitchRate/70 <= len(y) {
			all = append(all, periodicity(y[i*hop:], size))
		}
	}
	slices.Sort(all)
	return highest(all, 0.10, periodicFrames)
}

// periodicity is the best correlation of the first size samples with themselves a pitch period later.
func periodicity(y []float32, size int) float64 {
	const first, last = pitchRate / 400, pitchRate / 70
	here := power(y[:size])
	best, later := 0.0, power(y[first:first+size])
	for lag := first; lag < last; lag++ {
		var sum float32
		for i, v := range y[:size] {
			sum += v * y[lag+i]
		}
		if p := here * later; p > 0 {
			best = max(best, float64(sum)/float64(size)/math.Sqrt(p))
		}
		out, in := float64(y[lag]), float64(y[lag+size])
		later = max(0, later+(in*in-out*out)/float64(size))
	}
	return min(best, 1)
}

// unpredicted is the part of the power that the two samples before do not predict (linear prediction of order 2). A tone
// leaves almost nothing, speech at least a hundredth.
func unpredicted(x []float32) float64 {
	var r [3]float64
	for lag := range r {
		for i := lag; i < len(x); i++ {
			r[lag] += float64(x[i]) * float64(x[i-lag])
		}
	}
	if r[0] == 0 {
		return 1
	}
	k1 := r[1] / r[0]
	e1 := r[0] * (1 - k1*k1)
	if e1 <= 0 {
		return 0
	}
	k2 := (r[2] - k1*r[1]) / e1
	return e1 * (1 - k2*k2) / r[0]
}

// clippedPart is the part of the loud samples (above the mean) that stand within 5 % of the ceiling. Speech touches its highest
// peaks with a few samples in a thousand, whatever its level; flat tops are many. Resampling and codecs round the tops a little, hence
// 5 %.
func clippedPart(x []float32) float64 {
	var peak float32
	for _, v := range x {
		peak = max(peak, v, -v)
	}
	rms := float32(math.Sqrt(power(x)))
	loud, top := 0, 0
	for _, v := range x {
		if v = max(v, -v); v > rms {
			loud++
			if v > 0.95*peak {
				top++
			}
		}
	}
	return float64(top) / float64(max(1, loud))
}
