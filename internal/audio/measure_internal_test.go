package audio

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// plainly computes what the gate knows by its definitions, one after another.
func plainly(samples []int16) (peak, level, floor, voice, tone, clipped float64) {
	x := floats(samples)
	var highest32 float32
	for _, v := range x {
		highest32 = max(highest32, v, -v)
	}
	rms, loud, top := float32(math.Sqrt(power(x))), 0, 0
	for _, v := range x {
		if v = max(v, -v); v > rms {
			loud++
			if v > 0.95*highest32 {
				top++
			}
		}
	}
	clipped = float64(top) / float64(max(1, loud))

	out, offset := make([]float64, len(x)), 0.0
	for _, v := range x {
		offset += float64(v)
	}
	for i, v := range x {
		out[i] = float64(v) - offset/float64(len(x))
	}
	k := math.Tan(math.Pi * 100 / Rate)
	for _, q := range []float64{0.54119610, 1.30656296} {
		a0 := 1 + k/q + k*k
		biquad(out, [3]float64{1 / a0, -2 / a0, 1 / a0}, 2*(k*k-1)/a0, (1-k/q+k*k)/a0)
	}
	for i := range x {
		x[i] = float32(out[i])
	}
	s := &signal{filtered: x}
	for frame := range slices.Chunk(x, frameHop) {
		s.levels = append(s.levels, 10*math.Log10(power(frame)+1e-12))
	}
	sorted := slices.Sorted(slices.Values(s.levels))
	s.peak = highest(sorted, 0.05, loudestFrames)
	var powers []float64
	for _, l := range s.levels {
		if l >= s.peak-20 {
			powers = append(powers, math.Pow(10, l/10))
		}
	}
	return s.peak, 10 * math.Log10(mean(powers)), sorted[len(sorted)/10], s.voice(), s.tone(), clipped
}

// FuzzMeasure compares what is measured with its definition, on noise with tones, pauses, offsets and clipping of any kind.
func FuzzMeasure(f *testing.F) {
	for seed := range uint64(30) {
		f.Add(seed, uint16(seed*700), uint8(2*seed), uint8(seed*9), int16(seed*900), uint8(seed*8))
	}
	f.Fuzz(func(t *testing.T, seed uint64, extra uint16, noise, tone uint8, offset int16, over uint8) {
		random := rand.New(rand.NewPCG(seed, 1))
		samples := make([]int16, 4800+int(extra))
		pitch, loud := 60+400*random.Float64(), true
		for i := range samples {
			if random.IntN(1600) == 0 {
				loud = !loud
			}
			v := float64(noise) / 255 * random.NormFloat64() / 100
			if loud {
				v += float64(tone) / 255 * (0.6*math.Sin(2*math.Pi*pitch*float64(i)/Rate) + 0.4*math.Sin(4*math.Pi*pitch*float64(i)/Rate))
			}
			v = v*(1+float64(over)/8)*32768 + float64(offset)
			samples[i] = int16(max(-32768, min(32767, v)))
		}
		s := measure(Clip{Rate: Rate, Samples: samples})
		peak, level, floor, voice, pure, clipped := plainly(samples)
		for name, v := range map[string][2]float64{
			"peak": {s.peak, peak}, "level": {s.level, level}, "floor": {s.floor, floor}, "voice": {s.voice(), voice}, "tone": {s.tone(), pure},
		} {
			if math.Abs(v[0]-v[1]) > 1e-3 {
				t.Errorf("%s = %v, want %v", name, v[0], v[1])
			}
		}
		if s.clipped() != clipped {
			t.Errorf("clipped = %v, want %v", s.clipped(), clipped)
		}
	})
}
