package offline

import (
	"slices"

	"oktalk/internal/assess/offline/acoustic"
)

// hastyFrames is the mean length of phones below which a reading is hasty; right readings by flite have 8 to 11, at 1.4 times
// the speed 5 to 7 (measured).
const hastyFrames = 7

// usualFrames is how many frames of unknown speech count as a sound.
const usualFrames = 7

// reconsider looks at words that were left out and at other speech with what the search could not know: how well the recording fits
// and how fast it is, the first time, and how many sounds were heard in their place. It raises the costs and reports whether it did.
func (w *worker) reconsider(g *graph, r *reading, first bool) bool {
	gaps := r.gaps()
	if len(gaps) == 0 && len(r.extras) == 0 {
		return false
	}
	raised, refilled := false, false
	if first {
		cost := g.tuning.doubtCost*float32(r.shortfall()) + g.tuning.hastyCost*float32(max(0, hastyFrames-r.framesPerPhone()))
		for i := range r.words {
			g.raiseSkip(i, cost, g.tuning.skipMore*cost)
		}
		g.raiseExtras(cost)
		raised = cost > 0
	}
	for _, gap := range gaps {
		phones := 0
		for i := gap.start; i < gap.end; i++ {
			phones += shortest(r.words[i].Readings)
		}
		spare := max(r.spareSounds(w.model, gap), r.spareFrames(gap)/usualFrames)
		if float64(spare) < g.tuning.spareSounds*float64(phones) {
			continue
		}
		for i := gap.start; i < gap.end; i++ {
			cost := g.tuning.spareCost * float32(shortest(r.words[i].Readings))
			g.raiseSkip(i, cost, cost)
		}
		refilled = true
	}
	if refilled {
		g.raiseExtras(g.tuning.refillCost)
	}
	return raised || refilled
}

// gaps are the runs of words that were left out, as numbers of words.
func (r *reading) gaps() []span {
	var gaps []span
	for i := range r.words {
		if len(r.words[i].phones) == 0 {
			gaps = append(gaps, span{i, i + 1})
		}
	}
	return merge(gaps)
}

// spareSounds counts the sounds that were heard between the words around a gap, and in these words beyond their own phones.
func (r *reading) spareSounds(m *acoustic.Model, gap span) int {
	within, known := span{0, r.frames}, 0
	if gap.start > 0 {
		before := &r.words[gap.start-1]
		within.start, known = before.span().start, len(before.phones)
	}
	if gap.end < len(r.words) {
		after := &r.words[gap.end]
		within.end, known = after.span().end, known+len(after.phones)
	}
	n := 0
	for _, h := range r.heard {
		if middle := (h.start + h.end) / 2; !m.Filler(h.phone) && middle >= within.start && middle < within.end {
			n++
		}
	}
	return n - known
}

// spareFrames counts the frames of unknown speech around a gap: up to the second word before it and the second after it, as one word
// may have been found in the wrong place.
func (r *reading) spareFrames(gap span) int {
	within := span{0, r.frames}
	if gap.start > 1 {
		within.start = r.words[gap.start-2].span().end
	}
	if gap.end+1 < len(r.words) && len(r.words[gap.end+1].phones) > 0 {
		within.end = r.words[gap.end+1].span().start
	}
	n := 0
	for _, e := range r.extras {
		if e.start >= within.start && e.end <= within.end && e.text == "" {
			n += e.frames()
		}
	}
	return n
}

// framesPerPhone is the mean length of the phones that were found.
func (r *reading) framesPerPhone() float64 {
	phones, frames := 0, 0
	for i := range r.words {
		phones += len(r.words[i].phones)
		frames += r.words[i].span().frames()
	}
	return float64(frames) / float64(max(phones, 1))
}

const (
	// heardAbove is how far above the quietest tenth of the recording, in dB, heardFrames frames of a word must be at least for it to be heard at all.
	// Measured with people talking behind at 15 dB, before and after the reading too: of words that were not said 43 in 100 are found without this
	// rule, 49 with 4 dB, 51 with 5 and 62 with 6; of words that were said 0.1, 0.6, 0.8 and 1.2 are lost.
	heardAbove  = 5
	heardFrames = 3
)

// dropUnheard leaves out words before the first and after the last that can be heard: in other people's talk the search finds some place for them.
func (r *reading) dropUnheard(levels []float64, quiet float64) {
	for i := range r.words {
		if !r.drop(&r.words[i], levels, quiet) {
			break
		}
	}
	for i := range slices.Backward(r.words) {
		if !r.drop(&r.words[i], levels, quiet) {
			break
		}
	}
}

// drop leaves a word out if it cannot be heard, and reports whether it is left out now.
func (r *reading) drop(word *spokenWord, levels []float64, quiet float64) bool {
	at, loud := word.span(), 0
	for _, l := range levels[min(at.start, len(levels)):min(at.end, len(levels))] {
		if l >= quiet+heardAbove {
			loud++
		}
	}
	if loud >= heardFrames {
		return false
	}
	if at.frames() > 0 {
		word.phones = nil
		r.pauses = append(r.pauses, at)
	}
	return true
}
