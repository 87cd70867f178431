package audio

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/pion/opus"
	"github.com/pion/opus/pkg/oggreader"
)

// errNotPlain is for what ffmpeg decides about: files of other codecs, with more than two channels, several streams or contents
// that are encrypted or cut short, and damaged ones.
var errNotPlain = errors.New("not a plain Opus recording")

// opusStream is a stream of Opus packets.
type opusStream struct {
	packets [][]byte
	skip    int     // samples at 48 kHz before the sound begins
	end     int     // samples at 48 kHz, those skipped included, where it ends; 0: where the packets do
	gain    float32 // factor
}

const (
	opusRate = 48_000 // of times in a stream, whatever it was recorded at
	// opusPacket is the samples of the longest packet, 120 ms, at Rate.
	opusPacket = Rate * 120 / 1000
	// opusEvery is the number of packets between two looks at the context; they take about 5 ms.
	opusEvery = 64
)

// opusInGo decodes what browsers record, Opus in Ogg or WebM, without a process: 5 s take 7 to 25 ms of CPU here and 75 to
// 100 ms with ffmpeg, most of it its start (BenchmarkDecode). An [errNotPlain] leaves the file to ffmpeg. It takes one of ffmpeg's slots, since it keeps a core busy too.
func (d *Decoder) opusInGo(ctx context.Context, format Format, data []byte) (Clip, error) {
	read := oggOpus
	if format == WebM {
		read = webmOpus
	}
	stream, err := read(data)
	if err != nil {
		return Clip{}, err
	}
	if err := d.ffmpeg.enter(ctx); err != nil {
		return Clip{}, err
	}
	defer func() { <-d.ffmpeg.slots }()
	samples, err := stream.decode(ctx)
	if err != nil {
		return Clip{}, err
	}
	return toClip(Rate, samples), nil
}

// decode stops where ffmpeg would: past the limit, so that a recording that is too long is seen to be. A decoder that gives up with a
// panic, which no packet we know makes it do, is an errNotPlain too: packets are a stranger's.
func (s *opusStream) decode(ctx context.Context) (samples []float32, err error) {
	defer func() {
		if p := recover(); p != nil {
			samples, err = nil, fmt.Errorf("%w: the decoder gave up: %v", errNotPlain, p)
		}
	}()
	decoder, err := opus.NewDecoderWithOutput(Rate, 1)
	if err != nil {
		return nil, err
	}
	skip := s.skip * Rate / opusRate
	limit := skip + decodeSeconds*Rate
	for i, packet := range s.packets {
		if i%opusEvery == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var buffer [opusPacket]float32
		n, err := decoder.DecodeToFloat32(packet, buffer[:])
		if err != nil {
			return nil, fmt.Errorf("%w: packet %d: %w", errNotPlain, i, err)
		}
		if samples = append(samples, buffer[:n]...); len(samples) >= limit {
			samples = samples[:limit]
			break
		}
	}
	if end := s.end * Rate / opusRate; end > skip && end < len(samples) {
		samples = samples[:end]
	}
	samples = samples[min(skip, len(samples)):]
	if len(samples) == 0 {
		return nil, fmt.Errorf("%w: there is no audio in it", errNotPlain)
	}
	for i := range samples {
		samples[i] *= s.gain
	}
	return samples, nil
}

// oggOpus reads the packets of an Ogg file with one Opus stream (RFC 7845).
func oggOpus(data []byte) (*opusStream, error) {
	r, head, err := oggreader.NewWith(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotPlain, err)
	}
	if head.ChannelMap != 0 {
		return nil, fmt.Errorf("%w: channel mapping %d", errNotPlain, head.ChannelMap)
	}
	tags, _, err := r.ParseNextPacket()
	if err != nil || !bytes.HasPrefix(tags, []byte("OpusTags")) { // a second stream begins before the first has tags
		return nil, errNotPlain
	}
	s := &opusStream{skip: int(head.PreSkip), gain: opusGain(head.OutputGain)}
	var last uint64
	for {
		packet, page, err := r.ParseNextPacket()
		switch {
		case errors.Is(err, io.EOF):
			if last < math.MaxInt32 { // the position of a stream that was joined late says nothing about its length
				s.end = int(last)
			}
			return s, nil
		case err != nil:
			return nil, fmt.Errorf("%w: %w", errNotPlain, err)
		case bytes.HasPrefix(packet, []byte("OpusHead")):
			return nil, fmt.Errorf("%w: several streams", errNotPlain)
		}
		s.packets = append(s.packets, packet)
		last = page.GranulePosition
	}
}

// opusGain is the factor of an output gain, which is in 1/256 dB with a sign (RFC 7845, section 5.1).
func opusGain(q uint16) float32 { return float32(math.Pow(10, float64(int16(q))/(20*256))) }

// webmOpus reads the packets of a WebM file with one track, of Opus, in whole blocks of one packet each, as browsers and ffmpeg
// write them.
func webmOpus(data []byte) (*opusStream, error) {
	s := &opusStream{gain: 1}
	codec, plain := "", true
	tracks := 0
	eachElement(data, func(e element) walk {
		switch e.id {
		case ebmlSegment, ebmlTracks, ebmlCluster, ebmlBlockGroup:
			return walkInto
		case ebmlTrackEntry:
			tracks++
			return walkInto
		case ebmlCodecID:
			codec = string(bytes.TrimRight(e.body, "\x00"))
		case ebmlCodecPrivate:
			plain = plain && s.readHead(e.body)
		case ebmlContentEncodings:
			plain = false
		case ebmlSimpleBlock, ebmlBlock:
			plain = plain && e.whole && s.addBlock(e.body)
		}
		return walkOver
	})
	if !plain || tracks != 1 || codec != "A_OPUS" {
		return nil, errNotPlain
	}
	return s, nil
}

// readHead reads an identification header, whose form is that of Ogg (RFC 7845, section 5.1). It reports whether it is understood.
func (s *opusStream) readHead(b []byte) bool {
	if len(b) < 19 || string(b[:8]) != "OpusHead" || b[18] != 0 {
		return false
	}
	s.skip = int(binary.LittleEndian.Uint16(b[10:]))
	s.gain = opusGain(binary.LittleEndian.Uint16(b[16:]))
	return true
}

// addBlock takes the packet of a block (RFC 9559, section 10): number of the track, time, flags, packet. Several packets in one
// block are not understood.
func (s *opusStream) addBlock(b []byte) bool {
	const lacing = 0x06
	_, n := vint(b, 8, true)
	if n == 0 || len(b) < n+4 || b[n+2]&lacing != 0 {
		return false
	}
	s.packets = append(s.packets, b[n+3:])
	return true
}
