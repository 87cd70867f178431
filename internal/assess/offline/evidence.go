package offline

import (
	"cmp"
	"context"
	"math"
	"slices"

	"oktalk/internal/assess/offline/acoustic"
	"oktalk/internal/assess/offline/lexicon"
	"oktalk/internal/evaluation"
)

// Evidence is what a recording tells about one phone of its text. A [Diagnosis] is fitted to many of them.
type Evidence struct {
	ARPAbet    string
	Candidates []Candidate // sounds that may have been said instead
}

// Candidate is a sound that may have been said for another, and what speaks for it: numbers whose meanings are [FeatureNames].
type Candidate struct {
	ARPAbet  string
	Listed   bool // it is a usual substitute; others are the likeliest of the rest
	Features []float64
}

// FeatureNames are the meanings of a candidate's features. alone is the log likelihood ratio of the two sounds on their own, between of
// the two between their neighbours, both in nats; both is their sum.
func FeatureNames() []string {
	return []string{
		"one", "alone, soft", "alone a frame", "alone", "between, soft", "between a frame", "between", "both by root of frames", "lead",
		"usual fit", "usual fit x both, soft", "noise", "noise x both, soft", "noise x both", "votes a frame", "votes",
	}
}

const (
	// unlisted is how many sounds that are no usual substitutes are looked at.
	unlisted = 2
	// noisyBelow is the range of levels in dB below which there is noise to reckon with; clean speech has 35 and more.
	noisyBelow = 35
	// mostSilence is how many frames of a silence count as a phone's neighbour.
	mostSilence = 10
	// mostVote bounds what one frame can say for or against a sound, in nats: a click or a border in the wrong place is soon a few frames
	// of many nats.
	mostVote = 3
)

// Evidence listens to a recording as [Assessor.Assess] does, with the same refusals, and gives the evidence for each phone of each word of
// the text. Words that were left out have none.
func (a *Assessor) Evidence(ctx context.Context, samples []int16, text string) ([][]Evidence, error) {
	w, err := a.queue.take(ctx)
	if err != nil {
		return nil, err
	}
	defer a.queue.giveBack(w)
	defer w.shrink()
	words, err := a.words(ctx, text)
	if err != nil {
		return nil, err
	}
	r, _, err := w.understand(ctx, samples, words)
	if err != nil {
		return nil, err
	}
	out := make([][]Evidence, len(r.words))
	s := newSubstitutes(w.model, "")
	w.examine(r, &s, func(word int, p *spokenPhone, cs []Candidate) {
		e := Evidence{ARPAbet: w.model.Name(p.phone)}
		for _, c := range cs {
			c.Features = slices.Clone(c.Features)
			e.Candidates = append(e.Candidates, c)
		}
		out[word] = append(out[word], e)
	})
	return out, nil
}

// examiner compares the phones of a reading with what may have been said instead. Its buffers are reused.
type examiner struct {
	exchanger exchanger
	chains    chains
	alone     []float32 // by phone: log likelihood ratio against the phone of the text
	votes     []float32
	rest      []acoustic.Phone
	features  []float64
}

// examine gives the evidence for each phone to found. It is valid until found returns.
func (w *worker) examine(r *reading, s *substitutes, found func(word int, p *spokenPhone, cs []Candidate)) {
	row := newRow(w.model, r)
	if len(row.phones) == 0 {
		return
	}
	usualFit := row.median()
	noise := max(0, noisyBelow-r.background) / 10
	var cs []Candidate
	for i, at := range row.phones {
		p := at.spokenPhone
		before, after := row.neighbours(i)
		x := &w.examiner
		x.alone = x.exchanger.compare(x.alone[:0], w.model, w.scores, before, *p, after)
		x.vote(w, p)
		first, second := x.best(w, p.phone)
		situation := row.situation(i, before, after)
		x.chains.reset()
		own := x.chains.fit(w.model, w.scorer, &situation, p.phone)
		cs, x.features = cs[:0], x.features[:0]
		add := func(q acoustic.Phone, listed bool) {
			rival := first
			if q == first {
				rival = second
			}
			from := len(x.features)
			between := float64(x.chains.fit(w.model, w.scorer, &situation, q) - own)
			x.features = appendFeatures(x.features, float64(x.alone[q]), between, float64(x.alone[q]-x.alone[rival]), float64(x.votes[q]), usualFit, noise, float64(p.frames()))
			cs = append(cs, Candidate{w.model.Name(q), listed, x.features[from:len(x.features):len(x.features)]})
		}
		for _, q := range s.listed[p.phone] {
			add(q, true)
		}
		for _, q := range x.likeliest(w, s, p.phone, at.surroundings) {
			add(q, false)
		}
		found(at.word, p, cs)
	}
}

// appendFeatures appends what speaks for a candidate, in the order of [FeatureNames].
func appendFeatures(dst []float64, alone, between, lead, votes, usualFit, noise, frames float64) []float64 {
	clip := func(x, most float64) float64 { return min(max(x, -most), most) }
	soft := math.Asinh((alone + between) / 10)
	usualFit = clip(usualFit, 3)
	return append(
		dst, 1, math.Asinh(alone/5), clip(alone/frames, 6), clip(alone, 80)/10, math.Asinh(between/5), clip(between/frames, 6), clip(between, 80)/10,
		clip((alone+between)/math.Sqrt(frames), 30)/6, clip(lead, 40)/10, usualFit, usualFit*soft, noise, noise*soft, noise*clip((alone+between)/20, 5),
		votes/frames, clip(votes, 40)/10,
	)
}

