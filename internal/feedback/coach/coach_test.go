package coach_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"oktalk/internal/evaluation"
	"oktalk/internal/feedback"
	"oktalk/internal/feedback/coach"
)

var update = flag.Bool("update", false, "write testdata/golden.txt anew")

// lexicon is what the random readings read.
var lexicon = []evaluation.Word{
	spell("I", "AY"), spell("like", "L AY K"), spell("apples", "AE P AH L Z"), spell("the", "DH AH"), spell("think", "TH IH NG K"),
	spell("three", "TH R IY"), spell("very", "V EH R IY"), spell("west", "W EH S T"), spell("red", "R EH D"), spell("sheep", "SH IY P"),
	spell("choose", "CH UW Z"), spell("bad", "B AE D"), spell("measure", "M EH ZH ER"), spell("good", "G UH D"), spell("home", "HH OW M"),
	spell("boy", "B OY"), spell("now", "N AW"), spell("bird", "B ER D"), spell("yesterday", "Y EH S T ER D EY"), spell("judge", "JH AH JH"),
	spell("father", "F AA DH ER"), spell("law", "L AO"), spell("don't", "D OW N T"), spell("well-known", "W EH L N OW N"), spell("comfortable", "K AH M F ER T AH B AH L"),
	spell("singing", "S IH NG IH NG"), spell("zone", "Z OW N"), spell("café", "K AE F EY"), spell("13", "TH ER T IY N"), spell("$5", "F AY V D AA L ER Z"),
	spell("pneumonoultramicroscopicsilicovolcanoconiosis", "N UW M OW N OW"), spell("wrong", "R AO NG"), spell("mistake", "M IH S T EY K"),
	spell("ignore", "IH G N AO R"), spell("DROP", "D R AA P"), spell("it’s", "IH T S"), spell("<b>", "B IY"), spell("U.S", "Y UW EH S"),
}

func spell(text, sounds string) evaluation.Word {
	w := evaluation.Word{Text: text}
	for s := range strings.FieldsSeq(sounds) {
		w.Phonemes = append(w.Phonemes, evaluation.Phoneme{ARPAbet: s})
	}
	return w
}

var symbols = strings.Fields("AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH")

// typical are substitutes that an assessor names often.
var typical = map[string][]string{
	"IY": {"IH"}, "IH": {"IY"}, "EH": {"AE", "EY"}, "AE": {"EH", "AA"}, "TH": {"S", "T", "F"}, "DH": {"D", "Z"}, "V": {"W", "F", "B"}, "W": {"V"},
	"R": {"L", "W"}, "L": {"R", "N"}, "Z": {"S"}, "S": {"Z", "TH", "SH"}, "B": {"P"}, "P": {"B"}, "D": {"T"}, "T": {"D"}, "G": {"K"}, "K": {"G"},
	"AO": {"AA", "OW"}, "AA": {"AO", "AH"}, "UW": {"UH"}, "UH": {"UW"}, "NG": {"N"}, "N": {"NG"}, "CH": {"SH"}, "SH": {"CH", "S"}, "JH": {"CH", "ZH"},
	"EY": {"EH"}, "OW": {"AO"}, "ER": {"AH"}, "AH": {"AA", "EH"}, "ZH": {"SH"},
}

