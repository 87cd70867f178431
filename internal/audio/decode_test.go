package audio_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"oktalk/internal/audio"
	"oktalk/internal/command"
	"oktalk/internal/evaluation"
)

// stereo makes two channels as loud as the one; ffmpeg's own way lowers them by 3 dB.
const stereo = "pan=stereo|c0=c0|c1=c0"

// TestDecode decodes the same speech from every format and rate: its length must be right within 100 ms, its course and
// level as they were.
func TestDecode(t *testing.T) {
	t.Parallel()
	ref := speech(t, "slt", sentence)
	d := decoder(t)
	for _, tc := range []struct {
		name, program, out string
		want               audio.Format
		args               []string
	}{
		{"wav 8 kHz", "sox", "out.wav", audio.WAV, []string{"-r", "8000"}},
		{"wav 11 kHz", "sox", "out.wav", audio.WAV, []string{"-r", "11025"}},
		{"wav 22 kHz", "sox", "out.wav", audio.WAV, []string{"-r", "22050"}},
		{"wav 24 kHz", "sox", "out.wav", audio.WAV, []string{"-r", "24000", "-b", "24"}},
		{"wav 32 kHz", "sox", "out.wav", audio.WAV, []string{"-r", "32000"}},
		{"wav 44 kHz stereo", "sox", "out.wav", audio.WAV, []string{"-r", "44100", "-c", "2"}},
		{"wav 48 kHz float", "sox", "out.wav", audio.WAV, []string{"-r", "48000", "-e", "floating-point", "-b", "32"}},
		{"wav 96 kHz", "sox", "out.wav", audio.WAV, []string{"-r", "96000", "-b", "32"}},
		{"wav mu-law 8 kHz", "sox", "out.wav", audio.WAV, []string{"-r", "8000", "-e", "u-law"}},
		{"wav ADPCM", "ffmpeg", "out.wav", audio.WAV, []string{"-c:a", "adpcm_ima_wav", "-ar", "44100"}},
		{"wav with MP3 inside", "ffmpeg", "out.wav", audio.WAV, []string{"-c:a", "libmp3lame", "-ar", "44100"}},
		{"mp3 44 kHz stereo", "ffmpeg", "out.mp3", audio.MP3, []string{"-ar", "44100", "-af", stereo, "-b:a", "128k"}},
		{"mp3 16 kHz 32 kbit/s", "ffmpeg", "out.mp3", audio.MP3, []string{"-b:a", "32k"}},
		{"mp3 variable, with cover", "ffmpeg", "out.mp3", audio.MP3, []string{
			"-f", "lavfi", "-i", "color=red:s=64x64:d=0.04", "-map", "0:a", "-map", "1:v", "-c:v", "mjpeg", "-q:a", "4", "-ar", "48000",
		}},
		{"ogg opus", "ffmpeg", "out.ogg", audio.Ogg, []string{"-c:a", "libopus", "-b:a", "24k"}},
		{"ogg opus stereo", "ffmpeg", "out.opus", audio.Ogg, []string{"-c:a", "libopus", "-af", stereo}},
		{"ogg vorbis", "ffmpeg", "out.ogg", audio.Ogg, []string{"-c:a", "libvorbis", "-ar", "44100"}},
		{"ogg flac", "ffmpeg", "out.oga", audio.Ogg, []string{"-c:a", "flac"}},
		{"ogg speex", "ffmpeg", "out.spx", audio.Ogg, []string{"-c:a", "libspeex"}},
		{"webm opus", "ffmpeg", "out.webm", audio.WebM, []string{"-c:a", "libopus"}},
		{"webm live", "ffmpeg", "out.webm", audio.WebM, []string{"-c:a", "libopus", "-live", "1"}},
		{"webm vorbis", "ffmpeg", "out.webm", audio.WebM, []string{"-c:a", "libvorbis", "-ar", "44100"}},
		{"m4a aac", "ffmpeg", "out.m4a", audio.M4A, []string{"-c:a", "aac", "-ar", "44100", "-af", stereo}},
		{"m4a index first", "ffmpeg", "out.m4a", audio.M4A, []string{"-c:a", "aac", "-movflags", "+faststart"}},
		{"m4a fragmented", "ffmpeg", "out.mp4", audio.M4A, []string{"-c:a", "aac", "-ar", "48000", "-movflags", "frag_keyframe+empty_moov"}},
		{"m4a alac", "ffmpeg", "out.m4a", audio.M4A, []string{"-c:a", "alac"}},
		{"flac 16 bits", "ffmpeg", "out.flac", audio.FLAC, nil},
		{"flac 24 bits 96 kHz", "sox", "out.flac", audio.FLAC, []string{"-r", "96000", "-b", "24"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c, info, err := d.Decode(t.Context(), convert(t, ref, tc.program, tc.out, tc.args...))
			if err != nil {
				t.Fatal(err)
			}
			if c.Rate != audio.Rate || info.Format != string(tc.want) || info.Duration != c.Duration() || info.ContentType != tc.want.ContentType() {
				t.Errorf("info = %+v with a clip of %v at %d Hz, want format %s", info, c.Duration(), c.Rate, tc.want)
			}
			if off := (c.Duration() - ref.Duration()).Abs(); off > 100*time.Millisecond {
				t.Errorf("duration = %v, want %v", c.Duration(), ref.Duration())
			}
			if l := likeness(ref, c); l < 0.98 {
				t.Errorf("likeness = %.4f, want at least 0.98", l)
			}
			if db := 20 * math.Log10(activeRMS(c)/activeRMS(ref)); math.Abs(db) > 1.5 {
				t.Errorf("level differs by %.1f dB", db)
			}
			if err := audio.Check(c); err != nil {
				t.Errorf("Check = %v, want none", err)
			}
		})
	}
}

