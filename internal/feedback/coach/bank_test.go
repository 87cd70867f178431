package coach

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"oktalk/internal/evaluation"
	"oktalk/internal/feedback"
)

const dictionary = "/usr/share/pocketsphinx/model/en-us/cmudict-en-us.dict"

var symbols = strings.Fields("AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH")

// common are the substitutions that must be in the bank: those that learners make most, as wanted/heard.
var common = strings.Fields(`EH/AE AE/EH IY/IH IH/IY TH/S TH/T TH/F DH/D DH/Z V/W W/V R/L L/R Z/S B/P D/T G/K NG/N N/NG SH/S CH/SH JH/CH AA/AH UH/UW OW/AO ER/AH EY/EH V/F V/B R/W L/N`)

func TestBankHasEveryPhone(t *testing.T) {
	t.Parallel()
	for _, s := range symbols {
		p, ok := phones[s]
		if !ok {
			t.Errorf("phone %s is not in the bank", s)
			continue
		}
		for _, field := range []string{p.en.mouth, p.en.cue, p.en.short, p.zh.mouth, p.zh.cue, p.zh.short} {
			if field == "" {
				t.Errorf("phone %s lacks some advice", s)
			}
		}
		if vowel := strings.ContainsRune("AEIOU", rune(s[0])); vowel == (p.letters != "") {
			t.Errorf("phone %s: letters = %q; consonants have letters, vowels have none", s, p.letters)
		}
		if len(p.examples) < 2 {
			t.Errorf("phone %s has %d examples, want 2: one of them may be the word that is talked about", s, len(p.examples))
		}
	}
	if len(phones) != len(symbols) {
		t.Errorf("the bank has %d phones, want %d", len(phones), len(symbols))
	}
}

func TestBankHasEveryCommonSubstitution(t *testing.T) {
	t.Parallel()
	for _, c := range common {
		wanted, heard, _ := strings.Cut(c, "/")
		if s, ok := findSubstitution(wanted, heard); !ok || len(s.pairs)+len(s.ends) == 0 {
			t.Errorf("substitution %s is not in the bank or has no minimal pair", c)
		}
	}
	seen := map[string]bool{}
	for _, s := range substitutions {
		key := s.wanted + "/" + s.heard
		if seen[key] || s.en == "" || s.zh == "" {
			t.Errorf("substitution %s is there twice or lacks a language", key)
		}
		seen[key] = true
	}
}

func TestAdviceIsPlain(t *testing.T) {
	t.Parallel()
	plain := regexp.MustCompile(`^[A-Z][A-Za-z ,;:'-]+\.$`)
	check := func(where, en, zh string) {
		if !plain.MatchString(en) || len(strings.Fields(en)) > 17 {
			t.Errorf("%s: %q: want one plain sentence of at most 17 words", where, en)
		}
		if n := feedback.Length(zh, feedback.Chinese); !strings.HasSuffix(zh, "。") || n > 30 {
			t.Errorf("%s: %q: want a sentence of at most 30 characters, got %d", where, zh, n)
		}
		if l := meanLetters(en); l > 5.5 {
			t.Errorf("%s: %q has %.1f letters a word, want at most 5.5", where, en, l)
		}
	}
	for s, p := range phones {
		check(s, p.en.mouth, p.zh.mouth)
		check(s, p.en.cue, p.zh.cue)
		check(s, capital(p.en.short)+".", p.zh.short+"。")
	}
	for _, s := range substitutions {
		check(s.wanted+"/"+s.heard, s.en, s.zh)
	}
	check("final", finalVoiceEnglish, finalVoiceChinese)
}

func meanLetters(s string) float64 {
	words := strings.Fields(s)
	n := 0
	for _, w := range words {
		n += len(strings.Trim(w, ",.;:"))
	}
	return float64(n) / float64(len(words))
}

// The dictionary has several pronunciations of some words; one of each must do.
func TestWordsHaveTheSoundsTheyStandFor(t *testing.T) {
	t.Parallel()
	dict := pronunciations(t)
	for s, p := range phones {
		for _, e := range p.examples {
			if !slices.ContainsFunc(dict[e], func(sounds []string) bool { return slices.Contains(sounds, s) }) {
				t.Errorf("example %q of %s: the dictionary says %v", e, s, dict[e])
			}
		}
	}
	for _, s := range substitutions {
		for _, p := range s.pairs {
			if _, ok := differAt(dict, p, s.wanted, s.heard); !ok {
				t.Errorf("%v is no minimal pair for %s and %s: %v, %v", p, s.wanted, s.heard, dict[strings.ToLower(p[0])], dict[strings.ToLower(p[1])])
			}
		}
		for _, p := range s.ends {
			if fromEnd, ok := differAt(dict, p, s.wanted, s.heard); !ok || fromEnd != 0 {
				t.Errorf("%v does not differ in the last sound, %s and %s", p, s.wanted, s.heard)
			}
		}
	}
}

