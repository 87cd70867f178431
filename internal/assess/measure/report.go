package measure

import (
	"cmp"
	_ "embed" // for the page
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"oktalk/internal/assess/corpus"
	"oktalk/internal/assess/stats"
	"oktalk/internal/evaluation"
)

// Report is a page of Markdown with its drawings.
type Report struct {
	Markdown string
	Drawings map[string]string // by file name, SVG
}

// About is what a report says of its own making.
type About struct {
	Command  string // that makes it again
	Seed     uint64
	Programs []string // names with versions
	Folder   string   // of the drawings, as seen from the page
	Timings  *Timings // nil: leave them out
}

//go:embed report.md.tmpl
var page string

// New writes the report of outcomes.
func New(about About, outcomes []Outcome) (Report, error) {
	r := &reporter{byID: map[string]*Outcome{}}
	for i := range outcomes {
		r.all = append(r.all, &outcomes[i])
		r.byID[outcomes[i].ID] = &outcomes[i]
	}
	r.clean = r.all.where(under(corpus.Clean))
	r.flite = r.clean.where(of(corpus.Flite))
	r.judges = r.flite.where(in(corpus.HeldOut))
	var b strings.Builder
	err := template.Must(template.New("").Parse(page)).Execute(&b, map[string]any{
		"About": about, "Recordings": len(outcomes), "Voices": len(corpus.Voices()), "WrongBelow": wrongBelow,
		"Summary": r.summary(), "Voice": r.voices(), "Method": r.methods(), "Pair": r.pairs(), "Phone": r.phones(), "Condition": r.conditions(),
		"Omission": r.positions(), "Extra": r.extras(), "Other": r.others(), "Distribution": r.distribution(), "Errors": r.errors(),
		"Harmless": r.harmless(),
	})
	return Report{Markdown: b.String(), Drawings: map[string]string{
		"pairs.svg": r.drawPairs(), "roc.svg": r.drawROC(), "conditions.svg": r.drawConditions(), "scores.svg": r.drawScores(), "errors.svg": r.drawErrors(),
	}}, err
}

type reporter struct {
	all    set
	byID   map[string]*Outcome
	clean  set // without noise and the like
	flite  set // of the clean ones
	judges set // held-out voices of flite, clean
}

// column is a set with its name.
type column struct {
	name string
	set  set
}

// The places of some columns.
const (
	tuningFlite = 1
	allFlite    = 2
)

func (r *reporter) columns() []column {
	espeak := r.clean.where(of(corpus.ESpeak))
	return []column{
		{"flite, held-out", r.judges},
		{"flite, tuning", r.flite.where(in(corpus.Tuning))},
		{"flite, all", r.flite},
		{"espeak-ng, held-out", espeak.where(in(corpus.HeldOut))},
		{"espeak-ng, tuning", espeak.where(in(corpus.Tuning))},
	}
}

func (r *reporter) summary() *table {
	head, rows := []string{""}, [][]string{}
	limit := r.columns()[tuningFlite].set.hear().bestLimit()
	for i, c := range r.columns() {
		head = append(head, c.name)
		for k, f := range summarize(c.set, limit) {
			if i == 0 {
				rows = append(rows, []string{f.name})
			}
			rows[k] = append(rows[k], f.value)
		}
	}
	t := newTable(head...)
	t.rows = rows
	return t
}

// figure is a line of the summary.
type figure struct{ name, value string }

