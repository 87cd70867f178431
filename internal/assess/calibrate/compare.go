package calibrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"text/tabwriter"

	"golang.org/x/sync/errgroup"

	"oktalk/internal/assess/match"
	"oktalk/internal/assess/stats"
	"oktalk/internal/audio"
	"oktalk/internal/evaluation"
)

// Assessor scores 16 kHz samples against a text; [*evaluation.Refusal] is its error for what it will not score.
type Assessor interface {
	Assess(ctx context.Context, samples []int16, text, language string) (*evaluation.Assessment, error)
}

// sampleRate is what assessors take, in Hz.
const sampleRate = 16_000

// Comparison is how an assessor's scores go with the teachers'.
type Comparison struct {
	Recordings int // that were scored
	Refused    int // that the assessor would not score
	Unpaired   int // whose text has other words for us than for the teachers
	pairs      map[string]*pairs
	phones     []Sample
}

// pairs are scores of the same things, theirs and ours.
type pairs struct{ theirs, ours []float64 }

// What is compared.
var compared = []string{"sentence: accuracy", "sentence: fluency", "sentence: total and overall", "word: accuracy", "phone: accuracy"}

// Compare scores recordings, as many at once as there are cores. progress, called from several goroutines, gets how many are done. A
// recording that cannot be read is an error.
func Compare(ctx context.Context, a Assessor, fsys fs.FS, all []Utterance, progress func(done int)) (*Comparison, error) {
	results := make([]*evaluation.Assessment, len(all))
	var done atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, u := range all {
		g.Go(func() error {
			var err error
			if results[i], err = assess(ctx, a, fsys, u); err != nil {
				return fmt.Errorf("score %s: %w", u.ID, err)
			}
			progress(int(done.Add(1)))
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	c := &Comparison{pairs: map[string]*pairs{}}
	for _, name := range compared {
		c.pairs[name] = &pairs{}
	}
	for i, u := range all {
		c.add(u, results[i])
	}
	return c, nil
}

// assess gives nil for what was refused.
func assess(ctx context.Context, a Assessor, fsys fs.FS, u Utterance) (*evaluation.Assessment, error) {
	data, err := fs.ReadFile(fsys, u.Path)
	if err != nil {
		return nil, err
	}
	clip, err := audio.ParseWAV(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", u.Path, err)
	}
	// In capitals a word would be read letter by letter.
	got, err := a.Assess(ctx, clip.Resample(sampleRate).Samples, strings.ToLower(u.Text), "en-US")
	if _, refused := errors.AsType[*evaluation.Refusal](err); refused {
		return nil, nil
	}
	return got, err
}

func (c *Comparison) add(u Utterance, got *evaluation.Assessment) {
	if got == nil {
		c.Refused++
		return
	}
	var words []evaluation.Word
	for _, w := range got.Words {
		if w.Error != evaluation.WordInsertion {
			words = append(words, w)
		}
	}
	if len(words) != len(u.Words) {
		c.Unpaired++
		return
	}
	c.Recordings++
	c.pair("sentence: accuracy", u.Accuracy, got.Scores.Accuracy)
	c.pair("sentence: fluency", u.Fluency, got.Scores.Fluency)
	c.pair("sentence: total and overall", u.Total, got.Scores.Overall)
	for i, w := range u.Words {
		c.pair("word: accuracy", w.Accuracy, words[i].Score)
		c.addPhones(w, words[i])
	}
}

func (c *Comparison) addPhones(w LabelledWord, got evaluation.Word) {
	ours := make([]string, len(got.Phonemes))
	for i, p := range got.Phonemes {
		ours[i] = p.ARPAbet
	}
	for i, partner := range match.Phones(w.Phones, ours) {
		if partner == match.None {
			continue
		}
		score := got.Phonemes[partner].Score
		c.pair("phone: accuracy", w.Scores[i], score)
		c.phones = append(c.phones, Sample{Score: float64(score), Label: w.Scores[i] / 2})
	}
}

func (c *Comparison) pair(name string, theirs float64, ours int) {
	p := c.pairs[name]
	p.theirs, p.ours = append(p.theirs, theirs), append(p.ours, float64(ours))
}

// Samples are the phones that both the teachers and the assessor scored.
func (c *Comparison) Samples() []Sample { return c.phones }

// Pearson and Spearman are the correlations of a line of the comparison, such as "word: accuracy".
func (c *Comparison) Pearson(name string) float64 {
	return stats.Pearson(c.pairs[name].theirs, c.pairs[name].ours)
}

// Spearman is the correlation of ranks; see [Comparison.Pearson].
func (c *Comparison) Spearman(name string) float64 {
	return stats.Spearman(c.pairs[name].theirs, c.pairs[name].ours)
}

// PhoneAUC is the probability that a phone whose mean label is at least 1 (right, perhaps with an accent) scores above one below.
func (c *Comparison) PhoneAUC() float64 {
	var wrong, right []float64
	for _, s := range c.phones {
		if s.Label < 0.5 {
			wrong = append(wrong, s.Score)
		} else {
			right = append(right, s.Score)
		}
	}
	return stats.AUC(wrong, right)
}

// Write prints the comparison as a table.
func (c *Comparison) Write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(t, "SCORED\t%d recordings\t%d refused\t%d with other words\n\n", c.Recordings, c.Refused, c.Unpaired) // Flush returns the first error
	_, _ = fmt.Fprintln(t, "SCORE\tN\tPEARSON\tSPEARMAN")
	for _, name := range compared {
		_, _ = fmt.Fprintf(t, "%s\t%d\t%s\t%s\n", name, len(c.pairs[name].ours), ratio(c.Pearson(name)), ratio(c.Spearman(name)))
	}
	_, _ = fmt.Fprintf(t, "phone: AUC of wrong ones\t%d\t%s\n", len(c.phones), ratio(c.PhoneAUC()))
	return t.Flush()
}

// ratio prints a figure, a dash when there is none.
func ratio(x float64) string {
	if math.IsNaN(x) {
		return "-"
	}
	return strconv.FormatFloat(x, 'f', 3, 64)
}
