package feedback

import (
	"strings"
	"unicode"

	"oktalk/internal/evaluation"
)

// The languages a coaching text can be written in.
const (
	English = "en"
	Chinese = "zh-CN"
)

// Plan is what a coaching text says: slots that a generator puts into words. It holds no score, so that no text quotes
// one, and no audio or personal data; the only text of the learner's in it is single words ([WordRef]).
type Plan struct {
	Language string              `json:"language"` // of the coaching text: English or Chinese
	Category evaluation.Category `json:"category"` // what was read: a word, a sentence, a paragraph
	Level    evaluation.Level    `json:"level"`    // tone only; it is shown beside the text and need not be repeated
	Praise   Praise              `json:"praise"`
	Issues   []Issue             `json:"issues"` // most important first; none for a reading without findings; two at most
	Next     Next                `json:"next"`
	Facts    Facts               `json:"facts"`
}

// Facts are what a text may claim about the reading as a whole.
type Facts struct {
	Clear    bool `json:"clear"`    // every word of the text was clear
	Complete bool `json:"complete"` // every word of the text was read, and no other
	Fluent   bool `json:"fluent"`   // it was spoken smoothly
}

// WordRef names a word of the target text.
type WordRef struct {
	// Text is the word as written, fit to be quoted and spoken; empty when it is not (too long, or with symbols), and then the word
	// is named by its number.
	Text   string `json:"text"`
	Number int    `json:"number"` // among the words of the target text, from 1; 0 for an inserted word
}

// PraiseKind says what went well.
type PraiseKind string

// The kinds of praise. Each is used only when it is true.
const (
	PraisePerfect  PraiseKind = "perfect"  // nothing to improve was found, and it was fluent
	PraiseClear    PraiseKind = "clear"    // every word was clear
	PraiseWell     PraiseKind = "well"     // every word was accepted, though not every sound was clear: it came across well
	PraiseWord     PraiseKind = "word"     // Word was clear
	PraiseSound    PraiseKind = "sound"    // Phone, a sound that many find hard, was clear wherever it occurs, as in Word
	PraisePart     PraiseKind = "part"     // Phone was clear wherever it occurs, as in Word, which as a whole was not
	PraiseFluency  PraiseKind = "fluency"  // it was spoken smoothly
	PraiseComplete PraiseKind = "complete" // no word was left out, none was added
	PraiseEffort   PraiseKind = "effort"   // nothing of the above: thanks for the recording
)

// Praise is what went well.
type Praise struct {
	Kind  PraiseKind `json:"kind"`
	Word  WordRef    `json:"word,omitzero"`
	Phone string     `json:"phone,omitempty"` // ARPAbet, PraiseSound and PraisePart only
}

// IssueKind says what could be better.
type IssueKind string

// The kinds of issues.
const (
	IssueSound      IssueKind = "sound"      // one sound of Word
	IssueWord       IssueKind = "word"       // Word as a whole: several sounds of it were unclear, or none stands out
	IssueReplaced   IssueKind = "replaced"   // something quite different was heard in the place of Word (and of More, if Count is above 1)
	IssueOmission   IssueKind = "omission"   // Count words were not heard, Word and More among them
	IssueUnfinished IssueKind = "unfinished" // the last Count words, from Word on, were not heard
	IssuePartial    IssueKind = "partial"    // less than 60 % of the words were heard
	IssueInsertion  IssueKind = "insertion"  // Count words were heard that are not in the text, Word among them; if Again, Word and More
	IssuePause      IssueKind = "pause"      // a long pause between Word and More[0], inside a phrase
	IssueSlow       IssueKind = "slow"       // spoken very slowly
	IssueFast       IssueKind = "fast"       // spoken very fast
	IssueHesitant   IssueKind = "hesitant"   // not fluent, for no one reason that was measured
	IssueFlat       IssueKind = "flat"       // little stress and melody
)

