package coach

import (
	"fmt"
	"strings"

	"oktalk/internal/evaluation"
	"oktalk/internal/feedback"
)

// chinese writes the parts of a plan in Simplified Chinese. English words are quoted, for a voice that speaks both.
type chinese struct {
	chooser
	plan feedback.Plan
}

var _ writer = chinese{}

func (c chinese) praise() string {
	w := c.word(c.plan.Praise.Word)
	kind := c.plan.Praise.Kind
	if c.plan.Category == evaluation.CategoryWord && (kind == feedback.PraisePerfect || kind == feedback.PraiseClear || kind == feedback.PraiseWell) {
		return c.praiseOneWord(kind)
	}
	switch kind {
	case feedback.PraisePerfect:
		return c.among("praise", "太棒了！每个词都清楚又流畅。", "读得真好，发音清楚，节奏也顺。", "非常好！从头到尾都很清楚。", "真精彩，听起来清楚又自然。")
	case feedback.PraiseClear:
		return c.among("praise", "每个词都读得很清楚，真不错。", "很好，每个词我都听清楚了。", "不错，所有的词都很清楚。", "做得好，每个词都清清楚楚。")
	case feedback.PraiseWell:
		return c.among("praise", "整体读得不错。", "读得不错，很容易听懂。", "这次读得挺好。")
	case feedback.PraiseWord:
		return c.among("praise", w+"读得很清楚，真不错。", "你把"+w+"读得清楚又好懂。", "开头很好，"+w+"读得很清楚。", "我很喜欢你读的"+w+"，很清楚。")
	case feedback.PraiseSound:
		s := c.of(feedback.Issue{Word: c.plan.Praise.Word, Phone: c.plan.Praise.Phone, Place: feedback.PlaceInside})
		return c.among("praise", "很好，"+s+"很清楚。", s+"不容易，你发得很清楚。", "我很喜欢你读的"+s+"，很清楚。", "做得好，"+s+"听得很清楚。")
	case feedback.PraisePart:
		s := c.of(feedback.Issue{Word: c.plan.Praise.Word, Phone: c.plan.Praise.Phone, Place: feedback.PlaceInside})
		return c.among("praise", s+"很清楚。", "很好，"+s+"听得很清楚。", "不错，"+s+"发得很清楚。")
	case feedback.PraiseFluency:
		if c.plan.Category == evaluation.CategoryWord {
			return c.among("praise", "你一口气读了出来，很好。", "整个词读得很连贯，很好。", "很好，中间没有断开。")
		}
		return c.among("praise", "你读得很流畅，真不错。", "词和词之间接得很顺。", "读得很顺，听起来很舒服。", "整体很连贯，很好。")
	case feedback.PraiseComplete:
		return c.among("praise", "你把整段话都读完了，很好。", "很好，每个词我都听到了。", "一个词也没有漏，真不错。", "整段话都读完整了，很好。")
	default:
		return c.among("praise", "谢谢你的录音，每练一次都有帮助。", "愿意开口练习，这很好。", "愿意多练一遍，这很好。", "敢于挑战，很好。")
	}
}

func (c chinese) praiseOneWord(k feedback.PraiseKind) string {
	if k == feedback.PraiseWell {
		return c.among("praise", "整体读得不错。", "读得不错，很容易听懂。")
	}
	if k == feedback.PraisePerfect {
		return c.among("praise", "太棒了，读得非常清楚！", "读得真好，每个部分都很清楚。", "非常好，一听就懂！")
	}
	return c.among("praise", "真不错，读得很清楚。", "很好，听起来很清楚。", "做得好，一听就懂。")
}

