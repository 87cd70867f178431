package feedback_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"oktalk/internal/evaluation"
	"oktalk/internal/feedback"
)

// said makes a spoken word: "TH>S:30 IH:90" is a th scored 30 that was heard as s, and so on; a sound without a score has 95.
func said(text string, score int, sounds string) evaluation.Word {
	w := evaluation.Word{Text: text, Score: score, Error: evaluation.WordCorrect, Duration: 300 * time.Millisecond}
	if score < 80 {
		w.Error = evaluation.WordMispronunciation
	}
	for s := range strings.FieldsSeq(sounds) {
		name, number, _ := strings.Cut(s, ":")
		p := evaluation.Phoneme{Score: 95, Duration: 100 * time.Millisecond}
		p.ARPAbet, p.Heard, _ = strings.Cut(name, ">")
		for i, d := range number {
			if i == 0 {
				p.Score = 0
			}
			p.Score = 10*p.Score + int(d-'0')
		}
		w.Phonemes = append(w.Phonemes, p)
	}
	return w
}

// unsure sets how sure it is that the first sound was another one.
func unsure(w evaluation.Word, confidence float64) evaluation.Word {
	w.Phonemes[0].Confidence = confidence
	return w
}

func omitted(text string) evaluation.Word {
	return evaluation.Word{Text: text, Error: evaluation.WordOmission}
}

func added(text string) evaluation.Word {
	return evaluation.Word{Text: text, Error: evaluation.WordInsertion}
}

// scored makes an evaluation of words spoken one after another.
func scored(fluency int, words ...evaluation.Word) *evaluation.Evaluation {
	a := &evaluation.Assessment{Assessor: "offline", Words: words}
	e := &evaluation.Evaluation{ID: "eval_01jd", Language: "en-US", FeedbackLanguage: feedback.English, Assessment: a}
	var texts []string
	sum, spoken, targets := 0, 0, 0
	var at time.Duration
	for i := range words {
		w := &words[i]
		if w.Error == evaluation.WordInsertion {
			continue
		}
		targets++
		texts = append(texts, w.Text)
		if w.Error == evaluation.WordOmission {
			continue
		}
		w.Offset, at = at, at+w.Duration
		sum, spoken = sum+w.Score, spoken+1
	}
	e.TargetText = strings.Join(texts, " ")
	e.Category = evaluation.InferCategory(e.TargetText)
	a.Scores = evaluation.Scores{Accuracy: sum / max(1, spoken), Fluency: fluency, Integrity: 100 * spoken / max(1, targets)}
	a.Scores.Overall = evaluation.OverallScore(a.Scores.Accuracy, fluency, a.Scores.Integrity, nil)
	a.Level = evaluation.LevelOf(a.Scores.Overall, a.Scores.Integrity)
	e.Plan()
	return e
}

func plan(t *testing.T, e *evaluation.Evaluation) feedback.Plan {
	t.Helper()
	p, err := feedback.NewPlan(e)
	if err != nil {
		t.Fatalf("NewPlan: %v", err)
	}
	return p
}

var ignoreWeight = cmpopts.IgnoreFields(feedback.Issue{}, "Weight", "Nth")

