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

// fit is the log likelihood of a situation with q in the place of its phone.
func (c *chains) fit(m *acoustic.Model, s *acoustic.Scorer, at *situation, q acoustic.Phone) float32 {
	ph := at.phones
	ph[2] = q
	first, last := 2, 2
	if at.left {
		first = 1
	}
	if at.right {
		last = 3
	}
	var columns [9][]float32
	var stay, leave [9]float32
	n := 0
	for i := first; i <= last; i++ {
		senones := m.SenonesOf(ph[i])
		if ph[i] != m.Silence() {
			senones = m.SenonesBetween(ph[i-1], ph[i], ph[i+1], at.at[i])
		}
		moves := m.TransitionsOf(ph[i])
		for k, senone := range senones {
			columns[n], stay[n], leave[n] = c.column(s, ph[i], senone, at.window), moves.Stay[k], moves.Leave[k]
			n++
		}
	}
	return chain(columns[:n], stay[:n], leave[:n])
}

// chain is the log likelihood of the best path through states in a row.
//
//go:norace
func chain(columns [][]float32, stay, leave []float32) float32 {
	var s [9]float32
	for i := range s {
		s[i] = acoustic.Never
	}
	n := len(columns)
	s[0] = columns[0][0]
	for t := 1; t < len(columns[0]); t++ {
		for i := n - 1; i > 0; i-- {
			s[i] = max(s[i]+stay[i], s[i-1]+leave[i-1]) + columns[i][t]
		}
		s[0] += stay[0] + columns[0][t]
	}
	return s[n-1] + leave[n-1]
}
