package offline

import "oktalk/internal/assess/offline/acoustic"

// fit is how well a phone explains a run of frames: the log likelihood of the best path through its states that begins in
// the first and ends in the last.
//
//go:norace
func fit(m *acoustic.Model, scores []float32, p acoustic.Phone) float32 {
	width := m.Senones()
	moves, senones := m.TransitionsOf(p), m.SenonesOf(p)
	s := [acoustic.States]float32{scores[senones[0]], acoustic.Never, acoustic.Never}
	for scores = scores[width:]; len(scores) > 0; scores = scores[width:] {
		s[2] = max(s[2]+moves.Stay[2], s[1]+moves.Leave[1]) + scores[senones[2]]
		s[1] = max(s[1]+moves.Stay[1], s[0]+moves.Leave[0]) + scores[senones[1]]
		s[0] += moves.Stay[0] + scores[senones[0]]
	}
	return s[2] + moves.Leave[2]
}

// goodness compares a phone of the text with every other phone on the frames that were aligned to it.
type goodness struct {
	ratio float64 // log likelihood ratio against the best other phone, per frame; above 0 the phone itself fits best
	other acoustic.Phone
	lead  float64 // by how much the best other phone is ahead of the next, per frame
}

// measure computes a phone's goodness. Fillers and phones that accepted names are no others.
func measure(m *acoustic.Model, scores []float32, p acoustic.Phone, accepted func(acoustic.Phone) bool) goodness {
	best, second, other := acoustic.Never, acoustic.Never, p
	for i := range m.Phones() {
		q := acoustic.Phone(i)
		if q == p || m.Filler(q) || accepted(q) {
			continue
		}
		switch v := fit(m, scores, q); {
		case v > best:
			best, second, other = v, best, q
		case v > second:
			second = v
		}
	}
	frames := float64(len(scores) / m.Senones())
	ratio := float64(fit(m, scores, p)-best) / frames
	if ratio < 0 {
		ratio *= frames / (frames + doubtFrames)
	}
	return goodness{ratio, other, float64(best-second) / frames}
}

// doubtFrames is how strongly a short phone is given the benefit of the doubt: its ratio below 0 counts half at so many
// frames. At three frames, the least the model allows, its borders are given and what it is made of is left to chance.
const doubtFrames = 3
