package feedback

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"

	"oktalk/internal/evaluation"
)

// Limits of what counts as a finding. False alarms discourage more than a missed sound: most sounds of most learners are
// right, so a sound in a word that was accepted needs stronger evidence.
const (
	weakPhone       = 60  // a phone below it is a finding in a word that was marked
	doubtfulPhone   = 40  // and in a word that was accepted
	likelyHeard     = 0.5 // confidence from which another sound is named: more likely than not
	lostWord        = 35  // a marked word below it, with two weak sounds or more, is an issue as a whole
	clearScore      = 85  // a word or phone from here on may be praised
	acceptedWord    = 80  // every word at least this good: the reading came across well
	clearAccuracy   = 97  // from here on, with every phone from clearPhone on: "every word was clear"
	clearPhone      = 75  // a phone below it is not praised in any way
	secondShare     = 3   // the second issue weighs at least 1/3 of the first
	secondMin       = 150 // and at least this
	shortPhone      = 40  // ms: four frames of 10 ms; the measurement of a shorter phone is uncertain
	partialBelow    = 60  // integrity below which the reading as a whole is the issue
	partialWeight   = 2000
	insertionWeight = 250
	flatBelow       = 50 // prosody
)

// errNotScored is for an evaluation without an assessment.
var errNotScored = errors.New("the evaluation has no scores")

// NewPlan decides what the coaching text of a scored evaluation says. The same result always gives the same plan, whoever made it and whenever. It fails
// when the evaluation has no assessment or its feedback language is not offered.
func NewPlan(e *evaluation.Evaluation) (Plan, error) {
	if e == nil || e.Assessment == nil {
		return Plan{}, errNotScored
	}
	if e.FeedbackLanguage != English && e.FeedbackLanguage != Chinese {
		return Plan{}, fmt.Errorf("feedback language %q is not offered: use %s or %s", e.FeedbackLanguage, English, Chinese)
	}
	r := newReading(e)
	issues := choose(r.findings())
	if level := e.Assessment.Level; len(issues) == 0 && (level != evaluation.LevelS && level != evaluation.LevelA || r.worst < acceptedWord) {
		issues = r.weakest()
	}
	return Plan{
		Language: e.FeedbackLanguage,
		Category: e.Category,
		Level:    e.Assessment.Level,
		Issues:   issues,
		Praise:   r.praise(issues),
		Next:     next(issues),
		Facts:    r.facts(),
	}, nil
}

// word is a scored word with its number in the target text.
type word struct {
	evaluation.Word
	number int // from 1; 0 for an inserted word
}

func (w word) ref() WordRef { return quotable(w.Text, w.number) }

func (w word) spoken() bool {
	return w.Error != evaluation.WordOmission && w.Error != evaluation.WordInsertion
}

// reading is what the chooser looks at.
type reading struct {
	scores evaluation.Scores
	text   string
	words  []word
	worst  int // lowest score of a spoken word
}

func newReading(e *evaluation.Evaluation) *reading {
	r := &reading{scores: e.Assessment.Scores, text: e.TargetText, worst: 101}
	n := 0
	for _, w := range e.Assessment.Words {
		x := word{Word: w}
		if w.Error != evaluation.WordInsertion {
			n++
			x.number = n
		}
		if x.spoken() {
			r.worst = min(r.worst, w.Score)
		}
		r.words = append(r.words, x)
	}
	return r
}

// findings are all issues, each with its weight.
func (r *reading) findings() []Issue {
	issues := r.sounds()
	issues = append(issues, r.divergences()...)
	issues = append(issues, r.flow()...)
	slices.SortStableFunc(issues, func(a, b Issue) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(b.Weight, a.Weight), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Word.Number, b.Word.Number),
			cmp.Compare(a.Phone, b.Phone), cmp.Compare(a.Heard, b.Heard))
	})
	return issues
}

