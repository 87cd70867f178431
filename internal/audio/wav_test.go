package audio_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/audio"
)

// TestParseWAVFormats reads the same speech from every sample format sox and ffmpeg write.
func TestParseWAVFormats(t *testing.T) {
	t.Parallel()
	want := speech(t, "slt", sentence)
	for _, tc := range []struct {
		name, program string
		args          []string
		likeness      float64
	}{
		{"unsigned 8 bits", "sox", []string{"-b", "8"}, 0.99},
		{"16 bits", "sox", []string{"-b", "16"}, 0.9999},
		{"24 bits", "sox", []string{"-b", "24"}, 0.9999},
		{"32 bits", "sox", []string{"-b", "32"}, 0.9999},
		{"float", "sox", []string{"-e", "floating-point", "-b", "32"}, 0.9999},
		{"double", "sox", []string{"-e", "floating-point", "-b", "64"}, 0.9999},
		{"A-law", "sox", []string{"-e", "a-law"}, 0.999},
		{"mu-law", "sox", []string{"-e", "u-law"}, 0.999},
		{"stereo", "sox", []string{"-c", "2"}, 0.9999},
		{"five channels", "sox", []string{"-c", "5"}, 0.9999},
		{"extensible 24 bits", "ffmpeg", []string{"-c:a", "pcm_s24le", "-ac", "3"}, 0.9999},
		{"RF64", "ffmpeg", []string{"-rf64", "always"}, 0.9999},
		{"with metadata", "ffmpeg", []string{"-metadata", "title=odd", "-metadata", "artist=even", "-write_bext", "1"}, 0.9999},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := audio.ParseWAV(convert(t, want, tc.program, "out.wav", tc.args...))
			if err != nil {
				t.Fatal(err)
			}
			if got.Rate != want.Rate || len(got.Samples) != len(want.Samples) {
				t.Errorf("got %d samples at %d Hz, want %d at %d", len(got.Samples), got.Rate, len(want.Samples), want.Rate)
			}
			if l := likeness(want, got); l < tc.likeness {
				t.Errorf("likeness = %.5f, want at least %v", l, tc.likeness)
			}
		})
	}
}

// TestParseWAVSizes reads files whose header does not tell the truth.
func TestParseWAVSizes(t *testing.T) {
	t.Parallel()
	c := tone(16000, 440, 0.5, 0.5)
	whole := wav(c)
	patch := func(size uint32, cut int) []byte {
		b := bytes.Clone(whole)
		binary.LittleEndian.PutUint32(b[4:], size)
		binary.LittleEndian.PutUint32(b[40:], size)
		return b[:len(b)-cut]
	}
	odd := bytes.Clone(whole[:36])
	odd = append(odd, "LIST\x03\x00\x00\x00abc\x00"...) // padded to an even size
	odd = append(odd, whole[36:]...)
	for name, tc := range map[string]struct {
		data []byte
		want int
	}{
		"as written":            {whole, 8000},
		"placeholder ffffffff":  {patch(0xFFFFFFFF, 0), 8000},
		"placeholder 7ffff000":  {patch(0x7FFFF000, 0), 8000},
		"placeholder zero":      {patch(0, 0), 8000},
		"cut short":             {patch(16000, 6001), 4999},
		"shorter than the file": {patch(8000, 0), 4000},
		"odd chunk before":      {odd, 8000},
		"chunk after":           {append(bytes.Clone(whole), "LIST\x04\x00\x00\x00abcd"...), 8000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := audio.ParseWAV(tc.data)
			if err != nil || len(got.Samples) != tc.want {
				t.Errorf("got %d samples, %v, want %d", len(got.Samples), err, tc.want)
			}
		})
	}
}

// TestParseWAVEspeak reads what espeak-ng writes to a pipe.
func TestParseWAVEspeak(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tool(t, dir, "sh", "-c", "espeak-ng --stdout 'I like apples' > out.wav")
	c, err := audio.ParseWAV(read(t, dir, "out.wav"))
	if err != nil || c.Duration().Seconds() < 0.8 || c.Duration().Seconds() > 2 {
		t.Errorf("got %v, %v, want about a second", c.Duration(), err)
	}
}