func (c chinese) finding(i feedback.Issue) string {
	w := c.word(i.Word)
	switch i.Kind {
	case feedback.IssueSound:
		return c.soundFinding(i)
	case feedback.IssueWord:
		return c.among("finding", w+"还不太清楚。", "这次可以多练练"+w+"。", "我们来把"+w+"读得更清楚。")
	case feedback.IssueReplaced:
		if i.Count > 0 {
			return c.among("finding", "原文是"+c.missing(i)+"，我听到的是别的词。", "在"+c.missing(i)+"的地方，我听到了别的词。")
		}
		return c.among("finding", "读"+w+"的时候，我听到的完全不一样。", "这次我没能听出"+w+"。", w+"听起来更像另一个词。")
	case feedback.IssueUnfinished:
		return c.among("finding", "从"+w+"开始，后面的部分没有听到。", "这次没有读到最后，停在了"+w+"之前。", "从"+w+"到结尾的部分漏掉了。")
	case feedback.IssueOmission:
		missing := c.missing(i)
		return c.among("finding", "我没有听到"+missing+"。", missing+"好像漏掉了。", "这次没有听到"+missing+"。")
	case feedback.IssuePartial:
		return c.among("finding", "这次我只听到了一部分内容。", "这次有不少词没有听到。", "我只找到了其中一些词。")
	case feedback.IssueInsertion:
		return c.insertion(i)
	case feedback.IssuePause:
		between := w + "和" + c.word(i.More[0]) + "之间"
		return c.among("finding", between+"停顿有点长。", "你在"+between+"停了一会儿。", "我注意到"+between+"有一个长停顿。")
	case feedback.IssueSlow:
		return c.among("finding", "这次读得比较慢。", "语速有点慢。", "每个词花的时间有点长。")
	case feedback.IssueFast:
		return c.among("finding", "这次读得很快。", "语速有点快。", "这次读得有点急。")
	case feedback.IssueHesitant:
		if c.plan.Category == evaluation.CategoryWord {
			return c.among("finding", "这个词读得有点断断续续。", "这个词还不太连贯。")
		}
		return c.among("finding", "词和词之间还不太连贯。", "读的时候有点断断续续。", "节奏还不太稳。")
	default:
		return c.among("finding", "语调有点平。", "声音的起伏可以再大一些。", "语调还可以更有变化。")
	}
}

func (c chinese) soundFinding(i feedback.Issue) string {
	s := c.of(i)
	if i.Heard == "" {
		as := c.like(i.Phone, i.Word.Text) // what it should be like
		return c.among("finding", fmt.Sprintf("%s还不太清楚，它就像%s。", s, as), fmt.Sprintf("%s可以更清楚一些，就像%s。", s, as), fmt.Sprintf("我们来练%s，就像%s。", s, as))
	}
	heard := c.like(i.Heard, i.Word.Text)
	return c.among("finding", fmt.Sprintf("%s听起来像%s。", s, heard), fmt.Sprintf("读%s的时候，%s接近%s。", c.word(i.Word), c.sound(i), heard),
		fmt.Sprintf("注意%s，我听到的是%s。", s, heard), fmt.Sprintf("%s读得更像%s。", s, heard))
}

func (c chinese) hedge(i feedback.Issue) string {
	if !i.Approximate {
		return ""
	}
	return c.among("hedge", "我的词典里没有这个词，所以不一定准。", "这个词不在我的词典里，这只是我的猜测。", "词典里没有这个词，仅供参考。")
}

func (c chinese) again(i feedback.Issue) string {
	if i.Kind != feedback.IssueSound || len(i.More) == 0 {
		return ""
	}
	w := c.word(i.More[0])
	return c.among("again", w+"里也有同样的情况。", "读"+w+"时也是这样。", "在"+w+"里也听到了。")
}

