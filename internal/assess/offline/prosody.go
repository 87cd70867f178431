package offline

import (
	"math"
	"slices"

	"oktalk/internal/assess/offline/acoustic"
	"oktalk/internal/evaluation"
)

// prosody is what was measured of the melody and rhythm of a recording.
type prosody struct {
	pitch    []float64 // by frame, in semitones above 1 Hz; 0: no voice
	samples  []float32
	nuclei   [][]nucleus // by word of the text
	middle   float64     // the median pitch
	measured bool        // there is enough to say something about
}

// nucleus is the vowel of a syllable as it was said, against the other vowels of the recording.
type nucleus struct {
	syllable
	long       float64 // logarithm of its duration, against the usual one of the vowel
	loud       float64 // dB, the same
	high, mean float64 // pitch of its highest frame and of all, in semitones above the line that the recording follows
}

const (
	// What makes too little to measure: a word or two, a whisper. Of the frames of vowels 59 % and more have a voice in right readings by flite
	// and espeak-ng.
	leastSyllables = 4
	leastVoiced    = 40 // frames
	voicedShare    = 0.4
	// farPitch is how far from the median a pitch may be, in semitones: beyond it is the creak at the end of a sentence, or an error.
	farPitch = 9

	// lively is the range of pitch from which a reading is not flat, flat where it is most so, in semitones. Only movements of more than three
	// play a part in communication: J. 't Hart, "Differential sensitivity to pitch distance, particularly in speech", JASA 69 (1981).
	lively     = 3.0
	flat       = 1.0
	flatPoints = 60
	// stressPoints are for each word with its stress in another place.
	stressPoints = 15
	stressMost   = 30 // so that prosody below 50, which the coach calls a flat voice, is one
)

// vowelUsual is how much longer (logarithm) and louder (dB) a vowel is than the mean of all: measured on right readings by flite and
// espeak-ng. Open vowels are longer and louder than close ones: I. Lehiste, "Suprasegmentals", 1970.
var vowelUsual = map[string]struct{ long, loud float64 }{
	"AA": {0.33, 1.6}, "AE": {0.18, 0.2}, "AH": {-0.41, -1.2}, "AO": {0.29, 1.7}, "AW": {0.66, 1.2}, "AY": {0.36, 0.9}, "EH": {0.07, 0.9}, "ER": {0.21, -1.5},
	"EY": {0.47, 0.3}, "IH": {-0.21, 0.7}, "IY": {0.3, -0.1}, "OW": {0.43, 0.4}, "OY": {0.82, 2.6}, "UH": {-0.09, 1.3}, "UW": {0.19, 0.1},
}

// prosodyScore is the score of stress and melody, nil when there is too little to tell. It notes where the stress of words was heard.
func (w *worker) prosodyScore(r *reading, words []evaluation.Word, part speech) *int {
	p := w.measureProsody(r, part.samples)
	if !p.measured {
		return nil
	}
	misplaced := 0
	if part.background >= stressRange {
		misplaced = w.hearStress(r, words, p.nuclei)
	}
	score := int(math.Round(p.score(misplaced)))
	return &score
}

// measureProsody measures pitch, duration and loudness of the vowels of what was read.
func (w *worker) measureProsody(r *reading, samples []float32) prosody {
	p := prosody{samples: samples, pitch: w.pitch.follow(samples, r.frames, w.sonorantFrames(r)), nuclei: make([][]nucleus, len(r.words))}
	line, ok := p.line()
	if !ok {
		return p
	}
	var long, loud float64
	n, vowels, voiced := 0, 0, 0
	for i := range r.words {
		phones := r.words[i].phones
		for _, s := range w.syllables.cut(phones) {
			if s.vowel < 0 {
				continue
			}
			at := phones[s.vowel].span
			v, frames := p.nucleus(w.model.Name(phones[s.vowel].phone), at, line)
			v.syllable = s
			p.nuclei[i] = append(p.nuclei[i], v)
			n, long, loud = n+1, long+v.long, loud+v.loud
			vowels, voiced = vowels+at.frames(), voiced+frames
		}
	}
	for _, vs := range p.nuclei {
		for k := range vs {
			vs[k].long, vs[k].loud = vs[k].long-long/float64(n), vs[k].loud-loud/float64(n)
		}
	}
	p.measured = n >= leastSyllables && voiced >= leastVoiced && float64(voiced) >= voicedShare*float64(vowels)
	return p
}