// aboutFlow reports whether the kind is about how the words follow one another.
func (k IssueKind) aboutFlow() bool {
	return k == IssuePause || k == IssueSlow || k == IssueFast || k == IssueHesitant || k == IssueFlat
}

// Issue is something that could be better.
type Issue struct {
	Kind        IssueKind `json:"kind"`
	Word        WordRef   `json:"word,omitzero"`
	More        []WordRef `json:"more,omitempty"`        // further words with the same finding, one at most; if Again, the rest of what was said again
	Count       int       `json:"count,omitempty"`       // words left out, replaced (0: one that was badly missed) or added; for a sound, further words it came back in (2 at most)
	Approximate bool      `json:"approximate,omitempty"` // Word is not in the dictionary: say that this is a guess
	Phone       string    `json:"phone,omitempty"`       // ARPAbet of the sound that belongs there, IssueSound only
	Heard       string    `json:"heard,omitempty"`       // ARPAbet of the sound that was heard instead; empty when none was named
	Place       Place     `json:"place,omitempty"`       // where in Word the sound is
	Nth         int       `json:"nth,omitempty"`         // which of Word's vowels it is, from 1; 0 for a consonant
	Syllables   int       `json:"syllables,omitempty"`   // of Word, IssueWord and IssueReplaced only; 0 when it is not known
	Filler      bool      `json:"filler,omitempty"`      // IssueInsertion: nothing was added but "um" and the like
	Again       bool      `json:"again,omitempty"`       // IssueInsertion: the added words are their neighbours in the text, said again
	Weight      int       `json:"-"`                     // 0-1000 and above: why it was chosen
}

// Place says where in a word a sound is: for a consonant among all sounds of the word, for a vowel among its vowels.
type Place string

// The places.
const (
	PlaceOnly   Place = "only" // the only vowel, or the only sound
	PlaceStart  Place = "start"
	PlaceInside Place = "inside"
	PlaceEnd    Place = "end"
)

// NextKind says what the learner can do now.
type NextKind string

// The kinds of next steps.
const (
	NextContrast  NextKind = "contrast"  // practise a minimal pair of the first issue's two sounds, then Word
	NextWord      NextKind = "word"      // say Word slowly a few times
	NextReread    NextKind = "reread"    // read every word of the text
	NextSmooth    NextKind = "smooth"    // read in groups of words, without stopping
	NextSlower    NextKind = "slower"    // read more slowly
	NextFaster    NextKind = "faster"    // read a little faster each time
	NextMelody    NextKind = "melody"    // make the important words stronger
	NextFinish    NextKind = "finish"    // read on to the end, from Word on
	NextChallenge NextKind = "challenge" // nothing to repair: something harder
)

// Next is the next step.
type Next struct {
	Kind NextKind `json:"kind"`
	Word WordRef  `json:"word,omitzero"`
}

// maxQuoted is the longest word that is quoted, in code points: longer ones are no words of English but break the length
// of the text and the patience of a voice. The longest word of the dictionary in common use has about 20.
const maxQuoted = 24

// quotable makes a reference to a word. The learner's client chose the text, so only letters, digits, apostrophes,
// hyphens and inner points are let through; a word with anything else is named by its number.
func quotable(text string, number int) WordRef {
	text = strings.Map(func(r rune) rune {
		switch r {
		case '’', '‘', 'ʼ':
			return '\''
		case '‐', '‑':
			return '-'
		default:
			return r
		}
	}, text)
	n := 0
	for _, r := range text {
		n++
		if !unicode.Is(unicode.Latin, r) && (r < '0' || r > '9') && !strings.ContainsRune("'-.", r) {
			return WordRef{Number: number}
		}
	}
	if n > maxQuoted || strings.Trim(text, "'-.") == "" {
		return WordRef{Number: number}
	}
	return WordRef{Text: strings.TrimRight(text, "."), Number: number}
}
