package audio_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"oktalk/internal/audio"
)

func encoder(t testing.TB) *audio.Encoder {
	t.Helper()
	e, err := audio.NewEncoder(audio.Config{TempDir: t.TempDir(), FFmpegTimeout: patience}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestMP3 encodes every voice, quiet, loud and at other rates, and measures what comes out with ffmpeg.
func TestMP3(t *testing.T) {
	t.Parallel()
	e, d := encoder(t), decoder(t)
	const long = "Now try the first sound again."
	clips := map[string]audio.Clip{
		"quiet":  gain(speech(t, "slt", long), 0.02, nil),
		"8 kHz":  speech(t, "rms", long).Resample(8000),
		"24 kHz": speech(t, "slt", long).Resample(24000),
		"20 kHz": speech(t, "slt", long).Resample(20000),
		"word":   speech(t, "slt", "thirty"),
		"padded": audio.Join(audio.Silence(16000, 2e9), speech(t, "slt", long), audio.Silence(16000, 3e9)),
	}
	for _, voice := range []string{"slt", "rms", "awb", "kal16"} {
		clips[voice] = speech(t, voice, long)
	}
	for name, c := range clips {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mp3, err := e.MP3(t.Context(), c, "apples")
			if err != nil {
				t.Fatal(err)
			}
			lufs, peak := ebur128(t, mp3)
			if math.Abs(lufs+16) > 1 {
				t.Errorf("loudness = %.1f LUFS, want -16", lufs)
			}
			if peak > -1 {
				t.Errorf("true peak = %.1f dB, want at most -1", peak)
			}
			got, info, err := d.Decode(t.Context(), mp3)
			if err != nil || info.Format != "mp3" {
				t.Fatalf("decode: %+v, %v", info, err)
			}
			before, after := edges(got)
			if before < 40*time.Millisecond || before > 120*time.Millisecond || after < 40*time.Millisecond || after > 150*time.Millisecond {
				t.Errorf("silence of %v before and %v after, want about 50ms", before, after)
			}
			if l := likeness(trimmed(c), trimmed(got)); l < 0.93 { // the limiter evens out kal16, whose peaks are high
				t.Errorf("likeness = %.4f, want at least 0.93", l)
			}
		})
	}
}

// TestMP3Same gives the same bytes for the same clip and title: object keys rely on it.
func TestMP3Same(t *testing.T) {
	t.Parallel()
	c := speech(t, "slt", sentence)
	first, err := encoder(t).MP3(t.Context(), c, "apples")
	if err != nil {
		t.Fatal(err)
	}
	second, err := encoder(t).MP3(t.Context(), c, "apples")
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("two runs differ: %d and %d bytes, %v", len(first), len(second), err)
	}
	for _, mark := range []string{"Lavf5", "Lavc5", "oktalk-audio"} {
		if bytes.Contains(first, []byte(mark)) {
			t.Errorf("the file names %q, which changes with versions and folders", mark)
		}
	}
	if n := float64(len(first)) / c.Duration().Seconds(); n < 6000 || n > 10000 {
		t.Errorf("%.0f bytes a second, want about 8000", n)
	}
}

func TestMP3Title(t *testing.T) {
	t.Parallel()
	e, c := encoder(t), speech(t, "slt", "hello")
	for title, want := range map[string]string{
		"apples": "apples", "苹果 — “apples”": "苹果 — “apples”", "two\nlines\x00": "two lines", "-i /etc/passwd": "-i /etc/passwd",
		"a=b;c=d\\": "a=b;c=d\\", "": "", strings.Repeat("x", 300): strings.Repeat("x", 199) + "…", "\xff\xfe": "",
	} {
		mp3, err := e.MP3(t.Context(), c, title)
		if err != nil {
			t.Errorf("title %q: %v", title, err)
			continue
		}
		if got := id3Title(t, mp3); got != want {
			t.Errorf("title = %q, want %q", got, want)
		}
	}
}

func TestMP3Odd(t *testing.T) {
	t.Parallel()
	e := encoder(t)
	if _, err := e.MP3(t.Context(), audio.Clip{}, ""); err == nil {
		t.Error("an empty clip was encoded")
	}
	for name, c := range map[string]audio.Clip{
		"silence": audio.Silence(16000, 5e8), "one sample": {Rate: 16000, Samples: []int16{1000}}, "click": {Rate: 16000, Samples: make([]int16, 100)},
	} {
		if mp3, err := e.MP3(t.Context(), c, name); err != nil || len(mp3) == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(mp3), err)
		}
	}
}

// ebur128 measures loudness in LUFS and true peak in dB with ffmpeg's filter.
func ebur128(t *testing.T, mp3 []byte) (lufs, peak float64) {
	t.Helper()
	cmd := exec.Command("ffmpeg", "-hide_banner", "-nostats", "-i", "-", "-af", "ebur128=peak=true", "-f", "null", "-")
	cmd.Stdin = bytes.NewReader(mp3)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	summary := out[bytes.LastIndex(out, []byte("Summary:")):]
	find := func(expr string) float64 {
		m := regexp.MustCompile(expr).FindSubmatch(summary)
		if m == nil {
			t.Fatalf("no %q in %s", expr, summary)
		}
		v, _ := strconv.ParseFloat(string(m[1]), 64)
		return v
	}
	return find(`I:\s+(-?[0-9.]+) LUFS`), find(`Peak:\s+(-?[0-9.]+) dBFS`)
}

func id3Title(t *testing.T, mp3 []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.mp3")
	if err := os.WriteFile(path, mp3, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "format_tags=title", "-of", "json", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var probe struct {
		Format struct{ Tags struct{ Title string } }
	}
	if err := json.Unmarshal(out, &probe); err != nil {
		t.Fatal(err)
	}
	return probe.Format.Tags.Title
}

// edges is how long it is quiet (below -42 dB over 10 ms) at the start and at the end.
func edges(c audio.Clip) (before, after time.Duration) {
	e := envelope(c)
	for i := 0; i < len(e) && e[i] < 0.008; i++ {
		before += 10 * time.Millisecond
	}
	for i := len(e) - 1; i >= 0 && e[i] < 0.008; i-- {
		after += 10 * time.Millisecond
	}
	return before, after
}

// trimmed cuts the pauses off both ends.
func trimmed(c audio.Clip) audio.Clip {
	c = c.Resample(16000)
	loud := rms(c.Samples) / 10
	lo, hi := 0, len(c.Samples)
	for lo+160 < hi && rms(c.Samples[lo:lo+160]) < loud {
		lo += 160
	}
	for hi-160 > lo && rms(c.Samples[hi-160:hi]) < loud {
		hi -= 160
	}
	return audio.Clip{Rate: c.Rate, Samples: c.Samples[lo:hi]}
}

func BenchmarkMP3(b *testing.B) {
	c, e := speech(b, "slt", sentence), encoder(b)
	for b.Loop() {
		if _, err := e.MP3(b.Context(), c, "title"); err != nil {
			b.Fatal(err)
		}
	}
}
