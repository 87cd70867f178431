package offline

import (
	"math"

	"oktalk/internal/evaluation"
)

// The weights of what makes a syllable stand out in its word (logistic regression on planted stress, docs/scoring.md), for a nucleus'
// fields in their units. That length and pitch tell more than loudness is what D. Fry found ("Experiments in the perception of
// stress", Language and Speech 1, 1958).
const (
	longWeight  = 1.6
	loudWeight  = 0.06
	highWeight  = 0.4
	meanWeight  = 0.5
	finalWeight = -0.3 // for the last syllable of a word, which is longer without being stressed

	// rightFrom is the probability from which the stress was heard where it should be. It was elsewhere when the right place has
	// at most wrongUpTo and another at least otherFrom. False alarms are worse than misses: of 645 right words none, of 446 wrong ones 57.
	rightFrom = 0.7
	wrongUpTo = 0.05
	otherFrom = 0.8
	// pauseAfter is the frames of silence before which the last syllable is drawn out, and its pitch may rise or fall for the sentence:
	// it is never found to be stressed wrongly.
	pauseAfter = 5
	// stressRange is the distance of speech from its background, in dB, from which the stress is judged.
	stressRange = 25
)

// hearStress notes which syllables of the words bore the main stress, where that is sure, and counts those where it was in another place.
func (w *worker) hearStress(r *reading, words []evaluation.Word, nuclei [][]nucleus) (misplaced int) {
	for i := range r.words {
		if words[i].Error != evaluation.WordCorrect { // other sounds have other lengths
			continue
		}
		at := w.stressed(r, i, nuclei[i])
		if at < 0 {
			continue
		}
		for k, s := range w.syllables.cut(r.words[i].phones) {
			words[i].Syllables[k].Heard = evaluation.StressNone
			if s.vowel == nuclei[i][at].vowel {
				words[i].Syllables[k].Heard = evaluation.StressPrimary
			}
		}
		if words[i].StressMisplaced() {
			misplaced++
		}
	}
	return misplaced
}

// stressed finds which syllable of a word has the main stress. It gives -1 when that is not sure.
func (w *worker) stressed(r *reading, i int, nuclei []nucleus) int {
	main := -1
	phones := r.words[i].phones
	for k, v := range nuclei {
		switch phones[v.vowel].stress {
		case 1:
			if main >= 0 {
				return -1 // two spoken words
			}
			main = k
		case -1:
			return -1
		}
	}
	if main < 0 || len(nuclei) < 2 {
		return -1
	}
	chance := chances(nuclei)
	other := -1
	for k := range chance {
		if k != main && (other < 0 || chance[k] > chance[other]) {
			other = k
		}
	}
	a, b := nuclei[main], nuclei[other]
	switch {
	case chance[main] >= rightFrom:
		return main
	case chance[main] > wrongUpTo, chance[other] < otherFrom, b.long <= a.long, b.high <= a.high, other == len(nuclei)-1 && r.ends(i):
		return -1
	default:
		return other
	}
}

// chances are the probabilities of each syllable to bear the main stress.
func chances(nuclei []nucleus) []float64 {
	chance := make([]float64, len(nuclei))
	sum := 0.0
	for k, v := range nuclei {
		x := longWeight*v.long + loudWeight*v.loud + highWeight*v.high + meanWeight*v.mean
		if k == len(nuclei)-1 {
			x += finalWeight
		}
		chance[k] = math.Exp(x)
		sum += chance[k]
	}
	for k := range chance {
		chance[k] /= sum
	}
	return chance
}

// ends reports whether a pause follows a word, or nothing.
func (r *reading) ends(word int) bool {
	end := r.words[word].span().end
	for _, p := range r.pauses {
		if p.start == end && p.frames() > pauseAfter {
			return true
		}
	}
	for i := word + 1; i < len(r.words); i++ {
		if len(r.words[i].phones) > 0 {
			return false
		}
	}
	return true
}

// stressNames are CMUdict's digits.
var stressNames = []evaluation.Stress{evaluation.StressNone, evaluation.StressPrimary, evaluation.StressSecondary}
