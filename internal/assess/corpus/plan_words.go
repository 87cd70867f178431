package corpus

import (
	"math/rand/v2"
	"slices"
)

// planWords adds readings with words left out, added or exchanged.
func (p *planner) planWords(v Voice, n shares) {
	for _, at := range []Position{First, Middle, Last, InARow, SecondHalf} {
		rng := p.draw(v, string(at))
		for _, text := range p.choose(rng, v, n.omission, 6) {
			r := p.start(v, rng, Omission, ByText, text)
			r.Position = at
			r.leaveOut(omitted(rng, at, len(r.Words)))
			p.add(r, "omission")
		}
	}
	for _, kind := range []Kind{Insertion, Repetition, Hesitation} {
		rng := p.draw(v, string(kind))
		for _, text := range p.choose(rng, v, n.extra, 4) {
			r := p.start(v, rng, kind, ByText, text)
			r.extend(rng)
			p.add(r, string(kind))
		}
	}
	p.planOther(v, n)
}

// omitted draws the words to leave out, from first up to, not including, last.
func omitted(rng *rand.Rand, at Position, words int) (first, last int) {
	switch at {
	case First:
		return 0, 1
	case Middle:
		i := 1 + rng.IntN(words-2)
		return i, i + 1
	case Last:
		return words - 1, words
	case InARow:
		n := 2 + rng.IntN(2)
		i := 1 + rng.IntN(words-n-1)
		return i, i + n
	default:
		return words / 2, words
	}
}

func (r *reading) leaveOut(first, last int) {
	r.said = slices.Delete(r.said, first, last)
	for i := first; i < last; i++ {
		r.Planted = append(r.Planted, Planted{Word: i})
	}
}

// extend adds a word after one that is not the last.
func (r *reading) extend(rng *rand.Rand) {
	i := rng.IntN(len(r.Words) - 1)
	r.Planted = []Planted{{Word: i}}
	switch r.Kind {
	case Repetition:
		r.said = slices.Insert(r.said, i+1, r.said[i])
	case Hesitation:
		r.said = slices.Insert(r.said, i+1, "uh,")
	default:
		r.said = slices.Insert(r.said, i+1, drawExtra(rng, r.Text))
	}
}

// drawExtra draws a word that the text does not have.
func drawExtra(rng *rand.Rand, text string) string {
	for {
		if w := extraWords[rng.IntN(len(extraWords))]; !slices.Contains(keys(text), w) {
			return w
		}
	}
}

// planOther adds readings of something else.
func (p *planner) planOther(v Voice, n shares) {
	rng := p.draw(v, string(OtherWord))
	for _, text := range p.choose(rng, v, n.otherWord, 4) {
		r := p.start(v, rng, OtherWord, ByText, text)
		i := rng.IntN(len(r.Words))
		r.said[i] = drawExtra(rng, text) + trailing(r.said[i])
		r.Planted = []Planted{{Word: i}}
		p.add(r, string(OtherWord))
	}
	for _, part := range []struct {
		kind    Kind
		n       int
		longest int
	}{{OtherText, n.otherText, 99}, {OtherSingle, n.otherSingle, 1}} {
		rng := p.draw(v, string(part.kind))
		pool := p.choose(rng, v, len(texts[v.Split]), 1)
		pool = slices.DeleteFunc(pool, func(text string) bool {
			return len(keys(text)) > part.longest || part.longest > 1 && len(keys(text)) < 3
		})
		for i := range part.n {
			r := p.start(v, rng, part.kind, ByText, pool[i%len(pool)])
			r.said = []string{pool[(i+1+i/len(pool))%len(pool)]}
			p.add(r, string(part.kind))
		}
	}
}
