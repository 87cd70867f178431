package offline

import (
	"slices"
	"strings"

	"oktalk/internal/assess/offline/acoustic"
)

// extra is speech that is not in the text.
type extra struct {
	span
	text   string        // a word of the text that was said twice, "uh" or "um"; "" when it is not known
	phones []spokenPhone // of a word that was said twice
}

// restart is where the reader went back to a word already read.
type restart struct {
	first, last int             // words
	before      [][]spokenPhone // how they were read before
}

// startAgain puts aside what was read so far from a word on, if the reader has just gone back to it.
func (r *reading) startAgain(word int) {
	n := len(r.restarts)
	if n == 0 || r.restarts[n-1].first >= 0 {
		return
	}
	s := &r.restarts[n-1]
	s.first = word
	for i := word; i <= s.last; i++ {
		s.before = append(s.before, r.words[i].phones)
		r.words[i].phones = nil
	}
}

// settleRestarts chooses which reading of words that were read twice counts: the later one, as people correct themselves, unless it
// is not complete: then it is some other speech that sounds a little like it. The other is extra.
func (r *reading) settleRestarts() {
	for _, s := range slices.Backward(r.restarts) {
		words := r.words[s.first : s.last+1]
		complete := true
		for i := range words {
			complete = complete && (len(words[i].phones) > 0 || len(s.before[i]) == 0)
		}
		for i := range words {
			word := &words[i]
			if !complete {
				word.phones, s.before[i] = s.before[i], word.phones
			}
			again := &spokenWord{phones: s.before[i]}
			switch {
			case len(again.phones) == 0:
			case complete:
				r.extras = append(r.extras, extra{span: again.span(), text: word.Text, phones: again.phones})
			default:
				r.extras = append(r.extras, extra{span: again.span()})
			}
		}
	}
	slices.SortFunc(r.extras, func(a, b extra) int { return a.start - b.start })
}

// addExtra adds a piece of speech that is not in the text, to the one before it if they touch.
func (r *reading) addExtra(e extra) {
	if n := len(r.extras); n > 0 && r.extras[n-1].end == e.start && r.extras[n-1].text == e.text {
		r.extras[n-1].end = e.end
		return
	}
	r.extras = append(r.extras, e)
}

const (
	// namedRatio is the mean goodness from which a word was said twice; below it something was said there that sounds a little like it.
	namedRatio = -1.0
	// extraVowel is the frames of vowels that speech which is not in the text must have: breath, knocks and music have none or less.
	extraVowel = 4
)

// checkExtras takes the names off words that do not sound like theirs when said again, and leaves out what is neither these nor has
// a vowel.
func (w *worker) checkExtras(r *reading, scores []float32) {
	for i := range r.extras {
		e := &r.extras[i]
		w.measure(e.phones, scores)
		var sum float64
		for _, p := range e.phones {
			sum += p.goodness.ratio
		}
		if sum < namedRatio*float64(len(e.phones)) {
			e.text = ""
		}
	}
	r.extras = slices.DeleteFunc(r.extras, func(e extra) bool {
		return (e.text == "" || len(e.phones) == 0) && r.vowelFrames(w.model, e.span) < extraVowel
	})
}

// vowelFrames counts the frames of a span in which the free recognition hears vowels.
func (r *reading) vowelFrames(m *acoustic.Model, within span) int {
	n := 0
	for _, h := range r.heard {
		if isVowel(m.Name(h.phone)) {
			n += max(0, min(h.end, within.end)-max(h.start, within.start))
		}
	}
	return n
}

func isVowel(phone string) bool { return strings.ContainsRune("AEIOU", rune(phone[0])) }
