package lexicon_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"oktalk/internal/assess/offline/lexicon"
)

const dictionaryFile = "/usr/share/pocketsphinx/model/en-us/cmudict-en-us.dict"

func anyPhone(string) bool { return true }

var parsed = sync.OnceValues(func() (*lexicon.Dictionary, error) {
	data, err := os.ReadFile(dictionaryFile)
	if err != nil {
		return nil, fmt.Errorf("%w; the Debian package pocketsphinx-en-us has it (make setup installs it)", err)
	}
	return lexicon.ParseDictionary(data, anyPhone)
})

func dictionary(t testing.TB) *lexicon.Dictionary {
	t.Helper()
	d, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// letters pronounces a word as its letters in capitals, so that tests see what was asked.
type letters struct{}

func (letters) Pronounce(_ context.Context, word string) ([][]string, error) {
	return [][]string{{"<" + word + ">"}}, nil
}

// written is a reading on one line: parts between bars, in their first pronunciations.
func written(r lexicon.Reading) string {
	var parts []string
	for _, p := range r {
		parts = append(parts, strings.Join(p[0], " "))
	}
	return strings.Join(parts, " | ")
}

func TestWords(t *testing.T) {
	t.Parallel()
	l := lexicon.New(dictionary(t), letters{}, anyPhone)
	for _, tc := range []struct {
		text string
		want []string // some of the readings of its first word
	}{
		{"Apples!", []string{"AE P AH L Z"}},
		{"don’t", []string{"D OW N T"}},
		{"café", []string{"K AH F EY"}},
		{"Zürich", []string{"Z UH R IH K"}},
		{"well-known", []string{"W EH L N OW N"}},
		{"fast-paced-looking", []string{"F AE S T | P EY S T | L UH K IH NG"}},
		{"13", []string{"TH ER T IY N"}},
		{"1990", []string{"N AY N T IY N | N AY N T IY", "W AH N | TH AW Z AH N D | N AY N | HH AH N D R AH D | N AY N T IY"}},
		{"2005", []string{"T UW | TH AW Z AH N D | F AY V", "T UW | TH AW Z AH N D | AH N D | F AY V"}},
		{"1,250", []string{"W AH N | TH AW Z AH N D | T UW | HH AH N D R AH D | F IH F T IY"}},
		{"3.05", []string{"TH R IY | P OY N T | Z IH R OW | F AY V", "TH R IY | P OY N T | OW | F AY V"}},
		{"0.5", []string{"Z IH R OW | P OY N T | F AY V"}},
		{"007", []string{"OW | OW | S EH V AH N"}},
		{"$5", []string{"F AY V | D AA L ER Z"}},
		{"$1", []string{"W AH N | D AA L ER"}},
		{"£3.50", []string{"TH R IY | P AW N D Z | F IH F T IY", "TH R IY | F IH F T IY"}},
		{"50%", []string{"F IH F T IY | P ER S EH N T"}},
		{"& so", []string{"AH N D"}},
		{"21st", []string{"T W EH N T IY | F ER S T"}},
		{"30th", []string{"TH ER T IY AH TH"}},
		{"1980s", []string{"N AY N T IY N | EY T IY Z"}},
		{"10:05", []string{"T EH N | OW | F AY V"}},
		{"7:00", []string{"S EH V AH N | AH K L AA K"}},
		{"1/2", []string{"W AH N | HH AE F"}},
		{"2/3", []string{"T UW | TH ER D Z"}},
		{"5km", []string{"F AY V | K AH L AA M AH T ER Z"}},
		{"3pm", []string{"TH R IY | P IY EH M"}},
		{"20°C", []string{"T W EH N T IY | D IH G R IY Z | S IY"}},
		{"Mr. Brown", []string{"M IH S T ER"}},
		{"St. Paul", []string{"S EY N T", "S T R IY T"}},
		{"km away", []string{"K AH L AA M AH T ER Z"}},
		{"e.g. this", []string{"F AO R | IH G Z AE M P AH L"}},
		{"USB", []string{"Y UW | EH S | B IY"}},
		{"the", []string{"DH AH", "DH AH"}},
		{"DVDs", []string{"D IY | V IY | D IY Z"}},
		{"MP3 files", []string{"EH M P IY | TH R IY", "EH M | P IY | TH R IY"}},
		{"Brown's", []string{"B R AW N Z"}},
		{"George's", []string{"JH AO R JH AH Z"}},
		{"Zorble's", []string{"<zorble> Z"}},
		{"zorble", []string{"<zorble>"}},
		{"XKCD is", []string{"EH K S | K EY | S IY | D IY"}},
		{"COVID is", []string{"S IY | OW | V IY | AY | D IY", "<covid>"}},
		{"٣ apples", []string{"TH R IY"}},
		{"12345678901234567890", []string{"W AH N | T UW | TH R IY | F AO R | F AY V | S IH K S | S EH V AH N | EY T | N AY N | Z IH R OW | W AH N | T UW | TH R IY | F AO R | F AY V | S IH K S | S EH V AH N | EY T | N AY N | Z IH R OW"}},
	} {
		words, err := l.Words(t.Context(), tc.text)
		if err != nil {
			t.Errorf("Words(%q) = %v", tc.text, err)
			continue
		}
		var got []string
		for _, r := range words[0].Readings {
			got = append(got, written(r))
		}
		found := slices.ContainsFunc(tc.want, func(w string) bool { return slices.Contains(got, w) })
		if !found {
			t.Errorf("Words(%q) reads %q, want %q", tc.text, got, tc.want)
		}
		if guessed := strings.Contains(strings.Join(got, " "), "<"); guessed != words[0].Approximate {
			t.Errorf("Words(%q): approximate %t, want %t", tc.text, words[0].Approximate, guessed)
		}
	}
}

func TestUnknownWord(t *testing.T) {
	t.Parallel()
	l := lexicon.New(dictionary(t), nil, anyPhone)
	_, err := l.Words(t.Context(), "I like zorble")
	var unknown *lexicon.UnknownWordError
	if !errors.As(err, &unknown) || unknown.Word != "zorble" || strings.Contains(err.Error(), "zorble") {
		t.Errorf("Words() without a pronouncer = %v, want an UnknownWordError whose text leaves the word out", err)
	}
}

func TestGuessesWithUnknownPhonesAreLeftOut(t *testing.T) {
	t.Parallel()
	l := lexicon.New(dictionary(t), letters{}, func(string) bool { return false })
	var unknown *lexicon.UnknownWordError
	if _, err := l.Words(t.Context(), "zorble"); !errors.As(err, &unknown) {
		t.Errorf("Words() = %v, want an UnknownWordError", err)
	}
}

func TestParseDictionary(t *testing.T) {
	t.Parallel()
	d, err := lexicon.ParseDictionary([]byte("b B IY\na AH\na(2) EY\n\n'm AH M\n"), anyPhone)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(d.Lookup("a"), d.Lookup("b"), d.Lookup("'m"), d.Lookup("c")); got != "[[AH] [EY]] [[B IY]] [[AH M]] []" {
		t.Errorf("lookups = %s", got)
	}
	for _, bad := range []string{"", "\n\n", "word\n", "a AH\nb\n"} {
		if _, err := lexicon.ParseDictionary([]byte(bad), anyPhone); err == nil {
			t.Errorf("ParseDictionary(%q) gives no error", bad)
		}
	}
	if _, err := lexicon.ParseDictionary([]byte("a AH\nb QQ\n"), func(p string) bool { return p == "AH" }); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("ParseDictionary() with an unknown phone = %v, want an error naming line 2", err)
	}
}

