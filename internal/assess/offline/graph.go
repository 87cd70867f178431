package offline

import (
	"strings"

	"oktalk/internal/assess/offline/acoustic"
	"oktalk/internal/assess/offline/lexicon"
)

// nobody is the word number of silence and filler.
const nobody = -1

// node is one phone of a pronunciation, silence, or a piece of filler: a chain of three states.
type node struct {
	phone   acoustic.Phone
	filler  bool  // stands for any speech that is not in the text; phone means nothing
	opens   bool  // a spoken word; "1990" has several
	stress  int8  // of a vowel: the dictionary's digit, -1 if it is not known or no vowel
	pause   uint8 // belongs to a filled pause: 1 more than its number in filledPauses
	scores  [acoustic.States]uint16
	moves   acoustic.Transitions
	from    int32 // the node before it in the chain, or -1: it starts at joint
	joint   int32
	leadsTo int32   // the joint it ends in, or -1: the next node follows
	word    int32   // target word, or nobody
	cost    float32 // of entering it
}

// joint is a place between words. From it start the next word's pronunciations, silence and filler; the latter two lead
// back to it.
type joint struct {
	skipFrom int32   // joint before the word that ends here, or -1
	skipCost float32 // what leaving that word out costs
	moreCost float32 // the same when the word before is left out as well
}

// graph is everything that may be heard for a target text: words in order, each in any of its pronunciations or left out,
// with silence and other speech between them.
type graph struct {
	model  *acoustic.Model
	tuning *tuning
	nodes  []node
	joints []joint
	speech []uint16 // senones of phones that are not silence or noise
	// wordEnds is the joint after each word.
	wordEnds []int32
	// filledPause has the phones of filledPauses.
	filledPause [][]acoustic.Phone
	restartCost float32 // of going back to a word that was said already
}

func newGraph(m *acoustic.Model, words []lexicon.Word, t *tuning) *graph {
	g := &graph{model: m, tuning: t, restartCost: t.restartCost}
	for p := range m.Phones() {
		if senones := m.SenonesOf(acoustic.Phone(p)); !m.Filler(acoustic.Phone(p)) {
			g.speech = append(g.speech, senones[:]...)
		}
	}
	for _, f := range filledPauses {
		g.filledPause = append(g.filledPause, g.phones(f.phones))
	}
	at := g.addJoint()
	for i, w := range words {
		at = g.addWord(at, int32(i), w)
	}
	return g
}

// addJoint adds a joint with silence and filler.
func (g *graph) addJoint() int32 {
	j := int32(len(g.joints))
	g.joints = append(g.joints, joint{skipFrom: -1})
	silence := g.model.Silence()
	g.add(node{phone: silence, scores: g.model.SenonesOf(silence), moves: *g.model.TransitionsOf(silence), from: -1, joint: j, leadsTo: j, word: nobody, cost: g.tuning.silenceCost})
	g.addFiller(j)
	for i, phones := range g.filledPause {
		n := node{pause: uint8(i + 1), from: -1, joint: j, leadsTo: -1, word: nobody, cost: g.tuning.pauseCost}
		for k, p := range phones {
			n.phone, n.scores, n.moves = p, g.model.SenonesOf(p), *g.model.TransitionsOf(p)
			if k == len(phones)-1 {
				n.leadsTo = j
			}
			n.from, n.cost = g.add(n), 0
		}
	}
	return j
}

// filledPauses are the sounds of people who look for the next word. Each phone of three frames at least, so that they last 120 ms;
// shorter ones cannot be told from the ends of words.
var filledPauses = []struct{ text, phones string }{
	{"uh", "AH AH AH AH"},
	{"um", "AH AH M M"},
}

func (g *graph) phones(names string) []acoustic.Phone {
	var ps []acoustic.Phone
	for name := range strings.FieldsSeq(names) {
		if p, ok := g.model.Phone(name); ok {
			ps = append(ps, p)
		}
	}
	return ps
}

// wordStart is the joint before a word.
func (g *graph) wordStart(word int) int32 {
	if word == 0 {
		return 0
	}
	return g.wordEnds[word-1]
}

// addFiller adds other speech of at least fillerNodes x 3 frames.
func (g *graph) addFiller(j int32) {
	speech := uint16(g.model.Senones())
	n := node{filler: true, scores: [acoustic.States]uint16{speech, speech, speech}, from: -1, joint: j, leadsTo: -1, word: nobody, cost: g.tuning.fillerCost}
	for range g.tuning.fillerNodes - 1 {
		n.from, n.cost = g.add(n), 0
	}
	n.leadsTo = j
	g.add(n)
}

// addWord adds all ways to say a word and the way to leave it out, and returns the joint after it.
func (g *graph) addWord(start, word int32, w lexicon.Word) int32 {
	var ends [][]int32 // by reading: its last nodes
	for _, r := range w.Readings {
		at := start
		for p, part := range r {
			last := g.addPart(at, word, part)
			if p == len(r)-1 {
				ends = append(ends, last)
				break
			}
			at = g.addJoint()
			g.lead(last, at)
		}
	}
	end := g.addJoint()
	for _, last := range ends {
		g.lead(last, end)
	}
	g.joints[end] = joint{start, g.tuning.skipCost, g.tuning.skipMore * g.tuning.skipCost}
	g.wordEnds = append(g.wordEnds, end)
	return end
}

// skipCost is what leaving a word out takes from the log likelihood.
func (g *graph) skipCost(word int) float32 { return g.joints[g.wordEnds[word]].skipCost }

// raiseSkip makes leaving a word out cost more.
func (g *graph) raiseSkip(word int, first, more float32) {
	j := &g.joints[g.wordEnds[word]]
	j.skipCost, j.moreCost = j.skipCost+first, j.moreCost+more
}

// raiseExtras makes speech that is not in the text cost more.
func (g *graph) raiseExtras(by float32) {
	g.restartCost += by
	for i := range g.nodes {
		if n := &g.nodes[i]; n.from < 0 && (n.filler || n.pause > 0) {
			n.cost += by
		}
	}
}

func (g *graph) lead(nodes []int32, j int32) {
	for _, n := range nodes {
		g.nodes[n].leadsTo = j
	}
}

// addPart adds the pronunciations of a spoken word and returns their last nodes.
func (g *graph) addPart(start, word int32, part lexicon.Part) []int32 {
	var ends []int32
	for _, pronunciation := range part {
		from := int32(-1)
		for i, written := range pronunciation {
			name, stress := lexicon.SplitStress(written)
			p, _ := g.model.Phone(name) // the lexicon gives phones of the model only
			from = g.add(node{phone: p, opens: i == 0, stress: int8(stress), scores: g.model.SenonesOf(p), moves: *g.model.TransitionsOf(p), from: from, joint: start, leadsTo: -1, word: word})
		}
		ends = append(ends, from)
	}
	return ends
}

func (g *graph) add(n node) int32 {
	g.nodes = append(g.nodes, n)
	return int32(len(g.nodes) - 1)
}

// shortest is the phones of the shortest reading, each part in its first pronunciation.
func shortest(readings []lexicon.Reading) int {
	least := 0
	for _, r := range readings {
		n := 0
		for _, part := range r {
			n += len(part[0])
		}
		if least == 0 || n < least {
			least = n
		}
	}
	return least
}