func TestPlanIssues(t *testing.T) {
	t.Parallel()
	like, the := said("like", 92, "L AY K"), said("the", 95, "DH AH")
	ref := func(text string, n int) feedback.WordRef { return feedback.WordRef{Text: text, Number: n} }
	tests := map[string]struct {
		evaluation *evaluation.Evaluation
		want       []feedback.Issue
		next       feedback.NextKind
	}{
		"nothing found": {
			evaluation: scored(95, said("I", 96, "AY"), like, said("apples", 97, "AE P AH L Z")),
			next:       feedback.NextChallenge,
		},
		"a sound heard as another": {
			evaluation: scored(90, said("I", 96, "AY"), like, said("apples", 58, "AE>EH:41 P AH L Z")),
			want:       []feedback.Issue{{Kind: feedback.IssueSound, Word: ref("apples", 3), Phone: "AE", Heard: "EH", Place: feedback.PlaceStart}},
			next:       feedback.NextContrast,
		},
		"a sound that was hardly heard as another": {
			evaluation: scored(90, like, unsure(said("think", 60, "TH>S:30 IH NG K"), 0.48)),
			want:       []feedback.Issue{{Kind: feedback.IssueSound, Word: ref("think", 2), Phone: "TH", Place: feedback.PlaceStart}},
			next:       feedback.NextWord,
		},
		"of two sounds the one that is surer": {
			evaluation: scored(90, unsure(said("red", 60, "R>L:40 EH D"), 0.5), unsure(said("light", 60, "L>R:40 AY T"), 0.9), like),
			want:       []feedback.Issue{{Kind: feedback.IssueSound, Word: ref("light", 2), Phone: "L", Heard: "R", Place: feedback.PlaceStart}},
			next:       feedback.NextContrast,
		},
		"a sound that was not clear": {
			evaluation: scored(90, like, said("think", 60, "TH:20 IH NG K")),
			want:       []feedback.Issue{{Kind: feedback.IssueSound, Word: ref("think", 2), Phone: "TH", Place: feedback.PlaceStart}},
			next:       feedback.NextWord,
		},
		"the heavier contrast comes first": {
			evaluation: scored(90, said("this", 60, "DH>Z:40 IH S"), said("red", 60, "R>L:40 EH D")),
			want: []feedback.Issue{
				{Kind: feedback.IssueSound, Word: ref("red", 2), Phone: "R", Heard: "L", Place: feedback.PlaceStart},
				{Kind: feedback.IssueSound, Word: ref("this", 1), Phone: "DH", Heard: "Z", Place: feedback.PlaceStart},
			},
			next: feedback.NextContrast,
		},
		"the same sounds in two words are one issue": {
			evaluation: scored(90, said("think", 50, "TH>S:30 IH NG K"), said("three", 60, "TH>S:50 R IY")),
			want: []feedback.Issue{{
				Kind: feedback.IssueSound, Word: ref("think", 1), More: []feedback.WordRef{ref("three", 2)}, Count: 1,
				Phone: "TH", Heard: "S", Place: feedback.PlaceStart,
			}},
			next: feedback.NextContrast,
		},
		"a marked word without a weak sound": {
			evaluation: scored(90, like, said("apples", 70, "AE:85 P:84 AH:85 L:86 Z:85")),
			want:       []feedback.Issue{{Kind: feedback.IssueWord, Word: ref("apples", 2), Syllables: 2}},
			next:       feedback.NextWord,
		},
		"a weak sound in an accepted word is left alone": {
			evaluation: scored(90, like, said("apples", 85, "AE:50 P AH L Z")),
			next:       feedback.NextChallenge,
		},
		"a missing word": {
			evaluation: scored(90, like, omitted("red"), the, said("bird", 90, "B ER D")),
			want:       []feedback.Issue{{Kind: feedback.IssueOmission, Word: ref("red", 2), Count: 1}},
			next:       feedback.NextReread,
		},
		"most of the text is missing": {
			evaluation: scored(90, like, omitted("red"), omitted("apples"), said("the", 40, "DH>D:20 AH")),
			want: []feedback.Issue{
				{Kind: feedback.IssuePartial, Word: ref("red", 2), More: []feedback.WordRef{ref("apples", 3)}, Count: 2},
				{Kind: feedback.IssueSound, Word: ref("the", 4), Phone: "DH", Heard: "D", Place: feedback.PlaceStart},
			},
			next: feedback.NextReread,
		},
		"an added word": {
			evaluation: scored(90, like, added("the"), said("apples", 92, "AE P AH L Z")),
			want:       []feedback.Issue{{Kind: feedback.IssueInsertion, Word: ref("the", 0), Count: 1}},
			next:       feedback.NextReread,
		},
		"a phrase said again": {
			evaluation: scored(90, said("carried", 92, "K AE R IY D"), added("a"), added("heavy"), said("a", 90, "AH"), said("heavy", 90, "HH EH V IY")),
			want:       []feedback.Issue{{Kind: feedback.IssueInsertion, Word: ref("a", 0), More: []feedback.WordRef{ref("heavy", 0)}, Count: 2, Again: true}},
			next:       feedback.NextReread,
		},
		"a phrase said again, heard after it": {
			evaluation: scored(90, said("a", 90, "AH"), said("heavy", 90, "HH EH V IY"), added("a"), added("Heavy"), added("um"), said("basket", 90, "B AE S K AH T")),
			want:       []feedback.Issue{{Kind: feedback.IssueInsertion, Word: ref("a", 0), More: []feedback.WordRef{ref("Heavy", 0)}, Count: 2, Again: true}},
			next:       feedback.NextReread,
		},
		"another word in the place of a missing one": {
			evaluation: scored(90, said("I", 96, "AY"), like, added(""), omitted("apples"), said("and", 90, "AE N D"), said("pears", 90, "P EH R Z")),
			want:       []feedback.Issue{{Kind: feedback.IssueReplaced, Word: ref("apples", 3), Count: 1}},
			next:       feedback.NextWord,
		},
		"um in the place of a missing word is um": {
			evaluation: scored(90, said("I", 96, "AY"), like, added("um"), omitted("apples"), said("and", 90, "AE N D")),
			want: []feedback.Issue{
				{Kind: feedback.IssueOmission, Word: ref("apples", 3), Count: 1},
				{Kind: feedback.IssueInsertion, Word: ref("um", 0), Count: 1, Filler: true},
			},
			next: feedback.NextReread,
		},
		"um rather than the pace": {
			evaluation: scored(60, said("I", 96, "AY"), added("um"), like, said("red", 90, "R EH D"), said("birds", 90, "B ER D Z")),
			want:       []feedback.Issue{{Kind: feedback.IssueInsertion, Word: ref("um", 0), Count: 1, Filler: true}},
			next:       feedback.NextReread,
		},
		"a missing word comes before a weak sound": {
			evaluation: scored(90, like, omitted("red"), the, said("light", 20, "L>R:0 AY T"), said("bird", 90, "B ER D")),
			want: []feedback.Issue{
				{Kind: feedback.IssueOmission, Word: ref("red", 2), Count: 1},
				{Kind: feedback.IssueSound, Word: ref("light", 4), Phone: "L", Heard: "R", Place: feedback.PlaceStart},
			},
			next: feedback.NextReread,
		},
		"an added word that is its neighbour again": {
			evaluation: scored(90, like, added("like"), said("apples", 92, "AE P AH L Z")),
			want:       []feedback.Issue{{Kind: feedback.IssueInsertion, Word: ref("like", 0), Count: 1, Again: true}},
			next:       feedback.NextReread,
		},
		"a sound of thinking": {
			evaluation: scored(90, like, added("um"), said("apples", 92, "AE P AH L Z"), added("Uh")),
			want:       []feedback.Issue{{Kind: feedback.IssueInsertion, Word: ref("um", 0), Count: 2, Filler: true}},
			next:       feedback.NextReread,
		},
		"the end was not read": {
			evaluation: scored(90, like, the, said("bird", 90, "B ER D"), omitted("red"), omitted("apples")),
			want:       []feedback.Issue{{Kind: feedback.IssueUnfinished, Word: ref("red", 4), More: []feedback.WordRef{ref("apples", 5)}, Count: 2}},
			next:       feedback.NextFinish,
		},
		"words are missing in the middle and at the end": {
			evaluation: scored(90, like, omitted("a"), the, said("bird", 90, "B ER D"), said("now", 90, "N AW"), omitted("apples")),
			want:       []feedback.Issue{{Kind: feedback.IssueOmission, Word: ref("a", 2), More: []feedback.WordRef{ref("apples", 6)}, Count: 2}},
			next:       feedback.NextReread,
		},
		"another word was heard": {
			evaluation: scored(90, like, said("Tuesday", 20, "T>TH:5 UW>ER:5 Z:30 D:30 EY:80")),
			want:       []feedback.Issue{{Kind: feedback.IssueReplaced, Word: ref("Tuesday", 2), Syllables: 2}},
			next:       feedback.NextWord,
		},
		"another word was heard, whose sounds were taken for doubtful": {
			evaluation: scored(90, like, said("kitchen", 24, "K:35 IH:0 CH:24 AH:40 N")),
			want:       []feedback.Issue{{Kind: feedback.IssueReplaced, Word: ref("kitchen", 2), Syllables: 2}},
			next:       feedback.NextWord,
		},
		"several sounds of a word": {
			evaluation: scored(90, like, said("beautiful", 50, "B Y>AY:10 UW>AH:10 T AH>ER:10 F AH L")),
			want:       []feedback.Issue{{Kind: feedback.IssueWord, Word: ref("beautiful", 2), Syllables: 3}},
			next:       feedback.NextWord,
		},
		"two sounds of a long word": {
			evaluation: scored(90, like, said("beautiful", 60, "B Y UW>UH:10 T AH F>HH:30 AH L")),
			want: []feedback.Issue{
				{Kind: feedback.IssueSound, Word: ref("beautiful", 2), Phone: "F", Heard: "HH", Place: feedback.PlaceInside},
				{Kind: feedback.IssueSound, Word: ref("beautiful", 2), Phone: "UW", Heard: "UH", Place: feedback.PlaceStart},
			},
			next: feedback.NextContrast,
		},
		"nothing stands out but a word is not clear": {
			evaluation: scored(95, like, func() evaluation.Word {
				w := said("pool", 73, "P UW:65 L")
				w.Error = evaluation.WordCorrect
				return w
			}()),
			want: []feedback.Issue{{Kind: feedback.IssueSound, Word: ref("pool", 2), Phone: "UW", Place: feedback.PlaceOnly}},
			next: feedback.NextWord,
		},
		"one word that does not flow": {
			evaluation: scored(20, said("bird", 95, "B ER D")),
			want:       []feedback.Issue{{Kind: feedback.IssueHesitant}},
			next:       feedback.NextSmooth,
		},
		"a small word weighs less": {
			evaluation: scored(90, said("She", 95, "SH IY"), said("a", 20, "AH>OW:20"), said("red", 40, "R>L:1 EH D")),
			want: []feedback.Issue{
				{Kind: feedback.IssueSound, Word: ref("red", 3), Phone: "R", Heard: "L", Place: feedback.PlaceStart},
				{Kind: feedback.IssueSound, Word: ref("a", 2), Phone: "AH", Heard: "OW", Place: feedback.PlaceOnly},
			},
			next: feedback.NextContrast,
		},
		"a word that is not in the dictionary": {
			evaluation: scored(90, like, func() evaluation.Word {
				w := said("zorblax", 50, "Z>S:20 AO R B L AE K S")
				w.Approximate = true
				return w
			}()),
			want: []feedback.Issue{{Kind: feedback.IssueSound, Word: ref("zorblax", 2), Approximate: true, Phone: "Z", Heard: "S", Place: feedback.PlaceStart}},
			next: feedback.NextContrast,
		},
		"a word that cannot be quoted has a number": {
			evaluation: scored(90, like, said("50%", 50, "F>P:20 IH")),
			want:       []feedback.Issue{{Kind: feedback.IssueSound, Word: ref("", 2), Phone: "F", Heard: "P", Place: feedback.PlaceStart}},
			next:       feedback.NextContrast,
		},
		"not fluent for no known reason": {
			evaluation: scored(50, like, the, said("red", 90, "R EH D"), said("bird", 90, "B ER D")),
			want:       []feedback.Issue{{Kind: feedback.IssueHesitant}},
			next:       feedback.NextSmooth,
		},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := plan(t, c.evaluation)
			if diff := cmp.Diff(c.want, p.Issues, ignoreWeight); diff != "" {
				t.Errorf("issues (-want +got):\n%s", diff)
			}
			if p.Next.Kind != c.next {
				t.Errorf("next = %s, want %s", p.Next.Kind, c.next)
			}
		})
	}
}