// sonorantFrames are those in which a pitch is looked for.
func (w *worker) sonorantFrames(r *reading) []bool {
	wanted := make([]bool, r.frames)
	for i := range r.words {
		for _, p := range r.words[i].phones {
			for t := p.start; t < p.end && w.sonorant[p.phone]; t++ {
				wanted[t] = true
			}
		}
	}
	return wanted
}

// line fits a straight line to the pitch, which falls in the course of a sentence. It reports false when there is no voice.
func (p *prosody) line() (func(t int) float64, bool) {
	voiced := p.voiced()
	if len(voiced) == 0 {
		return nil, false
	}
	p.middle = voiced[len(voiced)/2]
	var n, st, sx, stt, stx float64
	for t, x := range p.pitch {
		if p.near(x) {
			u := float64(t)
			n, st, sx, stt, stx = n+1, st+u, sx+x, stt+u*u, stx+u*x
		}
	}
	slope := 0.0
	if spread := n*stt - st*st; spread > 0 {
		slope = (n*stx - st*sx) / spread
	}
	return func(t int) float64 { return sx/n + slope*(float64(t)-st/n) }, true
}

// voiced lists the pitches in order.
func (p *prosody) voiced() []float64 {
	var all []float64
	for _, x := range p.pitch {
		if x > 0 {
			all = append(all, x)
		}
	}
	slices.Sort(all)
	return all
}

// near reports whether a frame has a voice, at a pitch to be believed.
func (p *prosody) near(x float64) bool { return x > 0 && math.Abs(x-p.middle) < farPitch }

// nucleus measures a vowel, and counts its frames with a voice.
func (p *prosody) nucleus(name string, at span, line func(int) float64) (v nucleus, voiced int) {
	usual := vowelUsual[name]
	v.long = math.Log(float64(at.frames())) - usual.long
	v.loud = math.Inf(-1)
	v.high = math.Inf(-1)
	for t := at.start; t < at.end; t++ {
		v.loud = max(v.loud, levelAt(p.samples, t)-usual.loud)
		if x := p.pitch[t]; p.near(x) {
			x -= line(t)
			v.high, v.mean, voiced = max(v.high, x), v.mean+x, voiced+1
		}
	}
	if voiced == 0 {
		v.high = 0
		return v, 0
	}
	v.mean /= float64(voiced)
	return v, voiced
}

// levelAt is the level of the middle 10 ms of a frame in dB.
func levelAt(samples []float32, frame int) float64 {
	first := frame*acoustic.FrameShift + acoustic.FrameShift*3/4
	energy := float32(1)
	for _, x := range samples[min(first, len(samples)):min(first+acoustic.FrameShift, len(samples))] {
		energy += x * x
	}
	return 10 * math.Log10(float64(energy))
}

// pitchRange is how far apart the highest and lowest twentieth of the pitch are, in semitones.
func (p *prosody) pitchRange() float64 {
	voiced := slices.DeleteFunc(p.voiced(), func(x float64) bool { return !p.near(x) })
	return voiced[len(voiced)*19/20] - voiced[len(voiced)/20]
}

// score gives the score of a recording in which the main stress of some words was in another place.
func (p *prosody) score(misplaced int) float64 {
	monotony := (lively - p.pitchRange()) / (lively - flat)
	return 100 - flatPoints*min(max(monotony, 0), 1) - min(stressMost, float64(stressPoints*misplaced))
}
