package evaluation

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a target text.
const (
	MaxTextCharacters = 500 // Unicode code points, after surrounding white space is trimmed
	MaxTextWords      = 60
)

// CheckText trims a target text, folds runs of white space to one space and checks it. The error is a [*Refusal]:
// invalid-text when it is empty, too long, not UTF-8 or holds control characters; unsupported-language when the language
// is not offered or the text is not written in that language's script.
func CheckText(text, language string) (string, error) {
	if !utf8.ValidString(text) {
		return "", Refuse("invalid-text", "The target text is not valid UTF-8.")
	}
	for _, r := range text {
		if r != '\n' && r != '\r' && r != '\t' && (unicode.IsControl(r) || r == utf8.RuneError || unicode.Is(unicode.Cf, r) && r != '\u200d' && r != '\u200c' && r != '\ufeff') {
			return "", Refuse("invalid-text", fmt.Sprintf("The target text contains the control character U+%04X. Send plain text.", r))
		}
	}
	text = strings.Join(strings.Fields(strings.ReplaceAll(text, "\ufeff", "")), " ")
	if n := utf8.RuneCountInString(text); n > MaxTextCharacters {
		return "", Refuse("invalid-text", fmt.Sprintf("The target text has %d characters; at most %d are allowed. Split it into shorter texts.", n, MaxTextCharacters))
	}
	if text == "" {
		return "", Refuse("invalid-text", "The target text is empty. Send the text that the learner was asked to read.")
	}
	if language != "en-US" {
		return "", Refuse("unsupported-language", "The language is not supported. Supported: en-US.")
	}
	if r, ok := foreignLetter(text); ok {
		return "", Refuse("unsupported-language", fmt.Sprintf("The target text contains %q, which is not written in English. Send English text with language en-US.", string(r)))
	}
	switch n := len(TextWords(text)); {
	case n == 0:
		return "", Refuse("invalid-text", "The target text has no words to read. Send the sentence that the learner was asked to read.")
	case n > MaxTextWords:
		return "", Refuse("invalid-text", fmt.Sprintf("The target text has %d words; at most %d are allowed. Split it into shorter texts.", n, MaxTextWords))
	}
	return text, nil
}

// foreignLetter finds the first letter or symbol of a script in which English is not written. Accented Latin letters pass ("café").
func foreignLetter(text string) (rune, bool) {
	for _, r := range text {
		if unicode.IsLetter(r) && !unicode.Is(unicode.Latin, r) {
			return r, true
		}
	}
	return 0, false
}

// TextWords splits a text into the words that are scored: runs between white space and dashes, as written, without
// surrounding punctuation. A hyphenated word or a number is one word; a run without any letter or digit is none.
func TextWords(text string) []string {
	var words []string
	for _, f := range strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == '—' || r == '–' || r == '…' }) {
		for part := range strings.SplitSeq(strings.ReplaceAll(f, "--", " "), " ") {
			w := strings.TrimFunc(part, func(r rune) bool {
				return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r) && r != '%' && r != '$' && r != '€' && r != '£' && r != '&'
			})
			if strings.ContainsFunc(w, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) || w == "&" {
				words = append(words, w)
			}
		}
	}
	return words
}

// InferCategory classes a text by its length: one word, up to 30 words with at most two sentences, or more.
func InferCategory(text string) Category {
	n := len(TextWords(text))
	ends := 0
	for f := range strings.FieldsSeq(text) {
		if strings.HasSuffix(f, ".") || strings.HasSuffix(f, "!") || strings.HasSuffix(f, "?") {
			ends++
		}
	}
	switch {
	case n <= 1:
		return CategoryWord
	case n <= 30 && ends <= 2:
		return CategorySentence
	default:
		return CategoryParagraph
	}
}