func TestPlanFlow(t *testing.T) {
	t.Parallel()
	timed := func(text string, starts ...int) *evaluation.Evaluation {
		e := scored(60, said("so", 90, "S OW"), said("he", 90, "HH IY"), said("came", 90, "K EY M"), said("home", 90, "HH OW M"))
		e.TargetText = text
		for i, ms := range starts {
			e.Assessment.Words[i].Offset = time.Duration(ms) * time.Millisecond
		}
		return e
	}
	tests := map[string]struct {
		evaluation *evaluation.Evaluation
		want       feedback.IssueKind
	}{
		"pause inside a phrase":       {timed("so he came home", 0, 300, 600, 1600), feedback.IssuePause},
		"pause at a comma is no flaw": {timed("so he came, home", 0, 300, 600, 1600), feedback.IssueHesitant},
		"slow":                        {timed("so, he, came, home", 0, 1000, 2000, 3000), feedback.IssueSlow},
		"drawn out": {func() *evaluation.Evaluation {
			e := timed("so he came home", 0, 350, 700, 1050) // 4 words, 10 sounds of 160 ms: 2.9 syllables but 6.2 sounds a second
			for _, w := range e.Assessment.Words {
				for i := range w.Phonemes {
					w.Phonemes[i].Duration = 160 * time.Millisecond
				}
			}
			return e
		}(), feedback.IssueSlow},
		"fast": {func() *evaluation.Evaluation {
			e := timed("so he came home", 0, 100, 200, 300)
			for i := range e.Assessment.Words {
				e.Assessment.Words[i].Duration = 100 * time.Millisecond
			}
			return e
		}(), feedback.IssueFast},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := plan(t, c.evaluation)
			if len(p.Issues) != 1 || p.Issues[0].Kind != c.want {
				t.Fatalf("issues = %+v, want one of kind %s", p.Issues, c.want)
			}
			if c.want == feedback.IssuePause && (p.Issues[0].Word.Text != "came" || p.Issues[0].More[0].Text != "home") {
				t.Errorf("pause between %v and %v, want between came and home", p.Issues[0].Word, p.Issues[0].More)
			}
		})
	}
}

