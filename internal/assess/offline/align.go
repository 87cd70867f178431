package offline

import (
	"context"
	"slices"

	"oktalk/internal/assess/offline/acoustic"
)

// segment is the frames that a node was heard in: from start up to, not including, end.
type segment struct {
	node       int32
	start, end int
}

// aligner finds the likeliest path through a graph (Viterbi). Its buffers are reused.
//
// Where each best path came from is kept in one byte for each node and frame (a bit for each state: from the state before
// it, or stayed) and four for each joint and frame.
type aligner struct {
	states   [][acoustic.States]float32 // by node: log likelihood of the best path that is there
	joints   []float32
	steps    []uint8   // frame*nodes + node
	arrivals []int32   // (frame+1)*joints + joint: the node that ended there, or skipped
	gaps     []float32 // by joint: the best path that left out the word that ends there
	longer   []bool    // (frame+1)*joints + joint: that path left out the word before as well
	frame    []float32
}

// checkEvery is the frames between two looks at the context.
const checkEvery = 100

const (
	// skipped marks a joint reached by leaving a word out; arrivals before the first frame have it too.
	skipped = -1
	// restarted, minus the number of a word, marks a joint reached by going back to it after that word.
	restarted = -2
)

// align finds the best path. scores has for each frame those of all senones.
func (a *aligner) align(ctx context.Context, g *graph, scores []float32) ([]segment, float32, error) {
	width := g.model.Senones()
	frames := len(scores) / width
	a.reset(g, frames)
	for t := range frames {
		if t%checkEvery == 0 && ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		copy(a.frame, scores[t*width:(t+1)*width])
		a.frame[width] = bestSpeech(g, a.frame) - g.tuning.fillerMargin
		a.step(g, a.steps[t*len(g.nodes):(t+1)*len(g.nodes)])
		a.arrive(g, t+1)
	}
	return a.trace(g, frames), a.joints[len(a.joints)-1], nil
}

func (a *aligner) reset(g *graph, frames int) {
	a.states = resize(a.states, len(g.nodes))
	for n := range a.states {
		a.states[n] = [acoustic.States]float32{acoustic.Never, acoustic.Never, acoustic.Never}
	}
	a.joints = resize(a.joints, len(g.joints))
	a.steps = resize(a.steps, frames*len(g.nodes))
	a.arrivals = resize(a.arrivals, (frames+1)*len(g.joints))
	a.frame = resize(a.frame, g.model.Senones()+1)
	a.longer = resize(a.longer, (frames+1)*len(g.joints))
	a.gaps = resize(a.gaps, len(g.joints))
	for j := range a.joints {
		a.joints[j] = acoustic.Never
	}
	a.joints[0] = 0
	for j := range g.joints {
		a.arrivals[j] = skipped
		a.skip(g, j, 0)
	}
}

// step moves every path by one frame. Nodes go from the last to the first, so that a node still sees the one before it as
// it was.
//
//go:norace
func (a *aligner) step(g *graph, steps []uint8) {
	for i := len(g.nodes) - 1; i >= 0; i-- {
		n, s := &g.nodes[i], &a.states[i]
		entry := a.joints[n.joint] - n.cost
		if n.from >= 0 {
			entry = a.states[n.from][2] + g.nodes[n.from].moves.Leave[2]
		}
		var came uint8
		stay, move := s[2]+n.moves.Stay[2], s[1]+n.moves.Leave[1]
		if move > stay {
			stay, came = move, came|4
		}
		s[2] = stay + a.frame[n.scores[2]]
		stay, move = s[1]+n.moves.Stay[1], s[0]+n.moves.Leave[0]
		if move > stay {
			stay, came = move, came|2
		}
		s[1] = stay + a.frame[n.scores[1]]
		stay = s[0] + n.moves.Stay[0]
		if entry > stay {
			stay, came = entry, came|1
		}
		s[0] = stay + a.frame[n.scores[0]]
		steps[i] = came
	}
}

// arrive computes the joints after so many frames.
//
//go:norace
func (a *aligner) arrive(g *graph, t int) {
	arrivals := a.arrivals[t*len(g.joints):]
	for j := range a.joints {
		a.joints[j] = acoustic.Never
		arrivals[j] = skipped
	}
	for i := range g.nodes {
		n := &g.nodes[i]
		if n.leadsTo < 0 {
			continue
		}
		if v := a.states[i][2] + n.moves.Leave[2]; v > a.joints[n.leadsTo] {
			a.joints[n.leadsTo], arrivals[n.leadsTo] = v, int32(i)
		}
	}
	for j := range g.joints {
		a.skip(g, j, t)
	}
	for word := range g.wordEnds {
		a.restart(g, word, arrivals)
	}
}

// restart lets paths go back to a word from it or one of those after it. Words go from the first to the last, so that no path goes
// back twice in a frame.
//
//go:norace
func (a *aligner) restart(g *graph, word int, arrivals []int32) {
	start := g.wordStart(word)
	for last := word; last < min(len(g.wordEnds), word+g.tuning.restartWords); last++ {
		if v := a.joints[g.wordEnds[last]] - g.restartCost; v > a.joints[start] {
			a.joints[start], arrivals[start] = v, int32(restarted-last)
		}
	}
}

// skip lets paths leave out the word that ends at a joint. One word more costs less than the first.
//
//go:norace
func (a *aligner) skip(g *graph, j, t int) {
	from, at := g.joints[j].skipFrom, t*len(g.joints)+j
	if a.gaps[j] = acoustic.Never; from < 0 {
		return
	}
	first, more := a.joints[from]-g.joints[j].skipCost, a.gaps[from]-g.joints[j].moreCost
	a.gaps[j], a.longer[at] = max(first, more), more > first
	if a.gaps[j] > a.joints[j] {
		a.joints[j], a.arrivals[at] = a.gaps[j], skipped
	}
}

// trace follows the best path back from the last joint.
func (a *aligner) trace(g *graph, frames int) []segment {
	var path []segment
	j, t := int32(len(g.joints)-1), frames
	for t > 0 || j > 0 {
		n := a.arrivals[t*len(g.joints)+int(j)]
		if n <= restarted {
			path = append(path, segment{n, t, t})
			j = g.wordEnds[restarted-n]
			n = a.arrivals[t*len(g.joints)+int(j)]
		}
		for n == skipped {
			more := a.longer[t*len(g.joints)+int(j)]
			if j = g.joints[j].skipFrom; j < 0 {
				return nil // no path: fewer frames than silence needs
			}
			if !more {
				break
			}
		}
		if n == skipped {
			continue
		}
		for ; n >= 0; n = g.nodes[n].from {
			start := a.entered(len(g.nodes), n, t)
			path = append(path, segment{n, start, t})
			t, j = start, g.nodes[n].joint
		}
	}
	slices.Reverse(path)
	return path
}

// entered finds the frame in which the path that left a node before frame end had entered it.
func (a *aligner) entered(nodes int, n int32, end int) int {
	state := acoustic.States - 1
	for t := end - 1; t >= 0; t-- {
		if a.steps[t*nodes+int(n)]&(1<<state) == 0 {
			continue
		}
		if state == 0 {
			return t
		}
		state--
	}
	return 0
}

// bestSpeech is the score of the best state of any phone that is not silence or noise.
//
//go:norace
func bestSpeech(g *graph, frame []float32) float32 {
	best := acoustic.Never
	for _, s := range g.speech {
		best = max(best, frame[s])
	}
	return best
}

// resize gives a slice of n elements, s itself if it is large enough; its elements are to be overwritten.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
