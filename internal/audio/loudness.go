package audio

import (
	"math"
	"slices"
	"time"
)

const (
	// targetLoudness in LUFS: what podcasts are mastered to (Apple, Spotify for mono speech -16 to -19), so that our audio is as
	// loud as whatever the learner hears next.
	targetLoudness = -16.0
	// peakCeiling in dB below full scale, true peak. MP3 at 64 kbit/s overshoots by up to 0.7 dB (measured on flite's voices),
	// and decoded audio must stay below -1.
	peakCeiling = -2.5
	// maxGain keeps a clip of near silence from becoming a clip of loud noise.
	maxGain = 40.0
)

// loudness is the integrated loudness in LUFS (ITU-R BS.1770-4): K-weighted, gated at -70 LUFS and at 10 LU below the
// mean. A clip shorter than one block of 400 ms is one block. Silence gives -Inf.
func loudness(samples []float32, rate int) float64 {
	weighted := kWeight(samples, rate)
	size := max(1, min(len(weighted), rate*2/5))
	var blocks []float64
	for start := 0; start+size <= len(weighted); start += max(1, size/4) {
		blocks = append(blocks, meanSquare(weighted[start:start+size]))
	}
	gated := aboveLUFS(blocks, -70)
	return lufs(mean(aboveLUFS(gated, lufs(mean(gated))-10)))
}

func lufs(meanSquare float64) float64 { return -0.691 + 10*math.Log10(meanSquare) }

func aboveLUFS(blocks []float64, gate float64) []float64 {
	return slices.DeleteFunc(slices.Clone(blocks), func(ms float64) bool { return ms == 0 || lufs(ms) <= gate })
}

func mean(xs []float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	var sum float64
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}

func meanSquare(xs []float64) float64 {
	var sum float64
	for _, x := range xs {
		sum += x * x
	}
	return sum / float64(max(1, len(xs)))
}

// kWeight filters samples as BS.1770 hears them: a shelf for the head and a high-pass. The standard gives coefficients for
// 48 kHz; these come from its analogue prototypes, as libebur128 derives them, and hold at any rate.
func kWeight(samples []float32, rate int) []float64 {
	out := make([]float64, len(samples))
	for i, s := range samples {
		out[i] = float64(s)
	}
	k := math.Tan(math.Pi * 1681.974450955533 / float64(rate))
	q, vh := 0.7071752369554196, math.Pow(10, 3.999843853973347/20)
	vb, a0 := math.Pow(vh, 0.4996667741545416), 1+k/q+k*k
	biquad(out, [3]float64{(vh + vb*k/q + k*k) / a0, 2 * (k*k - vh) / a0, (vh - vb*k/q + k*k) / a0}, 2*(k*k-1)/a0, (1-k/q+k*k)/a0)
	k, q = math.Tan(math.Pi*38.13547087602444/float64(rate)), 0.5003270373238773
	a0 = 1 + k/q + k*k
	biquad(out, [3]float64{1, -2, 1}, 2*(k*k-1)/a0, (1-k/q+k*k)/a0)
	return out
}

// biquad filters in place, direct form II transposed.
func biquad(xs []float64, b [3]float64, a1, a2 float64) {
	var z1, z2 float64
	for i, x := range xs {
		y := b[0]*x + z1
		z1, z2 = b[1]*x-a1*y+z2, b[2]*x-a2*y
		xs[i] = y
	}
}

// normalize brings samples to the target loudness with their true peaks below the ceiling. Limiting takes a little loudness away
// from voices with high peaks; a second round gives it back.
func normalize(samples []float32, rate int) []float32 {
	gain := 0.0
	out := samples
	for range 2 {
		missing := targetLoudness - loudness(out, rate)
		if math.IsInf(missing, 0) || math.IsNaN(missing) {
			return samples
		}
		gain = min(maxGain, gain+missing)
		out = limit(amplify(samples, gain), rate)
	}
	return out
}

func amplify(samples []float32, db float64) []float32 {
	out, factor := make([]float32, len(samples)), float32(math.Pow(10, db/20))
	for i, s := range samples {
		out[i] = s * factor
	}
	return out
}

// lookAhead is how early the limiter starts to turn down. Shorter is heard as distortion, longer as pumping.
const lookAhead = 5 * time.Millisecond

// limit keeps true peaks below the ceiling: the gain each sample needs, the least of it around every sample, smoothed over
// the same span, is never more than what any sample needs.
func limit(samples []float32, rate int) []float32 {
	need, ceiling, calm := truePeaks(samples, rate), float32(math.Pow(10, peakCeiling/20)), true
	for i, p := range need {
		need[i] = 1
		if p > ceiling {
			need[i], calm = ceiling/p, false
		}
	}
	if calm {
		return samples
	}
	span := max(1, samplesIn(lookAhead, rate))
	gains := smooth(least(need, span), span)
	out := make([]float32, len(samples))
	for i, s := range samples {
		out[i] = s * gains[i]
	}
	return out
}

// truePeaks estimates the highest level around each sample, between samples too, at four times the rate (BS.1770 annex 2).
func truePeaks(samples []float32, rate int) []float32 {
	over := resample(samples, rate, 4*rate)
	peaks := make([]float32, len(samples))
	for i := range peaks {
		for _, s := range over[max(0, 4*i-3):min(len(over), 4*i+4)] {
			peaks[i] = max(peaks[i], s, -s)
		}
	}
	return peaks
}

// least gives the smallest value within span of each index (a monotonic queue, so linear in time).
func least(xs []float32, span int) []float32 {
	out := make([]float32, len(xs))
	var queue []int
	for i := range len(xs) + span {
		if i < len(xs) {
			for len(queue) > 0 && xs[queue[len(queue)-1]] >= xs[i] {
				queue = queue[:len(queue)-1]
			}
			queue = append(queue, i)
		}
		at := i - span
		if at < 0 {
			continue
		}
		for queue[0] < at-span {
			queue = queue[1:]
		}
		out[at] = xs[queue[0]]
	}
	return out
}

// smooth averages the values within span of each index.
func smooth(xs []float32, span int) []float32 {
	sums := make([]float64, len(xs)+1)
	for i, x := range xs {
		sums[i+1] = sums[i] + float64(x)
	}
	out := make([]float32, len(xs))
	for i := range xs {
		lo, hi := max(0, i-span), min(len(xs), i+span+1)
		out[i] = float32((sums[hi] - sums[lo]) / float64(hi-lo))
	}
	return out
}
