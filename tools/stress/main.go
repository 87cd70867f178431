// Command stress tells which syllables of the dictionary's words bear stress, which the dictionary of pocketsphinx-en-us does not say.
//
//	CGO_ENABLED=1 go run . dictionary >stress.gz
//
// The digits are those of CMUdict (Carnegie Mellon University, BSD licence) as flite has it in its lexicon, with what flite's rules say for words that
// are not in it. flite knows stressed and unstressed vowels only; which of several is the main one comes from espeak-ng. A word has no digits when
// flite's vowels are too different from the dictionary's, when nouns and verbs differ ("import"), or when espeak-ng, as an American or
// as a Briton, has the main stress elsewhere ("weekend"): then both are heard, and none is wrong.
//
// The output is gzip of lines: the SHA-256 of the dictionary, then for each of its lines with two vowels or more, in their order, a digit
// for each vowel (0 none, 1 main, 2 other stress) or "?".
package main

/*
#cgo LDFLAGS: -l:libflite_cmulex.so.1 -l:libflite.so.1
#include <stdlib.h>
typedef struct cst_val cst_val;
typedef struct cst_lexicon cst_lexicon;
extern int flite_init(void);
extern cst_lexicon *cmu_lex_init(void);
extern cst_val *lex_lookup(const cst_lexicon *l, const char *word, const char *pos, const void *feats);
extern const cst_val *val_car(const cst_val *v);
extern const cst_val *val_cdr(const cst_val *v);
extern const char *val_string(const cst_val *v);
extern void delete_val(cst_val *v);
*/
import "C"

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"unsafe"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "stress:", err)
		os.Exit(1)
	}
}

// entry is a line of the dictionary.
type entry struct {
	word   string
	phones []string
}

func run(args []string, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("name the dictionary, cmudict-en-us.dict of pocketsphinx-en-us")
	}
	data, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	entries := several(string(data))
	spoken, err := hearAll(entries)
	if err != nil {
		return err
	}
	z, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	lines := []string{fmt.Sprintf("%x", sha256.Sum256(data))}
	f := newFlite()
	for _, e := range entries {
		lines = append(lines, digits(e, f.look(e.word), spoken[e.word]))
	}
	if _, err := io.WriteString(z, strings.Join(lines, "\n")+"\n"); err != nil {
		return err
	}
	return z.Close()
}

var alternative = regexp.MustCompile(`\(\d+\)$`)

// several reads the lines with more than one vowel.
func several(data string) []entry {
	var list []entry
	for line := range strings.Lines(data) {
		f := strings.Fields(line)
		if len(f) > 0 && len(vowels(f[1:])) > 1 {
			list = append(list, entry{alternative.ReplaceAllString(f[0], ""), f[1:]})
		}
	}
	return list
}

func vowels(phones []string) []string {
	return slices.DeleteFunc(slices.Clone(phones), func(p string) bool { return !strings.ContainsRune("AEIOU", rune(p[0])) })
}

// digits gives the pattern of a line from flite's, by part of speech, and from where espeak-ng's voices have the main stress.
func digits(e entry, said [][]vowel, heard []mainStress) string {
	want := vowels(e.phones)
	best, patterns := 0, map[string]bool{}
	for _, s := range said {
		if len(s) != len(want) {
			continue
		}
		same, pattern := compare(want, s)
		if same > best {
			best, patterns = same, map[string]bool{}
		}
		if same == best {
			patterns[pattern] = true
		}
	}
	if len(patterns) == 0 {
		return shorter(want, said, heard)
	}
	var places []int
	for _, h := range heard {
		if h.of == len(want) && h.at >= 0 {
			places = append(places, h.at)
		}
	}
	if len(patterns) > 1 || best < len(want)-1 && len(places) == 0 {
		return "?"
	}
	for pattern := range patterns {
		return withMain(pattern, places)
	}
	return "?"
}

func compare(want []string, said []vowel) (same int, pattern string) {
	for i, v := range said {
		if v.phone == want[i] {
			same++
		}
		pattern += string(v.digit)
	}
	return same, pattern
}

