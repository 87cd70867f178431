package audio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Format tags of a WAVE file (RFC 2361; WAVE_FORMAT_EXTENSIBLE from Microsoft's "Multiple channel audio data and WAVE files").
const (
	tagPCM        = 0x0001
	tagFloat      = 0x0003
	tagALaw       = 0x0006
	tagMuLaw      = 0x0007
	tagExtensible = 0xFFFE
)

// Rates that are read. Below 8 kHz consonants cannot be told apart; above 192 kHz no microphone has anything to say, and the filter
// that brings a rate down gets longer with it.
const (
	minRate = 8_000
	maxRate = 192_000
)

var (
	errNotWAV   = errors.New("not a WAV file")
	errWAVCodec = errors.New("a WAV file with a codec that is not read here")
	errWAVRate  = errors.New("a WAV file with a sample rate that is not read")
)

// ParseWAV reads a WAV file as mono at its own rate: integer PCM of 8 to 32 bits, float, A-law or mu-law, with any number of
// channels, which are averaged; where that leaves little of them, the loudest is taken alone. Sizes in the header are not trusted:
// what programs write to a pipe with a placeholder (0 or 0xFFFFFFFF) and what was cut short is read as far as it goes.
func ParseWAV(data []byte) (Clip, error) {
	w, err := parseWAV(data)
	if err != nil {
		return Clip{}, err
	}
	return w.clip(w.rate), nil
}

// wavFile is a WAV file whose header was understood.
type wavFile struct {
	rate     int
	channels int
	align    int // bytes of one sample of all channels
	data     []byte
	sample   func([]byte) float32 // one sample of one channel
	width    int                  // bytes of it
	float    bool
	pcm16    bool // integers of 16 bits
}

// frames counts samples of all channels; a last, incomplete one does not count.
func (w *wavFile) frames() int { return len(w.data) / w.align }

// parseWAV finds the format and the data of a WAV file. RF64 and BW64 (EBU Tech 3306) are the same with 64-bit sizes,
// which need not be read.
func parseWAV(data []byte) (*wavFile, error) {
	if !isWAV(data) {
		return nil, errNotWAV
	}
	w := &wavFile{}
	for rest := data[12:]; len(rest) >= 8; {
		id, size := string(rest[:4]), int64(binary.LittleEndian.Uint32(rest[4:]))
		body := rest[8:]
		switch id {
		case "fmt ":
			if err := w.readFormat(body[:min(size, int64(len(body)))]); err != nil {
				return nil, err
			}
		case "data":
			if w.sample == nil {
				return nil, fmt.Errorf("%w: its data come before their format", errNotWAV)
			}
			w.data = body
			if !placeholder(size) && size < int64(len(body)) {
				w.data = body[:size]
			}
			return w, nil
		}
		size += size & 1 // chunks are padded to an even size
		if size > int64(len(body)) {
			break
		}
		rest = body[size:]
	}
	return nil, fmt.Errorf("%w: it has no data", errNotWAV)
}

// placeholder reports whether a data size was written before the data were known: 0 and 0xFFFFFFFF by ffmpeg, sox and
// RF64, 0x7FFFFFFF and its neighbours by espeak-ng and others.
func placeholder(size int64) bool { return size == 0 || size >= 0x7FFFF000 }

func isWAV(data []byte) bool {
	if len(data) < 12 || string(data[8:12]) != "WAVE" {
		return false
	}
	id := string(data[:4])
	return id == "RIFF" || id == "RF64" || id == "BW64"
}

// readFormat reads the "fmt " chunk.
func (w *wavFile) readFormat(b []byte) error {
	if len(b) < 16 {
		return fmt.Errorf("%w: its format is cut short", errNotWAV)
	}
	tag, bits := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[14:]))
	w.channels, w.align = int(binary.LittleEndian.Uint16(b[2:])), int(binary.LittleEndian.Uint16(b[12:]))
	rate := binary.LittleEndian.Uint32(b[4:])
	if tag == tagExtensible && len(b) >= 26 {
		tag = binary.LittleEndian.Uint16(b[24:]) // the first two bytes of the sub-format's GUID
	}
	if w.channels == 0 || w.align == 0 {
		return fmt.Errorf("%w: it has no channels", errNotWAV)
	}
	if rate < minRate || rate > maxRate {
		return fmt.Errorf("%w: %d Hz", errWAVRate, rate)
	}
	w.rate, w.width, w.float = int(rate), w.align/w.channels, tag == tagFloat
	w.pcm16 = tag == tagPCM && w.width == 2
	if w.sample = sampleReader(tag, bits, w.width); w.sample == nil {
		return fmt.Errorf("%w: format 0x%04x with %d bits", errWAVCodec, tag, bits)
	}
	return nil
}