func (c chinese) advice(i feedback.Issue) string {
	switch i.Kind {
	case feedback.IssueSound:
		p := phones[i.Phone].zh
		ways := []string{p.mouth, p.cue}
		if s, ok := findSubstitution(i.Phone, i.Heard); ok {
			fix := s.zh
			if i.Place == feedback.PlaceEnd && voiceless[i.Phone] == i.Heard {
				fix = finalVoiceChinese
			}
			ways = []string{fix, fix, p.mouth, p.cue}
		}
		return c.among("advice", ways...)
	case feedback.IssueWord, feedback.IssueReplaced:
		if i.Count > 0 {
			return c.among("advice", "先看清每个词，再读出来。", "眼睛看到哪个词，就读哪个词。")
		}
		if i.Syllables > 1 {
			return c.among("advice", fmt.Sprintf("它有%s个音节，先一个一个慢慢读，再连起来。", numeral(i.Syllables)), fmt.Sprintf("它有%s拍，一边拍手一边读。", numeral(i.Syllables)))
		}
		return c.among("advice", "先一个音一个音地读，再连起来。", "把每个音都拉长一点，再连起来读。")
	case feedback.IssueUnfinished:
		return c.among("advice", "读完最后一个词，再停止录音。", "中间换一口气，给结尾留一点力气。")
	case feedback.IssueOmission:
		return c.among("advice", "给每个词一点时间，短的词也一样。", "先看清每个词，再读出来。")
	case feedback.IssuePartial:
		return c.among("advice", "先吸一口气，从第一个词一直读到最后。", "离麦克风近一点，按自己的速度读完。")
	case feedback.IssueInsertion:
		return c.among("advice", "读断了也没关系，安静一下，从下一个词继续。", "边读边看后面的词。")
	case feedback.IssuePause:
		return c.among("advice", "眼睛往前看，把几个词连成一组。", "试着用一口气把它们连起来读。")
	case feedback.IssueSlow:
		return c.among("advice", "把短词和后面的词连起来读。", "先默读一遍，心里有数再开口。")
	case feedback.IssueFast:
		return c.among("advice", "稍微慢一点，读完一个词再读下一个。", "给元音多一点时间，尤其是长词。")
	case feedback.IssueHesitant:
		if c.plan.Category == evaluation.CategoryWord {
			return c.among("advice", "先在心里想好整个词，再一口气读出来。", "从第一个音到最后一个音，声音不要停。")
		}
		return c.among("advice", "先默读一遍，再两三个词一组地读。", "先想好在哪里换气，中间不要停。")
	default:
		return c.among("advice", "重要的词读长一点、高一点。", "重要的词声音上扬，句尾下降。")
	}
}

func (c chinese) short(i feedback.Issue) string {
	if i.Kind == feedback.IssueSound {
		return phones[i.Phone].zh.short + "。"
	}
	return c.advice(i)
}

func (c chinese) second(i feedback.Issue, tip bool) string {
	w := c.word(i.Word)
	switch i.Kind {
	case feedback.IssueSound:
		s := c.of(i)
		if !tip {
			return c.among("second", "接下来看看"+s+"。", "之后再练练"+s+"。", "下一步是"+s+"。")
		}
		short := phones[i.Phone].zh.short
		return c.among("second", fmt.Sprintf("另外，注意%s：%s。", s, short), fmt.Sprintf("还有%s：%s。", s, short), fmt.Sprintf("再看%s：%s。", s, short))
	case feedback.IssueReplaced:
		if i.Count > 0 {
			return c.among("second", "另外，在"+c.missing(i)+"的地方，我听到了别的词。")
		}
		return c.among("second", "还有"+w+"，我听到的不太一样，再慢慢读一遍。", w+"我也没能听出来，慢一点再读。")
	case feedback.IssueUnfinished:
		return c.among("second", "另外，从"+w+"开始的部分没有听到。", "从"+w+"到结尾也漏掉了。")
	case feedback.IssuePartial:
		return c.among("second", "另外，我只听到了一部分内容。", "也有不少词没有听到。")
	case feedback.IssueWord:
		return c.among("second", "然后把"+w+"也慢慢读几遍。", w+"也可以多练练。", "下一个要练的词是"+w+"。")
	case feedback.IssueOmission:
		missing := c.missing(i)
		return c.among("second", "另外，没有听到"+missing+"。", missing+"好像漏掉了。", "也别忘了"+missing+"。")
	case feedback.IssueInsertion:
		return c.insertion(i)
	case feedback.IssuePause:
		return c.among("second", "另外，"+w+"和"+c.word(i.More[0])+"可以连得更紧。", w+"和"+c.word(i.More[0])+"之间尽量不要停。")
	case feedback.IssueSlow:
		return c.among("second", "语速也有点慢，可以稍微快一点。", "另外，读得有点慢，再快一点会更好。")
	case feedback.IssueFast:
		return c.among("second", "另外，稍微慢一点。", "语速也可以再放慢一些。")
	case feedback.IssueHesitant:
		return c.among("second", "另外，词和词之间尽量连起来。", "然后试着读得更连贯。")
	case feedback.IssueFlat:
		return c.among("second", "语调也可以多一些起伏。", "另外，把重要的词读得更重一些。")
	default:
		return ""
	}
}

