// Package audio takes recordings in and gives speech out: it tells what a file is by its content, decodes it to 16 kHz mono,
// checks that it can be scored, and encodes synthesized speech as MP3.
//
// # A recording
//
//	bytes --Sniff--> format --WAV, Opus: in Go; others: ffmpeg--> 16 kHz mono --Check--> fit to be scored, or a refusal
//
// Opus in Ogg or WebM is decoded in Go if the file is a plain one without a fault; what is not goes to ffmpeg, which makes the
// best of it.
//
// What a client sent is never trusted. A file's name plays no part. ffmpeg is told which demuxer to use and which decoders it
// may, reads one private temporary file and no network, writes no file, and is bounded in time, memory and output, so
// that a playlist or an archive that calls itself an MP3 opens nothing else. The temporary file has no name when it is written: a
// process that is killed leaves nothing of a learner in a folder.
//
// Whatever cannot be scored is an [evaluation.Refusal] whose message says what it is and what to do: unsupported-audio, too-short,
// too-long from [Decoder.Decode]; no-speech, too-quiet, clipped, too-noisy, too-short, too-long from [Check].
//
// # Synthesized speech
//
// [Encoder.MP3] trims the silence of a voice to 50 ms at each end, brings it to one loudness (ITU-R BS.1770), keeps its true
// peak below full scale and writes the same bytes for the same clip, since object keys are hashes of what made the object.
package audio