// sampleReader gives the function that reads one sample of width bytes; nil if there is none. Samples with fewer
// bits than their bytes hold stand in the high bits.
func sampleReader(tag uint16, bits, width int) func([]byte) float32 {
	switch {
	case tag == tagPCM && width == 1:
		return func(b []byte) float32 { return (float32(b[0]) - 128) / 128 }
	case tag == tagPCM && width == 2:
		return func(b []byte) float32 { return float32(int16(binary.LittleEndian.Uint16(b))) / (1 << 15) }
	case tag == tagPCM && width == 3:
		return func(b []byte) float32 {
			return float32(int32(uint32(b[0])<<8|uint32(b[1])<<16|uint32(b[2])<<24)) / (1 << 31)
		}
	case tag == tagPCM && width == 4:
		return func(b []byte) float32 { return float32(int32(binary.LittleEndian.Uint32(b))) / (1 << 31) }
	case tag == tagFloat && width == 4 && bits == 32:
		return func(b []byte) float32 { return finite(float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))) }
	case tag == tagFloat && width == 8:
		return func(b []byte) float32 { return finite(math.Float64frombits(binary.LittleEndian.Uint64(b))) }
	case tag == tagALaw && width == 1:
		return func(b []byte) float32 { return aLaw(b[0]) }
	case tag == tagMuLaw && width == 1:
		return func(b []byte) float32 { return muLaw(b[0]) }
	}
	return nil
}

// finite takes the values that no recording holds for silence: NaN, infinities and sizes that would overflow sums.
func finite(f float64) float32 {
	if math.IsNaN(f) || math.Abs(f) > 1e9 {
		return 0
	}
	return float32(f)
}

// clip is the file as mono at a rate. What is that already, as most recordings are, is taken as it is.
func (w *wavFile) clip(rate int) Clip {
	if !w.pcm16 || w.channels != 1 || w.rate != rate {
		return toClip(rate, resample(w.mono(), w.rate, rate))
	}
	c := Clip{Rate: rate, Samples: make([]int16, w.frames())}
	for i := range c.Samples {
		c.Samples[i] = int16(binary.LittleEndian.Uint16(w.data[2*i:]))
	}
	return c
}

// leastAverage is the part of the loudest channel's energy that the average of the channels has, or they are not averaged. One of two that
// speaks alone leaves a quarter; two that are the same but turned over, as by a badly soldered cable, leave nothing.
const leastAverage = 0.1

// mono averages the channels, or takes the loudest where that leaves little of them.
func (w *wavFile) mono() []float32 {
	out := make([]float32, w.frames())
	scale := 1 / float32(w.channels)
	energy, average := make([]float64, w.channels), 0.0
	for i := range out {
		var sum float32
		for c := range w.channels {
			s := w.at(i, c)
			sum += s
			energy[c] += float64(s) * float64(s)
		}
		out[i] = sum * scale
		average += float64(out[i]) * float64(out[i])
	}
	if loudest := slices.Index(energy, slices.Max(energy)); average < leastAverage*energy[loudest] {
		for i := range out {
			out[i] = w.at(i, loudest)
		}
	}
	if w.float {
		fit(out)
	}
	return out
}

// at is a sample of a channel.
func (w *wavFile) at(frame, channel int) float32 {
	return w.sample(w.data[frame*w.align+channel*w.width:])
}

// fit scales float samples that go beyond full scale back to it. In a float file they are not clipped yet, and
// some programs write integers as floats.
func fit(samples []float32) {
	var peak float32
	for _, s := range samples {
		peak = max(peak, s, -s)
	}
	if peak <= 1 {
		return
	}
	for i := range samples {
		samples[i] /= peak
	}
}

// aLaw expands one sample (ITU-T G.711).
func aLaw(b byte) float32 {
	b ^= 0x55
	v := int(b&0x0F)<<4 + 8
	if seg := int(b&0x70) >> 4; seg > 0 {
		v = (v + 0x100) << (seg - 1)
	}
	if b&0x80 == 0 {
		v = -v
	}
	return float32(v) / 32768
}

// muLaw expands one sample (ITU-T G.711).
func muLaw(b byte) float32 {
	b = ^b
	v := (int(b&0x0F)<<3+0x84)<<(int(b&0x70)>>4) - 0x84
	if b&0x80 != 0 {
		v = -v
	}
	return float32(v) / 32768
}