func (c chinese) insertion(i feedback.Issue) string {
	w := c.word(i.Word)
	switch {
	case i.Filler && i.Count > 1:
		return c.among("insertion", "读的时候多了几个"+w+"这样的声音，安静地停一下就好。", "中间多了几声"+w+"，想的时候不出声更好。")
	case i.Again && i.Count > feedback.MaxAgain:
		return c.among("insertion", "从"+w+"开始，有几个词读了两遍。", "有几个词读了两遍，是从"+w+"开始的。")
	case i.Again:
		w = quoteChinese(said(i))
		return c.among("insertion", w+"读了两遍，读一遍就够了。", "你把"+w+"读了两遍，一遍就够了。")
	case i.Filler:
		return c.among("insertion", "读的时候多了一声"+w+"，安静地停一下就好。", "中间多了一个"+w+"，想的时候不出声更好。")
	case i.Count > 1:
		return c.among("insertion", "读的时候多了几个词。", "多了几个词，原文里没有。")
	case w == "":
		return c.among("insertion", "我听到了一个原文里没有的词。", "读的时候多了一个词。")
	default:
		return c.among("insertion", "我还听到了"+w+"，原文这里没有。", "读的时候多了一个"+w+"。")
	}
}

func (c chinese) next() string {
	w := c.word(c.plan.Next.Word)
	switch c.plan.Next.Kind {
	case feedback.NextContrast:
		return c.contrast(w)
	case feedback.NextWord:
		return c.sayAgain(w)
	case feedback.NextReread:
		return c.among("next", "现在用手指着每个词，再读一遍。", "再录一遍，一边读一边指着词。", "再读一遍，一个词一个词地来，一个也不漏。")
	case feedback.NextSmooth:
		if c.plan.Category == evaluation.CategoryWord {
			return c.among("next", "现在一口气连读五遍，再录一次。", "先小声读，再大声读，然后一口气录下来。")
		}
		return c.among("next", "现在读三遍，每一遍都少停一点。", "先标出两个换气的地方，再录一遍。", "先哼一遍节奏，再读一遍。")
	case feedback.NextSlower:
		return c.among("next", "现在先用一半的速度读一遍，再录一次。", "再录一遍，每读一个词轻轻敲一下桌子。")
	case feedback.NextFaster:
		return c.among("next", "现在读三遍，一遍比一遍快一点。", "先练两遍，再用快一点的速度录一次。")
	case feedback.NextMelody:
		return c.among("next", "选两个最重要的词，把它们读得更重。", "再读一遍，就像在告诉别人一个好消息。")
	case feedback.NextFinish:
		return c.among("next", "先从"+w+"读到结尾，再读全文。", "从"+w+"开始把后面读两遍，再完整录一次。", "再读一遍，读完最后一个词再停止录音。")
	default:
		return c.challenge()
	}
}

