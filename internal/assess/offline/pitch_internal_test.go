package offline

import (
	"math"
	"slices"
	"testing"
)

// voice is a tone with overtones whose pitch glides from one frequency to another, in noise, with silence before.
func voice(from, to, noise float64) []float32 {
	s := make([]float32, 24000)
	phase, seed := 0.0, uint32(1)
	for i := range s {
		seed = seed*1664525 + 1013904223
		s[i] = float32(noise * 1000 * (float64(seed>>8)/(1<<23) - 1))
		if i < 8000 {
			continue
		}
		phase += from * math.Pow(to/from, float64(i-8000)/16000) / 16000
		for k := 1.0; k < 12; k++ {
			s[i] += float32(1000 / k * math.Sin(2*math.Pi*k*phase))
		}
	}
	return s
}

func TestPitch(t *testing.T) {
	t.Parallel()
	tracker := newPitchTracker()
	for _, tc := range []struct{ from, to, noise float64 }{{80, 80, 0}, {120, 160, 0}, {220, 180, 0.3}, {300, 420, 0}, {100, 100, 1}} {
		const frames = 145
		track := tracker.follow(voice(tc.from, tc.to, tc.noise), frames, slices.Repeat([]bool{true}, frames))
		for frame := 60; frame < 140; frame++ {
			at := float64(frame)*0.01 + 0.0128 - 0.5
			want := 12 * math.Log2(tc.from*math.Pow(tc.to/tc.from, at))
			if got := track[frame]; math.Abs(got-want) > 0.5 {
				t.Errorf("%v: frame %d is %.2f semitones, want %.2f", tc, frame, got, want)
			}
		}
		for frame := range 45 {
			if track[frame] != 0 {
				t.Errorf("%v: frame %d before the voice is %.2f semitones", tc, frame, track[frame])
			}
		}
	}
	if got := tracker.follow(nil, 3, make([]bool, 3)); !slices.Equal(got, make([]float64, 3)) {
		t.Errorf("no samples have pitch %v", got)
	}
	if got := tracker.follow(nil, 0, nil); len(got) != 0 {
		t.Errorf("no frames have pitch %v", got)
	}
}
