package offline

import "oktalk/internal/assess/offline/acoustic"

const (
	// A word of at least wholeWord phones is another word when at least half of it was not heard by the free recognition and at least
	// two phones are wrong, or three quarters and one. Measured on flite: true of 63 in 77 words that another stood for and
	// of none of 966 right ones; words with one wrong sound mostly agree in the others.
	wholeWord = 3
	// noAllowance: a recording that is given more of it is so noisy or unusual that the free recognition hears little of right words.
	noAllowance = 0.25
	// clearRange is how far, in dB, speech must stand out from its background for what the free recognition did not hear to say anything: noise at
	// 15 dB gives 16 to 19, at 20 dB 20 to 24, clean recordings 35 and more. In white noise at 15 dB 110 of 116 right sounds that were called wrong
	// were in words that counted as others.
	clearRange = 28
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
// One sound that was heard for another accounts for itself and its neighbours, whose borders it moves.
func (w *spokenWord) another(allowance, background float64) bool {
	missing, wrong := 0, 0
	slip := w.slip()
	for i, p := range w.phones {
		if !p.heard {
			missing++
		}
		explained := slip >= 0 && i >= slip-1 && i <= slip+1
		if !explained && phoneScore(p.goodness.ratio+allowance) < 50 {
			wrong++
		}
	}
	n := len(w.phones)
	return allowance < noAllowance && background >= clearRange && n >= wholeWord && (wrong >= 2 && 2*missing >= n || wrong >= 1 && 4*missing >= 3*n)
}

// slip is the only phone for which another was heard; -1 when there are none or several.
func (w *spokenWord) slip() int {
	at := -1
	for i, p := range w.phones {
		if p.finding.heard == "" {
			continue
		}
		if at >= 0 {
			return -1
		}
		at = i
	}
	return at
}
