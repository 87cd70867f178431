package feedback

import (
	"math"
	"slices"
	"strings"
	"time"

	"oktalk/internal/evaluation"
)

// Limits of fluency. Readers of news speak about 160 to 190 words a minute (Pimsleur, Hancock and Furey, "Speech rate and
// listening comprehension", 1977), which is near 4 syllables a second; only readings far from that are named. A silence counts as a
// pause in research from about 250 ms (de Jong and Bosker, "Choosing a threshold for silent pauses", 2013); one is worth
// mentioning when it is long and not at a comma or the end of a sentence.
const (
	fluentFrom      = 80 // fluency from which nothing is said about flow
	hesitantBelow   = 70 // fluency below which it is mentioned even if no cause was measured
	longPause       = 600 * time.Millisecond
	slowBelow       = 20 // tenths of syllables a second
	fastAbove       = 60 // tenths of syllables a second
	drawnBelow      = 70 // tenths of phones a second within words: right readings have 9 to 15 a second, so these are drawn out
	minRateWords    = 4  // fewer words have no rate
	flowBase        = 200
	flowSlope       = 5 // for each point of fluency that is missing
	flatWeight      = 200
	hesitantPenalty = 100 // a cause that was measured helps more than none
)

// flow finds what kept a reading from flowing: the longest pause, speed, or no cause that was measured.
func (r *reading) flow() []Issue {
	var issues []Issue
	if p := r.scores.Prosody; p != nil && *p < flatBelow && r.spokenWords() >= minRateWords {
		issues = append(issues, Issue{Kind: IssueFlat, Weight: flatWeight})
	}
	if r.scores.Fluency >= fluentFrom || r.spokenWords() < 2 {
		return issues
	}
	weight := r.flowWeight()
	rate := r.rate()
	switch before, after, ok := r.pause(); {
	case ok:
		issues = append(issues, Issue{Kind: IssuePause, Word: before.ref(), More: []WordRef{after.ref()}, Weight: weight})
	case slices.ContainsFunc(r.words, filler): // that is what there is to name, not the pace that it made
	case rate > 0 && (rate < slowBelow || r.articulation() < drawnBelow):
		issues = append(issues, Issue{Kind: IssueSlow, Weight: weight})
	case rate > fastAbove:
		issues = append(issues, Issue{Kind: IssueFast, Weight: weight})
	case r.scores.Fluency < hesitantBelow:
		issues = append(issues, Issue{Kind: IssueHesitant, Weight: weight - hesitantPenalty})
	}
	return issues
}

// flowWeight is the weight of what broke the flow; 0 when the reading was fluent.
func (r *reading) flowWeight() int {
	if r.scores.Fluency >= fluentFrom {
		return 0
	}
	return flowBase + flowSlope*(fluentFrom-r.scores.Fluency)
}

// pause finds the longest silence between two neighbouring words of the text, if it is long and inside a phrase.
func (r *reading) pause() (before, after word, ok bool) {
	ends := phraseEnds(r.text)
	longest := longPause - 1
	for i := 1; i < len(r.words); i++ {
		a, b := r.words[i-1], r.words[i]
		if !a.spoken() || !b.spoken() || ends[a.number] {
			continue
		}
		if gap := b.Offset - (a.Offset + a.Duration); gap > longest {
			before, after, ok, longest = a, b, true, gap
		}
	}
	return before, after, ok
}

// rate is the speed in tenths of syllables a second from the first word to the last; 0 when it cannot be told.
func (r *reading) rate() int {
	var first, last time.Duration
	words, syllables := 0, 0
	for _, w := range r.words {
		if !w.spoken() || w.Duration <= 0 {
			continue
		}
		if words == 0 {
			first = w.Offset
		}
		words++
		last = max(last, w.Offset+w.Duration)
		for _, p := range w.Phonemes {
			if isVowel(p.ARPAbet) {
				syllables++
			}
		}
	}
	ms := (last - first).Milliseconds()
	if words < minRateWords || ms <= 0 {
		return 0
	}
	return int(int64(syllables) * 10_000 / ms)
}

// articulation is the speed in tenths of phones a second within words, without the silences between them; high when no phone has a
// duration.
func (r *reading) articulation() int {
	var spoken time.Duration
	phones := 0
	for _, w := range r.words {
		for _, p := range w.Phonemes {
			if p.Duration > 0 {
				phones++
				spoken += p.Duration
			}
		}
	}
	if spoken < time.Millisecond {
		return math.MaxInt
	}
	return int(int64(phones) * 10_000 / spoken.Milliseconds())
}

// phraseEnds tells after which words of a text, by number from 1, a reader may pause: those before punctuation.
func phraseEnds(text string) map[int]bool {
	ends := map[int]bool{}
	n := 0
	for f := range strings.FieldsSeq(text) {
		k := len(evaluation.TextWords(f))
		n += k
		if trimmed := strings.TrimRight(f, `"'”’)]`); k == 0 || strings.ContainsAny(lastRune(trimmed), ",;:.!?…—–-") {
			ends[n] = true
		}
	}
	return ends
}

func lastRune(s string) string {
	rs := []rune(s)
	if len(rs) == 0 {
		return ""
	}
	return string(rs[len(rs)-1])
}