func TestPlanPraise(t *testing.T) {
	t.Parallel()
	low := 30
	flat := scored(95, said("I", 99, "AY"), said("like", 99, "L AY K"), said("red", 99, "R EH D"), said("birds", 99, "B ER D Z"))
	flat.Assessment.Scores.Prosody = &low
	tests := map[string]struct {
		evaluation *evaluation.Evaluation
		want       []feedback.PraiseKind // any of them is true; the seed decides
	}{
		"perfect":           {scored(98, said("I", 99, "AY"), said("like", 99, "L AY K")), []feedback.PraiseKind{feedback.PraisePerfect}},
		"clear":             {scored(86, said("I", 98, "AY"), said("like", 99, "L AY K")), []feedback.PraiseKind{feedback.PraiseClear}},
		"not quite clear":   {scored(98, said("I", 88, "AY"), said("like", 89, "L AY K")), []feedback.PraiseKind{feedback.PraiseWell}},
		"a sound not clear": {scored(98, said("I", 99, "AY"), said("like", 97, "L AY:74 K")), []feedback.PraiseKind{feedback.PraiseWell}},
		"the other th": {
			scored(50, said("the", 95, "DH AH"), said("thick", 51, "TH:19 IH:80 K:80"), said("or", 70, "AO:84 R:84")),
			[]feedback.PraiseKind{feedback.PraiseWord},
		},
		"clear but flat":      {flat, []feedback.PraiseKind{feedback.PraiseClear}},
		"one weak word":       {scored(50, said("apples", 40, "AE>EH:10 P AH L Z")), []feedback.PraiseKind{feedback.PraisePart}},
		"nothing clear":       {scored(50, said("apples", 30, "AE>EH:10 P:40 AH:40 L:40 Z:40")), []feedback.PraiseKind{feedback.PraiseEffort}},
		"only the other word": {scored(50, said("apples", 40, "AE>EH:10 P AH L Z"), said("bed", 93, "B EH D")), []feedback.PraiseKind{feedback.PraiseWord}},
		"a hard sound":        {scored(50, said("apples", 40, "AE>EH:10 P AH L Z"), said("the", 84, "DH AH"), said("the", 88, "DH AH"), omitted("a")), []feedback.PraiseKind{feedback.PraiseSound, feedback.PraiseWord}},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := plan(t, c.evaluation)
			if !slices.Contains(c.want, p.Praise.Kind) {
				t.Errorf("praise = %+v, want one of %v", p.Praise, c.want)
			}
		})
	}
}