// choose takes the first issue and, if there is one that is heavy enough, sure enough and different enough, a second.
func choose(sorted []Issue) []Issue {
	if len(sorted) == 0 {
		return nil
	}
	first := sorted[0]
	for _, second := range sorted[1:] {
		if second.Weight < secondMin || second.Weight*secondShare < first.Weight {
			break
		}
		if !alike(first, second) && !second.Approximate {
			return []Issue{first, second}
		}
	}
	return []Issue{first}
}

// alike reports whether two issues would sound like the same advice twice.
func alike(a, b Issue) bool {
	switch {
	case a.Kind == IssueSound && b.Kind == IssueSound:
		return a.Phone == b.Phone || a.Heard != "" && a.Heard == b.Phone && a.Phone == b.Heard
	case a.Kind.aboutFlow() && b.Kind.aboutFlow():
		return true
	case a.Word.Text != "" && strings.EqualFold(a.Word.Text, b.Word.Text) && (a.Kind == IssueOmission || b.Kind == IssueOmission):
		return true // the text has the word twice; naming both would confuse
	case a.Kind == IssuePartial || b.Kind == IssuePartial || a.Kind == IssueUnfinished || b.Kind == IssueUnfinished:
		return a.Kind != IssueSound && b.Kind != IssueSound && !a.aboutWhole() && !b.aboutWhole()
	case a.aboutWhole() && b.aboutWhole():
		return a.Word.Number == b.Word.Number
	default:
		return a.Kind == b.Kind
	}
}

// rank puts first that something else than the text was said, or not all of it: a learner should know this before all else, whatever
// the scores are. A word that is not in the dictionary may have been said well.
func (i Issue) rank() int {
	switch i.Kind {
	case IssueOmission, IssueUnfinished, IssuePartial, IssueReplaced:
		if !i.Approximate {
			return 0
		}
	}
	return 1
}

// aboutWhole reports whether the issue is a word as a whole.
func (i Issue) aboutWhole() bool { return i.Kind == IssueWord || i.Kind == IssueReplaced }

// sounds finds weak sounds, one issue for each pair of a wanted and a heard sound, and weak words without a weak sound.
func (r *reading) sounds() []Issue {
	var issues []Issue
	for _, w := range r.words {
		if !w.spoken() {
			continue
		}
		found := []Issue{r.whole(w)}
		if found[0].Kind == "" {
			found = r.weakSounds(w)
		}
		if len(found) == 0 && w.Error == evaluation.WordMispronunciation {
			found = append(found, r.aboutWord(IssueWord, w, usualLoad, 700))
		}
		for _, f := range found {
			issues = merge(issues, f)
		}
	}
	return issues
}

// whole is the issue of a word with three bad sounds, or half of them bad: to name one would mislead. Its kind is empty when one or
// two sounds of a longer word slipped.
func (r *reading) whole(w word) Issue {
	bad := 0
	for _, p := range w.Phonemes {
		if p.Score <= doubtfulPhone || p.Heard != "" && p.Heard != p.ARPAbet && p.Score < weakPhone {
			bad++
		}
	}
	n := len(w.Phonemes)
	switch {
	case w.Error != evaluation.WordMispronunciation || bad < 2:
		return Issue{}
	case bad*4 >= n*3 && w.Score < lostWord:
		return r.aboutWord(IssueReplaced, w, heaviest, 1000)
	case bad >= 3 || bad*2 >= n || w.Score < lostWord:
		return r.aboutWord(IssueWord, w, heaviest, 850)
	default:
		return Issue{}
	}
}

func (r *reading) aboutWord(kind IssueKind, w word, load, confidence int) Issue {
	f := Issue{Kind: kind, Word: w.ref(), Approximate: w.Approximate, Weight: r.weigh(w, w.Score, load, confidence)}
	for _, p := range w.Phonemes {
		if isVowel(p.ARPAbet) {
			f.Syllables++
		}
	}
	return f
}

