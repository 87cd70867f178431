package audio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/gabriel-vasile/mimetype"

	"oktalk/internal/evaluation"
)

// Format is a kind of recording that is taken.
type Format string

// The formats, as clients see them.
const (
	WAV  Format = "wav"
	MP3  Format = "mp3"
	Ogg  Format = "ogg" // Opus, Vorbis, FLAC or Speex in Ogg
	WebM Format = "webm"
	M4A  Format = "m4a" // AAC, ALAC or another codec in an MP4 file
	FLAC Format = "flac"
)

// ContentType is the MIME type a recording of this format is stored with.
func (f Format) ContentType() string {
	switch f {
	case MP3:
		return "audio/mpeg"
	case M4A:
		return "audio/mp4"
	default:
		return "audio/" + string(f)
	}
}

// unsupported is the problem of a file that is no recording we take.
const unsupported = "unsupported-audio"

const whatToSend = "Send a recording as wav, mp3, ogg, webm, m4a or flac."

// Sniff tells the format of a recording by its content. The error is a [*evaluation.Refusal], unsupported-audio, that says what
// the file is instead.
func Sniff(data []byte) (Format, error) {
	if len(data) == 0 {
		return "", evaluation.Refuse(unsupported, "The recording is empty. "+whatToSend)
	}
	body := skipID3(data)
	switch {
	case isWAV(data):
		return WAV, nil
	case bytes.HasPrefix(body, []byte("fLaC")):
		return FLAC, nil
	case bytes.HasPrefix(data, []byte("OggS")):
		return Ogg, checkOgg(data)
	case bytes.HasPrefix(data, []byte{0x1A, 0x45, 0xDF, 0xA3}):
		return WebM, checkTracks("WebM", matroskaTracks(data))
	case len(data) >= 12 && string(data[4:8]) == "ftyp" && !imageBrand(data):
		return M4A, checkTracks("MP4", mp4Tracks(data))
	case isMP3(body):
		return MP3, nil
	}
	return "", evaluation.Refuse(unsupported, fmt.Sprintf("This is %s, not a recording that can be read. %s", describe(data), whatToSend))
}

// names are the files people send by mistake, in words. Other types are named by their MIME type.
var names = map[string]string{
	"image/png": "a PNG image", "image/jpeg": "a JPEG image", "image/gif": "a GIF image", "image/webp": "a WebP image",
	"image/heic": "a HEIC image", "image/avif": "an AVIF image", "image/svg+xml": "an SVG image", "application/pdf": "a PDF document",
	"application/zip": "a ZIP archive", "application/gzip": "a gzip archive", "text/html": "an HTML page", "text/plain": "plain text",
	"application/json": "JSON text", "video/x-msvideo": "an AVI video", "video/x-flv": "a Flash video", "video/mpeg": "an MPEG video",
	"video/x-ms-asf": "a Windows Media file", "audio/aiff": "an AIFF file", "audio/amr": "an AMR file", "audio/aac": "a bare AAC stream",
	"audio/midi": "a MIDI file", "audio/basic": "an AU file", "application/vnd.apple.mpegurl": "a playlist", "video/quicktime": "a QuickTime file",
}

// describe says what a file is that is none of our formats.
func describe(data []byte) string {
	if adts(data) {
		return names["audio/aac"]
	}
	m := mimetype.Detect(data)
	for t := m; t != nil; t = t.Parent() {
		kind, _, _ := strings.Cut(t.String(), ";")
		if name, ok := names[kind]; ok {
			return name
		}
	}
	if m.Is("application/octet-stream") {
		return "an unknown kind of file"
	}
	return "a file of type " + m.String()
}

// skipID3 returns what follows the ID3v2 tags at the start (ID3v2.4 structure, 3.1). A tag that says it is longer than the file
// is no tag.
func skipID3(data []byte) []byte {
	for len(data) >= 10 && string(data[:3]) == "ID3" && (data[6]|data[7]|data[8]|data[9]) < 0x80 {
		n := 10 + int(data[6])<<21 + int(data[7])<<14 + int(data[8])<<7 + int(data[9])
		if data[5]&0x10 != 0 {
			n += 10 // footer
		}
		if n > len(data) {
			return data
		}
		data = data[n:]
	}
	return data
}

