package audio_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"oktalk/internal/audio"
)

// withoutFFmpeg is a decoder whose ffmpeg does nothing but fail.
func withoutFFmpeg(tb testing.TB) *audio.Decoder {
	tb.Helper()
	d, err := audio.NewDecoder(audio.Config{FFmpegPath: "false", TempDir: tb.TempDir()}, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// byFFmpeg decodes a file to 16 kHz mono.
func byFFmpeg(t *testing.T, data []byte) audio.Clip {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "in"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, dir, "ffmpeg", "-v", "error", "-i", "in", "-ar", "16000", "-ac", "1", "out.wav")
	c, err := audio.ParseWAV(read(t, dir, "out.wav"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sameWave is the correlation of two waves; resamplers may shift one by up to a quarter of a millisecond.
func sameWave(a, b []int16) float64 {
	const shifts = 4
	best, n := -1.0, min(len(a), len(b))-shifts
	for shift := range shifts {
		best = max(best, correlation(numbers(a[shift:n]), numbers(b[:n-shift])), correlation(numbers(a[:n-shift]), numbers(b[shift:n])))
	}
	return best
}

func numbers(samples []int16) []float64 {
	out := make([]float64, len(samples))
	for i, s := range samples {
		out[i] = float64(s)
	}
	return out
}

// TestDecodeOpus decodes what browsers record without ffmpeg, as ffmpeg would.
func TestDecodeOpus(t *testing.T) {
	t.Parallel()
	ref, d := speech(t, "rms", sentence), withoutFFmpeg(t)
	for name, args := range map[string][]string{
		"speech 12 kbit/s":  {"-application", "voip", "-b:a", "12k"},
		"speech 24 kbit/s":  {"-application", "voip", "-b:a", "24k"},
		"hybrid 32 kbit/s":  {"-application", "voip", "-b:a", "32k"},
		"music 64 kbit/s":   {"-application", "audio", "-b:a", "64k"},
		"stereo 96 kbit/s":  {"-application", "audio", "-b:a", "96k", "-af", stereo},
		"short frames":      {"-application", "lowdelay", "-frame_duration", "2.5"},
		"long frames":       {"-application", "voip", "-frame_duration", "60", "-b:a", "16k"},
		"for a lossy line":  {"-application", "voip", "-fec", "1", "-packet_loss", "20", "-b:a", "20k"},
		"narrow band 8 kHz": {"-application", "voip", "-ar", "8000", "-b:a", "12k"},
	} {
		for _, container := range []string{"ogg", "webm"} {
			t.Run(name+" "+container, func(t *testing.T) {
				t.Parallel()
				data := convert(t, ref, "ffmpeg", "out."+container, append([]string{"-c:a", "libopus"}, args...)...)
				c, _, err := d.Decode(t.Context(), data)
				if err != nil {
					t.Fatal(err)
				}
				want := byFFmpeg(t, data)
				if off := (c.Duration() - want.Duration()).Abs(); off.Milliseconds() > 21 { // ffmpeg drops the padding of the last frame in WebM
					t.Errorf("duration = %v, want %v", c.Duration(), want.Duration())
				}
				if r := sameWave(want.Samples, c.Samples); r < 0.99 {
					t.Errorf("correlation with ffmpeg's samples = %.4f, want at least 0.99", r)
				}
			})
		}
	}
}

// TestDecodeOpusLive takes what a browser's recorder writes: lengths of segment and clusters that are not known.
func TestDecodeOpusLive(t *testing.T) {
	t.Parallel()
	ref := speech(t, "slt", sentence)
	data := convert(t, ref, "ffmpeg", "out.webm", "-c:a", "libopus", "-live", "1", "-cluster_time_limit", "500")
	c, _, err := withoutFFmpeg(t).Decode(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	if off := (c.Duration() - ref.Duration()).Abs(); off.Milliseconds() > 100 {
		t.Errorf("duration = %v, want %v", c.Duration(), ref.Duration())
	}
}

// TestDecodeOpusUnusual leaves to ffmpeg what is not plain.
func TestDecodeOpusUnusual(t *testing.T) {
	t.Parallel()
	ref, d := speech(t, "slt", sentence), decoder(t)
	plain := convert(t, ref, "ffmpeg", "out.ogg", "-c:a", "libopus")
	webm := convert(t, ref, "ffmpeg", "out.webm", "-c:a", "libopus")
	flipped := append([]byte(nil), plain...)
	flipped[len(flipped)/2] ^= 0x55
	for name, data := range map[string][]byte{
		"six channels":     convert(t, ref, "ffmpeg", "out.ogg", "-c:a", "libopus", "-ac", "6", "-mapping_family", "1"),
		"ogg cut short":    plain[:len(plain)*2/3],
		"webm cut short":   webm[:len(webm)*2/3],
		"ogg with a fault": flipped,
		"two files in one": append(append([]byte(nil), plain...), plain...),
	} {
		if _, _, err := d.Decode(t.Context(), data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, _, err := withoutFFmpeg(t).Decode(t.Context(), data); err == nil {
			t.Errorf("%s was not left to ffmpeg", name)
		}
	}
}

// FuzzOpus gives the decoder damaged files: whatever is in them, it answers.
func FuzzOpus(f *testing.F) {
	ref := speech(f, "slt", "hello")
	for _, out := range []string{"out.ogg", "out.webm"} {
		for _, application := range []string{"voip", "audio"} {
			f.Add(convert(f, ref, "ffmpeg", out, "-c:a", "libopus", "-application", application, "-b:a", "24k"))
		}
	}
	d := withoutFFmpeg(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, _, err := d.Decode(t.Context(), data)
		if err == nil && len(c.Samples) == 0 {
			t.Error("neither samples nor an error")
		}
	})
}
