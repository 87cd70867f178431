package offline

import (
	"strings"

	"oktalk/internal/assess/offline/acoustic"
	"oktalk/internal/evaluation"
)

// onsets are the clusters of consonants that syllables of English begin with; beside them any single consonant but NG does. Listed in
// M. Hammond, "The Phonology of English", Oxford 1999, chapter 3; those of loan words ("sphere" aside) are left out.
const onsets = `
	P L, P R, P Y, B L, B R, B Y, T R, T W, D R, D W, K L, K R, K W, K Y, G L, G R, G W, F L, F R, F Y, V Y, TH R, TH W, SH R, HH Y, M Y,
	S P, S T, S K, S F, S M, S N, S L, S W, S P L, S P R, S P Y, S T R, S K R, S K W, S K Y`

// syllabifier cuts words into syllables.
type syllabifier struct {
	model  *acoustic.Model
	onsets map[string]bool
}

func newSyllabifier(m *acoustic.Model) syllabifier {
	s := syllabifier{m, map[string]bool{}}
	for onset := range strings.SplitSeq(onsets, ",") {
		s.onsets[strings.Join(strings.Fields(onset), " ")] = true
	}
	return s
}

// syllable is phones of a word, from start up to, not including, end.
type syllable struct {
	start, end int
	vowel      int // -1: none
}

// cut gives the syllables of a word: each has a vowel, and as many of the consonants before it as English syllables begin with
// (the maximal onset principle: D. Kahn, "Syllable-based generalizations in English phonology", 1976). Spoken words of one
// written one ("1990") are cut apart.
func (s syllabifier) cut(phones []spokenPhone) []syllable {
	var all []syllable
	for from := 0; from < len(phones); {
		to := from + 1
		for to < len(phones) && !phones[to].opens {
			to++
		}
		all = append(all, s.cutPart(phones, from, to)...)
		from = to
	}
	return all
}

func (s syllabifier) cutPart(phones []spokenPhone, from, to int) []syllable {
	all := []syllable{{start: from, end: to, vowel: -1}}
	for i := from; i < to; i++ {
		if !s.vowel(phones[i].phone) {
			continue
		}
		last := &all[len(all)-1]
		if last.vowel < 0 { // the first
			last.vowel = i
			continue
		}
		last.end = s.onset(phones, last.vowel+1, i)
		all = append(all, syllable{start: last.end, end: to, vowel: i})
	}
	return all
}

// onset finds where the consonants from one phone on, up to a vowel, begin to belong to it.
func (s syllabifier) onset(phones []spokenPhone, from, vowel int) int {
	for at := from; at < vowel; at++ {
		if s.begins(phones[at:vowel]) {
			return at
		}
	}
	return vowel
}

func (s syllabifier) begins(consonants []spokenPhone) bool {
	if len(consonants) == 1 {
		return s.model.Name(consonants[0].phone) != "NG"
	}
	names := make([]string, len(consonants))
	for i, p := range consonants {
		names[i] = s.model.Name(p.phone)
	}
	return s.onsets[strings.Join(names, " ")]
}

func (s syllabifier) vowel(p acoustic.Phone) bool { return isVowel(s.model.Name(p)) }

// scoreSyllables adds the syllables of a word whose phonemes are scored. A syllable's score is made from them as a word's is.
func (w *worker) scoreSyllables(word *evaluation.Word, phones []spokenPhone) {
	syllables := w.syllables.cut(phones)
	for _, s := range syllables {
		sum, worst := 0.0, 100.0
		for _, p := range word.Phonemes[s.start:s.end] {
			sum, worst = sum+float64(p.Score), min(worst, float64(p.Score))
		}
		first, last := word.Phonemes[s.start], word.Phonemes[s.end-1]
		scored := evaluation.Syllable{
			Phonemes: s.end - s.start, Score: unitScore(sum/float64(s.end-s.start), worst),
			Offset: first.Offset, Duration: last.Offset + last.Duration - first.Offset,
		}
		if s.vowel >= 0 && len(syllables) > 1 && phones[s.vowel].stress >= 0 {
			scored.Stress = stressNames[phones[s.vowel].stress]
		}
		word.Syllables = append(word.Syllables, scored)
	}
}
