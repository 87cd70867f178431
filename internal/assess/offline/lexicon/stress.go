package lexicon

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed" // stress.gz
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// stressGZ has a pattern of digits for each line of the dictionary with two vowels or more, in their order; tools/stress makes it and
// says how.
//
//go:embed stress.gz
var stressGZ []byte

// ErrOtherDictionary says that the stress of words is not known, since it is that of another dictionary.
var ErrOtherDictionary = errors.New("the dictionary is not the one of Debian's pocketsphinx-en-us that the stress of words was made for (tools/stress makes it for another)")

// LoadStress adds the stress of words to the dictionary that it was made for; another is left as it is, with [ErrOtherDictionary].
// It is to be called before the dictionary is used.
func (d *Dictionary) LoadStress() error { return d.readStress(stressGZ) }

// readStress reads what tools/stress wrote: gzip of the SHA-256 of the dictionary and a line for each with two vowels or more.
func (d *Dictionary) readStress(data []byte) error {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("read the stress of words: %w", err)
	}
	unpacked, err := io.ReadAll(z)
	if err != nil {
		return fmt.Errorf("read the stress of words: %w", err)
	}
	sum, rest, _ := strings.Cut(string(unpacked), "\n")
	if sum != fmt.Sprintf("%x", sha256.Sum256([]byte(d.text))) {
		return ErrOtherDictionary
	}
	numbers, patterns := map[string]uint16{"?": 0}, []string{""}
	byLine := make(map[uint32]uint16, len(d.lines))
	for _, at := range slices.Sorted(slices.Values(d.lines)) {
		vowels := d.vowels(at)
		if vowels < 2 {
			continue
		}
		if rest == "" {
			return errors.New("read the stress of words: it ends before the dictionary does")
		}
		var pattern string
		pattern, rest, _ = strings.Cut(rest, "\n")
		if len(pattern) != vowels && pattern != "?" || strings.Trim(pattern, "012?") != "" {
			return fmt.Errorf("read the stress of words: %q for a word of %d vowels", pattern, vowels)
		}
		n, known := numbers[pattern]
		if !known {
			n = uint16(len(patterns))
			numbers[pattern], patterns = n, append(patterns, strings.Clone(pattern))
		}
		byLine[at] = n
	}
	d.stress, d.patterns = make([]uint16, len(d.lines)), patterns
	for i, at := range d.lines {
		d.stress[i] = byLine[at]
	}
	return nil
}

// vowels counts the vowels of the line at an offset.
func (d *Dictionary) vowels(at uint32) int {
	line, _, _ := strings.Cut(d.text[at:], "\n")
	_, phones, _ := strings.Cut(strings.TrimSpace(line), " ") // a dictionary with tabs has another sum
	n := 0
	for phone := range strings.FieldsSeq(phones) {
		if isVowel(phone) {
			n++
		}
	}
	return n
}

// isVowel reports whether a phone of ARPAbet, with or without stress, is a vowel.
func isVowel(phone string) bool { return strings.ContainsRune("AEIOU", rune(phone[0])) }

// stressed gives a pronunciation with the digits of a pattern behind its vowels; itself for the empty pattern.
func stressed(p Pronunciation, pattern string) Pronunciation {
	if pattern == "" {
		return p
	}
	out := slices.Clone(p)
	k := 0
	for i, phone := range out {
		if isVowel(phone) {
			out[i], k = phone+pattern[k:k+1], k+1
		}
	}
	return out
}

// SplitStress splits a phone of a [Part] into its name and its stress, -1 when that is not known.
func SplitStress(phone string) (name string, stress int) {
	if last := phone[len(phone)-1]; last >= '0' && last <= '2' {
		return phone[:len(phone)-1], int(last - '0')
	}
	return phone, -1
}
