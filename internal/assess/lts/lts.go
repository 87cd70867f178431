package lts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"oktalk/internal/command"
)

const (
	// timeout bounds one program. For sixty words flite takes 0.2 s of CPU, espeak-ng 0.1; on a machine with 14 programs for each core
	// that was 1.8 s, so half of it would lose words there. cpuTime is ten times what is needed.
	timeout = 5 * time.Second
	cpuTime = 2 * time.Second
	// cacheSize bounds the words that are remembered. Texts are practised again and again, so a few thousand words are nearly all;
	// a word takes about 200 bytes.
	cacheSize = 4096
	// maxOutput is far more than sixty words of the greatest length need.
	maxOutput = 64 << 10
	// memory is the address space of one program. flite maps 80 MB, espeak-ng 30.
	memory = 256 << 20
)

// ErrNoPrograms says that neither flite nor espeak-ng is installed.
var ErrNoPrograms = errors.New("neither flite nor espeak-ng is installed, so words outside the dictionary have no pronunciation " +
	"(make setup installs them; Debian: apt-get install flite espeak-ng)")

// word is what is passed on to the programs: letters and apostrophes, never an option.
var word = regexp.MustCompile(`^[a-z][a-z']{0,63}$`)

// Pronouncer guesses pronunciations. It is safe for concurrent use.
type Pronouncer struct {
	programs []program
	running  chan struct{} // one for each program that may run at once
	log      *slog.Logger

	mu    sync.Mutex
	known map[string][][]string // guarded by mu
}

// program is one source of guesses.
type program struct {
	path  string
	args  []string                   // to read words from standard input and print a line for each
	parse func(line string) []string // nil when it cannot be read
}

// New looks for the programs. That some are missing is logged; that all are is reported by Pronounce. As many run at once as there
// are cores.
func New(log *slog.Logger) *Pronouncer {
	p := &Pronouncer{running: make(chan struct{}, runtime.GOMAXPROCS(0)), log: log, known: map[string][][]string{}}
	p.add("flite", parseFlite, "-voice", "kal16", "-ps", "-f", "/dev/stdin", "none") // its default voice has AA for AH
	p.add("espeak-ng", parseESpeak, "-q", "--ipa", "--sep=_", "-v", "en-us", "--stdin")
	return p
}

func (p *Pronouncer) add(name string, parse func(string) []string, args ...string) {
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
	guesses, err := p.ask(ctx, []string{w})
	if err != nil {
		return nil, err
	}
	return guesses[0], nil
}

// Prepare guesses words together, so that Pronounce knows them: each program is started once and not once a word. What fails is
// left to Pronounce.
func (p *Pronouncer) Prepare(ctx context.Context, words []string) {
	var unknown []string
	for _, w := range words {
		if _, ok := p.lookUp(w); !ok && word.MatchString(w) && !slices.Contains(unknown, w) {
			unknown = append(unknown, w)
		}
	}
	if len(unknown) == 0 || len(p.programs) == 0 {
		return
	}
	if _, err := p.ask(ctx, unknown); err != nil && ctx.Err() == nil {
		p.log.Warn("pronunciations could not be guessed together", "err", err)
	}
}

// ask asks all programs at once for words, and remembers their guesses. The error is nil when at least one of them answered.
func (p *Pronouncer) ask(ctx context.Context, words []string) ([][][]string, error) {
	answers, errs := make([][][]string, len(p.programs)), make([]error, len(p.programs))
	var wg sync.WaitGroup
	for i, prog := range p.programs {
		wg.Go(func() { answers[i], errs[i] = p.run(ctx, prog, words) })
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	answers = slices.DeleteFunc(answers, func(a [][]string) bool { return a == nil })
	switch err := errors.Join(errs...); {
	case len(answers) == 0:
		return nil, fmt.Errorf("pronounce words: %w", err)
	case err != nil:
		p.log.Warn("pronunciations were guessed with one program less", "err", err)
	}
	guesses := make([][][]string, len(words))
	for i := range words {
		for _, a := range answers {
			if len(a[i]) > 0 && !slices.ContainsFunc(guesses[i], func(g []string) bool { return slices.Equal(g, a[i]) }) {
				guesses[i] = append(guesses[i], a[i])
			}
		}
		p.remember(words[i], guesses[i])
	}
	return guesses, nil
}

// run asks one program for the phones of each word, when it is its turn. Each word is a paragraph of its own, so that no word has
// neighbours: with 185 words, real and made up, both programs print what they print for the word alone.
func (p *Pronouncer) run(ctx context.Context, prog program, words []string) ([][]string, error) {
	select {
	case p.running <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-p.running }()
	out, err := command.Run(ctx, command.Command{
		Path: prog.path, Args: prog.args, Stdin: strings.NewReader(strings.Join(words, "\n\n") + "\n"),
		Timeout: timeout, CPU: cpuTime, Memory: memory, MaxOutput: maxOutput,
	})
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(words) {
		return nil, fmt.Errorf("%s printed %d lines for %d words", prog.path, len(lines), len(words))
	}
	phones := make([][]string, len(words))
	for i, line := range lines {
		phones[i] = prog.parse(line)
	}
	return phones, nil
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