func summarize(s set, limit int) []figure {
	h, words, omitted, extra := s.hear(), s.words(), s.omissions(), s.where(kind(corpus.Insertion, corpus.Repetition)).extra()
	plain, single := s.where(kind(corpus.Right)), s.where(kind(corpus.OtherSingle))
	read, other := plain.where(by(corpus.ByText)), s.where(kind(corpus.OtherText))
	return []figure{
		{"recordings", strconv.Itoa(len(s))},
		{"planted phones, right phones", fmt.Sprintf("%d, %d", h.Hits+h.Misses, h.Alarms+h.Quiet)},
		{"**phone errors: precision**", percent(h.Precision())},
		{"**recall**", percent(h.Recall())},
		{"**F1**", percent(h.F1())},
		{"F1 if 4, 10 of 100 phones were wrong, other things equal", fmt.Sprintf("%s, %s", percent(h.f1Of(0.04)), percent(h.f1Of(0.1)))},
		{"right phones called wrong", percent(h.AlarmRate())},
		{"AUC of the phones' scores", ratio(h.AUC())},
		{"recall, right phones called wrong if the word need not be flagged", fmt.Sprintf("%s, %s", percent(h.alone.Recall()), percent(h.alone.AlarmRate()))},
		{fmt.Sprintf("F1 if a phone's score below %d were enough (best for flite, tuning)", limit), percent(h.below(limit).F1())},
		{"hits called by the sound that was spoken", percent(stats.Share(h.named, h.Hits))},
		{"hits called by another sound or none", percent(1 - stats.Share(h.named, h.Hits))},
		{"words with a planted phone called wrong", percent(words.Recall())},
		{"words of right readings of the text called wrong", percent(read.words().AlarmRate())},
		{"words left out, found", percent(omitted.Recall())},
		{"spoken words called left out", percent(omitted.AlarmRate())},
		{"words inserted or repeated, found", percent(extra.Recall())},
		{"insertions reported for 100 gaps without one", ratio(100 * s.where(phonetic).extra().AlarmRate())},
		{"Spearman, mistakes a word and accuracy", ratio(s.correlation(accuracy))},
		{"Spearman, mistakes a word and overall", ratio(s.correlation(overall))},
		{"right readings of the text: overall, lowest and median", fmt.Sprintf("%s, %s", whole(stats.Quantile(read.scores(overall), 0)), whole(stats.Quantile(read.scores(overall), 0.5)))},
		{"right readings refused", percent(stats.Share(plain.refused(), len(plain)))},
		{"another text, refused", part(other.refused(), len(other))},
		{"another single word, refused", part(single.refused(), len(single))},
	}
}

func (r *reporter) voices() *table {
	t := newTable("voice", "split", "precision", "recall", "F1", "right phones called wrong", "AUC", "named right", "right words called wrong", "words left out, found")
	for _, v := range corpus.Voices() {
		s := r.clean.where(func(o *Outcome) bool { return o.Voice == v })
		h := s.hear()
		t.add(v.Name(), string(v.Split), percent(h.Precision()), percent(h.Recall()), percent(h.F1()), percent(h.AlarmRate()), ratio(h.AUC()),
			percent(stats.Share(h.named, h.Hits)), percent(s.where(kind(corpus.Right), by(corpus.ByText)).words().AlarmRate()), percent(s.omissions().Recall()))
	}
	return t
}

func (r *reporter) methods() *table {
	t := newTable("method", "right phones called wrong in right readings", "the same beside a planted phone", "recall", "F1", "AUC", "right words called wrong")
	for _, c := range []struct {
		name   string
		method corpus.Method
	}{
		{"flite, text", corpus.ByText}, {"flite, an entry in its dictionary", corpus.ByLexicon}, {"flite, phones of the whole text", corpus.ByPhones},
	} {
		s := r.judges.where(by(c.method))
		right, wrong, h := s.where(kind(corpus.Right)), s.where(kind(corpus.Substitution, corpus.Several)), s.hear()
		t.add(c.name, percent(right.hear().AlarmRate()), percent(wrong.hear().AlarmRate()), percent(wrong.hear().Recall()), percent(h.F1()), ratio(h.AUC()), percent(right.words().AlarmRate()))
	}
	return t
}

// tally is what became of one pair.
type tally struct {
	name        string
	hits, named int
	all         int
	alarms      int // right phones called by the pair's spoken sound
	right       int // right phones of its canonical one
	alarmed     int // those of them called wrong
	wrong       []float64
	rights      []float64 // scores of right phones of the canonical one
}