// mp3Search is how far the first MP3 frame may be: encoders pad tags, and cut files start in the middle of a frame, which
// is at most 1441 bytes.
const mp3Search = 4096

// isMP3 looks for two consecutive MPEG audio layer III frames with the same parameters. One alone is four bytes that
// turn up in any file.
func isMP3(data []byte) bool {
	for i := 0; i+4 <= len(data) && i < mp3Search; i++ {
		n := mp3Frame(data[i:])
		if n == 0 {
			continue
		}
		next := data[min(i+n, len(data)):]
		if len(next) == 0 || mp3Frame(next) > 0 && (next[1]^data[i+1])&0xFE == 0 && (next[2]^data[i+2])&0x0C == 0 {
			return len(next) > 0 || i == 0
		}
	}
	return false
}

// Bit rates in kbit/s and sample rates in Hz of layer III (ISO/IEC 11172-3 2.4.2.3, ISO/IEC 13818-3).
var (
	mp3Rates1 = [16]int{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}
	mp3Rates2 = [16]int{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}
	mp3Hz     = [4]int{44100, 48000, 32000}
)

// mp3Frame gives the length of the layer III frame that starts here, 0 if none does. A free bit rate, which nobody uses, has
// no length to check and counts as none.
func mp3Frame(b []byte) int {
	if len(b) < 4 || b[0] != 0xFF || b[1]&0xE0 != 0xE0 || b[1]&0x06 != 0x02 {
		return 0
	}
	version, hz := b[1]>>3&3, mp3Hz[b[2]>>2&3]
	kbit, perFrame := mp3Rates1[b[2]>>4], 144
	if version != 3 {
		kbit, perFrame, hz = mp3Rates2[b[2]>>4], 72, hz/2
	}
	if version == 0 {
		hz /= 2
	}
	if version == 1 || kbit == 0 || hz == 0 {
		return 0
	}
	return perFrame*kbit*1000/hz + int(b[2]>>1&1)
}

// adts reports whether an AAC stream without a container starts here, which mimetype knows by two bytes only.
func adts(b []byte) bool { return len(b) >= 2 && b[0] == 0xFF && b[1]&0xF6 == 0xF0 }

// checkOgg refuses Ogg files whose first stream is not sound (RFC 3533; each codec starts its first packet with its name).
func checkOgg(data []byte) error {
	if len(data) < 28 {
		return damaged("Ogg")
	}
	packet := data[min(27+int(data[26]), len(data)):]
	for _, codec := range []string{"OpusHead", "\x01vorbis", "\x7fFLAC", "Speex   "} {
		if bytes.HasPrefix(packet, []byte(codec)) {
			return nil
		}
	}
	if bytes.HasPrefix(packet, []byte("\x80theora")) || bytes.HasPrefix(packet, []byte("fishead\x00")) {
		return video("Ogg")
	}
	return evaluation.Refuse(unsupported, "This is an Ogg file with a codec that is not known. Use Opus or Vorbis.")
}

// tracks says what kinds of track a container holds.
type tracks struct{ audio, video bool }

func checkTracks(container string, t tracks) error {
	switch {
	case t.video:
		return video(container)
	case !t.audio:
		return damaged(container)
	}
	return nil
}

func video(container string) error {
	return evaluation.Refuse(unsupported, fmt.Sprintf("This is a video (%s). Send the sound alone, as wav, mp3, ogg, webm, m4a or flac.", container))
}

func damaged(container string) error {
	return evaluation.Refuse(unsupported, fmt.Sprintf("This %s file has no sound track, or its start is missing or damaged. Record it again or send it as wav.", container))
}

// imageBrand reports whether an ISO base media file is a still image.
func imageBrand(data []byte) bool {
	switch string(data[8:12]) {
	case "heic", "heix", "heif", "mif1", "msf1", "avif", "avis":
		return true
	}
	return false
}

