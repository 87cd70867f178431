package audio_test

import (
	"fmt"
	"math"
	"testing"

	"oktalk/internal/audio"
)

// TestResampleTones checks what resampling must keep (level and phase of every tone up to 6.8 kHz) and what it must remove (tones
// above 8 kHz, which would alias).
func TestResampleTones(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{8000, 11025, 12345, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 191993, 192000} {
		for _, hz := range []float64{100, 1000, 3000, 6500, 9000, 15000} {
			if hz > 0.42*float64(rate) {
				continue
			}
			t.Run(fmt.Sprintf("%d/%v", rate, hz), func(t *testing.T) {
				t.Parallel()
				got := tone(rate, hz, 0.8, 0.5).Resample(16000)
				if n := len(got.Samples); n < 7999 || n > 8001 {
					t.Errorf("half a second became %d samples", n)
				}
				mid := got.Samples[1000:7000] // past the edges
				if hz > 8000 {
					if l := 20 * math.Log10(rms(mid)+1e-9); l > -75 {
						t.Errorf("a tone above Nyquist comes through at %.1f dB", l)
					}
					return
				}
				var worst float64
				for i, s := range mid {
					want := 0.8 * math.Sin(2*math.Pi*hz*float64(i+1000)/16000)
					worst = max(worst, math.Abs(float64(s)/32768-want))
				}
				if worst > 0.002 {
					t.Errorf("differs by up to %.5f of full scale", worst)
				}
			})
		}
	}
}

// TestResampleFullScale holds what rings beyond full scale rather than wrapping it round.
func TestResampleFullScale(t *testing.T) {
	t.Parallel()
	c := audio.Clip{Rate: 48000, Samples: make([]int16, 48000)}
	for i := range c.Samples {
		c.Samples[i] = 32767
		if i/48%2 == 1 {
			c.Samples[i] = -32768
		}
	}
	got := c.Resample(16000)
	for i := 32; i < 15900; i++ {
		inside := i%16 > 4 && i%16 < 12
		if positive := i/16%2 == 0; inside && positive != (got.Samples[i] > 16000) {
			t.Fatalf("sample %d = %d has wrapped round", i, got.Samples[i])
		}
	}
}

func TestJoin(t *testing.T) {
	t.Parallel()
	c := audio.Join(tone(16000, 440, 0.5, 0.5), audio.Silence(16000, 1e8), tone(8000, 440, 0.5, 0.5))
	if c.Rate != 16000 || c.Duration().Milliseconds() != 1100 {
		t.Errorf("got %v at %d Hz, want 1.1s at 16000", c.Duration(), c.Rate)
	}
	if z := audio.Join(); len(z.Samples) != 0 || z.Duration() != 0 {
		t.Errorf("Join() = %v, want nothing", z)
	}
}

func BenchmarkResample(b *testing.B) {
	for _, rate := range []int{8000, 44100, 48000, 191_993} { // the last has no common divisor with 16000
		b.Run(fmt.Sprint(rate), func(b *testing.B) {
			c := tone(rate, 440, 0.5, 5)
			for b.Loop() {
				c.Resample(16000)
			}
		})
	}
}
