package lexicon

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"oktalk/internal/evaluation"
)

// Bounds of the alternatives of one word, so that no text makes a large search.
const (
	maxReadings       = 8
	maxPronunciations = 8
)

// Pronouncer guesses the pronunciations of a word from its letters, for words outside the dictionary: ARPAbet without
// stress, one or more alternatives, the likeliest first. It is called for one word at a time, in lower case.
type Pronouncer interface {
	Pronounce(ctx context.Context, word string) ([][]string, error)
}

// Preparer is a Pronouncer that guesses many words together faster than one by one.
type Preparer interface {
	// Prepare makes Pronounce quick for these words. What fails is found out when it is asked for.
	Prepare(ctx context.Context, words []string)
}

// Word is a word of a target text with everything that may be heard for it.
type Word struct {
	Text        string // as evaluation.TextWords gives it
	Readings    []Reading
	Approximate bool // a part comes from the outside pronouncer
}

// Reading is the spoken words of a written one, in order.
type Reading []Part

// Part is a spoken word: its pronunciations. Vowels of words with several carry the stress that CMUdict gives them, if it is known and no
// other is usual: AH0, EH1, EY2; [SplitStress] takes it off.
type Part []Pronunciation

// Lexicon finds the pronunciations of texts. It is safe for concurrent use if its Pronouncer is.
type Lexicon struct {
	dictionary *Dictionary
	pronouncer Pronouncer // may be nil
	known      func(phone string) bool
}

// New makes a lexicon. known says which phones there are; guessed pronunciations with others are left out.
func New(d *Dictionary, p Pronouncer, known func(phone string) bool) *Lexicon {
	return &Lexicon{dictionary: d, pronouncer: p, known: known}
}

// UnknownWordError is a word without any pronunciation.
type UnknownWordError struct {
	Word  string // as written
	Cause error  // why the pronouncer could not guess; nil if it knows nothing
}

// Error implements error. It leaves the word out, which is a learner's text.
func (e *UnknownWordError) Error() string {
	if e.Cause == nil {
		return "a word without pronunciation"
	}
	return "a word without pronunciation: " + e.Cause.Error()
}

// Unwrap gives the cause.
func (e *UnknownWordError) Unwrap() error { return e.Cause }

// Words finds the readings of every word of a text, in order. The error is an [*UnknownWordError] for a word nobody can
// pronounce.
func (l *Lexicon) Words(ctx context.Context, text string) ([]Word, error) {
	if p, ok := l.pronouncer.(Preparer); ok {
		if unknown := l.unknown(ctx, text); len(unknown) > 1 {
			p.Prepare(ctx, unknown)
		}
	}
	texts := evaluation.TextWords(text)
	words := make([]Word, len(texts))
	mixedCase := strings.ToUpper(text) != text
	for i, t := range texts {
		q := &query{lexicon: l, acronyms: mixedCase || len(texts) == 1}
		readings, err := q.read(ctx, t)
		if err != nil {
			return nil, err
		}
		words[i] = Word{Text: t, Readings: readings, Approximate: q.guessed}
	}
	return words, nil
}

// unknown lists the words of a text that the pronouncer will be asked for.
func (l *Lexicon) unknown(ctx context.Context, text string) []string {
	asked := &listener{}
	// An error ends the list early, and is met again.
	_, _ = New(l.dictionary, asked, func(string) bool { return true }).Words(ctx, text)
	return asked.words
}

// listener is a Pronouncer that keeps what it is asked for.
type listener struct{ words []string }

// Pronounce implements Pronouncer: any guess will do to go on.
func (l *listener) Pronounce(_ context.Context, word string) ([][]string, error) {
	l.words = append(l.words, word)
	return [][]string{{"T"}}, nil
}

// query is the search for the readings of one word.
type query struct {
	lexicon  *Lexicon
	acronyms bool // capitals mean something: the text is not all in capitals
	guessed  bool
}