func (c chinese) contrast(w string) string {
	pair, own, ok := c.pairFor(c.plan.Issues[0])
	if !ok {
		return c.sayAgain(w)
	}
	a, b := quoteChinese(pair[0]), quoteChinese(pair[1])
	if own {
		return c.among("next", fmt.Sprintf("现在把%s和%s读五遍，再录一次。", a, b), fmt.Sprintf("先读%s，再读%s，听出区别了吗？再录一次。", a, b))
	}
	return c.among("next", fmt.Sprintf("现在把%s和%s读五遍，再读%s。", a, b, w), fmt.Sprintf("先慢慢练%s和%s，再读一遍%s。", a, b, w),
		fmt.Sprintf("试着读%s、%s、%s，然后读%s。", a, b, a, w), fmt.Sprintf("先读%s，再读%s，听出区别了吗？再试试%s。", a, b, w))
}

func (c chinese) sayAgain(w string) string {
	if c.plan.Category == evaluation.CategoryWord {
		return c.among("next", "现在慢慢读三遍"+w+"，再录一次。", "对着镜子读"+w+"，再录一次。", "读三遍"+w+"，仔细听自己的声音。")
	}
	return c.among("next", "现在慢慢读三遍"+w+"，再读全文。", "先对着镜子读"+w+"，再放回全文里读。", "先单独练"+w+"，再和前后的词连起来读。")
}

func (c chinese) challenge() string {
	if c.plan.Category == evaluation.CategoryWord {
		return c.among("next", "挑战一下：用这个词造一个句子。", "下次可以选一个更长的词。", "接着试试带有这个词的一整句话。", "下次试着用提问的语气读，再用回答的语气读。")
	}
	return c.among("next", "挑战一下：不看原文再说一遍。", "下次可以试试更长的内容。", "接着用自己的话说说同样的意思。", "再读一遍，就像讲给朋友听。", "下次可以选难一点的内容。", "试着先开心地读，再惊讶地读。")
}

// word names a word: quoted, or by its number; empty for an added word that cannot be quoted.
func (c chinese) word(w feedback.WordRef) string {
	switch {
	case w.Text != "":
		return quoteChinese(w.Text)
	case w.Number > 0:
		return fmt.Sprintf("第%d个词", w.Number)
	default:
		return ""
	}
}

// of names a sound with its word: “think”开头的 th 音, “apples”里的第一个元音.
func (c chinese) of(i feedback.Issue) string {
	w, s := c.word(i.Word), c.sound(i)
	if strings.HasPrefix(s, "开头") || strings.HasPrefix(s, "结尾") || strings.HasPrefix(s, "中间") {
		return w + s
	}
	if phones[i.Phone].letters != "" {
		s = " " + s
	}
	return w + "里的" + s
}

// sound names a sound: 开头的 th 音, 第一个元音.
func (c chinese) sound(i feedback.Issue) string {
	if l := phones[i.Phone].letters; l != "" {
		switch i.Place {
		case feedback.PlaceStart:
			return "开头的 " + l + " 音"
		case feedback.PlaceEnd:
			return "结尾的 " + l + " 音"
		default:
			return l + " 音"
		}
	}
	switch i.Place {
	case feedback.PlaceStart:
		return "第一个元音"
	case feedback.PlaceEnd:
		return "最后一个元音"
	case feedback.PlaceInside:
		if i.Nth > 1 {
			return fmt.Sprintf("第%d个元音", i.Nth)
		}
		return "中间的元音"
	default:
		return "元音"
	}
}

// like names a sound by an example: “see”里的 s 音.
func (c chinese) like(arpabet, word string) string {
	p := phones[arpabet]
	name := "里的元音"
	if p.letters != "" {
		name = "里的 " + p.letters + " 音"
	}
	return quoteChinese(p.example(word)) + name
}

func (c chinese) missing(i feedback.Issue) string {
	w := c.word(i.Word)
	switch i.Count {
	case 1:
		return w
	case 2:
		return w + "和" + c.word(i.More[0])
	default:
		return w + "等几个词"
	}
}

// numeral writes a small number.
func numeral(n int) string {
	words := []string{"零", "一", "两", "三", "四", "五", "六", "七", "八", "九", "十"}
	if n < len(words) {
		return words[n]
	}
	return "好几"
}

func quoteChinese(w string) string { return "“" + w + "”" }