// weakest is what to work on when nothing stood out, although the scores leave room: whichever of them is low.
func (r *reading) weakest() []Issue {
	var worst word
	for _, w := range r.words {
		if w.spoken() && w.Score == r.worst && worst.number == 0 {
			worst = w
		}
	}
	switch {
	case worst.number == 0:
		return []Issue{{Kind: IssuePartial}}
	case r.scores.Fluency < fluentFrom && r.scores.Fluency <= r.scores.Accuracy:
		return []Issue{{Kind: IssueHesitant}}
	case r.scores.Prosody != nil && *r.scores.Prosody < flatBelow && r.scores.Accuracy >= acceptedWord:
		return []Issue{{Kind: IssueFlat}}
	}
	if i := weakestPhone(worst); i >= 0 {
		return []Issue{r.sound(worst, i, "")}
	}
	return []Issue{r.aboutWord(IssueWord, worst, usualLoad, 700)}
}

// weakestPhone is the sound of a word that was least clear; -1 when all were clear enough.
func weakestPhone(w word) int {
	weakest := -1
	for i, p := range w.Phonemes {
		if isPhone(p.ARPAbet) && p.Score < acceptedWord && (weakest < 0 || p.Score < w.Phonemes[weakest].Score) {
			weakest = i
		}
	}
	return weakest
}

func (r *reading) facts() Facts {
	return Facts{
		Clear: r.allClear(), Fluent: r.scores.Fluency >= clearScore,
		Complete: r.scores.Integrity == 100 && !slices.ContainsFunc(r.words, func(w word) bool { return !w.spoken() || r.doubtful(w) }),
	}
}

// doubtful reports whether it may have been another word: then nobody can say that the text was read.
func (r *reading) doubtful(w word) bool {
	weak := 0
	for _, p := range w.Phonemes {
		if p.Score < weakPhone {
			weak++
		}
	}
	return weak > 1 || w.Score < lostWord || r.whole(w).Kind != ""
}

// weakSounds are the weak sounds of one word. In a word that was marked although none of its sounds is weak, the weakest
// one stands for it if it is not clear.
func (r *reading) weakSounds(w word) []Issue {
	var found []Issue
	for i, p := range w.Phonemes {
		if heard, ok := finding(w, p); ok {
			found = append(found, r.sound(w, i, heard))
		}
	}
	if len(found) > 0 || w.Error != evaluation.WordMispronunciation {
		return found
	}
	if weakest := weakestPhone(w); weakest >= 0 {
		found = append(found, r.sound(w, weakest, ""))
	}
	return found
}

// finding reports whether a phone is worth talking about, and the other sound that was heard. A vowel heard for a consonant,
// or the reverse, is a slip of the alignment more often than of the tongue: the sound was not clear, and no more is said.
func finding(w word, p evaluation.Phoneme) (heard string, ok bool) {
	if !isPhone(p.ARPAbet) {
		return "", false
	}
	if isPhone(p.Heard) && p.Heard != p.ARPAbet && isVowel(p.Heard) == isVowel(p.ARPAbet) && (p.Confidence == 0 || p.Confidence >= likelyHeard) {
		heard = p.Heard
	}
	if w.Error == evaluation.WordMispronunciation {
		return heard, p.Score < weakPhone || heard != "" && p.Score < clearScore
	}
	return heard, p.Score < doubtfulPhone || heard != "" && p.Score < weakPhone
}

func (r *reading) sound(w word, i int, heard string) Issue {
	p := w.Phonemes[i]
	confidence := 1000
	switch {
	case heard == "":
		confidence = 750
	case p.Confidence > 0:
		confidence = 750 + 250*int(math.Round(100*p.Confidence))/100
	}
	if w.Error == evaluation.WordCorrect {
		confidence /= 2
	}
	if p.Duration > 0 && p.Duration.Milliseconds() < shortPhone {
		confidence = confidence * 8 / 10
	}
	return Issue{
		Kind: IssueSound, Word: w.ref(), Approximate: w.Approximate, Phone: p.ARPAbet, Heard: heard, Place: place(w.Phonemes, i), Nth: nthVowel(w.Phonemes, i),
		Weight: r.weigh(w, p.Score, load(p.ARPAbet, heard), confidence),
	}
}

