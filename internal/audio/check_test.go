package audio_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"oktalk/internal/audio"
	"oktalk/internal/evaluation"
)

// TestCheckPasses lets every reading pass that the assessor can follow: as it is, cut off tightly, quiet, loud, with an offset, in
// noise of 15 and 10 dB.
func TestCheckPasses(t *testing.T) {
	t.Parallel()
	for _, voice := range []string{"slt", "rms", "awb", "kal16"} {
		for _, text := range []string{"I like apples", "thirty", "oh"} {
			t.Run(voice+" "+text, func(t *testing.T) {
				t.Parallel()
				c := speech(t, voice, text)
				level, peak := activeRMS(c), highest(c)
				n := len(c.Samples)
				pass := map[string]audio.Clip{
					"as it is":    c,
					"cut tightly": tight(c),
					"full scale":  gain(c, 1/peak, nil),
					"3 dB over":   gain(c, 1.4/peak, nil),
					"-40 dB":      gain(c, 0.01/level, nil),
					"offset":      gain(c, 0.5, scale(ones(n), 0.2)),
					"mains hum":   gain(c, 0.5, hum(n)),
					"long pauses": audio.Join(audio.Silence(16000, 4e9), c, audio.Silence(16000, 4e9)),
				}
				for _, snr := range []float64{15, 10} {
					amount := level / 2 * math.Pow(10, -snr/20)
					pass[fmt.Sprintf("white noise at %v dB", snr)] = gain(c, 0.5, scale(noise(n), amount))
					pass[fmt.Sprintf("pink noise at %v dB", snr)] = gain(c, 0.5, scale(pink(n), amount))
				}
				for name, c := range pass {
					if err := audio.Check(c); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
			})
		}
	}
}

// TestCheckRefuses names what is wrong, and says what to do.
func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	for _, voice := range []string{"slt", "rms", "awb", "kal16"} {
		t.Run(voice, func(t *testing.T) {
			t.Parallel()
			c := speech(t, voice, sentence)
			level, peak, n := activeRMS(c), highest(c), len(c.Samples)
			for name, tc := range map[string]struct {
				clip audio.Clip
				want string
			}{
				"at -60 dB":                 {gain(c, 0.001/level, nil), "too-quiet"},
				"20 dB over full scale":     {gain(c, 10/peak, nil), "clipped"},
				"clipped, then turned down": {gain(gain(c, 10/peak, nil), 0.3, nil), "clipped"},
				"clipped at 44 kHz":         {gain(c.Resample(44100), 10/peak, nil).Resample(16000), "clipped"},
				"white noise at 0 dB":       {gain(c, 0.4, scale(noise(n), 0.4*level)), "too-noisy"},
				"pink noise at 0 dB":        {gain(c, 0.4, scale(pink(n), 0.4*level)), "too-noisy"},
				"white noise at -15 dB":     {gain(c, 0.05, scale(noise(n), 0.28*level)), "no-speech"},
				"cut to 0.1 s":              {audio.Clip{Rate: c.Rate, Samples: c.Samples[:1600]}, "too-short"},
				"a minute too much":         {audio.Join(c, audio.Silence(c.Rate, 60e9)), "too-long"},
			} {
				err := audio.Check(tc.clip)
				if got := problem(t, err); got != tc.want {
					t.Errorf("%s: %v, want %s", name, err, tc.want)
				}
			}
		})
	}
}

func TestCheckNoSpeech(t *testing.T) {
	t.Parallel()
	const n = 3 * 16000
	silence := audio.Silence(16000, 3e9)
	for name, c := range map[string]audio.Clip{
		"silence":     silence,
		"last bit":    gain(silence, 1, scale(noise(n), 1.0/32768)),
		"constant":    gain(silence, 1, scale(ones(n), 0.3)),
		"white noise": gain(silence, 1, scale(noise(n), 0.05)),
		"quiet noise": gain(silence, 1, scale(noise(n), 0.001)),
		"pink noise":  gain(silence, 1, scale(pink(n), 0.05)),
		"long noise":  gain(audio.Silence(16000, 30e9), 1, scale(pink(30*16000), 0.02)),
		"short noise": gain(audio.Silence(16000, 3e8), 1, scale(pink(4800), 0.05)),
		"100 Hz":      tone(16000, 100, 0.3, 2),
		"440 Hz":      tone(16000, 440, 0.3, 2),
		"3 kHz":       tone(16000, 3000, 1, 2),
		"mains hum":   gain(silence, 1, hum(n)),
	} {
		err := audio.Check(c)
		if got := problem(t, err); got != "no-speech" {
			t.Errorf("%s: %v, want no-speech", name, err)
		}
		var r *evaluation.Refusal
		if errors.As(err, &r) && !strings.Contains(r.Message, "microphone") {
			t.Errorf("%s: %q does not say what to do", name, r.Message)
		}
	}
}

// TestCheckLoudCodecs lets loud speech pass that a codec drove over full scale, and finds clipping behind a codec.
func TestCheckLoudCodecs(t *testing.T) {
	t.Parallel()
	c := speech(t, "slt", sentence)
	d := decoder(t)
	for _, f := range []string{"mp3", "ogg", "m4a", "webm"} {
		for name, want := range map[string]string{"at full scale": "", "20 dB over": "clipped"} {
			t.Run(f+" "+name, func(t *testing.T) {
				t.Parallel()
				over := 1.0
				if want != "" {
					over = 10
				}
				loud := gain(c.Resample(44100), over/highest(c), nil)
				got, _, err := d.Decode(t.Context(), convert(t, loud, "ffmpeg", "out."+f, "-b:a", "48k"))
				if err != nil {
					t.Fatal(err)
				}
				if p := problem(t, audio.Check(got)); p != want {
					t.Errorf("Check = %q, want %q", p, want)
				}
			})
		}
	}
}

func highest(c audio.Clip) float64 {
	peak := 0.0
	for _, s := range c.Samples {
		peak = max(peak, math.Abs(float64(s))/32768)
	}
	return peak
}

func ones(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = 1
	}
	return out
}

// hum is what badly shielded leads pick up at 50 Hz.
func hum(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = 0.05 * math.Sin(2*math.Pi*50*float64(i)/16000)
	}
	return out
}

// tight cuts a clip where its speech begins and ends, but leaves it 0.3 s.
func tight(c audio.Clip) audio.Clip {
	lo, hi := 0, len(c.Samples)
	for hi-lo > 5000 && max(c.Samples[lo], -c.Samples[lo]) < 800 {
		lo++
	}
	for hi-lo > 5000 && max(c.Samples[hi-1], -c.Samples[hi-1]) < 800 {
		hi--
	}
	return audio.Clip{Rate: c.Rate, Samples: c.Samples[lo:hi]}
}

func BenchmarkCheck(b *testing.B) {
	c := audio.Join(speech(b, "slt", sentence), speech(b, "slt", "I like apples and bananas"))
	for b.Loop() {
		if err := audio.Check(c); err != nil {
			b.Fatal(err)
		}
	}
}
