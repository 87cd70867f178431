package audio_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"oktalk/internal/audio"
	"oktalk/internal/evaluation"
)

const sentence = "She had your dark suit in greasy wash water all year"

// tool runs a program in the test's folder.
func tool(t testing.TB, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s(the tests need flite, espeak-ng, ffmpeg and sox installed)", name, args, err, out)
	}
}

var spoken sync.Map // voice and text -> *audio.Clip

// speech is a text as a flite voice reads it, at 16 kHz.
func speech(t testing.TB, voice, text string) audio.Clip {
	t.Helper()
	once, _ := spoken.LoadOrStore(voice+" "+text, sync.OnceValue(func() audio.Clip {
		dir := t.TempDir()
		tool(t, dir, "flite", "-voice", voice, "-t", text, "-o", "speech.wav")
		c, err := audio.ParseWAV(read(t, dir, "speech.wav"))
		if err != nil {
			t.Fatalf("ParseWAV(flite's file): %v", err)
		}
		return c
	}))
	return once.(func() audio.Clip)()
}

func read(t testing.TB, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// wav writes a clip as a plain 16-bit WAV file.
func wav(c audio.Clip) []byte {
	var b bytes.Buffer
	b.WriteString("RIFF")
	le(&b, uint32(36+2*len(c.Samples)))
	b.WriteString("WAVEfmt ")
	le(&b, uint32(16), uint16(1), uint16(1), uint32(c.Rate), uint32(2*c.Rate), uint16(2), uint16(16))
	b.WriteString("data")
	le(&b, uint32(2*len(c.Samples)), c.Samples)
	return b.Bytes()
}

func le(b *bytes.Buffer, values ...any) {
	for _, v := range values {
		_ = binary.Write(b, binary.LittleEndian, v)
	}
}

// convert turns a clip into another format with sox or ffmpeg; args name the file "out".
func convert(t testing.TB, c audio.Clip, program string, out string, args ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "in.wav"), wav(c), 0o600); err != nil {
		t.Fatal(err)
	}
	switch program {
	case "sox":
		tool(t, dir, "sox", append(append([]string{"-D", "in.wav"}, args...), out)...)
	default:
		tool(t, dir, "ffmpeg", append(append([]string{"-v", "error", "-i", "in.wav"}, args...), out)...)
	}
	return read(t, dir, out)
}

// patience is ffmpeg's time on a machine that is busy with other tests.
const patience = time.Minute

func decoder(t testing.TB) *audio.Decoder {
	t.Helper()
	d, err := audio.NewDecoder(audio.Config{TempDir: t.TempDir(), FFmpegTimeout: patience}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// problem is the name of a refusal, "" for no error.
func problem(t testing.TB, err error) string {
	t.Helper()
	var r *evaluation.Refusal
	switch {
	case err == nil:
		return ""
	case errors.As(err, &r):
		return r.Problem
	}
	t.Fatalf("error %v is not a refusal", err)
	return ""
}

// noise is white noise with a standard deviation of 1, at most 30 s of it.
func noise(n int) []float64 { return white()[:n] }

// pink is noise with as much power in every octave, with a standard deviation of 1, at most 30 s of it.
func pink(n int) []float64 { return pinkish()[:n] }

var white = sync.OnceValue(func() []float64 {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]float64, 30*16000)
	for i := range out {
		out[i] = r.NormFloat64()
	}
	return out
})

// pinkish filters white noise as Paul Kellet does.
var pinkish = sync.OnceValue(func() []float64 {
	out := make([]float64, len(white()))
	var a, b, c, power float64
	for i, w := range white() {
		a, b, c = 0.99765*a+w*0.0990460, 0.96300*b+w*0.2965164, 0.57000*c+w*1.0526913
		out[i] = a + b + c + w*0.1848
		power += out[i] * out[i]
	}
	return scale(out, 1/math.Sqrt(power/float64(len(out))))
})

// tone is a sine of the given amplitude, 0 to 1.
func tone(rate int, hz, amplitude, seconds float64) audio.Clip {
	c := audio.Clip{Rate: rate, Samples: make([]int16, int(seconds*float64(rate)))}
	for i := range c.Samples {
		c.Samples[i] = int16(math.Round(32767 * amplitude * math.Sin(2*math.Pi*hz*float64(i)/float64(rate))))
	}
	return c
}

// gain amplifies a clip and adds to it, holding what goes beyond full scale.
func gain(c audio.Clip, factor float64, add []float64) audio.Clip {
	out := audio.Clip{Rate: c.Rate, Samples: make([]int16, len(c.Samples))}
	for i, s := range c.Samples {
		v := float64(s) * factor
		if i < len(add) {
			v += 32767 * add[i]
		}
		out.Samples[i] = int16(min(32767, max(-32768, v)))
	}
	return out
}

func scale(xs []float64, factor float64) []float64 {
	out := make([]float64, len(xs))
	for i, x := range xs {
		out[i] = x * factor
	}
	return out
}

func rms(samples []int16) float64 {
	var sum float64
	for _, s := range samples {
		sum += float64(s) * float64(s) / (1 << 30)
	}
	return math.Sqrt(sum / float64(max(1, len(samples))))
}

// activeRMS is the level of the speech in a clip without its pauses.
func activeRMS(c audio.Clip) float64 {
	var loud []int16
	limit := rms(c.Samples) / 4
	for i := 0; i+320 <= len(c.Samples); i += 320 {
		if f := c.Samples[i : i+320]; rms(f) > limit {
			loud = append(loud, f...)
		}
	}
	return rms(loud)
}

// likeness correlates the energy of two clips in steps of 10 ms, at the best shift of up to 100 ms. 1 is the same speech.
func likeness(a, b audio.Clip) float64 {
	x, y := envelope(a), envelope(b)
	best := -1.0
	for shift := -10; shift <= 10; shift++ {
		var xs, ys []float64
		for i := range x {
			if j := i + shift; j >= 0 && j < len(y) {
				xs, ys = append(xs, x[i]), append(ys, y[j])
			}
		}
		best = max(best, correlation(xs, ys))
	}
	return best
}

func envelope(c audio.Clip) []float64 {
	var e []float64
	step := c.Rate / 100
	for i := 0; i+step <= len(c.Samples); i += step {
		e = append(e, rms(c.Samples[i:i+step]))
	}
	return e
}

func correlation(x, y []float64) float64 {
	var mx, my, xy, xx, yy float64
	for i := range x {
		mx, my = mx+x[i]/float64(len(x)), my+y[i]/float64(len(y))
	}
	for i := range x {
		xy, xx, yy = xy+(x[i]-mx)*(y[i]-my), xx+(x[i]-mx)*(x[i]-mx), yy+(y[i]-my)*(y[i]-my)
	}
	return xy / math.Sqrt(xx*yy)
}
