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
// the two between their neighbours, both in nats; both is their sum. The parts of between are those of the frames before the sound, in its
// thirds and after it, and those of cepstra, their differences and the differences of these.
func FeatureNames() []string {
	names := []string{
		"one", "alone, soft", "alone a frame", "alone", "between, soft", "between a frame", "between", "both by root of frames", "lead",
		"usual fit", "usual fit x both, soft", "noise", "noise x both, soft", "noise x both", "votes a frame", "votes", "among all, soft",
	}
	for _, part := range []string{"before", "first third", "second third", "last third", "after", "cepstra", "differences", "their differences"} {
		names = append(names, part+", soft", part)
	}
	return append(names, "starts a word", "ends a word", "after silence", "before silence", "after a vowel", "before a vowel")
}

const (
	// unlisted is how many sounds that are no usual substitutes are looked at.
	unlisted = 2
	// rivals is how many of the likeliest sounds are looked at, whatever they are.
	rivals = 6
	// mostAhead bounds a likelihood ratio in nats, so that its exponent is finite.
	mostAhead = 50
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
	exchanger  exchanger
	chains     chains
	own, other chain
	others     []acoustic.Phone
	alone      []float32 // by phone, of the others: log likelihood ratio against the phone of the text
	votes      []float32
	rest       []acoustic.Phone
	features   []float64
}