// TestPraiseIsTrue never praises all of a reading when something of it was missing, added, unclear or halting.
func TestPraiseIsTrue(t *testing.T) {
	t.Parallel()
	i, like, tea := said("I", 98, "AY"), said("like", 97, "L AY K"), said("tea", 96, "T IY")
	whole := []feedback.PraiseKind{feedback.PraisePerfect, feedback.PraiseClear, feedback.PraiseComplete}
	for name, tc := range map[string]struct {
		e   *evaluation.Evaluation
		not []feedback.PraiseKind
	}{
		"a word is missing":           {scored(98, i, like, omitted("green"), tea), whole},
		"a word was added":            {scored(98, i, added("um"), like, tea), append(whole, feedback.PraiseFluency)},
		"a word was added at the end": {scored(98, i, like, tea, added("")), append(whole, feedback.PraiseFluency)},
		"not fluent":                  {scored(60, i, like, tea), []feedback.PraiseKind{feedback.PraisePerfect, feedback.PraiseFluency}},
		"another word was said":       {scored(98, i, like, said("heavy", 13, "HH:30 EH:40 V:2 IY:7")), whole},
		"another word, perhaps":       {scored(98, i, like, said("kitchen", 31, "K:40 IH:40 CH:0 AH:90 N")), whole},
		"a word in another's place":   {scored(98, i, like, added(""), omitted("tea")), whole},
		"a word is unclear":           {scored(98, i, like, said("tea", 40, "T>D:10 IY")), whole[:2]},
		"the end is missing":          {scored(98, i, like, tea, omitted("with"), omitted("milk")), append(whole, feedback.PraiseFluency)},
	} {
		for n := range 20 { // whatever else the result is
			tc.e.Assessment.Words[0].Score = 98 - n%10
			if p := plan(t, tc.e); slices.Contains(tc.not, p.Praise.Kind) || p.Facts.Complete != (name == "not fluent" || name == "a word is unclear") {
				t.Errorf("%s: praise %s, facts %+v", name, p.Praise.Kind, p.Facts)
			}
		}
	}
}