// TestParseWAVFloatRange brings floats beyond full scale back to it and drops what is no number.
func TestParseWAVFloatRange(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	b.WriteString("RIFF\xff\xff\xff\xffWAVEfmt ")
	le(&b, uint32(16), uint16(3), uint16(1), uint32(16000), uint32(64000), uint16(4), uint16(32))
	b.WriteString("data\xff\xff\xff\xff")
	le(&b, []float32{2, -4, float32(math.NaN()), float32(math.Inf(1)), 0})
	got, err := audio.ParseWAV(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int16{16384, -32768, 0, 0, 0} {
		if got.Samples[i] != want {
			t.Errorf("sample %d = %d, want %d", i, got.Samples[i], want)
		}
	}
}

// TestParseWAVChannels averages channels unless that leaves little of them.
func TestParseWAVChannels(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		channels int
		frame    []int16 // of all channels; the next is the same turned over
		want     int16
	}{
		{"both the same", 2, []int16{8000, 8000}, 8000},
		{"one silent", 2, []int16{8000, 0}, 4000},
		{"a little different", 2, []int16{8000, 7000}, 7500},
		{"opposite", 2, []int16{8000, -8000}, 8000},
		{"nearly opposite, the second louder", 2, []int16{-7000, 8000}, 8000},
		{"one of eight", 8, []int16{0, 0, 8000, 0, 0, 0, 0, 0}, 8000},
		{"silence", 2, []int16{0, 0}, 0},
	}
	for _, tt := range tests {
		var b bytes.Buffer
		b.WriteString("RIFF\xff\xff\xff\xffWAVEfmt ")
		align := 2 * tt.channels
		le(&b, uint32(16), uint16(1), uint16(tt.channels), uint32(16000), uint32(16000*align), uint16(align), uint16(16))
		b.WriteString("data\xff\xff\xff\xff")
		le(&b, tt.frame)
		for _, s := range tt.frame {
			le(&b, -s)
		}
		got, err := audio.ParseWAV(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int16{tt.want, -tt.want}, got.Samples); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestParseWAVRefuses(t *testing.T) {
	t.Parallel()
	whole := wav(tone(16000, 440, 0.5, 0.1))
	slow := bytes.Clone(whole)
	binary.LittleEndian.PutUint32(slow[24:], 4000)
	none := bytes.Clone(whole)
	binary.LittleEndian.PutUint16(none[22:], 0)
	for name, data := range map[string][]byte{
		"empty": nil, "text": []byte("hello"), "header only": whole[:12], "no data": whole[:36], "format cut": whole[:24],
		"4 kHz": slow, "no channels": none, "data first": append([]byte("RIFF\x00\x00\x00\x00WAVE"), whole[36:]...),
	} {
		if c, err := audio.ParseWAV(data); err == nil {
			t.Errorf("%s: got %d samples, want an error", name, len(c.Samples))
		}
	}
}

func FuzzParseWAV(f *testing.F) {
	whole := wav(tone(16000, 440, 0.5, 0.01))
	f.Add(whole)
	f.Add(whole[:50])
	f.Add(append([]byte("RF64\xff\xff\xff\xffWAVEds64\x1c\x00\x00\x00"), whole...))
	f.Add([]byte("RIFF\x00\x00\x00\x00WAVEfmt \x28\x00\x00\x00\xfe\xff\x02\x00\x80\x3e\x00\x00\x00\x00\x00\x00\x08\x00\x20\x00\x16\x00\x20\x00\x00\x00\x00\x00\x03\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := audio.ParseWAV(data)
		if err == nil && (c.Rate < 8000 || c.Rate > 192000) {
			t.Errorf("rate %d", c.Rate)
		}
		if len(c.Samples) > len(data) {
			t.Errorf("%d samples of %d bytes", len(c.Samples), len(data))
		}
	})
}
