package feedback

import (
	"slices"
	"strings"

	"oktalk/internal/evaluation"
)

// divergences find what was said of the text and what beside it: words in whose place others were said, words that were not heard, and
// words that were added.
func (r *reading) divergences() []Issue {
	replaced := r.replaced()
	return slices.Concat(r.swapped(replaced), r.missing(replaced), r.added(replaced))
}

// replaced marks words by their place among all words: a missing word and an added one beside each other are one word said for another.
// An added stretch without a name may be two words. "Um" and a word said again replace nothing. When most of the text is missing, that
// is what there is to say.
func (r *reading) replaced() map[int]bool {
	at := map[int]bool{}
	if r.scores.Integrity < partialBelow {
		return at
	}
	for i := 0; i < len(r.words); i++ {
		var missing, added []int
		for ; i < len(r.words) && !r.words[i].spoken(); i++ {
			again := len(r.repeated(i))
			switch w := r.words[i]; {
			case w.Error == evaluation.WordOmission:
				missing = append(missing, i)
			case again > 0:
				i += again - 1
			case !filler(w):
				added = append(added, i)
			}
		}
		if len(missing) <= 2*len(added) && len(missing) > 0 {
			for _, n := range slices.Concat(missing, added) {
				at[n] = true
			}
		}
	}
	return at
}

func (r *reading) swapped(replaced map[int]bool) []Issue {
	f := Issue{Kind: IssueReplaced}
	for i, w := range r.words {
		if !replaced[i] || w.Error != evaluation.WordOmission {
			continue
		}
		switch f.Count++; f.Count {
		case 1:
			f.Word = w.ref()
		case 2:
			f.More = []WordRef{w.ref()}
		}
	}
	if f.Count == 0 {
		return nil
	}
	f.Weight = missingWeight(f.Count)
	return []Issue{f}
}

func missingWeight(n int) int { return min(900, 450+100*(n-1)) }

// missing finds words that were not heard.
func (r *reading) missing(replaced map[int]bool) []Issue {
	var left, unclear []WordRef // unclear: cannot be quoted, or the text has the word twice and it was heard once
	for i, w := range r.words {
		switch ref := w.ref(); {
		case w.Error != evaluation.WordOmission || replaced[i]:
		case ref.Text == "" || r.heard(w.Text):
			unclear = append(unclear, ref)
		default:
			left = append(left, ref)
		}
	}
	left = append(left, unclear...)
	if len(left) == 0 {
		return nil
	}
	f := Issue{Kind: IssueOmission, Word: left[0], Count: len(left), Weight: missingWeight(len(left))}
	if len(left) > 1 {
		f.More = left[1:2]
	}
	if end := r.unread(); len(end) == f.Count && f.Count > 1 && len(replaced) == 0 {
		f.Kind, f.Word, f.More = IssueUnfinished, end[0], end[len(end)-1:]
	}
	if r.scores.Integrity < partialBelow && f.Kind != IssueUnfinished {
		f.Kind = IssuePartial
	}
	if r.scores.Integrity < partialBelow {
		f.Weight = partialWeight
	}
	return []Issue{f}
}

// unread are the words after the last one that was heard; none when nothing was.
func (r *reading) unread() []WordRef {
	var end []WordRef
	for _, w := range slices.Backward(r.words) {
		if w.spoken() {
			slices.Reverse(end)
			return end
		}
		if w.Error == evaluation.WordOmission {
			end = append(end, w.ref())
		}
	}
	return nil
}

// heard reports whether a word was spoken somewhere.
func (r *reading) heard(text string) bool {
	return slices.ContainsFunc(r.words, func(w word) bool { return w.spoken() && strings.EqualFold(w.Text, text) })
}

// added finds words that are not in the text. Words of the text that were said again are named, whatever else was added.
func (r *reading) added(replaced map[int]bool) []Issue {
	f := Issue{Kind: IssueInsertion, Filler: true}
	for i, w := range r.words {
		if w.Error != evaluation.WordInsertion || replaced[i] {
			continue
		}
		f.Filler = f.Filler && filler(w)
		if f.Count++; f.Word.Text == "" {
			f.Word = w.ref()
		}
	}
	if f.Count == 0 {
		return nil
	}
	for i := range r.words {
		if again := r.repeated(i); len(again) > 0 {
			f.Again, f.Filler, f.Count, f.Word = true, false, len(again), again[0]
			if len(again) > 1 {
				f.More = again[1:]
			}
			break
		}
	}
	f.Weight = min(2*insertionWeight, insertionWeight+50*(f.Count-1))
	if f.Filler { // it is what broke the flow
		f.Weight = max(f.Weight, r.flowWeight())
	}
	return []Issue{f}
}

// repeated are the added words from the i-th on that are the words of the text just after or just before them, said again.
func (r *reading) repeated(i int) []WordRef {
	end := i
	for end < len(r.words) && r.words[end].Error == evaluation.WordInsertion && r.words[end].Text != "" && !filler(r.words[end]) {
		end++
	}
	for ; end > i; end-- {
		n := end - i
		run := r.words[i:end]
		if end+n <= len(r.words) && slices.EqualFunc(run, r.words[end:end+n], sameWord) || i >= n && slices.EqualFunc(run, r.words[i-n:i], sameWord) {
			var refs []WordRef
			for _, w := range run {
				refs = append(refs, w.ref())
			}
			return refs
		}
	}
	return nil
}

// fillers are the sounds that speakers of English make while they think.
var fillers = []string{"uh", "um", "er", "erm", "ah", "eh", "hm", "hmm", "mm"}

func filler(w word) bool {
	return w.Error == evaluation.WordInsertion && slices.Contains(fillers, strings.ToLower(w.Text))
}

// sameWord reports whether two words can be quoted and are the same.
func sameWord(a, b word) bool {
	return a.ref().Text != "" && strings.EqualFold(a.ref().Text, b.ref().Text)
}