// TestTheSameResultHasTheSamePlan whoever made it and whenever: only the wording may differ.
func TestTheSameResultHasTheSamePlan(t *testing.T) {
	t.Parallel()
	planned := func(id string) feedback.Plan {
		e := scored(90, said("I", 98, "AY"), said("like", 97, "L AY K"), said("three", 60, "TH>S:30 R IY"), said("apples", 88, "AE P AH L Z"))
		e.ID = id
		return plan(t, e)
	}
	first := planned("eval_1")
	for n := range 20 {
		if diff := cmp.Diff(first, planned(fmt.Sprint("eval_", n))); diff != "" {
			t.Fatalf("another evaluation with the same result has another plan:\n%s", diff)
		}
	}
}

func TestFindContrast(t *testing.T) {
	t.Parallel()
	like := said("like", 97, "L AY K")
	for name, tc := range map[string]struct {
		e    *evaluation.Evaluation
		want feedback.Contrast
	}{
		"a slip":            {scored(90, like, said("think", 48, "TH>S:10 IH NG K")), feedback.Contrast{Word: "think", Heard: []string{"S", "IH", "NG", "K"}, Meant: []string{"TH", "IH", "NG", "K"}}},
		"the weaker of two": {scored(90, like, said("going", 55, "G OW IH NG G>K:20 S S G>K:50")), feedback.Contrast{Word: "going", Heard: strings.Fields("G OW IH NG K S S G"), Meant: strings.Fields("G OW IH NG G S S G")}},
		"no other sound":    {scored(90, like, said("think", 48, "TH:10 IH NG K")), feedback.Contrast{}},
		"nothing wrong":     {scored(90, like), feedback.Contrast{}},
		"the second issue":  {scored(90, like, omitted("red"), said("think", 48, "TH>S:10 IH NG K"), like, like), feedback.Contrast{Word: "think", Heard: []string{"S", "IH", "NG", "K"}, Meant: []string{"TH", "IH", "NG", "K"}}},
		"a word that is a guess": {scored(90, like, func() evaluation.Word {
			w := said("zorb", 48, "Z>S:10 AO R B")
			w.Approximate = true
			return w
		}()), feedback.Contrast{}},
		"not scored": {&evaluation.Evaluation{}, feedback.Contrast{}},
	} {
		got, ok := feedback.FindContrast(tc.e)
		if diff := cmp.Diff(tc.want, got); diff != "" || ok != (tc.want.Word != "") {
			t.Errorf("%s: %t (-want +got):\n%s", name, ok, diff)
		}
	}
}