// reading makes a random scored evaluation. The same number always makes the same one.
func reading(n int) *evaluation.Evaluation {
	rnd := rand.New(rand.NewPCG(uint64(n), 1))
	quality := 20 + rnd.IntN(81) // of the speaker
	e := &evaluation.Evaluation{
		ID: fmt.Sprintf("eval_%026d", n), Language: "en-US", FeedbackLanguage: []string{"en", "zh-CN"}[n%2],
		Assessment: &evaluation.Assessment{Assessor: "offline"},
	}
	a := e.Assessment
	var at time.Duration
	var texts []string
	sum, spoken := 0, 0
	count := 1 + rnd.IntN(9)
	for range count {
		w := lexicon[rnd.IntN(len(lexicon))]
		w.Phonemes = slices.Clone(w.Phonemes)
		texts = append(texts, w.Text)
		if rnd.IntN(100) < (100-quality)/6 {
			w.Error, w.Phonemes = evaluation.WordOmission, nil
			a.Words = append(a.Words, w)
			continue
		}
		at += time.Duration(rnd.IntN(1+(100-quality)*9)) * time.Millisecond
		speak(rnd, &w, quality, &at)
		a.Words = append(a.Words, w)
		sum += w.Score
		spoken++
		if rnd.IntN(100) < (100-quality)/10 {
			extra := []string{"um", "the", "", w.Text}[rnd.IntN(4)]
			a.Words = append(a.Words, evaluation.Word{Text: extra, Error: evaluation.WordInsertion, Offset: at, Duration: 200 * time.Millisecond})
			at += 200 * time.Millisecond
		}
	}
	e.TargetText = strings.Join(texts, " ")
	e.Category = evaluation.InferCategory(e.TargetText)
	if spoken > 0 {
		a.Scores.Accuracy = sum / spoken
	}
	a.Scores.Fluency = min(100, max(0, quality+rnd.IntN(31)-15))
	a.Scores.Integrity = 100 * spoken / count
	if rnd.IntN(2) == 0 {
		p := rnd.IntN(101)
		a.Scores.Prosody = &p
	}
	a.Scores.Overall = evaluation.OverallScore(a.Scores.Accuracy, a.Scores.Fluency, a.Scores.Integrity, a.Scores.Prosody)
	a.Level = evaluation.LevelOf(a.Scores.Overall, a.Scores.Integrity)
	e.Plan()
	return e
}

func speak(rnd *rand.Rand, w *evaluation.Word, quality int, at *time.Duration) {
	w.Error, w.Offset = evaluation.WordCorrect, *at
	w.Approximate = rnd.IntN(15) == 0
	total := 0
	for i := range w.Phonemes {
		p := &w.Phonemes[i]
		p.Offset, p.Duration = *at, time.Duration(30+10*rnd.IntN(12))*time.Millisecond
		*at += p.Duration
		p.Score = min(100, 80+rnd.IntN(21))
		if rnd.IntN(100) < (100-quality)/4 {
			p.Score = rnd.IntN(70)
			switch subs := typical[p.ARPAbet]; {
			case rnd.IntN(10) == 0:
				p.Heard = symbols[rnd.IntN(len(symbols))]
			case len(subs) > 0 && rnd.IntN(4) > 0:
				p.Heard = subs[rnd.IntN(len(subs))]
			}
			w.Error = evaluation.WordMispronunciation
		}
		total += p.Score
	}
	w.Score = total / max(1, len(w.Phonemes))
	w.Duration = *at - w.Offset
	if w.Score >= 88 {
		w.Error = evaluation.WordCorrect
	}
}

func write(t *testing.T, e *evaluation.Evaluation) (feedback.Plan, string) {
	t.Helper()
	p, err := feedback.NewPlan(e)
	if err != nil {
		t.Fatalf("NewPlan(%s): %v", e.ID, err)
	}
	text, err := coach.New().Write(t.Context(), feedback.Request{Seed: e.ID, Plan: p})
	if err != nil {
		t.Fatalf("Write(%s): %v", e.ID, err)
	}
	return p, text.Body
}

