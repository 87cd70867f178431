package offline

import "oktalk/internal/assess/offline/acoustic"

// hastyFrames is the mean length of phones below which a reading is hasty; right readings by flite have 8 to 11, at 1.4 times
// the speed 5 to 7 (measured).
const hastyFrames = 7

// reconsider looks at words that were left out with what the search could not know: how well the recording fits, how fast it is,
// and how many sounds were heard in their place. It raises the costs of leaving them out and reports whether it did.
func (w *worker) reconsider(g *graph, r *reading) bool {
	gaps := r.gaps()
	if len(gaps) == 0 {
		return false
	}
	cost := g.tuning.doubtCost*float32(r.shortfall()) + g.tuning.hastyCost*float32(max(0, hastyFrames-r.framesPerPhone()))
	for i := range r.words {
		g.raiseSkip(i, cost, g.tuning.skipMore*cost)
	}
	raised := cost > 0
	for _, gap := range gaps {
		phones := 0
		for i := gap.start; i < gap.end; i++ {
			phones += shortest(r.words[i].Readings)
		}
		if float64(r.spareSounds(w.model, gap)) < g.tuning.spareSounds*float64(phones) {
			continue
		}
		raised = true
		for i := gap.start; i < gap.end; i++ {
			g.raiseSkip(i, g.tuning.spareCost, g.tuning.spareCost)
		}
	}
	return raised
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

// framesPerPhone is the mean length of the phones that were found.
func (r *reading) framesPerPhone() float64 {
	phones, frames := 0, 0
	for i := range r.words {
		phones += len(r.words[i].phones)
		frames += r.words[i].span().frames()
	}
	return float64(frames) / float64(max(phones, 1))
}
