package offline

import "oktalk/internal/assess/offline/acoustic"

const (
	// A word of at least wholeWord phones is another word when at least half of it was not heard by the free recognition and at least
	// two phones and a third of all are wrong. Measured on the tuning voices of flite: true of 3 in 14 words that another stood for and was
	// not left out for, of none of 4 229 right ones and of 5 in 1 184 with one or two wrong sounds.
	wholeWord = 3
	// noAllowance: a recording that is given more of it is so noisy or unusual that the free recognition hears little of right words.
	noAllowance = 0.25
	// otherWordScore is the most that a phone gets which was not heard, in another word.
	otherWordScore = 40
)

// compare notes which phones of the text the free recognition heard as well, or variants of them, about where they were found.
func (r *reading) compare(m *acoustic.Model, variants variantSet) {
	for i := range r.words {
		phones := r.words[i].phones
		for k := range phones {
			p, at := &phones[k], surroundingsOf(m, phones, k)
			for _, h := range r.heard {
				overlap := h.start < p.end && p.start < h.end
				p.heard = p.heard || overlap && (h.phone == p.phone || variants.accepts(p.phone, h.phone, at))
			}
		}
	}
}

// another reports whether another word was said in the place of this one. It names no single sound then: that would be a find by chance.
// A sound that was heard for another accounts for itself and its neighbours, whose borders it moves, if it is the only one or one of few.
func (w *spokenWord) another(allowance float64) bool {
	missing, wrong := 0, 0
	few := w.slips() <= max(len(w.phones)/phonesPerSlip, 1)
	for i, p := range w.phones {
		if !p.heard {
			missing++
		}
		explained := few && w.besideSlip(i)
		if !explained && phoneScore(p.goodness.ratio+allowance) < 50 {
			wrong++
		}
	}
	n := len(w.phones)
	return allowance < noAllowance && n >= wholeWord && wrong >= 2 && 3*wrong >= n && 2*missing >= n
}

// phonesPerSlip is how many phones a word has at least for each of several sounds that are heard for others.
const phonesPerSlip = 3

// slips counts the phones for which others were heard.
func (w *spokenWord) slips() int {
	n := 0
	for _, p := range w.phones {
		if p.finding.heard != "" {
			n++
		}
	}
	return n
}

// besideSlip reports whether another sound was heard for a phone or one beside it.
func (w *spokenWord) besideSlip(i int) bool {
	for _, p := range w.phones[max(0, i-1):min(len(w.phones), i+2)] {
		if p.finding.heard != "" {
			return true
		}
	}
	return false
}
