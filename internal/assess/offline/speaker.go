package offline

import "oktalk/internal/assess/offline/acoustic"

// knownRatio is the goodness from which a phone was probably said as it is in the text, so that it tells about the voice.
const knownRatio = -1

// learnings is how often the frames are learned.
const learnings = 2

// adapt learns how the speaker differs from those of the model, so that the recording can be scored as if it were one of them.
func (w *worker) adapt(r *reading) {
	voice, width := acoustic.NewSpeaker(), w.model.Senones()
	for range learnings {
		for i := range r.words {
			for _, p := range r.words[i].phones {
				if p.goodness.ratio < knownRatio {
					continue
				}
				w.states = w.statesOf(w.states, w.scores[p.start*width:p.end*width], p.phone)
				for k, senone := range w.states {
					w.scorer.Learn(voice, w.features, p.start+k, p.phone, senone)
				}
			}
		}
		voice.Settle()
	}
	w.scorer.Adapt(voice, w.features)
	w.adapted = resize(w.adapted, len(w.scores))
}

// statesOf gives the senone of a phone in each frame of the best path through its states. dst is reused.
func (w *worker) statesOf(dst []uint16, scores []float32, p acoustic.Phone) []uint16 {
	senones, moves, width := w.model.SenonesOf(p), w.model.TransitionsOf(p), w.model.Senones()
	var columns [acoustic.States][]float32
	for i, senone := range senones {
		for at := int(senone); at < len(scores); at += width {
			columns[i] = append(columns[i], scores[at])
		}
	}
	tracer := &w.examiner.chains.tracer
	tracer.trace(columns[:], moves.Stay[:], moves.Leave[:])
	dst = dst[:0]
	for _, state := range tracer.path {
		dst = append(dst, senones[state])
	}
	return dst
}