// examine gives the evidence for each phone to found. It is valid until found returns.
func (w *worker) examine(r *reading, s *substitutes, found func(word int, p *spokenPhone, cs []Candidate)) {
	row := newRow(w.model, r)
	if len(row.phones) == 0 {
		return
	}
	w.adapt(r)
	usualFit := row.median()
	noise := max(0, noisyBelow-r.background) / 10
	var cs []Candidate
	for i, at := range row.phones {
		p := at.spokenPhone
		before, after := row.neighbours(i)
		x := &w.examiner
		situation := row.situation(i, before, after)
		x.choose(w, s, at, before, after)
		x.listen(w, at, situation.window, before, after)
		first, second := x.best(p.phone)
		x.chains.reset()
		x.chains.fit(&x.own, w.model, w.scorer, &situation, p.phone)
		cs, x.features = cs[:0], x.features[:0]
		add := func(q acoustic.Phone, listed bool) {
			rival := first
			if q == first {
				rival = second
			}
			x.chains.fit(&x.other, w.model, w.scorer, &situation, q)
			e := ratios{
				alone: float64(x.alone[q]), between: float64(x.other.likelihood - x.own.likelihood), lead: float64(x.alone[q] - x.alone[rival]),
				votes: float64(x.votes[q]), amongAll: x.amongAll(q), usualFit: usualFit, noise: noise, frames: float64(p.frames()),
				parts: x.parts(w, p.span, situation.window),
			}
			from := len(x.features)
			x.features = appendPlace(e.append(x.features), w.model, at.position, before, after)
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

// ratios speak for a candidate; [FeatureNames] says what they are.
type ratios struct {
	alone, between, lead, votes, amongAll float64
	usualFit, noise, frames               float64
	parts                                 [timeParts + streamParts]float64
}

const (
	timeParts   = 5
	streamParts = 3
)

// append appends the features that are made of the ratios.
func (e *ratios) append(dst []float64) []float64 {
	alone, between, frames, noise := e.alone, e.between, e.frames, e.noise
	soft := math.Asinh((alone + between) / 10)
	usualFit := clip(e.usualFit, 3)
	dst = append(
		dst, 1, math.Asinh(alone/5), clip(alone/frames, 6), clip(alone, 80)/10, math.Asinh(between/5), clip(between/frames, 6), clip(between, 80)/10,
		clip((alone+between)/math.Sqrt(frames), 30)/6, clip(e.lead, 40)/10, usualFit, usualFit*soft, noise, noise*soft, noise*clip((alone+between)/20, 5),
		e.votes/frames, clip(e.votes, 40)/10, math.Asinh(e.amongAll/5),
	)
	for _, part := range e.parts {
		dst = append(dst, math.Asinh(part/5), clip(part, 40)/10)
	}
	return dst
}

func clip(x, most float64) float64 { return min(max(x, -most), most) }

// appendPlace appends what is known of the place of a phone, each as 0 or 1.
func appendPlace(dst []float64, m *acoustic.Model, at acoustic.Position, before, after neighbour) []float64 {
	for _, is := range []bool{
		at == acoustic.AtStart || at == acoustic.Alone, at == acoustic.AtEnd || at == acoustic.Alone,
		before.silent(m), after.silent(m), !before.silent(m) && isVowel(m.Name(before.phone)), !after.silent(m) && isVowel(m.Name(after.phone)),
	} {
		x := 0.0
		if is {
			x = 1
		}
		dst = append(dst, x)
	}
	return dst
}

// amongAll is the logarithm of the share of a sound in the likelihoods of those that are looked at, each alone.
func (x *examiner) amongAll(q acoustic.Phone) float64 {
	sum := math.Exp(min(float64(-x.alone[q]), mostAhead)) // of the phone of the text
	for _, other := range x.others {
		sum += math.Exp(min(float64(x.alone[other]-x.alone[q]), mostAhead))
	}
	return -math.Log(sum)
}

// parts divides by how much other is ahead of own: by time, and by what of the features says so.
func (x *examiner) parts(w *worker, p, window span) (parts [timeParts + streamParts]float64) {
	for t, own := range x.own.frames {
		other, frame := x.other.frames[t], window.start+t
		if other == own {
			continue
		}
		parts[partOf(p, frame)] += float64(other.score - own.score)
		mine, theirs := w.scorer.ScoreParts(own.phone, own.senone, frame), w.scorer.ScoreParts(other.phone, other.senone, frame)
		for i := range mine {
			parts[timeParts+i] += float64(theirs[i] - mine[i])
		}
	}
	return parts
}

// partOf tells whether a frame lies before a phone (0), in a third of it (1 to 3) or after it (4).
func partOf(p span, frame int) int {
	switch {
	case frame < p.start:
		return 0
	case frame >= p.end:
		return timeParts - 1
	default:
		return 1 + 3*(frame-p.start)/p.frames()
	}
}

// choose fills in others: the phones that are looked at in the place of one. They are the likeliest on their own, by the model's speakers, the
// usual substitutes, and the likeliest that are neither these nor variants.
func (x *examiner) choose(w *worker, s *substitutes, at rowPhone, before, after neighbour) {
	x.others = x.others[:0]
	for q := range acoustic.Phone(w.model.Phones()) {
		if q != at.phone && !w.model.Filler(q) {
			x.others = append(x.others, q)
		}
	}
	x.alone = resize(x.alone, w.model.Phones())
	x.exchanger.compare(x.alone, w.model, w.scores, before, *at.spokenPhone, after, x.others)
	slices.SortFunc(x.others, func(a, b acoustic.Phone) int { return cmp.Compare(x.alone[b], x.alone[a]) })
	n, rest := 0, 0
	for i, q := range x.others {
		listed := s.lists(at.phone, q)
		open := !listed && rest < unlisted && !w.variants.accepts(at.phone, q, at.surroundings)
		if open {
			rest++
		}
		if i < rivals || listed || open {
			x.others[n] = q
			n++
		}
	}
	x.others = x.others[:n]
}

// listen compares the others with the phone as the speaker says them.
func (x *examiner) listen(w *worker, at rowPhone, window span, before, after neighbour) {
	for _, q := range x.others {
		w.scorer.Fill(w.adapted, q, window.start, window.end)
	}
	for _, n := range []neighbour{{phone: at.phone, known: true}, before, after} {
		if n.known {
			w.scorer.Fill(w.adapted, n.phone, window.start, window.end)
		}
	}
	x.exchanger.compare(x.alone, w.model, w.adapted, before, *at.spokenPhone, after, x.others)
	x.vote(w, at.spokenPhone)
}

// vote counts for each of the others by how much it fits the frames better, each frame with a voice of the same weight.
//
//go:norace
func (x *examiner) vote(w *worker, p *spokenPhone) {
	width := w.model.Senones()
	x.votes = resize(x.votes, w.model.Phones())
	clear(x.votes)
	for t := p.start; t < p.end; t++ {
		frame := w.adapted[t*width : (t+1)*width]
		own := bestState(w.model, frame, p.phone)
		for _, q := range x.others {
			x.votes[q] += min(max(bestState(w.model, frame, q)-own, -mostVote), mostVote)
		}
	}
}

func bestState(m *acoustic.Model, frame []float32, p acoustic.Phone) float32 {
	s := m.SenonesOf(p)
	return max(frame[s[0]], frame[s[1]], frame[s[2]])
}

// best are the two of the others that explain the place of p best on their own.
func (x *examiner) best(p acoustic.Phone) (first, second acoustic.Phone) {
	first, second = p, p
	for _, q := range x.others {
		switch v := x.alone[q]; {
		case first == p || v > x.alone[first]:
			first, second = q, first
		case second == p || v > x.alone[second]:
			second = q
		}
	}
	return first, second
}

// likeliest are the likeliest of the others that are no usual substitutes and no variants.
func (x *examiner) likeliest(w *worker, s *substitutes, p acoustic.Phone, at surroundings) []acoustic.Phone {
	x.rest = x.rest[:0]
	for _, q := range x.others {
		if !s.lists(p, q) && !w.variants.accepts(p, q, at) {
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
