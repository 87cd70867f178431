package audio

import (
	"math"
	"slices"
)

// signal is what the gate knows about a recording. Levels are in dB below full scale, of 20 ms each. The rest is computed when it is asked
// for: most recordings are judged by their levels alone.
type signal struct {
	peak  float64 // of the loudest frames
	level float64 // mean power of the frames within 20 dB of the loudest: of the speech, if there is any
	floor float64 // of the quietest frames

	samples  []int16   // as recorded
	filtered []float32 // without offset and hum
	levels   []float64 // of every frame
}

// swing is how far the loudest frames stand out from the quietest, in dB.
func (s *signal) swing() float64 { return s.peak - s.floor }

const (
	frameHop  = Rate / 50 // 20 ms
	pitchRate = 4_000     // enough for the pitch and the first formants, and sixteen times cheaper than 16 kHz
	// Speech may be one short word in a long recording: the loudest and the most periodic frames are looked for among at most
	// these many, 160 ms and 120 ms.
	loudestFrames  = 8
	periodicFrames = 6
)

// measure looks at a clip at [Rate] of at least one frame.
func measure(c Clip) *signal {
	s := &signal{samples: c.Samples}
	s.filtered, s.levels = highPass(c.Samples)
	sorted := slices.Sorted(slices.Values(s.levels))
	s.peak, s.floor = highest(sorted, 0.05, loudestFrames), sorted[len(sorted)/10]
	var powers []float64
	for _, l := range s.levels {
		if l >= s.peak-20 {
			powers = append(powers, math.Pow(10, l/10))
		}
	}
	s.level = 10 * math.Log10(mean(powers))
	return s
}

// highest gives the value that a part of the sorted values reach, at most n of them.
func highest(sorted []float64, part float64, n int) float64 {
	return sorted[len(sorted)-1-min(n, int(part*float64(len(sorted))))]
}

// highPass removes a constant offset and the hum of mains: fourth-order Butterworth at 100 Hz, which takes 24 dB off 50 Hz and
// leaves every voice its harmonics. It also gives the level of every 20 ms of what is left. Both halves of the filter, direct form II
// transposed, go through the samples together, so that the processor can work on one while it waits for the other.
func highPass(samples []int16) (filtered []float32, levels []float64) {
	sum := 0
	for _, v := range samples {
		sum += int(v)
	}
	offset := float64(sum) / float64(max(1, len(samples))) // taken off first, so that the filter does not ring at the start
	k := math.Tan(math.Pi * 100 / Rate)
	first, second := butterworth(k, 0.54119610), butterworth(k, 1.30656296)
	filtered, levels = make([]float32, len(samples)), make([]float64, 0, len(samples)/frameHop+1)
	var p1, p2, q1, q2 float64
	for at := 0; at < len(samples); at += frameHop {
		in := samples[at:min(at+frameHop, len(samples))]
		out := filtered[at : at+len(in)]
		energy := 0.0
		for i, v := range in {
			x := (float64(v) - offset) * (first.b / 32768)
			y := x + p1
			p1, p2 = p2-2*x-first.a1*y, x-first.a2*y
			x = y * second.b
			y = x + q1
			q1, q2 = q2-2*x-second.a1*y, x-second.a2*y
			out[i] = float32(y)
			energy += float64(out[i]) * float64(out[i])
		}
		levels = append(levels, 10*math.Log10(energy/float64(len(in))+1e-12))
	}
	return filtered, levels
}

// section is a second-order high-pass: b, -2b, b over 1, a1, a2.
type section struct{ b, a1, a2 float64 }

func butterworth(k, q float64) section {
	a0 := 1 + k/q + k*k
	return section{1 / a0, 2 * (k*k - 1) / a0, (1 - k/q + k*k) / a0}
}

// voice is the periodicity of the most periodic loud frames, 0 to 1: the normalized autocorrelation at lags of 70 to 400 Hz.
// Clean vowels have 0.9 and more, noise 0.4 and less.
func (s *signal) voice() float64 {
	y, atLeast := resample(s.filtered, Rate, pitchRate), s.peak-15
	const size, hop = pitchRate / 25, pitchRate / 50 // 40 ms every 20 ms
	all := []float64{0}
	for i, l := range s.levels {
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

// tone is the part of the power that the two samples before do not predict (linear prediction of order 2). A pure tone leaves almost
// nothing, speech at least a hundredth.
func (s *signal) tone() float64 {
	x := s.filtered
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

// clipped is the part of the loud samples (above the mean) that stand within 5 % of the ceiling. Speech touches its highest
// peaks with a few samples in a thousand, whatever its level; flat tops are many. Resampling and codecs round the tops a little, hence
// 5 %.
func (s *signal) clipped() float64 {
	peak, energy := int32(0), int64(0)
	for _, v := range s.samples {
		peak = max(peak, int32(v), -int32(v))
		energy += int64(v) * int64(v)
	}
	rms := int32(float32(math.Sqrt(float64(energy) / float64(max(1, len(s.samples))))))
	ceiling := int32(0.95 * float32(peak))
	loud, top := 0, 0
	for _, v := range s.samples {
		a := max(int32(v), -int32(v))
		loud += int(uint32(rms-a) >> 31) // 1 when a is above; a branch would be guessed wrong half of the time
		top += int(uint32(max(rms, ceiling)-a) >> 31)
	}
	return float64(top) / float64(max(1, loud))
}
