package acoustic

import "fmt"

// Position is where a phone stands in its word.
type Position uint8

// The positions, as mdef numbers them.
const (
	Inside Position = iota
	AtStart
	AtEnd
	Alone
)

const positions = 4

// triphones finds the senones of a phone between two others. Each branch of the tree has the value of one level (position, phone,
// left, right) and where its own branches or the entry of the triphone are; an entry has the number of a sequence of senones.
type triphones struct {
	branches, entries, sequences []byte
}

const (
	branchSize = 8         // value and number of branches below, 16 bits each; the first of these or the entry, 32 bits
	none       = 1<<32 - 1 // instead of an entry: there are no triphones of this phone
	entrySize  = 12        // sequence and transition matrix, 32 bits each; the rest is not needed
)

// check makes sure that no lookup leaves the tables.
func (t *triphones) check(phones, senones int) error {
	branches, entries := len(t.branches)/branchSize, len(t.entries)/entrySize
	for i := range branches {
		if _, below, first := t.branch(i); below == 0 && first != none && first >= entries || below > 0 && first+below > branches {
			return fmt.Errorf("branch %d of the triphone tree leads nowhere", i)
		}
	}
	for i := phones; i < entries; i++ {
		if n := t.sequence(i); n >= len(t.sequences)/(2*States) {
			return fmt.Errorf("triphone %d has senone sequence %d of %d", i, n, len(t.sequences)/(2*States))
		}
	}
	for i := 0; i < len(t.sequences); i += 2 {
		if n := int(t.sequences[i]) | int(t.sequences[i+1])<<8; n >= senones {
			return fmt.Errorf("a sequence has senone %d of %d", n, senones)
		}
	}
	return nil
}

func (t *triphones) branch(i int) (value, below, first int) {
	b := t.branches[i*branchSize:]
	return int(b[0]) | int(b[1])<<8, int(b[2]) | int(b[3])<<8, int(b[4]) | int(b[5])<<8 | int(b[6])<<16 | int(b[7])<<24
}

func (t *triphones) sequence(entry int) int {
	e := t.entries[entry*entrySize:]
	return int(e[0]) | int(e[1])<<8 | int(e[2])<<16 | int(e[3])<<24
}

// find walks down the tree.
func (t *triphones) find(path [4]int) (senones [States]uint16, ok bool) {
	first, n := 0, min(positions, len(t.branches)/branchSize)
	for _, want := range path {
		next := -1
		for i := first; i < first+n; i++ {
			if value, below, down := t.branch(i); value == want {
				next, first, n = down, down, below
				break
			}
		}
		if next < 0 {
			return senones, false
		}
		if n == 0 && next != none {
			at := t.sequence(next) * States * 2
			for s := range senones {
				senones[s] = uint16(t.sequences[at+2*s]) | uint16(t.sequences[at+2*s+1])<<8
			}
			return senones, true
		}
	}
	return senones, false
}

// SenonesBetween gives the senones of a phone's states between two others, for [Scorer.Score]. What the model has no triphone for
// gets that of another position, or the senones of the phone alone.
func (m *Model) SenonesBetween(left, p, right Phone, at Position) [States]uint16 {
	if m.Filler(left) {
		left = m.Silence()
	}
	if m.Filler(right) {
		right = m.Silence()
	}
	for _, position := range [...]Position{at, Inside, AtStart, AtEnd, Alone} {
		if s, ok := m.definition.triphones.find([4]int{int(position), int(p), int(left), int(right)}); ok {
			return s
		}
	}
	return m.SenonesOf(p)
}

// Score appends the log likelihoods of a senone of a phone in frames of the last recording that was scored, from start up to, not
// including, end. They are not shifted as those of [Scorer.Scores] are: only differences within a frame mean anything.
func (s *Scorer) Score(dst []float32, p Phone, senone uint16, start, end int) []float32 {
	for t := start; t < end; t++ {
		parts := s.ScoreParts(p, senone, t)
		dst = append(dst, parts[0]+parts[1]+parts[2])
	}
	return dst
}

// ScoreParts are the parts of which [Scorer.Score] of one frame is the sum: those of cepstra, their differences and the differences of
// these.
func (s *Scorer) ScoreParts(p Phone, senone uint16, frame int) (parts [streams]float32) {
	m, near := s.model.mixtures, s.near(frame, p)
	for stream := range near {
		at := (int(senone)*streams + stream) * m.densities
		parts[stream] = s.mix(&near[stream], m.weights[at:at+m.densities])
	}
	return parts
}