func (t tally) recall() float64 { return stats.Share(t.hits, t.all) }

func (t tally) counts() stats.Counts {
	return stats.Counts{Hits: t.hits, Misses: t.all - t.hits, Alarms: t.alarms}
}

// tallies counts by pair, those of the list first, in the order in which they appear; pairs that were drawn are one.
func tallies(s set) []tally {
	at := map[string]int{}
	var all []tally
	right, alarmed, called := map[string][]float64{}, map[string]int{}, map[string]int{}
	for _, o := range s.where(phonetic) {
		for _, p := range Phones(o) {
			if p.Planted == nil {
				if p.Scored {
					right[p.Canonical] = append(right[p.Canonical], float64(p.Score))
				}
				if p.Found {
					alarmed[p.Canonical]++
					called[p.Canonical+"→"+p.Heard]++
				}
				continue
			}
			name := p.Planted.Pair()
			if p.Planted.Random {
				name = drawnPairs
			}
			i, ok := at[name]
			if !ok {
				i, at[name] = len(all), len(all)
				all = append(all, tally{name: name})
			}
			all[i].all++
			if p.Scored {
				all[i].wrong = append(all[i].wrong, float64(p.Score))
			}
			if p.Found {
				all[i].hits++
				if p.Heard == p.Planted.Spoken {
					all[i].named++
				}
			}
		}
	}
	for i := range all {
		canonical, _, _ := strings.Cut(all[i].name, "→")
		all[i].alarms, all[i].right, all[i].alarmed = called[all[i].name], len(right[canonical]), alarmed[canonical]
		all[i].rights = right[canonical]
	}
	slices.SortFunc(all, func(a, b tally) int { return strings.Compare(a.name, b.name) })
	return all
}

const drawnPairs = "two of a class, drawn"

func (r *reporter) pairs() *table {
	t := newTable("planted", "n", "recall", "precision", "F1", "hits named right", "right phones called wrong", "n, all of flite", "recall, all of flite", "AUC, all of flite")
	all := tallies(r.flite)
	for _, x := range tallies(r.judges) {
		i := slices.IndexFunc(all, func(y tally) bool { return y.name == x.name })
		precision, f1 := percent(x.counts().Precision()), percent(x.counts().F1())
		if x.name == drawnPairs {
			precision, f1 = none, none
		}
		t.add(x.name, strconv.Itoa(x.all), percent(x.recall()), precision, f1, percent(stats.Share(x.named, x.hits)),
			percent(stats.Share(x.alarmed, x.right)), strconv.Itoa(all[i].all), percent(all[i].recall()), ratio(stats.AUC(all[i].wrong, all[i].rights)))
	}
	return t
}

// phones lists which right phones are called wrong most, and as what.
func (r *reporter) phones() *table {
	right, alarmed, called := map[string]int{}, map[string]int{}, map[string]map[string]int{}
	for _, o := range r.judges.where(phonetic) {
		for _, p := range Phones(o) {
			if p.Planted != nil || !p.Scored {
				continue
			}
			right[p.Canonical]++
			if p.Found {
				alarmed[p.Canonical]++
				if called[p.Canonical] == nil {
					called[p.Canonical] = map[string]int{}
				}
				called[p.Canonical][p.Heard]++
			}
		}
	}
	names := slices.SortedFunc(maps.Keys(alarmed), func(a, b string) int {
		return cmp.Or(cmp.Compare(alarmed[b], alarmed[a]), strings.Compare(a, b))
	})
	t := newTable("phone", "called wrong", "of", "share", "as")
	for _, name := range names[:min(len(names), 15)] {
		t.add(name, strconv.Itoa(alarmed[name]), strconv.Itoa(right[name]), percent(stats.Share(alarmed[name], right[name])), list(called[name]))
	}
	return t
}

