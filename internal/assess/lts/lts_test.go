package lts_test

import (
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"oktalk/internal/assess/lts"
)

const phones = " AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH "

func pronounce(t *testing.T, p *lts.Pronouncer, word string) [][]string {
	t.Helper()
	guesses, err := p.Pronounce(t.Context(), word)
	if err != nil {
		t.Fatalf("Pronounce(%s) = %v", word, err)
	}
	return guesses
}

func TestPronounceKnownWords(t *testing.T) {
	t.Parallel()
	p := lts.New(slog.New(slog.DiscardHandler))
	tests := map[string]string{
		"think": "TH IH NG K", "apples": "AE P AH L Z", "judge": "JH AH JH", "measure": "M EH ZH ER", "nurse": "N ER S",
		"choice": "CH OY S", "house": "HH AW S", "force": "F AO R S", "start": "S T AA R T", "use": "Y UW S",
	}
	for word, want := range tests {
		guesses := pronounce(t, p, word)
		if !slices.ContainsFunc(guesses, func(g []string) bool { return strings.Join(g, " ") == want }) {
			t.Errorf("Pronounce(%s) = %v, want %s among them", word, guesses, want)
		}
	}
}

func TestBothProgramsAnswerForNames(t *testing.T) {
	t.Parallel()
	p := lts.New(slog.New(slog.DiscardHandler))
	two := 0
	for _, word := range []string{"xiaohui", "guangzhou", "brzezinski", "oktalk", "zyxgorf", "siobhan", "tchaikovsky", "o'shaughnessy"} {
		guesses := pronounce(t, p, word)
		if len(guesses) == 0 {
			t.Errorf("Pronounce(%s) = none", word)
		}
		if len(guesses) == 2 {
			two++
		}
		for _, g := range guesses {
			for _, phone := range g {
				if !strings.Contains(phones, " "+phone+" ") {
					t.Errorf("Pronounce(%s) has %q, which is no phone of the dictionary", word, phone)
				}
			}
		}
	}
	if two < 5 {
		t.Errorf("two different guesses for %d names of 8, want most: is one program missing? (make setup)", two)
	}
}

func TestNothingButLettersReachesThePrograms(t *testing.T) {
	t.Parallel()
	p := lts.New(slog.New(slog.DiscardHandler))
	for _, word := range []string{"", "-w", "--help", "a b", "a;b", "$(id)", "é", "A", strings.Repeat("a", 65)} {
		if guesses, err := p.Pronounce(t.Context(), word); guesses != nil || err != nil {
			t.Errorf("Pronounce(%q) = %v, %v, want nothing", word, guesses, err)
		}
	}
}

func TestMissingProgramsAreNamed(t *testing.T) { //nolint:paralleltest // it changes the environment
	path := os.Getenv("PATH")
	t.Setenv("PATH", t.TempDir())
	p := lts.New(slog.New(slog.DiscardHandler))
	t.Setenv("PATH", path)
	if _, err := p.Pronounce(t.Context(), "oktalk"); !errors.Is(err, lts.ErrNoPrograms) || !strings.Contains(err.Error(), "apt-get install") {
		t.Errorf("Pronounce() without programs = %v, want ErrNoPrograms", err)
	}
}
