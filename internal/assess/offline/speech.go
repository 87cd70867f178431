package offline

import (
	"math"
	"slices"

	"oktalk/internal/assess/offline/acoustic"
)

const (
	// loudFrames is how many of the loudest frames give the level of speech: a click is shorter, a word longer.
	loudFrames = 20
	// speechRange is how far below that level speech reaches, in dB. Weak consonants are 25 to 30 dB below vowels.
	speechRange = 35
	// noiseDistance is how far above the quietest tenth speech must be, in dB, so that steady noise is none.
	noiseDistance = 6
	// leastRange keeps noiseDistance from leaving nothing of a recording that is speech from end to end, in dB.
	leastRange = 10
	// cropMargin is the frames kept before and after speech, meanMargin those counted for the mean: what surrounds
	// speech belongs to it, but long silence must change neither.
	cropMargin = 30
	meanMargin = 15
	// ditherLevel is the noise added to every recording relative to its speech, in dB. Pauses of digital zeros (speech
	// synthesis, noise suppression in browsers) are like nothing the model was trained on; measured, 18.7 % of the phones
	// of right readings by espeak-ng's en-gb voice have a goodness below -2 without it, 13.9 % with it, and for flite's
	// voices nothing changes. At -45 dB flite's lose a fifth of their goodness.
	ditherLevel = -55
)

// speech is the part of a recording that holds speech.
type speech struct {
	samples []float32
	offset  int       // of its first frame in the recording, in frames
	near    []bool    // by frame: speech or close to it
	levels  []float64 // by frame, in dB
	quiet   float64   // level of the quietest tenth of the recording, in dB
	// background is how far the quietest tenth of the recording is below the loud frames, in dB.
	background float64
}

// findSpeech crops a recording to its speech. It reports false when it holds nothing but digital silence or is shorter than
// two frames. dst is reused for the samples.
func findSpeech(dst []float32, samples []int16) (speech, bool) {
	levels := frameLevels(samples)
	if len(levels) < 2 {
		return speech{}, false
	}
	threshold, loud, quiet := speechThreshold(levels)
	if math.IsInf(loud, -1) {
		return speech{}, false
	}
	first, last := -1, 0
	near := make([]bool, len(levels))
	for t, l := range levels {
		if l < threshold {
			continue
		}
		if first < 0 {
			first = t
		}
		last = t
		for k := max(0, t-meanMargin); k < min(len(near), t+meanMargin+1); k++ {
			near[k] = true
		}
	}
	first, last = max(0, first-cropMargin), min(len(levels)-1, last+cropMargin)
	s := speech{offset: first, near: near[first : last+1], levels: levels[first : last+1], quiet: quiet, background: loud - quiet}
	cropped := samples[first*acoustic.FrameShift : min(len(samples), (last+1)*acoustic.FrameShift)]
	s.samples = dither(dst, cropped, math.Pow(10, (loud+ditherLevel)/20))
	return s, true
}

// frameLevels is the level of each whole stretch of [acoustic.FrameShift] samples, in dB above one step of 16 bits.
func frameLevels(samples []int16) []float64 {
	levels := make([]float64, 0, len(samples)/acoustic.FrameShift)
	for frame := range slices.Chunk(samples, acoustic.FrameShift) {
		if len(frame) < acoustic.FrameShift {
			break
		}
		var sum, energy float64
		for _, x := range frame {
			sum += float64(x)
			energy += float64(x) * float64(x)
		}
		n := float64(len(frame))
		levels = append(levels, 10*math.Log10(max(0, energy/n-sum/n*sum/n))) // without direct current
	}
	return levels
}

// speechThreshold gives the level from which a frame is speech, and the levels of the loud ones and of the quietest tenth.
func speechThreshold(levels []float64) (threshold, loud, quiet float64) {
	sorted := slices.Sorted(slices.Values(levels))
	loud = sorted[max(0, len(sorted)-loudFrames)]
	quiet = sorted[len(sorted)/10]
	return max(loud-speechRange, min(quiet+noiseDistance, loud-leastRange)), loud, quiet
}

// dither copies samples and adds noise of an effective amplitude, at least one step. The noise is always the same.
func dither(dst []float32, samples []int16, amplitude float64) []float32 {
	dst = resize(dst, len(samples))
	peak := float32(max(amplitude, 1) * math.Sqrt(3)) // of uniform noise
	seed := uint32(1)
	for i, x := range samples {
		seed = seed*1664525 + 1013904223 // Numerical Recipes' linear congruential generator
		dst[i] = float32(x) + peak*(float32(seed>>8)/(1<<23)-1)
	}
	return dst
}