// list writes counts, the largest first.
func list(counts map[string]int) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), strings.Compare(a, b))
	})
	for i, name := range names {
		if name == "" {
			names[i] = fmt.Sprintf("no name %d", counts[name])
		} else {
			names[i] = fmt.Sprintf("%s %d", name, counts[name])
		}
	}
	return strings.Join(names, ", ")
}

func (r *reporter) conditions() *table {
	t := newTable("condition", "n", "precision", "recall", "F1", "right phones called wrong", "AUC", "right words called wrong", "spoken words called left out", "refused", "change of overall in right readings: median, farthest")
	row := func(name string, s set) {
		h := s.hear()
		changes, _ := s.where(kind(corpus.Right)).changes(r.byID, overall)
		change := none
		if len(changes) > 0 {
			change = fmt.Sprintf("%s, %s", whole(stats.Quantile(changes, 0.5)), whole(farthest(changes)))
		}
		t.add(name, strconv.Itoa(len(s)), percent(h.Precision()), percent(h.Recall()), percent(h.F1()), percent(h.AlarmRate()), ratio(h.AUC()),
			percent(s.where(kind(corpus.Right)).words().AlarmRate()), percent(s.omissions().AlarmRate()), percent(stats.Share(s.refused(), len(s))), change)
	}
	row("clean, the same readings", r.twins())
	for _, c := range corpus.Hard() {
		row(string(c), r.all.where(of(corpus.Flite), under(c)))
	}
	return t
}

// twins are the clean recordings of which there are copies in a hard condition.
func (r *reporter) twins() set {
	copied := map[string]bool{}
	for _, o := range r.all {
		if slices.Contains(corpus.Hard(), o.Condition) {
			copied[o.Twin] = true
		}
	}
	return r.flite.where(func(o *Outcome) bool { return copied[o.ID] })
}

func (r *reporter) positions() *table {
	t := newTable("left out", "words", "found", "found or called wrong", "recordings refused", "spoken words called left out", "words, all of flite", "found, all of flite")
	for _, at := range []corpus.Position{corpus.First, corpus.Middle, corpus.Last, corpus.InARow, corpus.SecondHalf} {
		here := func(o *Outcome) bool { return o.Kind == corpus.Omission && o.Position == at }
		s, all := r.judges.where(here), r.flite.where(here).omissions()
		c := s.omissions()
		t.add(string(at), strconv.Itoa(c.Hits+c.Misses), percent(c.Recall()), percent(noticed(s)), strconv.Itoa(s.refused()), percent(c.AlarmRate()),
			strconv.Itoa(all.Hits+all.Misses), percent(all.Recall()))
	}
	for _, c := range []struct {
		name string
		set  set
	}{{"nothing, right readings", r.judges.where(kind(corpus.Right))}, {"nothing, wrong phones", r.judges.where(kind(corpus.Substitution, corpus.Several))}} {
		t.add(c.name, none, none, none, strconv.Itoa(c.set.refused()), percent(c.set.omissions().AlarmRate()), none, none)
	}
	return t
}

// noticed is the share of the words with something planted that are called left out or mispronounced.
func noticed(s set) float64 {
	found, all := 0, 0
	for _, o := range s {
		for _, p := range o.Planted {
			all++
			if o.Assessment != nil && targetWords(o.Assessment)[p.Word].Error != evaluation.WordCorrect {
				found++
			}
		}
	}
	return stats.Share(found, all)
}

func (r *reporter) extras() *table {
	t := newTable("", "n", "reported as an insertion", "insertions reported elsewhere, of 100 gaps", "spoken words called left out", "words called wrong", "fluency, median")
	for _, k := range []corpus.Kind{corpus.Insertion, corpus.Repetition, corpus.Hesitation, corpus.Right} {
		s := r.judges.where(kind(k))
		if k == corpus.Right {
			s = s.where(by(corpus.ByText))
		}
		c := s.extra()
		t.add(string(k), strconv.Itoa(len(s)), percent(c.Recall()), ratio(100*c.AlarmRate()), percent(called(s, evaluation.WordOmission)),
			percent(called(s, evaluation.WordMispronunciation)), whole(stats.Quantile(s.scores(fluency), 0.5)))
	}
	return t
}

