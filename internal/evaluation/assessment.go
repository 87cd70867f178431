package evaluation

import (
	"math"
	"time"
)

// Scores are the measured scores of an utterance, each 0-100.
type Scores struct {
	Overall   int
	Accuracy  int  // how well the spoken words were pronounced
	Fluency   int  // how smoothly they were spoken
	Integrity int  // spoken words among target words ("completeness"); a word in whose place another was said is not spoken
	Prosody   *int // stress and intonation; nil when the assessor does not measure it
}

// OverallScore computes the overall score: (0.6 accuracy + 0.3 fluency + 0.1 prosody) x integrity / 100, rounded; without
// prosody the weights are 0.65 and 0.35. It is the same for every assessor, so that scores compare.
func OverallScore(accuracy, fluency, integrity int, prosody *int) int {
	v := 0.65*float64(accuracy) + 0.35*float64(fluency)
	if prosody != nil {
		v = 0.6*float64(accuracy) + 0.3*float64(fluency) + 0.1*float64(*prosody)
	}
	return min(100, max(0, int(math.Round(v*float64(integrity)/100))))
}

// Level is the class shown to a learner.
type Level string

// The levels, best first.
const (
	LevelS Level = "S"
	LevelA Level = "A"
	LevelB Level = "B"
	LevelC Level = "C"
)

// LevelOf gives the level of an overall score: S from 90, A from 80, B from 60, C below; at most B when integrity is below
// 90 and at most C when it is below 60.
func LevelOf(overall, integrity int) Level {
	switch {
	case overall < 60 || integrity < 60:
		return LevelC
	case overall < 80 || integrity < 90:
		return LevelB
	case overall < 90:
		return LevelA
	default:
		return LevelS
	}
}

// WordError says what was wrong with a word.
type WordError string

// The word errors.
const (
	WordCorrect          WordError = "none"
	WordMispronunciation WordError = "mispronunciation"
	WordOmission         WordError = "omission"  // in the text, not spoken: score 0, no times
	WordInsertion        WordError = "insertion" // spoken, not in the text: no score
)

// AssessRequest is a recording to score.
type AssessRequest struct {
	Samples  []int16 // 16 kHz, mono
	Text     string  // what was to be said, in plain form; [CheckText] accepted it
	Language string  // of the text, "en-US"
	// NativeLanguage is what the learner grew up with, as a BCP 47 tag; empty: not said. One that the assessor does not know changes nothing.
	NativeLanguage string
}

// Assessment is what an assessor measured.
type Assessment struct {
	Assessor string // "offline" or a vendor's name
	Scores   Scores
	Level    Level
	Words    []Word // every word of the target text in order, inserted words between them
}

// Word is a scored word. Offset and Duration are from the start of the recording as the client sent it; both are zero for
// an omission.
type Word struct {
	Text        string // as written, without surrounding punctuation
	Score       int    // 0-100; 0 and meaningless for an insertion
	Error       WordError
	Approximate bool // its pronunciation is a guess: the word is not in the dictionary
	Offset      time.Duration
	Duration    time.Duration
	Phonemes    []Phoneme // in order; empty for omissions and insertions
	// Syllables are in order, and between them have all phonemes; empty when there are none, or the assessor does not tell.
	Syllables []Syllable
}

// Stress is how strong a syllable is within its word. The zero value says that it is not known.
type Stress string

// The stresses.
const (
	StressPrimary   Stress = "primary"
	StressSecondary Stress = "secondary"
	StressNone      Stress = "none"
)

// Syllable is a scored part of a word: a vowel with the consonants around it.
type Syllable struct {
	Phonemes int    // how many of the word's phonemes it has
	Score    int    // 0-100
	Stress   Stress // as the dictionary has it; empty when there is no one right place
	// Heard is StressPrimary for the syllable that bore the main stress as it was said and StressNone for the others; empty in all of them when
	// that is not sure.
	Heard    Stress
	Offset   time.Duration
	Duration time.Duration
}

// StressMisplaced reports whether the main stress was surely heard in another place than the dictionary has it.
func (w Word) StressMisplaced() bool {
	for _, s := range w.Syllables {
		if s.Heard == StressPrimary {
			return s.Stress != StressPrimary && s.Stress != ""
		}
	}
	return false
}

// Phoneme is a scored sound of a word.
type Phoneme struct {
	ARPAbet string // CMUdict symbol without stress, "AE"
	Score   int    // 0-100
	Heard   string // ARPAbet of the other sound that was heard; empty when none was
	// Confidence is how sure the assessor is that Heard was heard, 0 to 1; 0 when it is empty or the assessor does not say.
	Confidence float64
	Offset     time.Duration
	Duration   time.Duration
}

// IPA is the phoneme in the International Phonetic Alphabet (General American), "æ"; the ARPAbet symbol itself if unknown.
func (p Phoneme) IPA() string { return IPA(p.ARPAbet) }

// IPA translates an ARPAbet symbol without stress; an unknown one comes back as it is. Source: the CMUdict phone set and
// the usual General American values.
func IPA(arpabet string) string {
	if s, ok := ipa[arpabet]; ok {
		return s
	}
	return arpabet
}

var ipa = map[string]string{
	"AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "aʊ", "AY": "aɪ", "B": "b", "CH": "tʃ", "D": "d", "DH": "ð",
	"EH": "ɛ", "ER": "ɝ", "EY": "eɪ", "F": "f", "G": "ɡ", "HH": "h", "IH": "ɪ", "IY": "i", "JH": "dʒ", "K": "k",
	"L": "l", "M": "m", "N": "n", "NG": "ŋ", "OW": "oʊ", "OY": "ɔɪ", "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ",
	"T": "t", "TH": "θ", "UH": "ʊ", "UW": "u", "V": "v", "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
}