// weigh is the weight of a finding in a word, in thousandths: six tenths distance of the sound and four tenths distance of the
// word from a full score, halved to doubled by load and confidence. The worst word, which the learner sees coloured, counts
// three tenths more.
func (r *reading) weigh(w word, score, load, confidence int) int {
	gap := 6*(100-score) + 4*(100-w.Score)
	v := gap * (10 + load) / 20 * confidence / 1000
	if w.Approximate {
		v /= 2
	}
	if len(w.Phonemes) == 1 && r.spokenWords() > 1 { // "a" among other words: little evidence, and listeners fill it in
		v /= 2
	}
	if w.Score == r.worst {
		v = v * 13 / 10
	}
	return max(1, v)
}

// merge adds a finding; one of the same sounds in another word makes the first heavier by 15 %, twice at most, and is
// mentioned with it.
func merge(issues []Issue, f Issue) []Issue {
	for i := range issues {
		a := &issues[i]
		if f.Kind != IssueSound || a.Kind != f.Kind || a.Phone != f.Phone || a.Heard != f.Heard {
			continue
		}
		if strings.EqualFold(a.Word.Text, f.Word.Text) {
			if f.Weight > a.Weight {
				f.More, f.Count = a.More, a.Count
				*a = f
			}
			return issues
		}
		other := f
		if f.Weight > a.Weight {
			other, f.More, f.Count = *a, a.More, a.Count
			*a = f
		}
		if a.Count < 2 {
			a.Count++
			a.Weight = a.Weight * 115 / 100
		}
		if a.More = nil; other.Word.Text != "" {
			a.More = []WordRef{other.Word}
		}
		return issues
	}
	return append(issues, f)
}

func next(issues []Issue) Next {
	if len(issues) == 0 {
		return Next{Kind: NextChallenge}
	}
	first := issues[0]
	switch first.Kind {
	case IssueSound:
		if first.Heard != "" {
			return Next{NextContrast, first.Word}
		}
		return Next{NextWord, first.Word}
	case IssueWord, IssueReplaced:
		if first.Count > 1 {
			return Next{Kind: NextReread}
		}
		return Next{NextWord, first.Word}
	case IssueUnfinished:
		return Next{NextFinish, first.Word}
	case IssuePause, IssueHesitant:
		return Next{Kind: NextSmooth}
	case IssueSlow:
		return Next{Kind: NextFaster}
	case IssueFast:
		return Next{Kind: NextSlower}
	case IssueFlat:
		return Next{Kind: NextMelody}
	default:
		return Next{Kind: NextReread}
	}
}

// place says where the i-th phone is.
func place(ps []evaluation.Phoneme, i int) Place {
	first, last, n := -1, -1, 0
	for j, p := range ps {
		if isVowel(ps[i].ARPAbet) && !isVowel(p.ARPAbet) {
			continue
		}
		if first < 0 {
			first = j
		}
		last = j
		n++
	}
	switch {
	case n == 1:
		return PlaceOnly
	case i == first:
		return PlaceStart
	case i == last:
		return PlaceEnd
	default:
		return PlaceInside
	}
}

// nthVowel counts the vowels up to the i-th phone; it is 0 for a consonant.
func nthVowel(ps []evaluation.Phoneme, i int) int {
	if !isVowel(ps[i].ARPAbet) {
		return 0
	}
	n := 0
	for _, p := range ps[:i+1] {
		if isVowel(p.ARPAbet) {
			n++
		}
	}
	return n
}

// isPhone reports whether the symbol is one of the 39 of General American.
func isPhone(arpabet string) bool { return evaluation.IPA(arpabet) != arpabet }

// isVowel reports whether an ARPAbet symbol is a vowel: those, and only those, begin with a vowel's letter.
func isVowel(arpabet string) bool {
	return arpabet != "" && strings.ContainsRune("AEIOU", rune(arpabet[0]))
}

// pick chooses one of n for a seed and a slot, evenly, the same on every machine and in every version of Go.
func pick(seed, slot string, n int) int {
	h := fnv.New64a()
	h.Write([]byte(seed + "\x00" + slot))
	x := h.Sum64()
	x ^= x >> 33 // the last step of MurmurHash3: FNV's low bits alone repeat for similar ids
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return int(x % uint64(n))
}