// vote counts for each phone by how much it fits the frames better, each frame with a voice of the same weight.
//
//go:norace
func (x *examiner) vote(w *worker, p *spokenPhone) {
	width := w.model.Senones()
	x.votes = resize(x.votes, w.model.Phones())
	clear(x.votes)
	for t := p.start; t < p.end; t++ {
		frame := w.scores[t*width : (t+1)*width]
		own := bestState(w.model, frame, p.phone)
		for q := range x.votes {
			x.votes[q] += min(max(bestState(w.model, frame, acoustic.Phone(q))-own, -mostVote), mostVote)
		}
	}
}

func bestState(m *acoustic.Model, frame []float32, p acoustic.Phone) float32 {
	s := m.SenonesOf(p)
	return max(frame[s[0]], frame[s[1]], frame[s[2]])
}

// best are the two phones that explain the place of p best on their own.
func (x *examiner) best(w *worker, p acoustic.Phone) (first, second acoustic.Phone) {
	first, second = p, p
	for q := range acoustic.Phone(w.model.Phones()) {
		switch v := x.alone[q]; {
		case q == p || w.model.Filler(q):
		case first == p || v > x.alone[first]:
			first, second = q, first
		case second == p || v > x.alone[second]:
			second = q
		}
	}
	return first, second
}

// likeliest are the likeliest phones that are no usual substitutes and no variants.
func (x *examiner) likeliest(w *worker, s *substitutes, p acoustic.Phone, at surroundings) []acoustic.Phone {
	x.rest = x.rest[:0]
	for q := range acoustic.Phone(w.model.Phones()) {
		if q != p && !w.model.Filler(q) && !s.lists(p, q) && !w.variants.accepts(p, q, at) {
			x.rest = append(x.rest, q)
		}
	}
	slices.SortFunc(x.rest, func(a, b acoustic.Phone) int { return cmp.Compare(x.alone[b], x.alone[a]) })
	return x.rest[:min(unlisted, len(x.rest))]
}

// row is all phones of a reading, one after the other.
type row struct {
	model  *acoustic.Model
	phones []rowPhone
	pauses []span
}

type rowPhone struct {
	*spokenPhone
	word         int
	position     acoustic.Position
	surroundings surroundings
}

func newRow(m *acoustic.Model, r *reading) row {
	out := row{model: m, pauses: r.pauses}
	for i := range r.words {
		phones := r.words[i].phones
		for k := range phones {
			out.phones = append(out.phones, rowPhone{&phones[k], i, positionOf(k, len(phones)), surroundingsOf(m, phones, k)})
		}
	}
	slices.SortStableFunc(out.phones, func(a, b rowPhone) int { return cmp.Compare(a.start, b.start) })
	return out
}

func positionOf(i, n int) acoustic.Position {
	switch {
	case n == 1:
		return acoustic.Alone
	case i == 0:
		return acoustic.AtStart
	case i == n-1:
		return acoustic.AtEnd
	default:
		return acoustic.Inside
	}
}

// median is the median goodness: how well the recording as a whole fits.
func (r *row) median() float64 {
	ratios := make([]float64, len(r.phones))
	for i, p := range r.phones {
		ratios[i] = p.goodness.ratio
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2]
}

// neighbours are what lies directly before and after a phone.
func (r *row) neighbours(i int) (before, after neighbour) {
	p := r.phones[i]
	if i > 0 && r.phones[i-1].end == p.start {
		before = neighbour{r.phones[i-1].span, r.phones[i-1].phone, true}
	}
	if i < len(r.phones)-1 && r.phones[i+1].start == p.end {
		after = neighbour{r.phones[i+1].span, r.phones[i+1].phone, true}
	}
	for _, s := range r.pauses {
		if s.frames() < acoustic.States {
			continue
		}
		if s.end == p.start {
			before = neighbour{span{max(s.start, s.end-mostSilence), s.end}, r.model.Silence(), true}
		}
		if s.start == p.end {
			after = neighbour{span{s.start, min(s.end, s.start+mostSilence)}, r.model.Silence(), true}
		}
	}
	return before, after
}

// situation is a phone between its neighbours and theirs.
func (r *row) situation(i int, before, after neighbour) situation {
	p, silence := r.phones[i], r.model.Silence()
	s := situation{window: p.span, left: before.known, right: after.known}
	s.phones = [5]acoustic.Phone{silence, silence, p.phone, silence, silence}
	s.at[2] = p.position
	if before.known {
		s.window.start, s.phones[1] = before.start, before.phone
	}
	if before.known && before.phone != silence {
		s.at[1] = r.phones[i-1].position
		if i > 1 && r.phones[i-2].end == before.start {
			s.phones[0] = r.phones[i-2].phone
		}
	}
	if after.known {
		s.window.end, s.phones[3] = after.end, after.phone
	}
	if after.known && after.phone != silence {
		s.at[3] = r.phones[i+1].position
		if i+2 < len(r.phones) && r.phones[i+2].start == after.end {
			s.phones[4] = r.phones[i+2].phone
		}
	}
	return s
}

// words looks the words of a text up.
func (a *Assessor) words(ctx context.Context, text string) ([]lexicon.Word, error) {
	words, err := a.lexicon.Words(ctx, text)
	if err != nil {
		return nil, a.wordError(err)
	}
	if len(words) == 0 {
		return nil, evaluation.Refuse("invalid-text", "The target text has no words to read.")
	}
	return words, nil
}
