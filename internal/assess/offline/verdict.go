package offline

import (
	"context"
	"slices"

	"oktalk/internal/assess/offline/acoustic"
	"oktalk/internal/assess/offline/lexicon"
	"oktalk/internal/evaluation"
)

const (
	// leastSpeech is the frames of speech below which there is none to score: 0.1 s, half a short word.
	leastSpeech = 10
	// leastEvidence is what a recording has at least to be one of the text. It is below 0, where both are equally likely,
	// because a learner who is refused is worse off than one who read another text and gets a low score.
	leastEvidence = -1.0
	// Below noisyEvidence a recording whose speech stands out from its background by less than noisyRange, in dB, is refused for
	// the noise: whatever was read, it cannot be told. Measured, noise at 15 dB gives a range of 16 to 19, at 10 dB 11 to 15.
	noisyEvidence = -0.5
	noisyRange    = 19
	// leastFrames is how much recording it takes to see the background: a word that was cut off tightly shows none.
	leastFrames = 80
	// A text of fewer phones than fewPhones needs shortEvidence only, if the order of its sounds speaks for it at all: one
	// wrong sound is a large part of it. Measured on minimal pairs ("wary" for "very"): evidence down to -1.9, order from 0.45.
	fewPhones     = 6
	shortEvidence = -2.0
	shortOrder    = 0.3
	// A text of which wellReadWords words and wellReadShare of all are well read, their phones at wellReadRatio in the mean and
	// at least wellReadFrames long, is not another one. Measured: one in 300 readings of another text has as many.
	wellReadWords  = 2
	wellReadShare  = 0.5
	wellReadRatio  = 0.5
	wellReadFrames = 5
	// matchedRatio is the goodness from which a phone supports the text, matchedShare the part of a word's frames in such
	// phones from which the word does: nearly every word of a right reading by voices far from the model.
	matchedRatio = -1.5
	matchedShare = 0.6
)

// judge refuses a recording that cannot be scored against the text, and makes allowance for its circumstances. extra is how much more
// evidence it must have.
func (w *worker) judge(ctx context.Context, r *reading, scores []float32, extra float64) error {
	speech := r.speechFrames(w.model)
	if speech < leastSpeech || r.matched() == 0 && !r.vowels(w.model) {
		return evaluation.Refuse("no-speech", "No speech was found in the recording. Speak close to the microphone and try again.")
	}
	order, err := w.order(ctx, r, scores)
	if err != nil {
		return err
	}
	order /= float64(speech)
	evidence := r.evidence(order, float64(speech))
	least := leastEvidence
	if r.phones() < fewPhones && order >= shortOrder {
		least = shortEvidence
	}
	noisy := r.background < noisyRange && r.frames >= leastFrames
	switch {
	case r.wellRead(): // whatever the other words are
	case noisy && evidence < noisyEvidence:
		return evaluation.Refuse("too-noisy", "There is too much noise to follow the reading. Find a quieter place or move closer to the microphone, and record again.")
	case evidence < least+extra:
		return evaluation.Refuse("text-mismatch", "The recording does not sound like the target text. Read the text as it is shown, in a quiet place, and try again.")
	}
	r.allow(evidence)
	return nil
}

// evidence is the logarithm of the odds that the recording is one of the text, from four numbers: the share of the frames
// with speech that matching words cover; the share of the text that was found at all; how far the order of the sounds matters; and
// how much worse than the best sequence of any phones the text explains those frames, each in nats a frame. The weights are those of
// a logistic regression (docs/scoring.md), rounded.
func (r *reading) evidence(order, speech float64) float64 {
	covered := min(float64(r.matched())/speech, 1)
	order = min(max(order, -1), 3)
	gap := min(max(float64(r.free-r.likelihood-r.skipped)/speech, -0.5), 5)
	return -2.6 + 3.6*covered + 5.6*r.found() + 3.1*order - 3.1*gap
}

// vowels reports whether the free recognition hears any vowel; noises and knocks have none.
func (r *reading) vowels(m *acoustic.Model) bool {
	return slices.ContainsFunc(r.heard, func(h heard) bool { return isVowel(m.Name(h.phone)) })
}

// phones counts the phones of the text, as the shortest way to say it has them.
func (r *reading) phones() int {
	n := 0
	for i := range r.words {
		n += shortest(r.words[i].Readings)
	}
	return n
}

// found is the share of the text's phones in words that were not left out.
func (r *reading) found() float64 {
	n := 0
	for i := range r.words {
		if len(r.words[i].phones) > 0 {
			n += shortest(r.words[i].Readings)
		}
	}
	return float64(n) / float64(max(r.phones(), 1))
}

// wellRead reports whether so many words are as they should be that it cannot be another text.
func (r *reading) wellRead() bool {
	n := 0
	for i := range r.words {
		word := &r.words[i]
		phones, sum := float64(len(word.phones)), 0.0
		for _, p := range word.phones {
			sum += p.goodness.ratio
		}
		if phones > 0 && sum > wellReadRatio*phones && float64(word.span().frames()) > wellReadFrames*phones {
			n++
		}
	}
	return n >= wellReadWords && float64(n) >= wellReadShare*float64(len(r.words))
}

// matched counts the frames of words that match the recording.
func (r *reading) matched() int {
	n := 0
	for i := range r.words {
		word := &r.words[i]
		support, frames := 0, word.span().frames()
		for _, p := range word.phones {
			if p.goodness.ratio > matchedRatio {
				support += p.frames()
			}
		}
		if float64(support) >= matchedShare*float64(frames) {
			n += frames
		}
	}
	return n
}

// order is how much better, in nats, the text explains the recording than the same sounds in the opposite order do. Noise and unusual voices make both worse, so the difference hardly moves, while another text has no
// reason to be nearer to the one than to the other.
func (w *worker) order(ctx context.Context, r *reading, scores []float32) (float64, error) {
	words := make([]lexicon.Word, len(r.words))
	for i := range r.words {
		words[i] = r.words[i].Word
	}
	_, decoy, err := w.aligner.align(ctx, newGraph(w.model, backwards(words), w.tuning), scores)
	return float64(r.likelihood - decoy), err
}

// backwards is a text with all its sounds in the opposite order.
func backwards(words []lexicon.Word) []lexicon.Word {
	out := make([]lexicon.Word, len(words))
	for i, w := range words {
		readings := make([]lexicon.Reading, len(w.Readings))
		for j, r := range w.Readings {
			for _, part := range slices.Backward(r) {
				readings[j] = append(readings[j], backwardsPart(part))
			}
		}
		out[len(words)-1-i].Readings = readings
	}
	return out
}

func backwardsPart(part lexicon.Part) lexicon.Part {
	out := make(lexicon.Part, len(part))
	for i, p := range part {
		out[i] = slices.Clone(p)
		slices.Reverse(out[i])
	}
	return out
}
