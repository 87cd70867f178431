package measure

import (
	"math"
	"slices"

	"oktalk/internal/assess/corpus"
	"oktalk/internal/assess/stats"
	"oktalk/internal/evaluation"
)

// set is some of the outcomes.
type set []*Outcome

// where keeps the outcomes that pass all tests.
func (s set) where(tests ...func(*Outcome) bool) set {
	var out set
	for _, o := range s {
		if !slices.ContainsFunc(tests, func(test func(*Outcome) bool) bool { return !test(o) }) {
			out = append(out, o)
		}
	}
	return out
}

func of(p corpus.Program) func(*Outcome) bool {
	return func(o *Outcome) bool { return o.Voice.Program == p }
}

func in(s corpus.Split) func(*Outcome) bool {
	return func(o *Outcome) bool { return o.Voice.Split == s }
}

func under(c corpus.Condition) func(*Outcome) bool {
	return func(o *Outcome) bool { return o.Condition == c }
}

func by(m corpus.Method) func(*Outcome) bool { return func(o *Outcome) bool { return o.Method == m } }

func kind(ks ...corpus.Kind) func(*Outcome) bool {
	return func(o *Outcome) bool { return slices.Contains(ks, o.Kind) }
}

// Phonetic reports whether of readings of a kind each phone is known to be right or wrong: all words are said, and no others.
func Phonetic(k corpus.Kind) bool {
	return k == corpus.Right || k == corpus.Substitution || k == corpus.Several
}

func phonetic(o *Outcome) bool { return Phonetic(o.Kind) }

// hearing is how well wrong phones are found.
type hearing struct {
	stats.Counts
	named        int          // of the hits: with the sound that was spoken
	alone        stats.Counts // were a phone's own score or name enough
	right, wrong []float64
}

// AUC is how well the scores alone tell wrong phones from right ones.
func (h hearing) AUC() float64 { return stats.AUC(h.wrong, h.right) }

// f1Of is what F1 would be if another share of the phones were wrong, and as many of them and of the right ones were found.
func (h hearing) f1Of(wrongShare float64) float64 {
	hits, alarms := h.Recall()*wrongShare, h.AlarmRate()*(1-wrongShare)
	return 2 * hits / (hits + alarms + wrongShare)
}

// below counts what would be found if phones with scores below a limit counted as wrong, whatever their words.
func (h hearing) below(limit int) stats.Counts {
	var c stats.Counts
	for _, s := range h.wrong {
		c.Add(true, s < float64(limit))
	}
	c.Misses += h.Hits + h.Misses - len(h.wrong) // those without a score
	for _, s := range h.right {
		c.Add(false, s < float64(limit))
	}
	return c
}

// bestLimit is the limit with the best F1.
func (h hearing) bestLimit() int {
	best := 0
	for limit := range 101 {
		if f1 := h.below(limit).F1(); f1 > h.below(best).F1() {
			best = limit
		}
	}
	return best
}

func (h *hearing) add(p Phone) {
	if p.Planted == nil && !p.Scored {
		return // nothing is said of it
	}
	h.Add(p.Planted != nil, p.Found)
	switch {
	case p.Planted == nil:
		h.right = append(h.right, float64(p.Score))
	case p.Scored:
		h.wrong = append(h.wrong, float64(p.Score))
	}
	h.alone.Add(p.Planted != nil, p.Scored && wrong(p.Score, p.Heard))
	if p.Planted != nil && p.Found && p.Heard == p.Planted.Spoken {
		h.named++
	}
}

// hear counts the phones of a set's readings.
func (s set) hear() hearing {
	var h hearing
	for _, o := range s.where(phonetic) {
		for _, p := range Phones(o) {
			h.add(p)
		}
	}
	return h
}

// words counts words: there is a mistake in it, and the assessor says so (mispronounced or left out).
func (s set) words() stats.Counts {
	var c stats.Counts
	for _, o := range s.where(phonetic) {
		if o.Assessment == nil {
			continue
		}
		for i, w := range targetWords(o.Assessment) {
			wrong := slices.ContainsFunc(o.Planted, func(p corpus.Planted) bool { return p.Word == i })
			c.Add(wrong, w.Error != evaluation.WordCorrect)
		}
	}
	return c
}

// omissions counts words: it was left out, and the assessor says so. A refused recording counts as not found.
func (s set) omissions() stats.Counts {
	var c stats.Counts
	for _, o := range s {
		if o.Kind != corpus.Omission && !phonetic(o) {
			continue
		}
		for i := range o.Words {
			there := o.Kind == corpus.Omission && slices.ContainsFunc(o.Planted, func(p corpus.Planted) bool { return p.Word == i })
			if o.Assessment == nil {
				if there {
					c.Misses++
				}
				continue
			}
			c.Add(there, targetWords(o.Assessment)[i].Error == evaluation.WordOmission)
		}
	}
	return c
}

// extra counts recordings with a word more: an insertion is reported in its gap, or in the next on either side, since a word said
// twice is inserted before or after itself. Alarms and quiet are gaps without one.
func (s set) extra() stats.Counts {
	var c stats.Counts
	for _, o := range s {
		added := o.Kind == corpus.Insertion || o.Kind == corpus.Repetition || o.Kind == corpus.Hesitation
		if !added && !phonetic(o) {
			continue
		}
		if o.Assessment == nil {
			if added {
				c.Misses++
			}
			continue
		}
		gaps := insertions(o.Assessment)
		found := false
		for i, n := range gaps {
			if added && i >= o.Planted[0].Word && i <= o.Planted[0].Word+2 {
				found = found || n > 0
				continue
			}
			c.Add(false, n > 0)
		}
		if added {
			c.Add(true, found)
		}
	}
	return c
}

// scores lists a score of the outcomes that were not refused.
func (s set) scores(score func(evaluation.Scores) int) []float64 {
	var out []float64
	for _, o := range s {
		if o.Assessment != nil {
			out = append(out, float64(score(o.Assessment.Scores)))
		}
	}
	return out
}

func overall(s evaluation.Scores) int { return s.Overall }

func accuracy(s evaluation.Scores) int { return s.Accuracy }

func fluency(s evaluation.Scores) int { return s.Fluency }

// refused counts the outcomes without scores.
func (s set) refused() int {
	n := 0
	for _, o := range s {
		if o.Assessment == nil {
			n++
		}
	}
	return n
}

// correlation is Spearman's between the number of wrong phones for each word and a score.
func (s set) correlation(score func(evaluation.Scores) int) float64 {
	var errors, scores []float64
	for _, o := range s.where(phonetic) {
		if o.Assessment != nil && len(o.Words) > 1 {
			errors = append(errors, float64(len(o.Planted))/float64(len(o.Words)))
			scores = append(scores, float64(score(o.Assessment.Scores)))
		}
	}
	return stats.Spearman(errors, scores)
}

// changes are the differences of a score between recordings and their clean twins, and how many were refused of either alone.
func (s set) changes(all map[string]*Outcome, score func(evaluation.Scores) int) (differences []float64, lost int) {
	for _, o := range s {
		twin := all[o.Twin]
		switch {
		case twin == nil:
		case (twin.Assessment == nil) != (o.Assessment == nil):
			lost++
		case o.Assessment != nil:
			differences = append(differences, float64(score(o.Assessment.Scores)-score(twin.Assessment.Scores)))
		}
	}
	return differences, lost
}

// farthest is the largest absolute value.
func farthest(xs []float64) float64 {
	most := 0.0
	for _, x := range xs {
		most = max(most, math.Abs(x))
	}
	return most
}
