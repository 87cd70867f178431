package measure

import (
	"oktalk/internal/assess/corpus"
	"oktalk/internal/assess/match"
	"oktalk/internal/evaluation"
)

// wrongBelow is the score below which a phone of a mispronounced word counts as found wrong: 50, where right and wrong meet.
const wrongBelow = 50

// Found reports whether an assessor tells the learner that a phone is wrong: its word is flagged as mispronounced, and the phone's score
// is below 50 or another sound was heard in its place.
func Found(w evaluation.Word, p evaluation.Phoneme) bool {
	return w.Error == evaluation.WordMispronunciation && wrong(p.Score, p.Heard)
}

func wrong(score int, heard string) bool { return score < wrongBelow || heard != "" }

// Phone is a phone of a label beside what the assessor says of it.
type Phone struct {
	Canonical string
	Planted   *corpus.Planted // nil when it was spoken rightly
	Scored    bool            // false when the assessor did not score it: refused, word left out, or another pronunciation without it
	Score     int
	Heard     string
	Found     bool
}

// Phones pairs the phones of a reading's label with the assessment. It is for kinds that are [Phonetic].
func Phones(o *Outcome) []Phone {
	var out []Phone
	var words []evaluation.Word
	if o.Assessment != nil {
		words = targetWords(o.Assessment)
	}
	for i, w := range o.Words {
		var got evaluation.Word
		if words != nil {
			got = words[i]
		}
		partners := match.Phones(w.Phones, arpabet(got))
		for k, canonical := range w.Phones {
			p := Phone{Canonical: canonical, Planted: planted(o, i, k)}
			if partner := partners[k]; partner != match.None {
				scored := got.Phonemes[partner]
				p.Scored, p.Score, p.Heard, p.Found = true, scored.Score, scored.Heard, Found(got, scored)
			}
			out = append(out, p)
		}
	}
	return out
}

func planted(o *Outcome, word, phone int) *corpus.Planted {
	for i := range o.Planted {
		if p := &o.Planted[i]; p.Canonical != "" && p.Word == word && p.Phone == phone {
			return p
		}
	}
	return nil
}

func arpabet(w evaluation.Word) []string {
	out := make([]string, len(w.Phonemes))
	for i, p := range w.Phonemes {
		out[i] = p.ARPAbet
	}
	return out
}

// targetWords are the words of an assessment without the inserted ones.
func targetWords(a *evaluation.Assessment) []evaluation.Word {
	out := make([]evaluation.Word, 0, len(a.Words))
	for _, w := range a.Words {
		if w.Error != evaluation.WordInsertion {
			out = append(out, w)
		}
	}
	return out
}

// insertions counts for each gap how many inserted words the assessor reports: element i is before target word i, the last one is
// after all.
func insertions(a *evaluation.Assessment) []int {
	gaps := []int{0}
	for _, w := range a.Words {
		if w.Error == evaluation.WordInsertion {
			gaps[len(gaps)-1]++
		} else {
			gaps = append(gaps, 0)
		}
	}
	return gaps
}