// called is the share of the target words of a set that are called so.
func called(s set, e evaluation.WordError) float64 {
	n, all := 0, 0
	for _, o := range s {
		if o.Assessment == nil {
			continue
		}
		for _, w := range targetWords(o.Assessment) {
			all++
			if w.Error == e {
				n++
			}
		}
	}
	return stats.Share(n, all)
}

func (r *reporter) others() *table {
	t := newTable("", "voices", "n", "refused", "overall of the others: median, highest", "the word called wrong or left out")
	for _, k := range []corpus.Kind{corpus.OtherText, corpus.OtherSingle, corpus.OtherWord} {
		for _, c := range r.columns()[:4] {
			s := c.set.where(kind(k))
			scores, word := none, none
			if got := s.scores(overall); len(got) > 0 {
				scores = fmt.Sprintf("%s, %s", whole(stats.Quantile(got, 0.5)), whole(stats.Quantile(got, 1)))
			}
			if k == corpus.OtherWord {
				word = percent(noticed(s))
			}
			t.add(string(k), c.name, strconv.Itoa(len(s)), percent(stats.Share(s.refused(), len(s))), scores, word)
		}
	}
	return t
}

func (r *reporter) distribution() *table {
	t := newTable("voice", "n", "refused", "overall: lowest", "5 %", "median", "95 %", "accuracy: median", "fluency: median")
	for _, v := range corpus.Voices() {
		s := r.rightOf(v)
		o := s.scores(overall)
		t.add(v.Name(), strconv.Itoa(len(s)), strconv.Itoa(s.refused()), whole(stats.Quantile(o, 0)), whole(stats.Quantile(o, 0.05)), whole(stats.Quantile(o, 0.5)),
			whole(stats.Quantile(o, 0.95)), whole(stats.Quantile(s.scores(accuracy), 0.5)), whole(stats.Quantile(s.scores(fluency), 0.5)))
	}
	return t
}

func (r *reporter) rightOf(v corpus.Voice) set {
	return r.clean.where(kind(corpus.Right), by(corpus.ByText), func(o *Outcome) bool { return o.Voice == v })
}

// byErrors are the clean readings by flite with so many planted phones.
func (r *reporter) byErrors() []column {
	var out []column
	for n := range 7 {
		out = append(out, column{strconv.Itoa(n), r.flite.where(kind(corpus.Right, corpus.Several, corpus.Substitution), func(o *Outcome) bool {
			return o.Method != corpus.ByPhones && len(o.Planted) == n && len(o.Words) > 5
		})})
	}
	return out
}

func (r *reporter) errors() *table {
	t := newTable("wrong phones", "n", "accuracy: 5 %", "median", "95 %", "overall: median")
	for _, c := range r.byErrors() {
		a := c.set.scores(accuracy)
		t.add(c.name, strconv.Itoa(len(c.set)), whole(stats.Quantile(a, 0.05)), whole(stats.Quantile(a, 0.5)), whole(stats.Quantile(a, 0.95)), whole(stats.Quantile(c.set.scores(overall), 0.5)))
	}
	return t
}

func (r *reporter) harmless() *table {
	t := newTable("", "n", "overall: median change", "farthest", "accuracy: farthest", "fluency: farthest", "refused in one of the two")
	for _, c := range corpus.Harmless() {
		s := r.all.where(under(c))
		o, lost := s.changes(r.byID, overall)
		a, _ := s.changes(r.byID, accuracy)
		f, _ := s.changes(r.byID, fluency)
		t.add(string(c), strconv.Itoa(len(s)), whole(stats.Quantile(o, 0.5)), whole(farthest(o)), whole(farthest(a)), whole(farthest(f)), strconv.Itoa(lost))
	}
	return t
}
