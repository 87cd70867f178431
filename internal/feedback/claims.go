package feedback

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// claim is something a text may say about a reading, and when it is true of a plan.
type claim struct {
	what             string
	english, chinese *regexp.Regexp
	holds            func(Plan) bool
}

// claims are matched outside quotes. They are phrased as reports ("you read the whole text"), since advice uses the same words ("read the
// whole text").
var claims = []claim{
	{
		"that every word was clear",
		regexp.MustCompile(`(?i)\b(every|each|all)( of)?( your| the)? words?(( was| were| is| are| came out| sounded|:)? ?(very |quite |perfectly )?clear| clearly)|\beverything (was|is|sounded) (very )?clear|\bperfect|\bflawless`),
		regexp.MustCompile(`每个词[我都]*(读得|听|发得)?[很非常]*清|所有的词都[很非常]*清|从头到尾都[很非常]*清|完美`),
		func(p Plan) bool { return p.Facts.Clear },
	},
	{
		"that everything was read",
		regexp.MustCompile(`(?i)\byou (have )?read (the |it )?(whole|full|entire|all)|\bheard (every|each|all)|\bdid not (leave out|miss|skip)|\bstayed with the text`),
		regexp.MustCompile(`都读完了|一个词也没有?漏|每个词我?都?听到|读完整了`),
		func(p Plan) bool { return p.Facts.Complete },
	},
	{
		"that it was fluent",
		regexp.MustCompile(`(?i)\byou (spoke|read)( \w+)? (smoothly|fluently)|\bflowed\b|\b(was|were|clear and) (very )?(smooth|fluent)|\bsteady flow|\bsmooth pace|\bnice and smooth`),
		regexp.MustCompile(`[读得整体]很(流畅|顺|连贯)|接得很顺|清楚又流畅|节奏也顺`),
		func(p Plan) bool { return p.Facts.Fluent },
	},
	{
		"that words were missing",
		regexp.MustCompile(`(?i)\b(did not|didn't) hear|\bcould not find|\b(was|were|is|are) missing|\bleft out\b|\bskipped\b|\bgot lost\b|\bonly (a part|some) of|\bstopped before the end`),
		regexp.MustCompile(`没有?听到|漏掉|漏了|一部分内容|只找到|没有读到最后|还没有?读`),
		func(p Plan) bool { return p.has(IssueOmission, IssueUnfinished, IssuePartial) },
	},
	{
		"that words were added",
		regexp.MustCompile(`(?i)\bextra\b|\b(was|were) added|\btext does not have\b|\btwice in a row\b|\bsaid twice\b|"" twice`),
		regexp.MustCompile(`多了[一几]|原文[这里]*没有|原文里没有|读了两遍`),
		func(p Plan) bool { return p.has(IssueInsertion) },
	},
	{
		"that there was a pause",
		regexp.MustCompile(`(?i)\blong (pause|break)|\byou (stopped|paused)\b`),
		regexp.MustCompile(`停顿|停了一会儿`),
		func(p Plan) bool { return p.has(IssuePause, IssueUnfinished) },
	},
	{
		"that it was slow",
		regexp.MustCompile(`(?i)\byou (also )?(read|spoke)( \w+)? slowly|\b(was|were) (very |quite |too |a little )?slow\b|\ba lot of time\b|\bgo a little faster|\bmore speed`),
		regexp.MustCompile(`[读得速]+(比较|有点|很|太)慢|时间有点长|再快一点|可以稍微快`),
		func(p Plan) bool { return p.has(IssueSlow) },
	},
	{
		"that it was fast",
		regexp.MustCompile(`(?i)\byou (also )?(read|spoke)( \w+)? (fast|quickly)|\b(was|were) (very |quite |too |a little )?(fast|quick)\b|\bin a hurry\b|^slow down|\. slow down`),
		regexp.MustCompile(`[读得速]+(比较|有点|很|太)[快急]|速度太快`),
		func(p Plan) bool { return p.has(IssueFast) },
	},
	{
		"that it did not flow",
		regexp.MustCompile(`(?i)\bdo(es)? not flow|\bstopped and started|\bnot quite steady|\bin small pieces`),
		regexp.MustCompile(`不太连贯|断断续续|节奏还不太稳`),
		func(p Plan) bool { return p.has(IssueHesitant) },
	},
	{
		"that the voice was flat",
		regexp.MustCompile(`(?i)\bone level\b|\bmelody\b|\brise and fall\b|\bmonoton`),
		regexp.MustCompile(`语调|起伏`),
		func(p Plan) bool { return p.has(IssueFlat) },
	},
	{
		"a score",
		regexp.MustCompile(`(?i)\bscores?d?\b|\b\d+ (points|percent|out of)\b`),
		regexp.MustCompile(`\d+ ?分|得分|分数|百分`),
		func(Plan) bool { return false },
	},
}

