package offline

import "oktalk/internal/assess/offline/acoustic"

// situation is a phone of the text between up to two phones, or silence, on each side.
type situation struct {
	window span
	phones [5]acoustic.Phone // [2] is the phone itself
	at     [5]acoustic.Position
	left   bool // phones[1] is in the window
	right  bool // phones[3] is
}

// chains compares sequences of three phones, each in its context. Its buffers are reused.
type chains struct {
	columns map[uint16][]float32 // by senone: its scores in the frames of the window
	spare   [][]float32
	tracer  tracer
}

// mostStates are those of the phones of a window.
const mostStates = 3 * acoustic.States

// chain is the best way through a situation with some phone in the middle.
type chain struct {
	likelihood float32
	frames     []chainFrame
}

// chainFrame is what a chain has in a frame of the window.
type chainFrame struct {
	score  float32
	phone  acoustic.Phone
	senone uint16
}

func (c *chains) reset() {
	if c.columns == nil {
		c.columns = map[uint16][]float32{}
	}
	for _, v := range c.columns {
		c.spare = append(c.spare, v)
	}
	clear(c.columns)
}

func (c *chains) column(s *acoustic.Scorer, p acoustic.Phone, senone uint16, w span) []float32 {
	if v, ok := c.columns[senone]; ok {
		return v
	}
	var v []float32
	if n := len(c.spare); n > 0 {
		v, c.spare = c.spare[n-1][:0], c.spare[:n-1]
	}
	v = s.Score(v, p, senone, w.start, w.end)
	c.columns[senone] = v
	return v
}

// fit finds the best way through a situation with q in the place of its phone. The frames of dst are reused.
func (c *chains) fit(dst *chain, m *acoustic.Model, s *acoustic.Scorer, at *situation, q acoustic.Phone) {
	ph := at.phones
	ph[2] = q
	first, last := 2, 2
	if at.left {
		first = 1
	}
	if at.right {
		last = 3
	}
	var columns [mostStates][]float32
	var stay, leave [mostStates]float32
	var states [mostStates]chainFrame
	n := 0
	for i := first; i <= last; i++ {
		senones := m.SenonesOf(ph[i])
		if ph[i] != m.Silence() {
			senones = m.SenonesBetween(ph[i-1], ph[i], ph[i+1], at.at[i])
		}
		moves := m.TransitionsOf(ph[i])
		for k, senone := range senones {
			columns[n], stay[n], leave[n] = c.column(s, ph[i], senone, at.window), moves.Stay[k], moves.Leave[k]
			states[n] = chainFrame{phone: ph[i], senone: senone}
			n++
		}
	}
	dst.likelihood = c.tracer.trace(columns[:n], stay[:n], leave[:n])
	dst.frames = dst.frames[:0]
	for t, state := range c.tracer.path {
		f := states[state]
		f.score = columns[state][t]
		dst.frames = append(dst.frames, f)
	}
}

// tracer finds the best path through states in a row. Its buffers are reused.
type tracer struct {
	came [][mostStates]bool // by frame and state: from the state before
	path []uint8            // by frame
}

// trace leaves the best path in path and gives its log likelihood.
//
//go:norace
func (r *tracer) trace(columns [][]float32, stay, leave []float32) float32 {
	var s [mostStates]float32
	for i := range s {
		s[i] = acoustic.Never
	}
	n, frames := len(columns), len(columns[0])
	r.came, r.path = resize(r.came, frames), resize(r.path, frames)
	s[0] = columns[0][0]
	for t := 1; t < frames; t++ {
		came := &r.came[t]
		for i := n - 1; i > 0; i-- {
			best, next := s[i]+stay[i], s[i-1]+leave[i-1]
			if came[i] = next > best; came[i] {
				best = next
			}
			s[i] = best + columns[i][t]
		}
		s[0] += stay[0] + columns[0][t]
	}
	state := n - 1
	for t := frames - 1; t >= 0; t-- {
		r.path[t] = uint8(state)
		if t > 0 && state > 0 && r.came[t][state] {
			state--
		}
	}
	return s[n-1] + leave[n-1]
}