func (q *query) read(ctx context.Context, text string) ([]Reading, error) {
	word := fold(text)
	readings, err := q.whole(ctx, word)
	if len(readings) == 0 && err == nil {
		readings, err = q.pieces(ctx, word)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if len(readings) == 0 {
		return nil, &UnknownWordError{Word: text, Cause: err}
	}
	readings = slices.CompactFunc(readings, equal)
	return readings[:min(len(readings), maxReadings)], nil
}

func equal(a, b Reading) bool {
	return slices.EqualFunc(a, b, func(p, q Part) bool {
		return slices.EqualFunc(p, q, func(x, y Pronunciation) bool { return slices.Equal(x, y) })
	})
}

// whole finds the readings of a folded word or piece that is not cut: the known ones, and a guess for capitals that may
// be a word as well as letters ("COVID").
func (q *query) whole(ctx context.Context, text string) ([]Reading, error) {
	readings := q.known(text)
	word := strings.ToLower(text)
	if len(word) < 4 || !acronym.MatchString(text) || strings.Contains(text, ".") || len(q.lexicon.dictionary.Lookup(word)) > 0 {
		return readings, nil
	}
	part, err := q.guess(ctx, word)
	if len(part) > 0 {
		readings = append(readings, Reading{part})
	}
	if len(readings) > 0 {
		err = nil // letters will do
	}
	return readings, err
}

// known finds the readings of a folded word that need no guess: the word itself, an abbreviation, a number, letters.
func (q *query) known(text string) []Reading {
	word := strings.ToLower(text)
	readings := q.spoken([][]string{{word}})
	readings = append(readings, q.spoken(expandAbbreviation(word))...)
	readings = append(readings, q.spoken(expandNumber(word))...)
	if r := []rune(word); len(r) == 1 {
		readings = append(readings, q.spoken(fields(symbols[r[0]]))...)
	}
	switch m := acronym.FindStringSubmatch(text); {
	case q.acronyms && m != nil:
		readings = append(readings, q.spell(strings.ToLower(m[1]), strings.TrimPrefix(m[2], "'"))...)
	case len(readings) == 0 && len(word) == len(dotted.FindString(word)):
		readings = q.spell(word, "")
	}
	return readings
}

// spoken turns sequences of dictionary words into readings; one with an unknown word is left out.
func (q *query) spoken(sequences [][]string) []Reading {
	var rs []Reading
	for _, words := range sequences {
		var r Reading
		for _, w := range words {
			if part := q.part(w); part != nil {
				r = append(r, part)
			}
		}
		if len(r) == len(words) && len(r) > 0 {
			rs = append(rs, r)
		}
	}
	return rs
}

// part finds a spoken word: in the dictionary, or a known word with an ending.
func (q *query) part(word string) Part {
	ps := q.lexicon.dictionary.lookupStressed(word)
	if len(ps) == 0 {
		ps = q.inflected(word)
	}
	return Part(ps[:min(len(ps), maxPronunciations)])
}

// inflected finds "xiaoming's" when "xiaoming" is known, and the like.
func (q *query) inflected(word string) []Pronunciation {
	base, ending, ok := strings.Cut(word, "'")
	if !ok {
		return nil
	}
	return appendEnding(q.lexicon.dictionary.lookupStressed(base), ending)
}

// spell reads letters one by one, without the dots between them, and adds an ending to the last.
func (q *query) spell(letters, ending string) []Reading {
	var r Reading
	for _, c := range strings.ReplaceAll(letters, ".", "") {
		part := Part{{"EY"}} // "a" alone would be the article
		if c != 'a' {
			part = q.part(string(c))
		}
		if len(part) == 0 {
			return nil
		}
		r = append(r, part)
	}
	if len(r) == 0 {
		return nil
	}
	r[len(r)-1] = withEnding(r[len(r)-1], ending)
	return []Reading{r}
}

// pieces reads a word that is not known as a whole: its runs of letters, of digits and its symbols one after another, each
// in its likeliest readings, and runs of letters outside the dictionary as the pronouncer guesses them.
func (q *query) pieces(ctx context.Context, word string) ([]Reading, error) {
	var all []Reading
	for i, piece := range split(word) {
		readings, err := q.whole(ctx, piece.text)
		if piece.afterNumber {
			readings = append(q.spoken(fields(afterNumber[strings.ToLower(piece.text)])), readings...)
		}
		if len(readings) == 0 && err == nil {
			var part Part
			if part, err = q.guess(ctx, strings.ToLower(piece.text)); len(part) > 0 {
				readings = []Reading{{part}}
			}
		}
		if err != nil || len(readings) == 0 {
			return nil, err
		}
		if i == 0 {
			all = readings
			continue
		}
		all = join(all, readings)
	}
	return all, nil
}

// join continues every reading by every other, the likeliest pairs first, up to the bound.
func join(firsts, seconds []Reading) []Reading {
	var rs []Reading
	for rank := range len(firsts) + len(seconds) - 1 {
		for i := range min(rank+1, len(firsts)) {
			if j := rank - i; j < len(seconds) && len(rs) < maxReadings {
				rs = append(rs, slices.Concat(firsts[i], seconds[j]))
			}
		}
	}
	return rs
}

// guess asks the pronouncer. Without one, or when it knows nothing, a word is read letter by letter if it has no vowel
// ("xkcd"), else it stays unknown.
func (q *query) guess(ctx context.Context, word string) (Part, error) {
	base, ending, inflected := strings.Cut(word, "'")
	if !inflected || !knownEnding(ending) {
		base, ending = word, ""
	}
	if !strings.ContainsAny(base, "aeiouy") {
		if rs := q.spell(base, ""); rs != nil {
			return withEnding(concatenate(rs[0]), ending), nil
		}
	}
	if q.lexicon.pronouncer == nil || strings.ContainsFunc(base, func(r rune) bool { return (r < 'a' || r > 'z') && r != '\'' }) {
		return nil, nil
	}
	guesses, err := q.lexicon.pronouncer.Pronounce(ctx, base)
	if err != nil {
		return nil, fmt.Errorf("guess its pronunciation: %w", err)
	}
	var part Part
	for _, g := range guesses {
		if len(g) > 0 && !slices.ContainsFunc(g, func(p string) bool { return !q.lexicon.known(p) }) {
			part = append(part, g)
		}
	}
	q.guessed = q.guessed || len(part) > 0
	return withEnding(part[:min(len(part), maxPronunciations)], ending), nil
}

func withEnding(part Part, ending string) Part {
	if ending == "" {
		return part
	}
	return Part(appendEnding(part, ending))
}

// concatenate is a reading as one part, in the first pronunciation of each of its own.
func concatenate(r Reading) Part {
	var p Pronunciation
	for _, part := range r {
		p = append(p, part[0]...)
	}
	return Part{p}
}
