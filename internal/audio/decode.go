package audio

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"oktalk/internal/command"
	"oktalk/internal/evaluation"
)

// Rate is what recordings are decoded to, in Hz: what the acoustic model was trained on.
const Rate = 16_000

// Limits of a recording. Decoded lengths differ a little from recorded ones: codecs pad to whole frames (MP3 by up to 0.1 s,
// measured with LAME) or lose the first one (Vorbis 12 ms), so exactly 0.3 s and 60 s pass in every format.
const (
	MinDuration = 300 * time.Millisecond
	MaxDuration = 60 * time.Second

	minTolerance = 20 * time.Millisecond
	maxTolerance = 250 * time.Millisecond
)

// Info is what a recording was.
type Info struct {
	Format      string        // wav, mp3, ogg, webm, m4a or flac: by content
	ContentType string        // MIME type to store it with
	Duration    time.Duration // of the decoded audio
}

// Decoder decodes recordings. It is safe for concurrent use.
type Decoder struct {
	ffmpeg *ffmpeg
	log    *slog.Logger
}

// NewDecoder makes a decoder. The error says how to install ffmpeg when it is missing.
func NewDecoder(cfg Config, log *slog.Logger) (*Decoder, error) {
	f, err := newFFmpeg(cfg)
	if err != nil {
		return nil, err
	}
	return &Decoder{ffmpeg: f, log: log}, nil
}

// Decode decodes a whole recording to 16 kHz mono. A file that ends too early is decoded as far as it goes. Errors are a
// [*evaluation.Refusal] (unsupported-audio, too-short, too-long; Info then has the format if it was recognized), or wrap
// [evaluation.ErrUnavailable] when the machine could not decode it in time, or are the context's.
func (d *Decoder) Decode(ctx context.Context, data []byte) (Clip, Info, error) {
	format, err := Sniff(data)
	if err != nil {
		return Clip{}, Info{}, err
	}
	info := Info{Format: string(format), ContentType: format.ContentType()}
	c, err := d.decode(ctx, format, data)
	if err != nil {
		return Clip{}, info, err
	}
	info.Duration = c.Duration()
	return c, info, checkDuration(info.Duration)
}

func (d *Decoder) decode(ctx context.Context, format Format, data []byte) (Clip, error) {
	switch format {
	case WAV:
		return d.wav(ctx, data)
	case Ogg, WebM:
		c, err := d.opusInGo(ctx, format, data)
		switch {
		case err == nil || ctx.Err() != nil:
			return c, err
		case !errors.Is(err, errNotPlain):
			return Clip{}, d.explain(ctx, format, err)
		}
	}
	return d.foreign(ctx, format, data)
}

func (d *Decoder) wav(ctx context.Context, data []byte) (Clip, error) {
	w, err := parseWAV(data)
	switch {
	case errors.Is(err, errWAVRate):
		return Clip{}, evaluation.Refuse(unsupported, fmt.Sprintf("The sample rate of this WAV file is not supported; %d to %d kHz are. Record at 16 or 48 kHz.", minRate/1000, maxRate/1000))
	case errors.Is(err, errWAVCodec):
		return d.foreign(ctx, WAV, data)
	case err != nil:
		return Clip{}, evaluation.Refuse(unsupported, "This WAV file is damaged: "+strings.TrimPrefix(err.Error(), errNotWAV.Error()+": ")+". Record it again.")
	}
	if err := checkDuration(duration(w.frames(), w.rate)); err != nil { // before memory is spent on it
		return Clip{}, err
	}
	return w.clip(Rate), nil
}

// readers names, for each format, the one demuxer that ffmpeg is told to use and the decoders it may.
var readers = map[Format]struct{ demuxer, decoders string }{
	WAV:  {"wav", "adpcm_ms,adpcm_ima_wav,gsm_ms,mp3,mp3float,pcm_alaw,pcm_mulaw,pcm_s16le,pcm_u8,pcm_s24le,pcm_s32le"},
	MP3:  {"mp3", "mp3,mp3float"},
	Ogg:  {"ogg", "opus,libopus,vorbis,libvorbis,flac,speex,libspeex"},
	WebM: {"matroska", "opus,libopus,vorbis,libvorbis,aac,mp3,mp3float,flac,pcm_s16le,pcm_f32le"},
	M4A:  {"mov", "aac,alac,mp3,mp3float,opus,libopus,flac,pcm_s16le,pcm_s16be"},
	FLAC: {"flac", "flac"},
}

