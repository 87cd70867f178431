package feedback

import (
	"fmt"
	"slices"
	"strings"

	"oktalk/internal/evaluation"
)

// hardSounds are consonants that learners of many first languages find hard, in the order in which they are praised.
var hardSounds = []string{"TH", "DH", "R", "V", "L", "NG", "Z", "W", "SH", "CH", "JH"}

// praise chooses one thing that is true and that no issue takes back.
func (r *reading) praise(issues []Issue) Praise {
	clearAll, flowOnly := r.allClear(), !slices.ContainsFunc(issues, func(i Issue) bool { return !i.Kind.aboutFlow() })
	if clearAll && len(issues) == 0 && r.scores.Overall >= 95 && r.scores.Fluency >= clearScore {
		return Praise{Kind: PraisePerfect}
	}
	if clearAll && flowOnly {
		return Praise{Kind: PraiseClear}
	}
	if len(issues) == 0 && r.allAccepted() {
		return Praise{Kind: PraiseWell}
	}
	var truths []Praise
	if p, ok := r.clearSound(issues); ok {
		truths = append(truths, p)
	}
	if w, ok := r.clearWord(issues); ok {
		truths = append(truths, Praise{Kind: PraiseWord, Word: w})
	}
	facts := r.facts()
	if facts.Fluent && !r.has(evaluation.WordInsertion) && !mentions(issues, IssuePartial, IssueUnfinished, IssueFlat) && r.spokenWords() != 2 {
		truths = append(truths, Praise{Kind: PraiseFluency})
	}
	if facts.Complete && r.spokenWords() > 2 {
		truths = append(truths, Praise{Kind: PraiseComplete})
	}
	if len(truths) == 0 {
		if p, ok := r.clearPart(issues); ok {
			return p
		}
		return Praise{Kind: PraiseEffort}
	}
	return truths[pick(r.result(), "praise", len(truths))]
}

// allClear reports whether every word of the text was spoken and every sound of it was clear.
func (r *reading) allClear() bool {
	return r.allAccepted() && r.scores.Accuracy >= clearAccuracy && !slices.ContainsFunc(r.words, unclear)
}

// unclear reports whether a word has a sound that was not clear.
func unclear(w word) bool {
	return slices.ContainsFunc(w.Phonemes, func(p evaluation.Phoneme) bool {
		return p.Score < clearPhone || p.Heard != "" && p.Heard != p.ARPAbet
	})
}

// allAccepted reports whether every word of the text was spoken and good enough.
func (r *reading) allAccepted() bool {
	for _, w := range r.words {
		if w.Error != evaluation.WordCorrect || w.Score < acceptedWord || w.Approximate {
			return false
		}
	}
	return len(r.words) > 0 && r.scores.Accuracy >= clearScore && r.scores.Integrity == 100
}

// clearWord is the best word that may be praised: accepted, known, with every sound clear enough, and named by no issue.
func (r *reading) clearWord(issues []Issue) (WordRef, bool) {
	best, found := word{}, false
	for _, w := range r.words {
		if !r.praiseworthy(w) || named(issues, w.Text) {
			continue
		}
		if !found || w.Score > best.Score || w.Score == best.Score && len(w.Text) > len(best.Text) {
			best, found = w, true
		}
	}
	return best.ref(), found
}

// clearSound is a hard sound that was clear wherever the text has it, and that no issue is about.
func (r *reading) clearSound(issues []Issue) (Praise, bool) {
	for _, phone := range hardSounds {
		if slices.ContainsFunc(issues, func(i Issue) bool { return alikeByName(i.Phone, phone) || alikeByName(i.Heard, phone) }) {
			continue
		}
		if w, ok := r.clearEverywhere(phone, r.praiseworthy); ok && !named(issues, w.Text) {
			return Praise{Kind: PraiseSound, Word: w, Phone: phone}, true
		}
	}
	return Praise{}, false
}

// clearPart is a consonant that was clear wherever the text has it, even in a word that has to be worked on: there is nothing better to
// say.
func (r *reading) clearPart(issues []Issue) (Praise, bool) {
	known := func(w word) bool { return w.spoken() && !w.Approximate && w.ref().Text != "" && r.whole(w).Kind == "" }
	for _, w := range r.words {
		for _, p := range slices.Backward(w.Phonemes) { // the end of a word is often swallowed: good news if not
			if !isPhone(p.ARPAbet) || isVowel(p.ARPAbet) || slices.ContainsFunc(issues, func(i Issue) bool { return alikeByName(i.Phone, p.ARPAbet) || alikeByName(i.Heard, p.ARPAbet) }) {
				continue
			}
			if ref, ok := r.clearEverywhere(p.ARPAbet, known); ok {
				return Praise{Kind: PraisePart, Word: ref, Phone: p.ARPAbet}, true
			}
		}
	}
	return Praise{}, false
}

// clearEverywhere reports whether a sound was clear in all of the text, and gives the first word with it that fits as an example.
func (r *reading) clearEverywhere(phone string, fits func(word) bool) (WordRef, bool) {
	var example WordRef
	for _, w := range r.words {
		for _, p := range w.Phonemes {
			if p.Heard != "" && alikeByName(p.Heard, phone) && p.ARPAbet != phone {
				return example, false
			}
			if !alikeByName(p.ARPAbet, phone) {
				continue
			}
			if p.Score < clearScore || p.Heard != "" && p.Heard != phone {
				return example, false
			}
			if example.Text == "" && p.ARPAbet == phone && fits(w) {
				example = w.ref()
			}
		}
	}
	return example, example.Text != ""
}

// alikeByName reports whether two sounds are the same or are called the same: a text calls both of "the thing" th.
func alikeByName(a, b string) bool {
	th := []string{"TH", "DH"}
	return a == b || slices.Contains(th, a) && slices.Contains(th, b)
}

// praiseworthy reports whether a word can be praised by name.
func (r *reading) praiseworthy(w word) bool {
	if r.marked(w.Text) || w.Error != evaluation.WordCorrect || w.Approximate || w.Score < clearScore || w.ref().Text == "" {
		return false
	}
	return !unclear(w)
}

// marked reports whether the word was marked anywhere in the text: praise for its other occurrence would confuse.
func (r *reading) marked(text string) bool {
	return slices.ContainsFunc(r.words, func(w word) bool {
		return w.Error != evaluation.WordCorrect && strings.EqualFold(quotable(w.Text, 0).Text, quotable(text, 0).Text)
	})
}

// result names what was measured: it decides between praises that are all true, so that the same result has the same one.
func (r *reading) result() string {
	var b strings.Builder
	for _, w := range r.words {
		fmt.Fprint(&b, w.Text, w.Error, w.Score, " ")
	}
	fmt.Fprint(&b, r.scores.Fluency)
	return b.String()
}

func (r *reading) has(e evaluation.WordError) bool {
	return slices.ContainsFunc(r.words, func(w word) bool { return w.Error == e })
}

func (r *reading) spokenWords() int {
	n := 0
	for _, w := range r.words {
		if w.spoken() {
			n++
		}
	}
	return n
}

// named reports whether an issue names the word.
func named(issues []Issue, text string) bool {
	text = quotable(text, 0).Text
	same := func(w WordRef) bool { return w.Text != "" && strings.EqualFold(w.Text, text) }
	return slices.ContainsFunc(issues, func(i Issue) bool { return same(i.Word) || slices.ContainsFunc(i.More, same) })
}

func mentions(issues []Issue, kinds ...IssueKind) bool {
	return slices.ContainsFunc(issues, func(i Issue) bool { return slices.Contains(kinds, i.Kind) })
}
