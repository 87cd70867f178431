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
	word   int           // its number
}

// restart is where the reader went back to a word already read.
type restart struct {
	first, last int             // words; first is -1 until a word was read again
	before      [][]spokenPhone // how they were read before
}

// startAgain puts aside what was read so far from a word on, if the reader has just gone back to it.
func (r *reading) startAgain(word int) {
	n := len(r.restarts)
	if n == 0 || r.restarts[n-1].first >= 0 {
		return
	}
	s := &r.restarts[n-1]
	if word > s.last { // what was gone back for was left out again
		r.restarts = r.restarts[:n-1]
		return
	}
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
		if s.first < 0 { // other speech followed to the end, or another restart
			continue
		}
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
				r.extras = append(r.extras, extra{span: again.span(), text: word.Text, phones: again.phones, word: s.first + i})
			default:
				r.extras = append(r.extras, extra{span: again.span()})
			}
		}
	}
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
	// extraSounds is how many sounds a word must have that is not in the text: a wrong vowel, drawn out, is one or two.
	extraSounds = 3
	// squeezed is the mean frames of the phones of a word that lost its sounds to a word "said twice" after it.
	squeezed = 4.1
)

// checkExtras takes the names off words that do not sound like theirs when said again, and leaves out what is not enough to be speech,
// or is more likely a wrong sound of the word beside it.
func (w *worker) checkExtras(r *reading, scores []float32) {
	for i := range r.extras {
		e := &r.extras[i]
		if len(e.phones) == 0 {
			continue
		}
		kept := &r.words[e.word]
		first, second := w.meanRatio(e.phones, scores), w.meanRatio(kept.phones, scores)
		if second < namedRatio && first > second { // the first was the reading, and what follows is something else
			kept.phones, e.phones = e.phones, kept.phones
			e.span, first = (&spokenWord{phones: e.phones}).span(), second
		}
		if first < namedRatio {
			e.text = ""
		}
	}
	r.extras = slices.DeleteFunc(r.extras, func(e extra) bool {
		switch {
		case e.text == "":
			vowels, sounds := r.soundsIn(w.model, e.span)
			return vowels < extraVowel || sounds < extraSounds
		case len(e.phones) == 0: // "uh" and "um"
			vowels, _ := r.soundsIn(w.model, e.span)
			return vowels < extraVowel || len(r.words) == 1 && r.words[0].touches(e.span) // its own vowel, drawn out
		default:
			return r.squeezedBefore(e.start)
		}
	})
	slices.SortFunc(r.extras, func(a, b extra) int { return a.start - b.start })
}

// meanRatio measures phones and gives their mean goodness; 0 for none.
func (w *worker) meanRatio(phones []spokenPhone, scores []float32) float64 {
	w.measure(phones, scores)
	var sum float64
	for _, p := range phones {
		sum += p.goodness.ratio
	}
	return sum / float64(max(1, len(phones)))
}

// soundsIn counts the frames of a span in which the free recognition hears vowels, and the sounds that lie in it for the most part.
func (r *reading) soundsIn(m *acoustic.Model, within span) (vowels, sounds int) {
	for _, h := range r.heard {
		n := max(0, min(h.end, within.end)-max(h.start, within.start))
		if isVowel(m.Name(h.phone)) {
			vowels += n
		}
		if !m.Filler(h.phone) && 2*n > h.end-h.start {
			sounds++
		}
	}
	return vowels, sounds
}

// touches reports whether nothing lies between a word and a span.
func (w *spokenWord) touches(s span) bool { return w.span().start == s.end || w.span().end == s.start }

// squeezedBefore reports whether a word that ends in a frame has hardly room for its phones.
func (r *reading) squeezedBefore(end int) bool {
	return slices.ContainsFunc(r.words, func(w spokenWord) bool {
		s := w.span()
		return s.end == end && len(w.phones) > 1 && float64(s.frames()) < squeezed*float64(len(w.phones))
	})
}

func isVowel(phone string) bool { return strings.ContainsRune("AEIOU", rune(phone[0])) }