// TestDecodeTruncated takes what is there of a file that was cut off.
func TestDecodeTruncated(t *testing.T) {
	t.Parallel()
	ref, d := speech(t, "slt", sentence), decoder(t)
	for _, tc := range []struct {
		out  string
		args []string
	}{
		{"out.wav", nil},
		{"out.mp3", nil},
		{"out.ogg", []string{"-c:a", "libopus"}},
		{"out.webm", []string{"-c:a", "libopus"}},
		{"out.flac", nil},
		{"out.m4a", []string{"-movflags", "+faststart"}},
	} {
		t.Run(tc.out, func(t *testing.T) {
			t.Parallel()
			data := convert(t, ref, "ffmpeg", tc.out, tc.args...)
			c, _, err := d.Decode(t.Context(), data[:len(data)*2/3])
			if err != nil || c.Duration() < ref.Duration()/3 || c.Duration() > ref.Duration() {
				t.Errorf("two thirds of %v gave %v, %v", ref.Duration(), c.Duration(), err)
			}
		})
	}
	m4a := convert(t, ref, "ffmpeg", "out.m4a")
	if _, _, err := d.Decode(t.Context(), m4a[:len(m4a)/2]); problem(t, err) != "unsupported-audio" {
		t.Errorf("an m4a without its index: %v, want unsupported-audio", err)
	}
}

func TestDecodeDamaged(t *testing.T) {
	t.Parallel()
	ref, d := speech(t, "slt", "hello"), decoder(t)
	flac := convert(t, ref, "ffmpeg", "out.flac")[:100]
	opus := convert(t, ref, "ffmpeg", "out.ogg", "-c:a", "libopus")[:60]
	big := wav(ref)
	binary.LittleEndian.PutUint16(big[20:], 0x1234)
	for name, data := range map[string][]byte{"flac header": flac, "opus header": opus, "unknown codec in wav": big, "wav header": big[:40]} {
		_, info, err := d.Decode(t.Context(), data)
		if problem(t, err) != "unsupported-audio" || info.Format == "" {
			t.Errorf("%s: info %+v, %v, want unsupported-audio with a format", name, info, err)
		}
	}
}