// describe shows what a text was written from, one line for each word.
func describe(e *evaluation.Evaluation) string {
	var b strings.Builder
	s := e.Assessment.Scores
	fmt.Fprintf(&b, "%s %s %q overall %d accuracy %d fluency %d integrity %d\n", e.ID, e.FeedbackLanguage, e.TargetText, s.Overall, s.Accuracy, s.Fluency, s.Integrity)
	for _, w := range e.Assessment.Words {
		fmt.Fprintf(&b, "  %s %s", w.Text, w.Error)
		if w.Error == evaluation.WordCorrect || w.Error == evaluation.WordMispronunciation {
			fmt.Fprintf(&b, " %d", w.Score)
		}
		for _, p := range w.Phonemes {
			if p.Score < 60 || p.Heard != "" {
				fmt.Fprintf(&b, " %s>%s:%d", p.ARPAbet, p.Heard, p.Score)
			}
		}
		if w.Approximate {
			b.WriteString(" approximate")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// golden are the readings of the golden file: those that the offline assessor scored, in both languages, and constructed ones.
func golden(t *testing.T) []*evaluation.Evaluation {
	t.Helper()
	es := recorded(t)
	for n := range 60 {
		es = append(es, reading(n))
	}
	if len(es) < 200 {
		t.Errorf("%d golden readings, want at least 200", len(es))
	}
	return es
}

func TestGolden(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, e := range golden(t) {
		_, text := write(t, e)
		fmt.Fprintf(&b, "%s=> %s\n\n", describe(e), text)
	}
	file := filepath.Join("testdata", "golden.txt")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("read golden texts: %v; make them with go test ./internal/feedback/coach -update", err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("coaching texts differ from %s; after reading the difference, raise coach.Version and run go test ./internal/feedback/coach -update", file)
	}
}

// The properties hold for texts as a learner reads them, so they are checked against the assessment, not against the plan's own
// reasons.
func TestTextsAreTrue(t *testing.T) {
	t.Parallel()
	es := golden(t)
	for n := 60; n < 1000; n++ {
		es = append(es, reading(n))
	}
	for _, e := range es {
		p, text := write(t, e)
		for _, problem := range append(faults(e, p, text), contradictions(e, text)...) {
			t.Errorf("%s\n%s=> %s", problem, describe(e), text)
		}
		if t.Failed() {
			return
		}
	}
}

// faults are what is bad about a text whatever it was written from, and what the plan names although it is not there.
func faults(e *evaluation.Evaluation, p feedback.Plan, text string) []string {
	var out []string
	if err := feedback.Check(text, p); err != nil {
		out = append(out, err.Error())
	}
	if !utf8.ValidString(text) {
		out = append(out, "not UTF-8")
	}
	if len(p.Issues) > 2 {
		out = append(out, "more than two issues")
	}
	if accepted := !slices.ContainsFunc(e.Assessment.Words, func(w evaluation.Word) bool { return w.Error != evaluation.WordCorrect || w.Score < 80 }); len(p.Issues) == 0 && !accepted {
		out = append(out, "no issue is named, though not every word was clear")
	}
	if len(p.Issues) > 1 && aboutText(p.Issues[1]) && !aboutText(p.Issues[0]) {
		out = append(out, "a missing or another word is not named first")
	}
	if p.Praise.Phone != "" {
		for _, w := range e.Assessment.Words {
			if slices.ContainsFunc(w.Phonemes, func(x evaluation.Phoneme) bool {
				return named(x.ARPAbet, p.Praise.Phone) && (x.Score < 85 || x.Heard != "") || named(x.Heard, p.Praise.Phone)
			}) {
				out = append(out, fmt.Sprintf("praise for %s, which was not clear in %q", p.Praise.Phone, w.Text))
			}
		}
	}
	for _, i := range p.Issues {
		if !present(e, i) {
			out = append(out, fmt.Sprintf("issue %+v is not in the assessment", i))
		}
	}
	if w := p.Praise.Word; w.Number > 0 && p.Praise.Kind == feedback.PraisePart {
		if slices.ContainsFunc(target(e, w.Number).Phonemes, func(x evaluation.Phoneme) bool { return x.ARPAbet == p.Praise.Phone && x.Score < 85 }) {
			out = append(out, fmt.Sprintf("praise for %s in %q, which was not clear", p.Praise.Phone, w.Text))
		}
	} else if w.Number > 0 {
		if x := target(e, w.Number); x.Error != evaluation.WordCorrect || x.Score < 85 || x.Approximate {
			out = append(out, fmt.Sprintf("praise for %q, scored %d", x.Text, x.Score))
		}
	}
	for _, i := range p.Issues {
		if p.Praise.Kind != feedback.PraisePart && p.Praise.Word.Text != "" && strings.EqualFold(i.Word.Text, p.Praise.Word.Text) {
			out = append(out, fmt.Sprintf("%q is praised and corrected", i.Word.Text))
		}
	}
	return out
}

// Advice about the pace, and what is no advice but a report of it.
var (
	slowerAdvice = regexp.MustCompile(`(?i)\bslow(ly|er)?\b|\btake [a-z ]*time\b|\bmore time\b|half speed|慢|不用着急`)
	fasterAdvice = regexp.MustCompile(`(?i)\bfaster\b|\bmore (pace|speed)\b|快一点`)
	paceReports  = regexp.MustCompile(`You read very slowly this time|quite slow|这次读得比较慢|语速也?有点慢|读得有点慢`)
)

// aboutText reports whether the issue is that the text was not what was said.
func aboutText(i feedback.Issue) bool {
	return !i.Approximate && slices.Contains([]feedback.IssueKind{feedback.IssueOmission, feedback.IssueUnfinished, feedback.IssuePartial, feedback.IssueReplaced}, i.Kind)
}

// named reports whether a text calls two sounds the same.
func named(a, b string) bool {
	return a == b || a == "TH" && b == "DH" || a == "DH" && b == "TH"
}

// contradictions are general claims of a text that the scores do not bear out.
func contradictions(e *evaluation.Evaluation, text string) []string {
	s := e.Assessment.Scores
	weak, missing, extra := 0, 0, 0
	unclear, doubtful := false, false // a sound; another word may have been said
	for _, w := range e.Assessment.Words {
		switch w.Error {
		case evaluation.WordOmission:
			missing++
		case evaluation.WordInsertion:
			extra++
		default:
			weak += btoi(w.Error == evaluation.WordMispronunciation || w.Score < 80)
			unclear = unclear || slices.ContainsFunc(w.Phonemes, func(p evaluation.Phoneme) bool { return p.Score < 75 || p.Heard != "" })
			bad := slices.DeleteFunc(slices.Clone(w.Phonemes), func(p evaluation.Phoneme) bool { return p.Score >= 60 })
			doubtful = doubtful || w.Score < 35 || len(bad) > 1
		}
	}
	claims := []struct {
		holds bool
		words []string
	}{
		{weak == 0 && missing == 0 && s.Accuracy >= 97 && !unclear, []string{
			"very word was clear", "each word was clear", "all of your words", "every word clearly", "Everything was clear", "clear words",
			"每个词都", "每个词我都听清", "所有的词都", "从头到尾都很清楚", "清楚又自然", "Excellent", "Wonderful", "太棒了", "真精彩",
		}},
		{missing == 0 && extra == 0 && !doubtful, []string{"whole text, well", "heard every word", "leave out", "to the last word.", "都读完", "每个词我都听到", "没有漏", "读完整了"}},
		{missing > 0, []string{"did not hear", "got lost", "could not find", "were missing", "stopped before the end", "only a part", "only some", "没有听到", "漏掉", "别忘了", "一部分", "其中一些"}},
		{extra > 0, []string{"extra", "also heard", "were added", "was added", "还听到", "多了一个", "多了几个", "原文里没有"}},
		{s.Fluency >= 85, []string{"smoothly, well", "flowed", "Nice and smooth", "steady flow", "很流畅", "接得很顺", "读得很顺", "整体很连贯"}},
		{s.Fluency < 80, []string{
			"long pause", "stopped for a while", "long break", "slowly this time", "quite slow", "fast this time", "very quick", "hurry", "flow together yet", "stopped and started",
			"quite steady", "停顿", "停了一会儿", "比较慢", "有点慢", "很快。", "有点快", "有点急", "还不太连贯", "断断续续", "还不太稳",
		}},
		{s.Prosody != nil && *s.Prosody < 50, []string{"one level", "melody", "rise and fall", "语调", "起伏"}},
	}
	var out []string
	if advice := paceReports.ReplaceAllString(text, ""); slowerAdvice.MatchString(advice) && fasterAdvice.MatchString(advice) {
		out = append(out, "the text advises both to be slower and to be faster")
	}
	if missing > 0 && strings.Contains(strings.ToLower(text), "excellent") {
		out = append(out, "a reading with a missing word is called excellent")
	}
	for _, c := range claims {
		for _, w := range c.words {
			if !c.holds && strings.Contains(text, w) {
				out = append(out, fmt.Sprintf("the text says %q", w))
			}
		}
	}
	return out
}

// present reports whether the assessment has what an issue says.
func present(e *evaluation.Evaluation, i feedback.Issue) bool {
	has := func(error_ evaluation.WordError) bool {
		return slices.ContainsFunc(e.Assessment.Words, func(w evaluation.Word) bool { return w.Error == error_ })
	}
	switch w := target(e, i.Word.Number); i.Kind {
	case feedback.IssueSound:
		return slices.ContainsFunc(w.Phonemes, func(p evaluation.Phoneme) bool {
			return p.ARPAbet == i.Phone && p.Score < 85 && (i.Heard == "" || i.Heard == p.Heard)
		}) && w.Approximate == i.Approximate
	case feedback.IssueWord:
		return w.Error == evaluation.WordMispronunciation || w.Score < 80
	case feedback.IssueReplaced:
		if i.Count > 0 {
			return w.Error == evaluation.WordOmission && has(evaluation.WordInsertion)
		}
		return w.Error == evaluation.WordMispronunciation && w.Score < 35
	case feedback.IssueUnfinished:
		return w.Error == evaluation.WordOmission && unread(e, i.Count)
	case feedback.IssueOmission:
		return w.Error == evaluation.WordOmission
	case feedback.IssuePartial:
		return e.Assessment.Scores.Integrity < 60
	case feedback.IssueInsertion:
		return has(evaluation.WordInsertion)
	case feedback.IssueFlat:
		return e.Assessment.Scores.Prosody != nil && *e.Assessment.Scores.Prosody < 50
	default:
		return e.Assessment.Scores.Fluency < 80
	}
}

// target is a word of the target text by its number from 1.
func target(e *evaluation.Evaluation, number int) evaluation.Word {
	for _, w := range e.Assessment.Words {
		if w.Error == evaluation.WordInsertion {
			continue
		}
		if number--; number == 0 {
			return w
		}
	}
	return evaluation.Word{}
}

// unread reports whether the last n words of the text, and no more of it, were left out.
func unread(e *evaluation.Evaluation, n int) bool {
	targets := slices.DeleteFunc(slices.Clone(e.Assessment.Words), func(w evaluation.Word) bool { return w.Error == evaluation.WordInsertion })
	for i, w := range targets {
		if (w.Error == evaluation.WordOmission) != (i >= len(targets)-n) {
			return false
		}
	}
	return n > 1
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestTheSameEvaluationAlwaysReadsTheSame(t *testing.T) {
	t.Parallel()
	for n := range 300 {
		_, first := write(t, reading(n))
		for range 3 {
			if _, again := write(t, reading(n)); again != first {
				t.Fatalf("%d reads %q and %q", n, first, again)
			}
		}
	}
}

func TestAttemptsVary(t *testing.T) {
	t.Parallel()
	for _, n := range []int{3, 6, 8, 14} { // readings with findings, in both languages
		texts := map[string]bool{}
		for attempt := range 10 {
			e := reading(n)
			e.ID = fmt.Sprintf("eval_01jd%d", attempt)
			_, text := write(t, e)
			texts[text] = true
		}
		if len(texts) < 9 {
			t.Errorf("ten attempts at reading %d gave %d different texts, want at least 9", n, len(texts))
		}
	}
}

func TestWriteRefusesOtherLanguages(t *testing.T) {
	t.Parallel()
	_, err := coach.New().Write(t.Context(), feedback.Request{Seed: "x", Plan: feedback.Plan{Language: "fr"}})
	if err == nil || !strings.Contains(err.Error(), `"fr"`) {
		t.Errorf("Write(fr) = %v, want an error that names the language", err)
	}
}

// Words of the target text come from a client. Whatever they are, the text stays speakable and short.
func FuzzTargetWord(f *testing.F) {
	for _, w := range []string{"apples", "<script>", "**bold**", "a\u202eb", "it's", "naïve", "Ω", "50%", "pneumonoultramicroscopicsilicovolcanoconiosis", `"`, "”。", ""} {
		f.Add(w, true)
		f.Add(w, false)
	}
	f.Fuzz(func(t *testing.T, text string, chinese bool) {
		e := reading(3)
		e.FeedbackLanguage = feedback.English
		if chinese {
			e.FeedbackLanguage = feedback.Chinese
		}
		for i := range e.Assessment.Words {
			e.Assessment.Words[i].Text = text
		}
		p, body := write(t, e)
		if err := feedback.Check(body, p); err != nil {
			t.Errorf("Check(text about %q) = %v: %s", text, err, body)
		}
	})
}
