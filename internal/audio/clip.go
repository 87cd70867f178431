package audio

import (
	"math"
	"time"
)

// Clip is mono audio: what the assessor scores and what a voice speaks.
type Clip struct {
	Rate    int     // samples a second, in Hz
	Samples []int16 // full scale is ±32768
}

// Duration is how long the clip is.
func (c Clip) Duration() time.Duration { return duration(len(c.Samples), c.Rate) }

// Resample returns the clip at another rate, band-limited; at its own rate it returns the clip itself. Rates are in Hz and
// must be positive.
func (c Clip) Resample(rate int) Clip {
	if c.Rate == rate {
		return c
	}
	return toClip(rate, resample(floats(c.Samples), c.Rate, rate))
}

// Silence makes a clip of silence.
func Silence(rate int, d time.Duration) Clip {
	return Clip{Rate: rate, Samples: make([]int16, samplesIn(d, rate))}
}

// Join puts clips one after another, at the rate of the first; none give the zero Clip.
func Join(clips ...Clip) Clip {
	var joined Clip
	for i, c := range clips {
		if i == 0 {
			joined.Rate = c.Rate
		}
		joined.Samples = append(joined.Samples, c.Resample(joined.Rate).Samples...)
	}
	return joined
}

func duration(samples, rate int) time.Duration {
	if rate <= 0 {
		return 0
	}
	return time.Duration(int64(samples) * int64(time.Second) / int64(rate))
}

func samplesIn(d time.Duration, rate int) int {
	return int(int64(d) * int64(rate) / int64(time.Second))
}

// floats scales samples to ±1.
func floats(samples []int16) []float32 {
	fs := make([]float32, len(samples))
	for i, s := range samples {
		fs[i] = float32(s) / 32768
	}
	return fs
}

// toClip rounds samples in ±1 to 16 bits. What lies beyond full scale is held at it: wrapping round would turn a loud vowel into
// noise.
func toClip(rate int, samples []float32) Clip {
	out := make([]int16, len(samples))
	for i, f := range samples {
		out[i] = int16(min(32767, max(-32768, math.RoundToEven(float64(f)*32768))))
	}
	return Clip{Rate: rate, Samples: out}
}
