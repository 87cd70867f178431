package offline

import (
	"context"
	"slices"

	"oktalk/internal/assess/offline/acoustic"
	"oktalk/internal/assess/offline/lexicon"
)

// span is a run of frames, from start up to, not including, end.
type span struct{ start, end int }

func (s span) frames() int { return s.end - s.start }

// spokenPhone is a phone of the text as it was found in the recording.
type spokenPhone struct {
	span
	phone    acoustic.Phone
	opens    bool // a spoken word
	stress   int8 // the dictionary's digit, -1 if it is not known
	goodness goodness
	heard    bool // by the free recognition as well
	finding  finding
}

// spokenWord is a target word as it was found; without phones it was left out.
type spokenWord struct {
	lexicon.Word
	phones   []spokenPhone
	another  bool // was said in its place, or it was said so badly that no single sound is to be named
	replaced bool // surely: it counts as not said
}

func (w *spokenWord) span() span {
	if len(w.phones) == 0 {
		return span{}
	}
	return span{w.phones[0].start, w.phones[len(w.phones)-1].end}
}

// reading is what was found in a recording. Frames count from the first of the scored part.
type reading struct {
	frames   int
	words    []spokenWord
	pauses   []span  // silence
	extras   []extra // speech that is not in the text
	heard    []heard
	restarts []restart
	// likelihood is the log likelihood of the best path through the text's graph.
	likelihood float32
	free       float32 // that of any phones at all
	skipped    float32 // what the words left out took from it
	// allowance is added to every goodness; see [reading.allow].
	allowance float64
	// background is how far the quietest tenth of the recording is below the loud frames, in dB.
	background float64
}

// read aligns a text with scored frames and measures every phone.
func (w *worker) read(ctx context.Context, words []lexicon.Word, scores []float32) (*reading, error) {
	phones, free, err := w.listener.listen(ctx, w.model, scores, w.tuning.changeCost)
	if err != nil {
		return nil, err
	}
	g := newGraph(w.model, words, w.tuning)
	follow := func() (*reading, error) { return w.follow(ctx, g, words, scores, &reading{heard: phones, free: free}) }
	r, err := follow()
	for pass := 0; err == nil && pass < mostPasses && w.reconsider(g, r, pass == 0); pass++ {
		r, err = follow()
	}
	return r, err
}

// mostPasses is how often the text is aligned again: words taken back in one gap may open the next.
const mostPasses = 3

// follow aligns a graph with scored frames and measures every phone. It adds what it finds to r, which has what was heard freely.
func (w *worker) follow(ctx context.Context, g *graph, words []lexicon.Word, scores []float32, r *reading) (*reading, error) {
	path, aligned, err := w.aligner.align(ctx, g, scores)
	if err != nil {
		return nil, err
	}
	r.frames, r.words, r.likelihood = len(scores)/w.model.Senones(), make([]spokenWord, len(words)), aligned
	for i := range words {
		r.words[i].Word = words[i]
	}
	for _, s := range path {
		r.place(g, s)
	}
	r.settleRestarts()
	r.compare(w.model, w.variants)
	w.checkExtras(r, scores)
	for i := range r.words {
		w.measure(r.words[i].phones, scores)
		if len(r.words[i].phones) == 0 {
			r.skipped += g.skipCost(i)
		}
	}
	return r, nil
}

// place puts a segment of the path where it belongs.
func (r *reading) place(g *graph, s segment) {
	at := span{s.start, s.end}
	if s.node <= restarted {
		r.restarts = append(r.restarts, restart{first: -1, last: int(restarted - s.node)})
		return
	}
	switch n := &g.nodes[s.node]; {
	case n.filler:
		r.addExtra(extra{span: at})
	case n.pause > 0:
		r.addExtra(extra{span: at, text: filledPauses[n.pause-1].text})
	case n.word == nobody:
		r.pauses = append(r.pauses, at)
	default:
		r.startAgain(int(n.word))
		word := &r.words[n.word]
		if n.phone != g.model.Silence() {
			word.phones = append(word.phones, spokenPhone{span: at, phone: n.phone, opens: n.opens, stress: n.stress})
		}
	}
}

// merge joins spans that touch.
func merge(spans []span) []span {
	var out []span
	for _, s := range spans {
		if n := len(out); n > 0 && out[n-1].end == s.start {
			out[n-1].end = s.end
			continue
		}
		out = append(out, s)
	}
	return out
}

// speechFrames counts the frames in which the free recognition hears speech.
func (r *reading) speechFrames(m *acoustic.Model) int {
	n := 0
	for _, h := range r.heard {
		if !m.Filler(h.phone) {
			n += h.end - h.start
		}
	}
	return n
}

// measure fills in the goodness of a word's phones.
func (w *worker) measure(phones []spokenPhone, scores []float32) {
	width := w.model.Senones()
	for i := range phones {
		p := &phones[i]
		at := surroundingsOf(w.model, phones, i)
		p.goodness = measure(w.model, scores[p.start*width:p.end*width], p.phone, func(q acoustic.Phone) bool {
			return w.variants.accepts(p.phone, q, at)
		})
	}
}

const (
	// usualRatio is the median goodness below which a recording is scored with an allowance. Right readings by flite
	// have 1.2 to 1.6, with noise at 15 dB -0.4 (measured).
	usualRatio = 0.5
	// enoughPhones is how many phones it takes for their median to say something about the recording.
	enoughPhones = 8
	// mostAllowance bounds it.
	mostAllowance = 1.5
	// The allowance is given in full from sureEvidence on and not at all up to doubtfulEvidence, so that another text
	// that was not refused gains nothing by it.
	doubtfulEvidence = 0.5
	sureEvidence     = 2.5
)

// allow sets by how much noise, a bad microphone or an unusual voice shifted all phones of a recording: a learner's phones
// are mostly right, so a low median is not the learner's doing.
func (r *reading) allow(evidence float64) {
	sure := (evidence - doubtfulEvidence) / (sureEvidence - doubtfulEvidence)
	r.allowance = r.shortfall() * min(max(sure, 0), 1)
}

// shortfall is by how much the median goodness of the phones is below the usual one, at most mostAllowance; 0 for few phones.
func (r *reading) shortfall() float64 {
	var ratios []float64
	for i := range r.words {
		for _, p := range r.words[i].phones {
			ratios = append(ratios, p.goodness.ratio)
		}
	}
	if len(ratios) < enoughPhones {
		return 0
	}
	slices.Sort(ratios)
	return min(max(usualRatio-ratios[len(ratios)/2], 0), mostAllowance)
}