// decodeSeconds is where ffmpeg stops: past the limit, so that a recording that is too long is seen to be.
const decodeSeconds = 61

// foreign decodes with ffmpeg, from a private file since MP4 cannot be read from a pipe.
func (d *Decoder) foreign(ctx context.Context, format Format, data []byte) (Clip, error) {
	file, err := d.ffmpeg.temporary(data)
	if err != nil {
		return Clip{}, err
	}
	defer func() { _ = file.Close() }()
	r := readers[format]
	pcm, err := d.ffmpeg.run(ctx, job{
		args: []string{
			"-protocol_whitelist", "file,pipe", "-format_whitelist", r.demuxer, "-codec_whitelist", r.decoders, "-f", r.demuxer,
			"-i", "file:" + command.FilePath(0), "-map", "0:a:0", "-vn", "-sn", "-dn", "-map_metadata", "-1",
			"-t", fmt.Sprint(decodeSeconds), "-ac", "1", "-ar", fmt.Sprint(Rate), "-f", "s16le", "pipe:1",
		},
		files: []*os.File{file}, maxOutput: (decodeSeconds + 1) * Rate * 2, fileSize: -1,
	})
	if err == nil && len(pcm) < 2 {
		err = errors.New("there is no audio in it")
	}
	if err != nil {
		return Clip{}, d.explain(ctx, format, err)
	}
	c := Clip{Rate: Rate, Samples: make([]int16, len(pcm)/2)}
	for i := range c.Samples {
		c.Samples[i] = int16(binary.LittleEndian.Uint16(pcm[2*i:]))
	}
	return c, nil
}

// explain turns a run of ffmpeg that gave nothing, or not all, into the error its caller sees. ffmpeg decodes a file that was cut
// off or damaged as far as it goes and calls that a success (measured with 125 damaged files in five formats), so samples that came
// before an error are not a recording: it was stopped half-way.
func (d *Decoder) explain(ctx context.Context, format Format, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case ours(err):
		d.log.ErrorContext(ctx, "recording could not be decoded", "format", format, "err", err)
		return fmt.Errorf("decode %s: %w: %w", format, evaluation.ErrUnavailable, err)
	case errors.Is(err, command.ErrLimit):
		d.log.WarnContext(ctx, "recording takes more work to decode than it may", "format", format, "err", err)
		return evaluation.Refuse(unsupported, fmt.Sprintf("This %s file takes far more work to decode than a recording needs. Record it again or send it as wav.", format))
	}
	d.log.InfoContext(ctx, "recording is damaged", "format", format, "err", err)
	return evaluation.Refuse(unsupported, fmt.Sprintf("This looks like a recording in %s format, but it cannot be decoded: it is damaged, or it uses a rare codec. Record it again or send it as wav.", format))
}

// checkDuration refuses a recording that is too short or too long to be scored.
func checkDuration(d time.Duration) error {
	switch {
	case d < MinDuration-minTolerance:
		return evaluation.Refuse("too-short", fmt.Sprintf("The recording is %.2f s long; at least %.1f s are needed. Keep recording until you have finished speaking.",
			d.Seconds(), MinDuration.Seconds()))
	case d > MaxDuration+maxTolerance:
		length := fmt.Sprintf("%.1f s", d.Seconds())
		if d == decodeSeconds*time.Second { // where decoding stopped
			length = "more than " + length
		}
		return evaluation.Refuse("too-long", fmt.Sprintf("The recording is %s long; at most %.0f s are taken. Record a shorter text.", length, MaxDuration.Seconds()))
	}
	return nil
}