// withMain tells the main stress from others.
func withMain(pattern string, places []int) string {
	at := strings.IndexByte(pattern, '1')
	switch {
	case at < 0:
		return "?"
	case strings.Count(pattern, "1") > 1:
		if len(places) == 0 || pattern[places[0]] != '1' {
			return "?"
		}
		at = places[0]
	}
	if slices.ContainsFunc(places, func(p int) bool { return p != at }) {
		return "?"
	}
	out := []byte(strings.ReplaceAll(pattern, "1", "2"))
	out[at] = '1'
	return string(out)
}

// shorter is for a pronunciation with other syllables than flite's, "EV-ry": when the first bears the stress for all, it does there.
func shorter(want []string, said [][]vowel, heard []mainStress) string {
	for _, s := range said {
		if _, pattern := compare(make([]string, len(s)), s); len(s) == 0 || s[0].phone != want[0] || !strings.HasPrefix(pattern, "1") || strings.Count(pattern, "1") != 1 {
			return "?"
		}
	}
	if len(said) == 0 || len(heard) == 0 || slices.ContainsFunc(heard, func(h mainStress) bool { return h.at != 0 }) {
		return "?"
	}
	return "1" + strings.Repeat("0", len(want)-1)
}

// vowel is a vowel in flite's lexicon.
type vowel struct {
	phone string
	digit byte
}

type flite struct{ lexicon *C.cst_lexicon }

func newFlite() flite {
	C.flite_init()
	return flite{C.cmu_lex_init()}
}

// look gives a word's vowels as any word, as a noun and as a verb.
func (f flite) look(word string) [][]vowel {
	var all [][]vowel
	name := C.CString(word)
	defer C.free(unsafe.Pointer(name))
	for _, pos := range []string{"", "n", "v"} {
		var p *C.char
		if pos != "" {
			p = C.CString(pos)
		}
		found := C.lex_lookup(f.lexicon, name, p, nil)
		var vs []vowel
		for v := found; v != nil; v = C.val_cdr(v) {
			phone := C.GoString(C.val_string(C.val_car(v)))
			if digit := phone[len(phone)-1]; digit == '0' || digit == '1' {
				vs = append(vs, vowel{arpabet(phone[:len(phone)-1]), digit})
			}
		}
		C.delete_val(found)
		C.free(unsafe.Pointer(p))
		all = append(all, vs)
	}
	return all
}

func arpabet(phone string) string {
	switch phone {
	case "ax":
		return "AH"
	case "axr":
		return "ER"
	default:
		return strings.ToUpper(phone)
	}
}

// mainStress is where espeak-ng has the main stress, at a vowel of so many; -1 for none.
type mainStress struct{ at, of int }

var plain = regexp.MustCompile(`^[a-z][a-z']*$`)

// hearAll asks espeak-ng for all words that have nothing but letters.
func hearAll(entries []entry) (map[string][]mainStress, error) {
	var words []string
	for _, e := range entries {
		if plain.MatchString(e.word) {
			words = append(words, e.word)
		}
	}
	slices.Sort(words)
	words = slices.Compact(words)
	all := map[string][]mainStress{}
	for _, voice := range []string{"en-us", "en-gb"} {
		cmd := exec.CommandContext(context.Background(), "espeak-ng", "-q", "-x", "--sep=_", "-v", voice, "--stdin")
		cmd.Stdin = strings.NewReader(strings.Join(words, "\n\n") + "\n")
		printed, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("espeak-ng -v %s: %w", voice, err)
		}
		lines := bytes.Split(bytes.TrimRight(printed, "\n"), []byte("\n"))
		if len(lines) != len(words) {
			return nil, fmt.Errorf("espeak-ng printed %d words of %d", len(lines), len(words))
		}
		for i, w := range words {
			all[w] = append(all[w], mainStressOf(strings.TrimSpace(string(lines[i]))))
		}
	}
	return all, nil
}

// mainStressOf reads espeak-ng's phones, "b@_n'aa_n@".
func mainStressOf(phones string) mainStress {
	m := mainStress{at: -1}
	for p := range strings.SplitSeq(phones, "_") {
		bare := strings.TrimLeft(p, "',%=")
		if bare == "" || !strings.ContainsRune("aAeEiIoOuUV03@", rune(bare[0])) {
			continue
		}
		if m.at < 0 && strings.HasPrefix(p, "'") {
			m.at = m.of
		}
		m.of++
	}
	return m
}
