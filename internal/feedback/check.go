package feedback

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a coaching text: what a learner reads or hears in about 25 s.
const (
	MaxEnglishWords = 60
	// MaxChineseUnits counts Chinese characters and Latin words: 60 English words come out as about 110.
	MaxChineseUnits = 110
)

// Words a coach does not use. They discourage, or compare the learner with others. (不错 is praise.)
var hurting = map[string]*regexp.Regexp{
	English: regexp.MustCompile(`(?i)\b(wrong|incorrect|mistakes?|errors?|bad|poor|fail(ed|ure)?|terrible|native|accent)\b`),
	Chinese: regexp.MustCompile(`(^|[^不])错|糟|差劲|失败|母语|口音|老外|不及格`),
}

// quoted matches what a text quotes: words of the learner's text and examples, which may be any word.
var quoted = regexp.MustCompile(`"[^"]*"|“[^”]*”`)

// Check reports why a text may not be sent: it is empty, too long, unfinished, in another language, holds characters a
// voice cannot speak or words that hurt, does not name the plan's issues, or claims what is not in the plan (a praise that is not true,
// another issue, a score). The result is nil for a good text. The error never holds a word of the learner's text.
func Check(text string, p Plan) error {
	if strings.TrimSpace(text) == "" {
		return fmt.Errorf("the text is empty")
	}
	if text != strings.TrimSpace(text) {
		return fmt.Errorf("the text begins or ends with white space")
	}
	if !utf8.ValidString(text) {
		return fmt.Errorf("the text is not valid UTF-8")
	}
	for _, r := range text {
		if !speakable(r) {
			return fmt.Errorf("the text contains %q (U+%04X), which cannot be spoken", r, r)
		}
	}
	if !strings.ContainsAny(lastRune(strings.TrimRight(text, `"”`)), ".!?。！？") {
		return fmt.Errorf("the text does not end a sentence")
	}
	if err := checkLength(text, p.Language); err != nil {
		return err
	}
	if w := hurting[p.Language].FindString(quoted.ReplaceAllString(text, "")); w != "" {
		return fmt.Errorf("the text says %q", w)
	}
	if err := checkIssues(text, p); err != nil {
		return err
	}
	return checkClaims(text, p)
}

// Length is the length of a text in the unit of its language: words of English, characters of Chinese with each Latin
// word as one.
func Length(text, language string) int {
	if language != Chinese {
		return len(strings.Fields(text))
	}
	n := 0
	latin := false
	for _, r := range text {
		inWord := r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)) || unicode.Is(unicode.Latin, r) || latin && strings.ContainsRune("'-.", r)
		if unicode.Is(unicode.Han, r) || inWord && !latin {
			n++
		}
		latin = inWord
	}
	return n
}

func checkLength(text, language string) error {
	n := Length(text, language)
	han := strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Han, r) })
	switch {
	case language == English && han:
		return fmt.Errorf("the text is not English")
	case language == English && n > MaxEnglishWords:
		return fmt.Errorf("the text has %d words, at most %d are allowed", n, MaxEnglishWords)
	case language == Chinese && !han:
		return fmt.Errorf("the text is not Chinese")
	case language == Chinese && n > MaxChineseUnits:
		return fmt.Errorf("the text has %d characters and words, at most %d are allowed", n, MaxChineseUnits)
	default:
		return nil
	}
}

// speakable reports whether a voice reads the character as text: letters, digits, a plain space and ordinary punctuation.
func speakable(r rune) bool {
	if unicode.IsDigit(r) || unicode.IsLetter(r) && !unicode.Is(ipaLetters, r) || unicode.Is(unicode.Mn, r) {
		return true
	}
	return strings.ContainsRune(" .,;:!?'\"-“”‘’。，、；：！？（）", r)
}

// ipaLetters are the letters of the phonetic alphabet that no word is written with, and modifier letters.
var ipaLetters = &unicode.RangeTable{R16: []unicode.Range16{{Lo: 0x0250, Hi: 0x02ff, Stride: 1}}}
