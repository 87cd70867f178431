package offline

import "oktalk/internal/assess/offline/acoustic"

// neighbour is what lies before or after a phone: another phone, silence, or nothing that is known.
type neighbour struct {
	span
	phone acoustic.Phone
	known bool
}

// silent reports whether no phone is known to be there.
func (n neighbour) silent(m *acoustic.Model) bool { return !n.known || n.phone == m.Silence() }

// exchanger measures how much better than a phone of the text others explain its place. Its buffers are reused.
type exchanger struct {
	entry []float32 // by frame of the window: the best path through the phone before, over all frames before this one
	into  []float32 // by frame: the best path through the phone after, over this frame and all after it
}

// compare writes to dst, by phone, by how many nats others explain the place of p better than p itself does. The borders with the neighbours
// are free to move, since they were found for p; the neighbours' outer borders stay.
func (c *exchanger) compare(dst []float32, m *acoustic.Model, scores []float32, before neighbour, p spokenPhone, after neighbour, others []acoustic.Phone) {
	start, end := p.start, p.end
	if before.known {
		start = before.start
	}
	if after.known {
		end = after.end
	}
	width := m.Senones()
	window := scores[start*width : end*width]
	c.before(m, window, before, end-start)
	c.after(m, window, after, end-start)
	own := c.through(m, window, p.phone)
	for _, q := range others {
		dst[q] = c.through(m, window, q) - own
	}
}

// before fills in entry.
//
//go:norace
func (c *exchanger) before(m *acoustic.Model, window []float32, b neighbour, frames int) {
	c.entry = resize(c.entry, frames+1)
	for t := range c.entry {
		c.entry[t] = acoustic.Never
	}
	if !b.known {
		c.entry[0] = 0
		return
	}
	width := m.Senones()
	moves, senones := m.TransitionsOf(b.phone), m.SenonesOf(b.phone)
	s := [acoustic.States]float32{window[senones[0]], acoustic.Never, acoustic.Never}
	for t := 1; t < frames; t++ {
		frame := window[t*width : (t+1)*width]
		s[2] = max(s[2]+moves.Stay[2], s[1]+moves.Leave[1]) + frame[senones[2]]
		s[1] = max(s[1]+moves.Stay[1], s[0]+moves.Leave[0]) + frame[senones[1]]
		s[0] += moves.Stay[0] + frame[senones[0]]
		c.entry[t+1] = s[2] + moves.Leave[2]
	}
}

// after fills in into.
//
//go:norace
func (c *exchanger) after(m *acoustic.Model, window []float32, a neighbour, frames int) {
	c.into = resize(c.into, frames+1)
	for t := range c.into {
		c.into[t] = acoustic.Never
	}
	if !a.known {
		c.into[frames] = 0
		return
	}
	width := m.Senones()
	moves, senones := m.TransitionsOf(a.phone), m.SenonesOf(a.phone)
	s := [acoustic.States]float32{acoustic.Never, acoustic.Never, moves.Leave[2]}
	for t := frames - 1; t >= 0; t-- {
		frame := window[t*width : (t+1)*width]
		if t < frames-1 {
			s[0] = max(s[0]+moves.Stay[0], s[1]+moves.Leave[0])
			s[1] = max(s[1]+moves.Stay[1], s[2]+moves.Leave[1])
			s[2] += moves.Stay[2]
		}
		for i := range s {
			s[i] += frame[senones[i]]
		}
		c.into[t] = s[0]
	}
}

// through is the log likelihood of the best path through the window with a phone in the middle.
//
//go:norace
func (c *exchanger) through(m *acoustic.Model, window []float32, p acoustic.Phone) float32 {
	width := m.Senones()
	moves, senones := m.TransitionsOf(p), m.SenonesOf(p)
	s := [acoustic.States]float32{acoustic.Never, acoustic.Never, acoustic.Never}
	best := acoustic.Never
	for t := range len(c.entry) - 1 {
		frame := window[t*width : (t+1)*width]
		s[2] = max(s[2]+moves.Stay[2], s[1]+moves.Leave[1]) + frame[senones[2]]
		s[1] = max(s[1]+moves.Stay[1], s[0]+moves.Leave[0]) + frame[senones[1]]
		s[0] = max(s[0]+moves.Stay[0], c.entry[t]) + frame[senones[0]]
		best = max(best, s[2]+moves.Leave[2]+c.into[t+1])
	}
	return best
}