// TestDecodeRates refuses sample rates that no recording of speech has, whatever the codec, before anything is computed.
func TestDecodeRates(t *testing.T) {
	t.Parallel()
	d := decoder(t)
	pcm := wav(tone(16000, 440, 0.5, 3))
	adpcm := convert(t, tone(16000, 440, 0.5, 3), "ffmpeg", "out.wav", "-c:a", "adpcm_ima_wav")
	for _, data := range [][]byte{pcm, adpcm} {
		for rate, want := range map[uint32]string{4_000: "unsupported-audio", 192_001: "unsupported-audio", 383_993: "unsupported-audio", 1 << 31: "unsupported-audio", 8_000: ""} {
			binary.LittleEndian.PutUint32(data[24:], rate)
			_, _, err := d.Decode(t.Context(), data)
			if got := problem(t, err); got != want || want != "" && !strings.Contains(err.Error(), "8 to 192 kHz") {
				t.Errorf("%d Hz: %v, want %q", rate, err, want)
			}
		}
	}
}

// TestDecodeCutShort takes what ffmpeg wrote before it was stopped for no recording.
func TestDecodeCutShort(t *testing.T) {
	t.Parallel()
	mp3 := convert(t, speech(t, "slt", "hello"), "ffmpeg", "out.mp3")
	second := "head -c 32000 /dev/zero; "
	for name, tc := range map[string]struct {
		body, want string // of the refusal; empty: unavailable
	}{
		"killed":               {second + "kill -KILL $$", ""},
		"file size":            {second + "kill -XFSZ $$", "unsupported-audio"},
		"too much output":      {"cat /dev/zero", "unsupported-audio"},
		"short of memory":      {second + "echo 'Cannot allocate memory' >&2; exit 1", "unsupported-audio"},
		"nothing and no fault": {"exit 0", "unsupported-audio"},
	} {
		d, err := audio.NewDecoder(audio.Config{FFmpegPath: script(t, tc.body), TempDir: t.TempDir(), FFmpegTimeout: patience}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		c, _, err := d.Decode(t.Context(), mp3)
		switch {
		case err == nil:
			t.Errorf("%s: %v of audio, want an error", name, c.Duration())
		case tc.want == "" && !errors.Is(err, evaluation.ErrUnavailable):
			t.Errorf("%s: %v, want unavailable", name, err)
		case tc.want != "" && problem(t, err) != tc.want:
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
}

// TestDecodeLimits lets exactly 0.3 s and 60 s pass in every format.
func TestDecodeLimits(t *testing.T) {
	t.Parallel()
	d := decoder(t)
	all := []string{"wav", "mp3", "ogg", "m4a", "webm", "flac"}
	for _, tc := range []struct {
		seconds float64
		want    string
		formats []string
	}{
		{0.2, "too-short", []string{"wav", "ogg", "flac"}},
		{0.3, "", all},
		{60, "", all},
		{60.5, "too-long", []string{"wav", "mp3"}},
		{75, "too-long", []string{"mp3"}},
	} {
		for _, f := range tc.formats {
			t.Run(fmt.Sprintf("%v s %s", tc.seconds, f), func(t *testing.T) {
				t.Parallel()
				c := tone(audio.Rate, 440, 0.5, tc.seconds)
				data := wav(c)
				if f != "wav" {
					data = convert(t, c, "ffmpeg", "out."+f, "-compression_level", "1")
				}
				_, info, err := d.Decode(t.Context(), data)
				if got := problem(t, err); got != tc.want {
					t.Errorf("duration %v: %v, want %q", info.Duration, err, tc.want)
				}
			})
		}
	}
	_, _, err := d.Decode(t.Context(), wav(tone(8000, 440, 0.5, 75)))
	if err == nil || !strings.Contains(err.Error(), "75.0 s") || !strings.Contains(err.Error(), "60 s") {
		t.Errorf("error %v, want it to name 75.0 s and 60 s", err)
	}
}

// TestDecodeHostile gives the decoder files that try to make it open others: no connection may come, no file may be read.
func TestDecodeHostile(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	called := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			called++
			mu.Unlock()
			_ = conn.Close()
		}
	}()
	secret := filepath.Join(t.TempDir(), "secret.wav")
	if err := os.WriteFile(secret, wav(speech(t, "slt", sentence)), 0o600); err != nil {
		t.Fatal(err)
	}
	url := "http://" + ln.Addr().String() + "/x.ts"
	m3u8 := "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10.0,\n" + url + "\n#EXTINF:10.0,\nfile://" + secret + "\n#EXT-X-ENDLIST\n"
	concat := "ffconcat version 1.0\nfile '" + secret + "'\nfile '" + url + "'\n"
	sdp := "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n"
	mp3 := []byte{0xFF, 0xFB, 0x90, 0x00}
	frames := append(append(append(bytes.Clone(mp3), make([]byte, 413)...), mp3...), make([]byte, 413)...)
	ebml := []byte("\x1A\x45\xDF\xA3\x80\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff\x16\x54\xAE\x6B\x85\xAE\x83\x83\x81\x02")
	ftyp := []byte("\x00\x00\x00\x14ftypM4A \x00\x00\x00\x00isom\x00\x00\x00\x34moov\x00\x00\x00\x2ctrak\x00\x00\x00\x24mdia\x00\x00\x00\x1chdlr\x00\x00\x00\x00\x00\x00\x00\x00soun\x00\x00\x00\x00")
	ogg := []byte("OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x13OpusHead")
	d := decoder(t)
	for name, data := range map[string][]byte{
		"playlist":            []byte(m3u8),
		"concat list":         []byte(concat),
		"session description": []byte(sdp),
		"playlist with a tag": []byte("ID3\x03\x00\x00\x00\x00\x00\x00" + m3u8),
		"playlist after mp3":  append(bytes.Clone(frames), m3u8...),
		"playlist after ebml": append(bytes.Clone(ebml), m3u8...),
		"playlist after ftyp": append(bytes.Clone(ftyp), m3u8...),
		"playlist after ogg":  append(bytes.Clone(ogg), m3u8...),
		"playlist after flac": append([]byte("fLaC"), m3u8...),
		"external track":      externalTrack(t, secret),
	} {
		c, _, err := d.Decode(t.Context(), data)
		if err == nil {
			t.Errorf("%s: decoded to %v of audio", name, c.Duration())
		} else {
			problem(t, err)
		}
	}
	_ = ln.Close()
	<-done
	if called > 0 {
		t.Errorf("%d connections were made", called)
	}
}

// externalTrack is an MP4 file whose samples are said to be in another file.
func externalTrack(t *testing.T, path string) []byte {
	t.Helper()
	m4a := convert(t, tone(16000, 440, 0.5, 1), "ffmpeg", "out.m4a")
	local := []byte("\x00\x00\x00\x0curl \x00\x00\x00\x01") // flag 1: the samples are in this file
	remote := append([]byte("\x00\x00\x00\x0curl \x00\x00\x00\x00"), "file://"+path+"\x00"...)
	binary.BigEndian.PutUint32(remote, uint32(len(remote)))
	out := bytes.Replace(m4a, local, remote, 1)
	grow := uint32(len(remote) - len(local))
	for _, box := range []string{"dref", "dinf", "minf", "mdia", "trak", "moov"} {
		i := bytes.Index(out, []byte(box)) - 4
		binary.BigEndian.PutUint32(out[i:], binary.BigEndian.Uint32(out[i:])+grow)
	}
	mdat := bytes.Index(out, []byte("mdat")) // and there are none here
	return append(out[:mdat+4:mdat+4], out[bytes.Index(out, []byte("moov"))-4:]...)
}

// TestDecodeMissing says which program to install.
func TestDecodeMissing(t *testing.T) {
	t.Parallel()
	_, err := audio.NewDecoder(audio.Config{FFmpegPath: "/nonexistent/ffmpeg"}, slog.New(slog.DiscardHandler))
	if !errors.Is(err, command.ErrMissing) || !strings.Contains(err.Error(), "apt-get install ffmpeg") || !strings.Contains(err.Error(), "FFMPEG_PATH") {
		t.Errorf("error %v, want it to say how to install ffmpeg", err)
	}
}

// script makes a stand-in for ffmpeg.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDecodeHangs gives a decoder an ffmpeg that never ends, or vanished: that is not the recording's fault.
func TestDecodeHangs(t *testing.T) {
	t.Parallel()
	mp3 := convert(t, speech(t, "slt", "hello"), "ffmpeg", "out.mp3")
	gone := script(t, "exit 1")
	for name, cfg := range map[string]audio.Config{
		"hangs":    {FFmpegPath: script(t, "while :; do read x; done < /dev/zero"), FFmpegTimeout: 200 * time.Millisecond},
		"vanished": {FFmpegPath: gone},
	} {
		temp := t.TempDir()
		cfg.TempDir = temp
		d, err := audio.NewDecoder(cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if name == "vanished" {
			if err := os.Remove(gone); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err = d.Decode(t.Context(), mp3); !errors.Is(err, evaluation.ErrUnavailable) {
			t.Errorf("%s: %v, want unavailable", name, err)
		}
		if left, _ := os.ReadDir(temp); len(left) > 0 {
			t.Errorf("%s: %d temporary files are left", name, len(left))
		}
	}
}

// TestDecodeLeavesNothing looks for the learner's audio while it is being decoded: it is in no folder that would outlive this process.
func TestDecodeLeavesNothing(t *testing.T) {
	t.Parallel()
	mp3 := convert(t, speech(t, "slt", "hello"), "ffmpeg", "out.mp3")
	temp, clean := t.TempDir(), filepath.Join(t.TempDir(), "clean")
	look := script(t, `[ -z "$(ls -A `+temp+`)" ] && : > `+clean)
	d, err := audio.NewDecoder(audio.Config{FFmpegPath: look, TempDir: temp, FFmpegTimeout: patience}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = d.Decode(t.Context(), mp3)
	problem(t, err)
	if _, err := os.Stat(clean); err != nil {
		t.Error("while ffmpeg runs there is a file in the folder")
	}
}

// TestDecodeWaitsNotForEver gives up a decoding that finds no slot within the time of one run.
func TestDecodeWaitsNotForEver(t *testing.T) {
	t.Parallel()
	mp3 := convert(t, speech(t, "slt", "hello"), "ffmpeg", "out.mp3")
	runs := t.TempDir()
	d, err := audio.NewDecoder(audio.Config{
		FFmpegPath: script(t, ": > "+runs+"/$$; while :; do read x; done < /dev/zero"), FFmpegProcesses: 1,
		FFmpegTimeout: 300 * time.Millisecond, TempDir: t.TempDir(),
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			if _, _, err := d.Decode(t.Context(), mp3); !errors.Is(err, evaluation.ErrUnavailable) {
				t.Errorf("Decode = %v, want unavailable", err)
			}
		})
	}
	wg.Wait()
	if had, _ := os.ReadDir(runs); len(had) > 6 {
		t.Errorf("%d of 12 had their turn, want most to have given up", len(had))
	}
}

// TestDecodeWaits keeps decoders from running all at once, and lets a caller that waits give up.
func TestDecodeWaits(t *testing.T) {
	t.Parallel()
	mp3 := convert(t, speech(t, "slt", "hello"), "ffmpeg", "out.mp3")
	started := filepath.Join(t.TempDir(), "started")
	path := script(t, ": > "+started+"; while :; do read x; done < /dev/zero")
	d, err := audio.NewDecoder(audio.Config{FFmpegPath: path, FFmpegProcesses: 1, TempDir: t.TempDir()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, _, err := d.Decode(ctx, mp3)
		first <- err
	}()
	deadline := time.Now().Add(10 * time.Second)
	for _, err := os.Stat(started); err != nil; _, err = os.Stat(started) {
		if time.Now().After(deadline) {
			t.Fatal("the first run did not start in 10 s")
		}
	}
	over, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	if _, _, err := d.Decode(over, mp3); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for a slot: %v, want the deadline", err)
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled run: %v, want it cancelled", err)
	}
}

func BenchmarkDecode(b *testing.B) {
	five := audio.Join(speech(b, "slt", sentence), speech(b, "slt", "I like apples and bananas"))
	d := decoder(b)
	for _, f := range []string{"wav", "mp3", "ogg", "webm", "m4a", "flac"} {
		b.Run(f, func(b *testing.B) {
			data := convert(b, five, "ffmpeg", "out."+f, "-ar", "48000")
			for b.Loop() {
				if _, _, err := d.Decode(b.Context(), data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