// mp4Tracks walks the boxes of an ISO base media file (ISO/IEC 14496-12) to the handlers of its tracks.
func mp4Tracks(data []byte) tracks {
	var t tracks
	eachBox(data, func(kind string, body []byte) {
		if kind != "moov" {
			return
		}
		eachBox(body, func(kind string, body []byte) {
			if kind != "trak" {
				return
			}
			eachBox(body, func(kind string, body []byte) {
				if kind == "mdia" {
					eachBox(body, t.handler)
				}
			})
		})
	})
	return t
}

// handler notes the kind of track that an "hdlr" box declares.
func (t *tracks) handler(kind string, body []byte) {
	if kind != "hdlr" || len(body) < 12 {
		return
	}
	switch string(body[8:12]) {
	case "soun":
		t.audio = true
	case "vide":
		t.video = true
	}
}

// eachBox calls f for each box; a box that is cut short is given as far as it goes.
func eachBox(data []byte, f func(kind string, body []byte)) {
	for len(data) >= 8 {
		size, head := uint64(binary.BigEndian.Uint32(data)), uint64(8)
		switch {
		case size == 1 && len(data) >= 16:
			size, head = binary.BigEndian.Uint64(data[8:]), 16
		case size == 0:
			size = uint64(len(data))
		}
		if size < head {
			return
		}
		size = min(size, uint64(len(data)))
		f(string(data[4:8]), data[min(head, size):size])
		data = data[size:]
	}
}

// EBML element ids (RFC 8794, RFC 9559).
const (
	ebmlSegment          = 0x18538067
	ebmlTracks           = 0x1654AE6B
	ebmlTrackEntry       = 0xAE
	ebmlTrackType        = 0x83
	ebmlCodecID          = 0x86
	ebmlCodecPrivate     = 0x63A2
	ebmlContentEncodings = 0x6D80
	ebmlCluster          = 0x1F43B675
	ebmlSimpleBlock      = 0xA3
	ebmlBlockGroup       = 0xA0
	ebmlBlock            = 0xA1
)

// matroskaTracks walks the elements of a WebM or Matroska file to the types of its tracks, which are declared before the first
// cluster.
func matroskaTracks(data []byte) tracks {
	var t tracks
	eachElement(data, func(e element) walk {
		switch e.id {
		case ebmlSegment, ebmlTracks, ebmlTrackEntry:
			return walkInto
		case ebmlCluster:
			return walkEnd
		case ebmlTrackType:
			t.audio = t.audio || len(e.body) == 1 && e.body[0] == 2
			t.video = t.video || len(e.body) == 1 && e.body[0] == 1
		}
		return walkOver
	})
	return t
}

// element is an EBML element; whole says that the file does not end within it.
type element struct {
	id    uint32
	body  []byte
	whole bool
}

// walk is how to go on after an element.
type walk int

const (
	walkOver walk = iota
	walkInto
	walkEnd
)

// eachElement calls f for each element. An element of unknown size, as browsers write segments and clusters, is gone into.
func eachElement(data []byte, f func(e element) walk) {
	for len(data) > 0 {
		id, n := vint(data, 4, false)
		size, m := vint(data[n:], 8, true)
		if n == 0 || m == 0 {
			return
		}
		data = data[n+m:]
		unknown := size == 1<<(7*m)-1
		whole := size <= uint64(len(data))
		if !whole {
			size = uint64(len(data))
		}
		switch f(element{uint32(id), data[:size], whole}) {
		case walkEnd:
			return
		case walkOver:
			if !unknown {
				data = data[size:]
			}
		}
	}
}

// vint reads a variable-length integer of at most maxLen bytes and its length, 0 if there is none. With mask, the
// length marker is removed.
func vint(b []byte, maxLen int, mask bool) (v uint64, n int) {
	if len(b) == 0 || b[0] == 0 {
		return 0, 0
	}
	for n = 1; b[0]&(0x80>>(n-1)) == 0; n++ {
	}
	if n > maxLen || n > len(b) {
		return 0, 0
	}
	v = uint64(b[0])
	if mask {
		v &= 1<<(8-n) - 1
	}
	for _, c := range b[1:n] {
		v = v<<8 | uint64(c)
	}
	return v, n
}