// differAt reports whether the words of a pair differ in one sound, the wanted one in the first word and the heard one in
// the second, and how many sounds follow it.
func differAt(dict map[string][][]string, pair [2]string, wanted, heard string) (fromEnd int, ok bool) {
	for _, a := range dict[strings.ToLower(pair[0])] {
		for _, b := range dict[strings.ToLower(pair[1])] {
			if len(a) != len(b) {
				continue
			}
			var at []int
			for i := range a {
				if a[i] != b[i] {
					at = append(at, i)
				}
			}
			if len(at) == 1 && a[at[0]] == wanted && b[at[0]] == heard {
				return len(a) - 1 - at[0], true
			}
		}
	}
	return 0, false
}

func pronunciations(t *testing.T) map[string][][]string {
	t.Helper()
	data, err := os.ReadFile(dictionary)
	if err != nil {
		t.Fatalf("read the dictionary: %v; install the package pocketsphinx-en-us", err)
	}
	dict := map[string][][]string{}
	for line := range strings.Lines(string(data)) {
		word, sounds, _ := strings.Cut(line, " ")
		word, _, _ = strings.Cut(word, "(")
		dict[word] = append(dict[word], strings.Fields(sounds))
	}
	return dict
}

// Every sound, heard as every other, at every place, in the longest word that is quoted, with every second issue: the text must
// pass the check and keep its praise.
func TestEveryFindingFits(t *testing.T) {
	t.Parallel()
	long := feedback.WordRef{Text: "counterrevolutionary-all", Number: 59}
	other := feedback.WordRef{Text: "internationalizations", Number: 60}
	sound := func(wanted, heard string, place feedback.Place) feedback.Issue {
		return feedback.Issue{Kind: feedback.IssueSound, Word: long, More: []feedback.WordRef{other}, Count: 1, Phone: wanted, Heard: heard, Place: place, Approximate: heard == ""}
	}
	var firsts []feedback.Issue
	for i, wanted := range symbols {
		for j, heard := range append(slices.Clone(symbols), "") {
			if heard != wanted {
				firsts = append(firsts, sound(wanted, heard, []feedback.Place{feedback.PlaceOnly, feedback.PlaceStart, feedback.PlaceInside, feedback.PlaceEnd}[(i+j)%4]))
			}
		}
	}
	for _, k := range []feedback.IssueKind{
		feedback.IssueWord, feedback.IssueReplaced, feedback.IssueUnfinished, feedback.IssueOmission, feedback.IssuePartial, feedback.IssueInsertion, feedback.IssuePause,
		feedback.IssueSlow, feedback.IssueFast, feedback.IssueHesitant, feedback.IssueFlat,
	} {
		firsts = append(firsts, feedback.Issue{Kind: k, Word: long, More: []feedback.WordRef{other}, Count: 2})
	}
	for n := range 4 {
		said := feedback.Issue{Kind: feedback.IssueInsertion, Word: long, Count: n + 1, Again: true}
		for range n {
			said.More = append(said.More, other)
		}
		firsts = append(firsts, said)
	}
	firsts = append(firsts, feedback.Issue{Kind: feedback.IssueReplaced, Word: long, More: []feedback.WordRef{other}, Count: 2},
		feedback.Issue{Kind: feedback.IssueReplaced, Word: long, Count: 1})
	kinds := []feedback.NextKind{
		feedback.NextContrast, feedback.NextWord, feedback.NextReread, feedback.NextSmooth, feedback.NextSlower, feedback.NextFaster,
		feedback.NextMelody, feedback.NextFinish, feedback.NextChallenge,
	}
	praises := []feedback.PraiseKind{feedback.PraiseWord, feedback.PraiseSound, feedback.PraiseWell, feedback.PraiseFluency, feedback.PraiseComplete, feedback.PraiseEffort}
	for n, first := range firsts {
		next := kinds[n%len(kinds)]
		if first.Kind == feedback.IssueSound && n%3 > 0 {
			next = feedback.NextContrast
		}
		for _, language := range [][]string{{feedback.English}, {feedback.Chinese}, {feedback.English, feedback.Chinese}}[n/7%3] {
			p := feedback.Plan{
				Language: language, Category: evaluation.CategorySentence,
				Praise: feedback.Praise{Kind: praises[n%len(praises)], Word: other, Phone: "TH"},
				Issues: []feedback.Issue{first, firsts[(n*7+5)%len(firsts)]},
				Next:   feedback.Next{Kind: next, Word: long},
			}
			p.Facts = feedback.Facts{Complete: p.Praise.Kind == feedback.PraiseComplete, Fluent: p.Praise.Kind == feedback.PraiseFluency}
			if first.Kind != feedback.IssueSound && p.Next.Kind == feedback.NextContrast {
				p.Next.Kind = feedback.NextWord
			}
			r := feedback.Request{Seed: fmt.Sprint(n), Plan: p}
			text, err := New().Write(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if err := feedback.Check(text.Body, p); err != nil {
				t.Errorf("%s %+v: %v: %s", language, first, err, text.Body)
			}
			if !strings.HasPrefix(text.Body, writerFor(r).praise()) {
				t.Errorf("%s %+v: no praise left: %s", language, first, text.Body)
			}
		}
	}
}

func writerFor(r feedback.Request) writer {
	if r.Plan.Language == feedback.Chinese {
		return chinese{newChooser(r), r.Plan}
	}
	return english{newChooser(r), r.Plan}
}
