package feedback

import (
	"cmp"
	"slices"

	"oktalk/internal/evaluation"
)

// Contrast is a word in the two ways that a learner should tell apart. They differ in one sound.
type Contrast struct {
	Word  string   // as it can be quoted
	Heard []string // ARPAbet sounds as they were heard
	Meant []string // and as they belong
}

// FindContrast gives the word of the first issue for which another sound was heard, so that what is spoken and what is written are about
// the same. ok is false when there is none, or when the word's sounds are a guess.
func FindContrast(e *evaluation.Evaluation) (c Contrast, ok bool) {
	p, err := NewPlan(e)
	if err != nil {
		return c, false
	}
	i := slices.IndexFunc(p.Issues, func(i Issue) bool {
		return i.Kind == IssueSound && i.Heard != "" && !i.Approximate && i.Word.Text != ""
	})
	if i < 0 {
		return c, false
	}
	issue := p.Issues[i]
	words := newReading(e).words
	w := words[slices.IndexFunc(words, func(w word) bool { return w.number == issue.Word.Number })]
	c.Word = issue.Word.Text
	for _, ph := range w.Phonemes {
		c.Meant = append(c.Meant, ph.ARPAbet)
	}
	c.Heard = slices.Clone(c.Meant)
	c.Heard[slip(w, issue)] = issue.Heard
	return c, true
}

// slip is where in a word the sound of an issue is: the weakest of those that fit.
func slip(w word, i Issue) int {
	var fit []int
	for n, p := range w.Phonemes {
		if p.ARPAbet == i.Phone && p.Heard == i.Heard {
			fit = append(fit, n)
		}
	}
	return slices.MinFunc(fit, func(a, b int) int { return cmp.Compare(w.Phonemes[a].Score, w.Phonemes[b].Score) })
}
