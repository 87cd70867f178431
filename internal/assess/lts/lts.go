package lts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"sync"
	"time"

	"oktalk/internal/command"
)

const (
	// timeout bounds one program. Each takes about 20 ms; a quarter of this would lose words on a busy machine.
	timeout = 2 * time.Second
	// cacheSize bounds the words that are remembered. Texts are practised again and again, so a few thousand words are nearly all;
	// a word takes about 200 bytes.
	cacheSize = 4096
	// maxOutput is far more than the longest word needs.
	maxOutput = 4 << 10
)

// ErrNoPrograms says that neither flite nor espeak-ng is installed.
var ErrNoPrograms = errors.New("neither flite nor espeak-ng is installed, so words outside the dictionary have no pronunciation " +
	"(make setup installs them; Debian: apt-get install flite espeak-ng)")

// word is what is passed on to the programs: letters and apostrophes, never an option.
var word = regexp.MustCompile(`^[a-z][a-z']{0,63}$`)

// Pronouncer guesses pronunciations. It is safe for concurrent use.
type Pronouncer struct {
	programs []program
	log      *slog.Logger

	mu    sync.Mutex
	known map[string][][]string // guarded by mu
}

// program is one source of guesses.
type program struct {
	path  string
	args  func(word string) []string
	parse func(out string) []string // nil when it cannot be read
}

// New looks for the programs. That some are missing is logged; that all are is reported by Pronounce.
func New(log *slog.Logger) *Pronouncer {
	p := &Pronouncer{log: log, known: map[string][][]string{}}
	p.add("flite", func(w string) []string { return []string{"-ps", "-t", w, "none"} }, parseFlite)
	p.add("espeak-ng", func(w string) []string { return []string{"-q", "--ipa", "--sep=_", "-v", "en-us", "--", w} }, parseESpeak)
	return p
}

func (p *Pronouncer) add(name string, args func(string) []string, parse func(string) []string) {
	path, err := command.Find(name, "PATH", name)
	if err != nil {
		p.log.Warn("a program is not installed; words outside the dictionary lose its guess", "program", name)
		return
	}
	p.programs = append(p.programs, program{path, args, parse})
}

// Pronounce returns the guesses for a word in lower case, in ARPAbet without stress, the likeliest first and without repeats. There may
// be none. The error is [ErrNoPrograms], that of ctx, or that of the programs when all of them failed.
func (p *Pronouncer) Pronounce(ctx context.Context, w string) ([][]string, error) {
	if !word.MatchString(w) {
		return nil, nil
	}
	if len(p.programs) == 0 {
		return nil, ErrNoPrograms
	}
	if guesses, ok := p.lookUp(w); ok {
		return guesses, nil
	}
	guesses, err := p.ask(ctx, w)
	if err == nil {
		p.remember(w, guesses)
	}
	return guesses, err
}

// ask asks all programs at once. The error is nil when all of them answered; one that did not is asked again next time.
func (p *Pronouncer) ask(ctx context.Context, w string) ([][]string, error) {
	answers, errs := make([][]string, len(p.programs)), make([]error, len(p.programs))
	var wg sync.WaitGroup
	for i, prog := range p.programs {
		wg.Go(func() {
			var out []byte
			out, errs[i] = command.Run(ctx, command.Command{Path: prog.path, Args: prog.args(w), Timeout: timeout, MaxOutput: maxOutput})
			if errs[i] == nil {
				answers[i] = prog.parse(string(out))
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var guesses [][]string
	for _, a := range answers {
		if len(a) > 0 && !slices.ContainsFunc(guesses, func(g []string) bool { return slices.Equal(g, a) }) {
			guesses = append(guesses, a)
		}
	}
	err := errors.Join(errs...)
	if err != nil && len(guesses) > 0 {
		p.log.Warn("a pronunciation was guessed with one program less", "err", err)
		return guesses, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pronounce a word: %w", err)
	}
	return guesses, nil
}

func (p *Pronouncer) lookUp(w string) ([][]string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g, ok := p.known[w]
	return g, ok
}

// remember keeps the guesses. When the cache is full it drops an arbitrary word: a wrong choice costs 20 ms.
func (p *Pronouncer) remember(w string, guesses [][]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= cacheSize {
		for old := range p.known {
			delete(p.known, old)
			break
		}
	}
	p.known[w] = guesses
}