// TestCheckClaims holds a writer to the plan: texts as a language model might write them.
func TestCheckClaims(t *testing.T) {
	t.Parallel()
	word := feedback.WordRef{Text: "apples", Number: 3}
	sound := feedback.Plan{Language: feedback.English, Issues: []feedback.Issue{{Kind: feedback.IssueSound, Word: word, Phone: "AE", Heard: "EH"}}}
	slow := feedback.Plan{Language: feedback.English, Issues: []feedback.Issue{{Kind: feedback.IssueSlow}}}
	two := feedback.Plan{Language: feedback.English, Issues: []feedback.Issue{sound.Issues[0], {Kind: feedback.IssueOmission, Word: feedback.WordRef{Text: "red"}, Count: 1}}}
	good := feedback.Plan{Language: feedback.English, Facts: feedback.Facts{Clear: true, Complete: true, Fluent: true}}
	zh := sound
	zh.Language = feedback.Chinese
	for text, tc := range map[string]struct {
		plan feedback.Plan
		want string // part of the error; empty for a good text
	}{
		`Nice try. Open wider in "apples", and give every word its time.`:     {sound, ""},
		`Read the whole text again and say "apples" slowly, without a pause.`: {sound, ""},
		`Every word was clear. Open wider in "apples".`:                       {sound, "every word was clear"},
		`You read the whole text! Open wider in "apples".`:                    {sound, "everything was read"},
		`You spoke smoothly. Open wider in "apples".`:                         {sound, "fluent"},
		`Open wider in "apples". You also read too slowly.`:                   {sound, "slow"},
		`Open wider in "apples". There was a long pause.`:                     {sound, "pause"},
		`Open wider in "apples". I did not hear "red".`:                       {sound, "missing"},
		`Open wider in "apples". There was an extra word.`:                    {sound, "added"},
		`Open wider in "apples". Your melody can move more.`:                  {sound, "flat"},
		`Your score for "apples" can grow.`:                                   {sound, "score"},
		`Open wider in "apples" and say it again.`:                            {two, "issue 2"},
		`Open wider in "apples". I did not hear "red", so read it again.`:     {two, ""},
		`Well done. Now try a longer text.`:                                   {slow, "issue 1"},
		`The pace was quite slow. Join the words.`:                            {slow, ""},
		`The pace was quite fast. Take your time.`:                            {slow, "fast"},
		`Every word was clear, you read the whole text and spoke smoothly.`:   {good, ""},
		`每个词都很清楚。再读“apples”。`:                                                 {zh, "every word was clear"},
		`注意“apples”，再读一遍，每个词都要读清楚。`:                                           {zh, ""},
		`你都读完了。再读“apples”。`:                                                   {zh, "everything was read"},
		`语速有点快，再读“apples”。`:                                                   {zh, "fast"},
		`“apples”得了60分，再读一遍。`:                                                 {zh, "score"},
	} {
		err := feedback.Check(text, tc.plan)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("Check(%q) = %v, want %q", text, err, tc.want)
		}
	}
}

