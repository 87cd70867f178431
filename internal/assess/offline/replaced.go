package offline

import (
	"context"
	"slices"

	"oktalk/internal/assess/offline/acoustic"
)

// A word is another one when any sounds at all explain its frames so much better than its own do: by anotherGap nats a frame and more,
// beyond what they do in most words of the recording. Shorter words need more, as one wrong sound is a large part of them, and more
// still where one sound was heard for another. Measured (docs/scoring.md): true of 82 of 153 words that another stood for and that were not found
// to be left out, of none of 1 498 right ones and of 7 of 186 with one wrong sound.
const (
	anotherGap = 2.0 // words of four phones and more
	threeGap   = 2.4
	twoGap     = 2.6
	oneGap     = 5.0
	// slipGap is how much more it takes, with one sound named: by length as above.
	slipGap, threeSlipGap, twoSlipGap = 1.0, 2.1, 3.4
	// wrongGap is enough when most of a word of wholeWord phones and more is wrong; it may have been the word itself, then, said badly.
	wrongGap  = 0.8
	wholeWord = 3
	// usualGap is that of right words.
	usualGap = -0.25
	// noAllowance: a recording that is given more of it is so noisy or unusual that other sounds explain most words better.
	noAllowance = 0.25
	// anotherRange is how far, in dB, speech must stand out from its background for that: noise at 15 dB gives 16 to 19, at 20 dB 20 to 24, clean
	// recordings 35 and more.
	anotherRange = 28
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

// findReplaced marks the words in whose place another was said, surely or likely. No single sound is named in them: that would be a find by
// chance.
func (w *worker) findReplaced(ctx context.Context, r *reading, scores []float32, background float64) error {
	suspect := func(word spokenWord) bool { return word.suspect(r.allowance) }
	if r.allowance >= noAllowance || background < anotherRange || w.frontEnd.Narrow() || !slices.ContainsFunc(r.words, suspect) {
		return nil
	}
	gaps := make([]float64, len(r.words))
	var all []float64
	for i := range r.words {
		if len(r.words[i].phones) == 0 {
			continue
		}
		var err error
		if gaps[i], err = w.gap(ctx, r.words[i].phones, scores); err != nil {
			return err
		}
		if len(r.words[i].phones) > 1 {
			all = append(all, gaps[i])
		}
	}
	usual := 0.0
	if slices.Sort(all); len(all) > 0 {
		usual = max(0, all[(len(all)-1)/2]-usualGap)
	}
	for i := range r.words {
		word := &r.words[i]
		gap := gaps[i] - usual
		word.replaced = suspect(*word) && gap > word.leastGap()
		word.another = word.replaced || word.mostlyWrong(r.allowance) && gap > wrongGap
		// The rest of the other word is beside it.
		word.replaced = word.replaced || word.another && slices.ContainsFunc(r.extras, func(e extra) bool { return e.text == "" && word.touches(e.span) })
	}
	return nil
}

// suspect reports whether enough of a word is wrong to look further: two of its phones were not heard, and one does not fit.
func (w *spokenWord) suspect(allowance float64) bool {
	missing, wrong := 0, 0
	for _, p := range w.phones {
		if !p.heard {
			missing++
		}
		if phoneScore(p.goodness.ratio+allowance) < 50 {
			wrong++
		}
	}
	return wrong > 0 && missing >= min(2, len(w.phones))
}

// mostlyWrong reports whether at least half of a word was not heard and two phones and a third of all are wrong. A sound that was heard for
// another accounts for itself and its neighbours, whose borders it moves, if it is the only one or one of few.
func (w *spokenWord) mostlyWrong(allowance float64) bool {
	missing, wrong := 0, 0
	few := w.fewSlips()
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
	return n >= wholeWord && wrong >= 2 && 3*wrong >= n && 2*missing >= n
}

// leastGap is the gap from which a word is another.
func (w *spokenWord) leastGap() float64 {
	slip := w.slips() > 0 && w.fewSlips()
	choose := func(gap, more float64) float64 {
		if slip {
			return gap + more
		}
		return gap
	}
	switch len(w.phones) {
	case 1:
		return oneGap
	case 2:
		return choose(twoGap, twoSlipGap)
	case 3:
		return choose(threeGap, threeSlipGap)
	default:
		return choose(anotherGap, slipGap)
	}
}

// gap is how much better any sounds explain the frames of a word than its own do, in nats a frame.
func (w *worker) gap(ctx context.Context, phones []spokenPhone, scores []float32) (float64, error) {
	width := w.model.Senones()
	var own float32
	for _, p := range phones {
		own += fit(w.model, scores[p.start*width:p.end*width], p.phone)
	}
	first, end := phones[0].start, phones[len(phones)-1].end
	_, free, err := w.listener.listen(ctx, w.model, scores[first*width:end*width], w.tuning.changeCost)
	return float64(free-own) / float64(end-first), err
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

// fewSlips reports whether so few sounds were heard for others that it is the word itself, said badly.
func (w *spokenWord) fewSlips() bool { return w.slips() <= max(len(w.phones)/phonesPerSlip, 1) }

// besideSlip reports whether another sound was heard for a phone or one beside it.
func (w *spokenWord) besideSlip(i int) bool {
	for _, p := range w.phones[max(0, i-1):min(len(w.phones), i+2)] {
		if p.finding.heard != "" {
			return true
		}
	}
	return false
}
