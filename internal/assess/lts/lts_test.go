package lts_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// flite's guess comes first. Its default voice would say AA in all of these.
func TestFirstGuessHasTheVowelOfCup(t *testing.T) {
	t.Parallel()
	p := lts.New(slog.New(slog.DiscardHandler))
	for word, want := range map[string]string{"shut": "SH AH T", "some": "S AH M", "mother": "M AH DH ER"} {
		if guesses := pronounce(t, p, word); len(guesses) == 0 || strings.Join(guesses[0], " ") != want {
			t.Errorf("Pronounce(%s) = %v, want %s first", word, guesses, want)
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

// TestPrepare guesses words together as it guesses each alone, and starts each program once.
func TestPrepare(t *testing.T) {
	t.Parallel()
	words := []string{"mr", "o'shaughnessy", "jacques", "rendezvous", "wifi", "ii", "jan", "zyxgorf", "x", "a'b'c", strings.Repeat("abc", 21)}
	for i := range 49 {
		words = append(words, fmt.Sprintf("z%corb%cle", 'a'+i%26, 'a'+i/2))
	}
	together, alone := lts.New(slog.New(slog.DiscardHandler)), lts.New(slog.New(slog.DiscardHandler))
	together.Prepare(t.Context(), append(words, "mr", "--help", ""))
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for i, w := range words {
		got, err := together.Pronounce(cancelled, w)
		if err != nil { // it would have to start a program
			t.Fatalf("Pronounce(%s) after Prepare = %v", w, err)
		}
		if i > 11 { // a few made-up ones will do
			continue
		}
		if diff := cmp.Diff(pronounce(t, alone, w), got); diff != "" {
			t.Errorf("Pronounce(%s) after Prepare (-alone +together):\n%s", w, diff)
		}
	}
}

// TestPrograms gives up on a program that says too little, hangs or eats memory, and is content with the other.
func TestPrograms(t *testing.T) { //nolint:paralleltest // it changes the environment
	flite, err := exec.LookPath("flite")
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"too few lines": "echo pau", "fails": "exit 1", "hungry": "x=x; while :; do x=$x$x; done", "busy": "while :; do :; done",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "espeak-ng"), []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(flite, filepath.Join(dir, "flite")); err != nil {
			t.Fatal(err)
		}
		path := os.Getenv("PATH")
		t.Setenv("PATH", dir)
		p := lts.New(slog.New(slog.DiscardHandler))
		t.Setenv("PATH", path)
		p.Prepare(t.Context(), []string{"zorble", "oktalk"})
		if got := pronounce(t, p, "zorble"); len(got) != 1 || strings.Join(got[0], " ") != "Z AO R B AH L" {
			t.Errorf("%s: Pronounce(zorble) = %v, want flite's guess", name, got)
		}
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
