// Package coach writes coaching texts offline, from a bank of sentences in English and Simplified Chinese.
//
// It knows the 39 sounds of General American (what tongue, lips and voice do, example words) and the substitutions that
// learners make most often (what to change, minimal pairs). Each slot of a plan has several wordings; the seed of the
// request chooses one, so attempts differ while the same evaluation always reads the same, on every machine.
//
// The texts are written to be heard too: plain words, no symbols and no phonetic letters; a sound is named by its
// letters and an example word.
package coach

import (
	"context"
	"fmt"
	"hash/fnv"
	"regexp"
	"slices"
	"strings"

	"oktalk/internal/feedback"
)

// Version is the version of the bank and of the rules that put a text together. It must change when any text does.
const Version = "coach-3"

// Coach is the offline generator. It keeps no state and is safe for concurrent use.
type Coach struct{}

var (
	_ feedback.Generator = (*Coach)(nil)
	_ feedback.Named     = (*Coach)(nil)
)

// New makes a Coach.
func New() *Coach { return &Coach{} }

// Name is the provider's name.
func (c *Coach) Name() string { return "offline" }

// Write puts a plan into words. It fails only for a language that is not in the bank, and for a model or a version of the bank
// that is not this one.
func (c *Coach) Write(ctx context.Context, r feedback.Request) (feedback.Text, error) {
	if err := ctx.Err(); err != nil {
		return feedback.Text{}, err
	}
	if r.Model != "" || r.Prompt != "" && r.Prompt != Version {
		return feedback.Text{}, fmt.Errorf("model %q with prompt %q is %w: the offline coach has no models, and writes by %s", r.Model, r.Prompt, feedback.ErrNotOffered, Version)
	}
	var body string
	switch r.Plan.Language {
	case feedback.English:
		body = compose(english{newChooser(r), r.Plan}, r.Plan, feedback.MaxEnglishWords, " ")
	case feedback.Chinese:
		body = compose(chinese{newChooser(r), r.Plan}, r.Plan, feedback.MaxChineseUnits, "")
	default:
		return feedback.Text{}, fmt.Errorf("the coach does not write %q", r.Plan.Language)
	}
	return feedback.Text{Body: body, Provider: c.Name(), PromptVersion: Version}, nil
}

// writer says the parts of a plan in one language. A part is one or more whole sentences; empty parts are left out.
type writer interface {
	praise() string
	finding(i feedback.Issue) string          // what was heard or noticed: the first issue
	hedge(i feedback.Issue) string            // that a word is not in the dictionary
	again(i feedback.Issue) string            // that it came back in another word
	advice(i feedback.Issue) string           // how to make it better, in full
	short(i feedback.Issue) string            // the same in a few words, as a sentence
	second(i feedback.Issue, tip bool) string // the second issue, with or without a few words of advice
	next() string
}

// compose takes the richest of a few forms that is within the limit. The leanest always is: the tests write every
// sentence of the bank with the longest words that are quoted.
func compose(w writer, p feedback.Plan, limit int, space string) string {
	if len(p.Issues) == 0 {
		return join(space, w.praise(), w.next())
	}
	first := p.Issues[0]
	finding := join(space, w.finding(first), w.hedge(first))
	forms := [][]string{}
	if len(p.Issues) > 1 {
		second := p.Issues[1]
		forms = append(forms,
			[]string{w.praise(), finding, w.again(first), w.advice(first), w.second(second, true), w.next()},
			[]string{w.praise(), finding, w.advice(first), w.second(second, true), w.next()},
			[]string{w.praise(), finding, w.short(first), w.second(second, true), w.next()},
			[]string{w.praise(), finding, w.advice(first), w.second(second, false), w.next()},
			[]string{w.praise(), finding, w.short(first), w.second(second, false), w.next()},
			[]string{w.praise(), finding, w.second(second, false), w.next()},
			[]string{finding, w.second(second, false), w.next()},
		)
	} else {
		forms = append(forms,
			[]string{w.praise(), finding, w.again(first), w.advice(first), w.next()},
			[]string{w.praise(), finding, w.advice(first), w.next()},
			[]string{w.praise(), finding, w.short(first), w.next()},
			[]string{finding, w.short(first), w.next()},
		)
	}
	var text string
	for _, f := range forms {
		text = join(space, f...)
		if feedback.Length(text, p.Language) <= limit {
			break
		}
	}
	return text
}

func join(space string, parts ...string) string {
	var said []string
	for _, p := range parts {
		if p != "" {
			said = append(said, p)
		}
	}
	return strings.Join(said, space)
}

// chooser chooses wordings by seed.
type chooser struct {
	seed  string
	avoid *regexp.Regexp // wordings that would speak against what the plan says of the pace; nil for none
}

// Advice about the pace, in both languages.
var (
	slower = regexp.MustCompile(`(?i)\bslow(ly|er)?\b|\btake .*time\b|\bmore time\b|own moment|one word at a time|half speed|慢|不用着急|一点时间|一个词一个词`)
	faster = regexp.MustCompile(`(?i)\bfaster\b|\bmore (pace|speed)\b|快一点`)
)

func newChooser(r feedback.Request) chooser {
	c := chooser{seed: r.Seed}
	for _, i := range r.Plan.Issues {
		switch i.Kind {
		case feedback.IssueSlow:
			c.avoid = slower
		case feedback.IssueFast:
			c.avoid = faster
		}
	}
	return c
}

// among returns one of the wordings for a slot: each slot chooses for itself, so that texts vary in more than one place.
func (c chooser) among(slot string, wordings ...string) string {
	if c.avoid != nil {
		if fit := slices.DeleteFunc(slices.Clone(wordings), c.avoid.MatchString); len(fit) > 0 {
			wordings = fit
		}
	}
	return wordings[c.pick(slot, len(wordings))]
}

// pick returns a number below n, evenly spread over seeds and the same on every machine.
func (c chooser) pick(slot string, n int) int {
	h := fnv.New64a()
	h.Write([]byte(c.seed + "\x00" + slot))
	x := h.Sum64()
	x ^= x >> 33 // the last steps of MurmurHash3: the low bits of FNV alone repeat for seeds that differ at the end
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return int(x % uint64(n))
}

// said is what an issue says was said again.
func said(i feedback.Issue) string {
	words := []string{i.Word.Text}
	for _, w := range i.More {
		words = append(words, w.Text)
	}
	return strings.Join(words, " ")
}

// pairFor returns a minimal pair for an issue: two words that differ in its sounds, where they are in its word if there are such, and
// neither of which is the word itself if that can be. own reports that one is.
func (c chooser) pairFor(i feedback.Issue) (pair [2]string, own, ok bool) {
	s, ok := findSubstitution(i.Phone, i.Heard)
	if !ok {
		return pair, false, false
	}
	pairs := s.pairsFor(i.Place)
	has := func(p [2]string) bool {
		return strings.EqualFold(p[0], i.Word.Text) || strings.EqualFold(p[1], i.Word.Text)
	}
	if others := slices.DeleteFunc(slices.Clone(pairs), has); len(others) > 0 {
		pairs = others
	}
	if len(pairs) == 0 {
		return pair, false, false
	}
	pair = pairs[c.pick("pair", len(pairs))]
	return pair, has(pair), true
}

// example returns an example word of a sound that is not the word being talked about.
func (p phone) example(word string) string {
	for _, e := range p.examples {
		if !strings.EqualFold(e, word) {
			return e
		}
	}
	return p.examples[0]
}
