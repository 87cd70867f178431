package audio_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"strings"
	"testing"

	"oktalk/internal/audio"
	"oktalk/internal/evaluation"
)

// pngImage is a PNG that does not compress.
func pngImage(t testing.TB) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 200, 200))
	r := rand.New(rand.NewPCG(1, 1))
	for i := range m.Pix {
		m.Pix[i] = byte(r.Uint32())
	}
	m.Set(0, 0, color.Black)
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestSniffRefuses checks that what is no recording is named.
func TestSniffRefuses(t *testing.T) {
	t.Parallel()
	var jpg, zipped bytes.Buffer
	if err := jpeg.Encode(&jpg, image.NewGray(image.Rect(0, 0, 8, 8)), nil); err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(&zipped)
	if _, err := z.Create("speech.mp3"); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	c := speech(t, "slt", "hello")
	clip := []string{"-f", "lavfi", "-i", "color=black:s=64x64:d=1", "-shortest"}
	for _, tc := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "empty"},
		{"PNG", pngImage(t), "a PNG image"},
		{"JPEG", jpg.Bytes(), "a JPEG image"},
		{"ZIP", zipped.Bytes(), "a ZIP archive"},
		{"PDF", []byte("%PDF-1.7\n"), "a PDF document"},
		{"HTML", []byte("<!doctype html><html><body>404</body></html>"), "an HTML page"},
		{"JSON", []byte(`{"error":"not found"}`), "JSON text"},
		{"text", []byte("I like apples"), "plain text"},
		{"playlist", []byte("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"), "a playlist"},
		{"concat list", []byte("ffconcat version 1.0\nfile /etc/passwd\n"), "plain text"},
		{"tagged playlist", []byte("ID3\x03\x00\x00\x00\x00\x00\x00#EXTM3U\nfile:///etc/passwd\n"), ""},
		{"noise", []byte{1, 2, 3, 4, 5, 250, 251, 252}, "an unknown kind of file"},
		{"HEIC", []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"), "a HEIC image"},
		{"AAC", convert(t, c, "ffmpeg", "out.aac"), "a bare AAC stream"},
		{"AIFF", convert(t, c, "sox", "out.aiff"), "an AIFF file"},
		{"MP4 video", convert(t, c, "ffmpeg", "out.mp4", clip...), "a video (MP4)"},
		{"QuickTime video", convert(t, c, "ffmpeg", "out.mov", clip...), "a video (MP4)"},
		{"WebM video", convert(t, c, "ffmpeg", "out.webm", append(clip, "-c:v", "libvpx")...), "a video (WebM)"},
		{"Ogg video", convert(t, c, "ffmpeg", "out.ogv", append(clip, "-c:v", "libtheora")...), "a video (Ogg)"},
		{"AVI video", convert(t, c, "ffmpeg", "out.avi", append(clip, "-c:v", "mjpeg")...), "an AVI video"},
		{"WebM start only", []byte{0x1A, 0x45, 0xDF, 0xA3, 0x80}, "damaged"},
		{"MP4 start only", []byte("\x00\x00\x00\x14ftypM4A \x00\x00\x00\x00isom"), "damaged"},
		{"Ogg start only", []byte("OggS\x00"), "damaged"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f, err := audio.Sniff(tc.data)
			var r *evaluation.Refusal
			if !errors.As(err, &r) || r.Problem != "unsupported-audio" || !strings.Contains(r.Message, tc.want) {
				t.Errorf("Sniff = %q, %v, want unsupported-audio with %q", f, err, tc.want)
			}
		})
	}
}

func TestSniffTagged(t *testing.T) {
	t.Parallel()
	c := speech(t, "slt", "hello")
	id3 := append([]byte("ID3\x04\x00\x00\x00\x00\x0e\x00"), make([]byte, 14<<7)...)
	mp3 := convert(t, c, "ffmpeg", "out.mp3", "-id3v2_version", "0", "-write_xing", "0")
	for name, tc := range map[string]struct {
		data []byte
		want audio.Format
	}{
		"MP3 without tag":      {mp3, audio.MP3},
		"MP3 with tag":         {append(bytes.Clone(id3), mp3...), audio.MP3},
		"MP3 cut in a frame":   {mp3[100:], audio.MP3},
		"FLAC with an ID3 tag": {append(bytes.Clone(id3), convert(t, c, "ffmpeg", "out.flac")...), audio.FLAC},
	} {
		if got, err := audio.Sniff(tc.data); err != nil || got != tc.want {
			t.Errorf("%s: Sniff = %q, %v, want %q", name, got, err, tc.want)
		}
	}
}

func FuzzSniff(f *testing.F) {
	f.Add([]byte("ID3\x04\x00\x10\x00\x00\x00\x05\xff\xfb\x90\x00"))
	f.Add([]byte("\x00\x00\x00\x14ftypM4A \x00\x00\x00\x00isom\x00\x00\x00\x20moov\x00\x00\x00\x18trak\x00\x00\x00\x10mdia\x00\x00\x00\x08hdlr"))
	f.Add([]byte("\x1A\x45\xDF\xA3\x80\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff\x16\x54\xAE\x6B\x85\xAE\x83\x83\x81\x02"))
	f.Add([]byte("OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x13OpusHead"))
	f.Add([]byte("RIFF\x00\x00\x00\x00WAVE"))
	f.Fuzz(func(t *testing.T, data []byte) {
		format, err := audio.Sniff(data)
		var r *evaluation.Refusal
		if err != nil && !errors.As(err, &r) {
			t.Errorf("error %v is not a refusal", err)
		}
		if err == nil && !strings.HasPrefix(format.ContentType(), "audio/") {
			t.Errorf("format %q has type %q", format, format.ContentType())
		}
	})
}