func TestNewPlanRefuses(t *testing.T) {
	t.Parallel()
	e := scored(90, said("I", 96, "AY"))
	e.FeedbackLanguage = "fr"
	if _, err := feedback.NewPlan(e); err == nil || !strings.Contains(err.Error(), `"fr"`) {
		t.Errorf("NewPlan(fr) = %v, want an error that names the language", err)
	}
	if _, err := feedback.NewPlan(&evaluation.Evaluation{FeedbackLanguage: "en"}); err == nil {
		t.Error("NewPlan(not scored) = nil, want an error")
	}
	if _, err := feedback.NewPlan(nil); err == nil {
		t.Error("NewPlan(nil) = nil, want an error")
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	about := feedback.Plan{Language: feedback.English, Issues: []feedback.Issue{{Kind: feedback.IssueSound, Word: feedback.WordRef{Text: "apples", Number: 3}}}}
	free := feedback.Plan{Language: feedback.English}
	zh := feedback.Plan{Language: feedback.Chinese}
	tests := map[string]struct {
		plan feedback.Plan
		text string
		want string // part of the error; empty for a good text
	}{
		"good":                {about, `Well done. Now say "Apples" again!`, ""},
		"good Chinese":        {zh, "很好，“bad”读得真不错。", ""},
		"empty":               {free, "", "empty"},
		"blank":               {free, " \n", "empty"},
		"white space":         {free, "Well done. ", "white space"},
		"not UTF-8":           {free, "Well done\xff.", "UTF-8"},
		"control character":   {free, "Well\x00 done.", "U+0000"},
		"line break":          {free, "Well\ndone.", "cannot be spoken"},
		"markup":              {free, "**Well done.**", "cannot be spoken"},
		"emoji":               {free, "Well done 🎉.", "cannot be spoken"},
		"phonetic letters":    {free, "The vowel ɔ was clear.", "cannot be spoken"},
		"unfinished":          {free, "Well done, and", "end a sentence"},
		"too long":            {free, strings.Repeat("well ", 60) + "done.", "61 words"},
		"too long in Chinese": {zh, strings.Repeat("很好", 56) + "。", "112"},
		"Chinese for English": {free, "很好。", "not English"},
		"English for Chinese": {zh, "Well done.", "not Chinese"},
		"harsh":               {free, "That was wrong.", "wrong"},
		"harsh word quoted":   {free, `You said "wrong" clearly.`, ""},
		"comparison":          {zh, "和母语的人不一样。", "母语"},
		"harsh in Chinese":    {zh, "这个音读错了。", "错"},
		"another word":        {about, `Say "pears" again.`, "issue 1"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := feedback.Check(c.text, c.plan)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("Check(%q) = %v, want %q", c.text, err, c.want)
			}
		})
	}
}
