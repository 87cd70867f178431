package lexicon

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Pronunciation is a sequence of phones in ARPAbet without stress.
type Pronunciation []string

// Dictionary holds the pronunciations of words. It does not change after ParseDictionary and is safe for concurrent use.
//
// It is the text of the dictionary file and the place of each line, 4 MB for the 134 723 lines of pocketsphinx-en-us;
// slices of strings would take 40.
type Dictionary struct {
	text  string
	lines []uint32 // starts of lines, ordered by word; those of one word as in the file
	// stress is the number of each line's pattern; nil until LoadStress. The first pattern is empty: not known.
	stress   []uint16
	patterns []string
}

// maxDictionaryBytes keeps offsets within 32 bits and a wrong file from filling the memory.
const maxDictionaryBytes = 256 << 20

// ParseDictionary reads lines "word PHONE PHONE …"; further pronunciations of a word are lines "word(2) PHONE …". A line
// without phones, or with a phone that known does not accept, is an error naming the line.
func ParseDictionary(data []byte, known func(phone string) bool) (*Dictionary, error) {
	if len(data) > maxDictionaryBytes {
		return nil, fmt.Errorf("larger than %d MB", maxDictionaryBytes>>20)
	}
	d := &Dictionary{text: string(data), lines: make([]uint32, 0, bytes.Count(data, []byte("\n"))+1)}
	checked := map[string]bool{}
	number, at := 0, 0
	for line := range strings.Lines(d.text) {
		number++
		if strings.TrimSpace(line) != "" {
			if err := checkLine(line, known, checked); err != nil {
				return nil, fmt.Errorf("line %d: %w", number, err)
			}
			d.lines = append(d.lines, uint32(at))
		}
		at += len(line)
	}
	if len(d.lines) == 0 {
		return nil, errors.New("no words")
	}
	slices.SortStableFunc(d.lines, func(a, b uint32) int { return strings.Compare(d.word(a), d.word(b)) })
	return d, nil
}

func checkLine(line string, known func(string) bool, checked map[string]bool) error {
	n := 0
	for field := range strings.FieldsSeq(line) {
		n++
		if n == 1 || checked[field] {
			continue
		}
		if !known(field) {
			return fmt.Errorf("phone %q is not in the acoustic model", field)
		}
		checked[field] = true
	}
	if n < 2 {
		return errors.New("a word without phones")
	}
	return nil
}

// word is the word of the line at an offset, without the number of its alternative.
func (d *Dictionary) word(at uint32) string {
	s := strings.TrimLeft(d.text[at:], " \t\r\v\f")
	if i := strings.IndexAny(s, " \t\r\v\f\n"); i >= 0 {
		s = s[:i]
	}
	if i := strings.LastIndexByte(s, '('); i > 0 && strings.HasSuffix(s, ")") {
		s = s[:i]
	}
	return s
}

// Lookup gives the pronunciations of a word in lower case, nil when it has none.
func (d *Dictionary) Lookup(word string) []Pronunciation {
	return d.lookup(word, func(_ int, p Pronunciation) Pronunciation { return p })
}

// lookupStressed is Lookup with the stress that is known, as CMUdict has it: AH0, EH1.
func (d *Dictionary) lookupStressed(word string) []Pronunciation {
	if d.stress == nil {
		return d.Lookup(word)
	}
	return d.lookup(word, func(line int, p Pronunciation) Pronunciation { return stressed(p, d.patterns[d.stress[line]]) })
}

// lookup passes what it finds, with the number of its line, through a function.
func (d *Dictionary) lookup(word string, as func(line int, p Pronunciation) Pronunciation) []Pronunciation {
	i := sort.Search(len(d.lines), func(i int) bool { return d.word(d.lines[i]) >= word })
	var ps []Pronunciation
	for ; i < len(d.lines) && d.word(d.lines[i]) == word; i++ {
		line, _, _ := strings.Cut(d.text[d.lines[i]:], "\n")
		ps = append(ps, as(i, strings.Fields(line)[1:]))
	}
	return ps
}