func (p Plan) has(kinds ...IssueKind) bool { return mentions(p.Issues, kinds...) }

// checkClaims finds what a text says and the plan does not.
func checkClaims(text string, p Plan) error {
	said := quoted.ReplaceAllString(text, `""`)
	for _, c := range claims {
		pattern := c.english
		if p.Language == Chinese {
			pattern = c.chinese
		}
		if m := pattern.FindString(said); m != "" && !c.holds(p) {
			return fmt.Errorf("the text claims %s (%q), and that is not in its plan", c.what, m)
		}
	}
	return nil
}

// MaxAgain is how many words that were said again a text quotes; of more it quotes the first.
const MaxAgain = 3

// topics are what a text about an issue without a word has to speak of.
var topics = map[IssueKind]struct{ english, chinese *regexp.Regexp }{
	IssuePartial:   {regexp.MustCompile(`(?i)\bpart\b|\bwords\b|\bmissing\b`), regexp.MustCompile(`一部分|词`)},
	IssueInsertion: {regexp.MustCompile(`(?i)\bextra\b|\badded\b|\bdoes not have\b|\btwice\b`), regexp.MustCompile(`多了|没有|两遍`)},
	IssueSlow:      {regexp.MustCompile(`(?i)\bslow|\bpace\b|\bspeed|\bfaster\b|\btime\b`), regexp.MustCompile(`慢|快|语速|时间`)},
	IssueFast:      {regexp.MustCompile(`(?i)\bfast|\bslow|\bpace\b|\bhurry\b|\btime\b`), regexp.MustCompile(`快|慢|急|语速`)},
	IssueHesitant:  {regexp.MustCompile(`(?i)\bflow|\bstop|\bsmooth|\brhythm\b|\bjoin\b|\bpieces\b|\bvoice going\b|\bone breath\b`), regexp.MustCompile(`连|断|节奏|一口气`)},
	IssueFlat:      {regexp.MustCompile(`(?i)\bmelody\b|\bvoice\b|\bstrong|\bhigh`), regexp.MustCompile(`语调|起伏|声音|重`)},
}

// checkIssues finds an issue that a text does not name: its words, or what it is about.
func checkIssues(text string, p Plan) error {
	low := strings.ToLower(text)
	for n, i := range p.Issues {
		for _, w := range i.words() {
			if !strings.Contains(low, strings.ToLower(w.Text)) {
				return fmt.Errorf("the text does not name a word of issue %d", n+1)
			}
		}
		if topic, ok := topics[i.Kind]; ok && !topic.english.MatchString(text) && !topic.chinese.MatchString(text) {
			return fmt.Errorf("the text does not speak of issue %d (%s)", n+1, i.Kind)
		}
	}
	return nil
}

// words are those that a text about the issue has to name; words that cannot be quoted are left out.
func (i Issue) words() []WordRef {
	var ws []WordRef
	switch i.Kind {
	case IssueSound, IssueWord, IssueReplaced, IssueUnfinished:
		ws = []WordRef{i.Word}
	case IssueOmission, IssuePause:
		ws = append([]WordRef{i.Word}, i.More...)
		if i.Kind == IssueOmission && i.Count > 2 {
			ws = ws[:1]
		}
	case IssueInsertion:
		switch {
		case i.Again && i.Count <= MaxAgain:
			ws = append([]WordRef{i.Word}, i.More...)
		case i.Again, i.Count == 1:
			ws = []WordRef{i.Word}
		}
	}
	return slices.DeleteFunc(ws, func(w WordRef) bool { return w.Text == "" })
}