// FuzzParseDictionary checks that a dictionary finds every word it was made of.
func FuzzParseDictionary(f *testing.F) {
	for _, s := range []string{"a AH\na(2) EY\n", "x(2) Y\nx Z", "( A\n", "a\tB \r\n", "\x00 A\n(2) B"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := lexicon.ParseDictionary([]byte(text), anyPhone)
		if err != nil {
			return
		}
		for w := range strings.FieldsSeq(text) {
			for _, p := range d.Lookup(w) {
				if len(p) == 0 {
					t.Errorf("%q has an empty pronunciation", w)
				}
			}
		}
	})
}

// FuzzWords checks that any text has readings for all words or an error, within bounds.
func FuzzWords(f *testing.F) {
	d, err := lexicon.ParseDictionary([]byte("a AH\nb B IY\none W AH N\npoint P OY N T\nhundred HH AH N\nzero Z IH\noh OW\nand AE N D\npercent P ER\n"), anyPhone)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"1.1", "$1,1.11k", "11:11", "1/1", "111th 1110s", "a-b & B.B. 1%", "'a", "ℵ²½1", "1bb°", "A.B.", "１１"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		words, err := lexicon.New(d, letters{}, anyPhone).Words(t.Context(), text)
		if err != nil {
			return
		}
		for _, w := range words {
			if n := len(w.Readings); n == 0 || n > 8 {
				t.Errorf("%q has %d readings", w.Text, n)
			}
			for _, r := range w.Readings {
				for _, p := range r {
					if len(p) == 0 || len(p[0]) == 0 {
						t.Errorf("%q has an empty part", w.Text)
					}
				}
			}
		}
	})
}
