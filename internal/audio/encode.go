package audio

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"oktalk/internal/command"
	"oktalk/internal/evaluation"
)

// EncoderVersion changes whenever the same clip would give other bytes. It is part of the hashes in object keys, so that
// audio made before the change is not taken for audio made after it.
const EncoderVersion = "mp3-64k-1"

const (
	bitRate     = "64k" // transparent for mono speech; half of it dulls sibilants, which are what learners listen for
	edgeSilence = 50 * time.Millisecond
	// edgeLevel is the level, in dB below full scale, under which the ends of a clip are silence. At -16 LUFS the noise in
	// flite's pauses has -48 to -60 dB over 20 ms, its weakest sounds, the f of "fifth" and the th of "thief", -42.
	edgeLevel  = -46.0
	fallbackHz = 24_000 // for clips at rates that MP3 does not have
	maxMP3     = 16 << 20
)

// Encoder makes MP3s. It is safe for concurrent use.
type Encoder struct {
	ffmpeg *ffmpeg
	log    *slog.Logger
}

// NewEncoder makes an encoder. The error says how to install ffmpeg when it is missing.
func NewEncoder(cfg Config, log *slog.Logger) (*Encoder, error) {
	f, err := newFFmpeg(cfg)
	if err != nil {
		return nil, err
	}
	return &Encoder{ffmpeg: f, log: log}, nil
}

// MP3 encodes a clip of speech: 64 kbit/s mono at the clip's rate, at -16 LUFS, with 50 ms of silence at each end and title as ID3
// title. The same clip and title give the same bytes on the same machine. The error wraps [evaluation.ErrUnavailable] when the machine is too
// busy, or lacks ffmpeg.
func (e *Encoder) MP3(ctx context.Context, c Clip, title string) ([]byte, error) {
	if len(c.Samples) == 0 || c.Rate <= 0 {
		return nil, fmt.Errorf("encode mp3: the clip is empty")
	}
	if !slices.Contains([]int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000}, c.Rate) {
		c = c.Resample(fallbackHz)
	}
	in, err := e.ffmpeg.temporary(pcm(master(c)))
	if err != nil {
		return nil, fmt.Errorf("encode mp3: %w", err)
	}
	defer func() { _ = in.Close() }()
	out, err := e.ffmpeg.temporary(nil)
	if err != nil {
		return nil, fmt.Errorf("encode mp3: %w", err)
	}
	defer func() { _ = out.Close() }()
	_, err = e.ffmpeg.run(ctx, job{
		args: []string{
			"-y", "-protocol_whitelist", "file", "-f", "s16le", "-ar", fmt.Sprint(c.Rate), "-ac", "1", "-i", "file:" + command.FilePath(0),
			"-map_metadata", "-1", "-metadata", "title=" + plain(title), "-id3v2_version", "3",
			"-fflags", "+bitexact", "-flags:a", "+bitexact", "-c:a", "libmp3lame", "-b:a", bitRate, "-f", "mp3", "file:" + command.FilePath(1),
		},
		files: []*os.File{in, out}, fileSize: maxMP3,
	})
	if ours(err) {
		return nil, fmt.Errorf("encode mp3: %w: %w", evaluation.ErrUnavailable, err)
	}
	if err != nil {
		return nil, fmt.Errorf("encode mp3: %w", err)
	}
	mp3, err := io.ReadAll(io.NewSectionReader(out, 0, maxMP3))
	if err != nil {
		return nil, fmt.Errorf("encode mp3: %w", err)
	}
	return mp3, nil
}

// master makes a clip fit to be listened to: one loudness, no clipping, a short silence at each end.
func master(c Clip) Clip {
	edge := Silence(c.Rate, edgeSilence)
	return Join(edge, Level(c), edge)
}

// Level makes parts of one recording alike: a clip at the loudness that [Encoder.MP3] gives, without the silence at its ends.
func Level(c Clip) Clip {
	return toClip(c.Rate, trim(normalize(floats(c.Samples), c.Rate), c.Rate))
}

// trim cuts silence off both ends, but 10 ms, and fades in and out over them, so that nothing clicks.
func trim(samples []float32, rate int) []float32 {
	frame, margin := max(1, rate/50), max(1, rate/100)
	floor := math.Pow(10, edgeLevel/10)
	first, last := -1, 0
	for i := 0; i < len(samples); i += margin {
		end := min(len(samples), i+frame)
		if power(samples[i:end]) < floor {
			continue
		}
		if first < 0 {
			first = i
		}
		last = end
	}
	if first < 0 {
		return samples
	}
	kept := slices.Clone(samples[max(0, first-margin):min(len(samples), last+margin)])
	for i := range min(margin, len(kept)) {
		ramp := float32(i) / float32(margin)
		kept[i] *= ramp
		kept[len(kept)-1-i] *= ramp
	}
	return kept
}

func power(samples []float32) float64 {
	var sum float64
	for _, s := range samples {
		sum += float64(s) * float64(s)
	}
	return sum / float64(max(1, len(samples)))
}

func pcm(c Clip) []byte {
	var b bytes.Buffer
	b.Grow(2 * len(c.Samples))
	_ = binary.Write(&b, binary.LittleEndian, c.Samples) // a buffer takes everything
	return b.Bytes()
}

// maxTitle keeps a whole sentence; players show less.
const maxTitle = 200

// plain makes a title that is one line of text.
func plain(s string) string {
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))), " ")
	if r := []rune(s); len(r) > maxTitle {
		s = string(r[:maxTitle-1]) + "…"
	}
	return s
}
