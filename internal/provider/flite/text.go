package flite

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"oktalk/internal/tts"
)

var (
	markup = regexp.MustCompile(`</?[A-Za-z][^<>]{0,200}>`)
	// phonetic finds a sound written between slashes, "/θ/" or "(/ɹ/)": a voice would spell it.
	phonetic = regexp.MustCompile(`(^|[\s("'])/[^/\s]{1,12}/`)
	empty    = regexp.MustCompile(`\(\s*\)`)
)

// plainLetters are letters that do not decompose to ASCII, and marks that a voice would read out or skip without a pause.
var plainLetters = strings.NewReplacer(
	"‘", "'", "’", "'", "“", `"`, "”", `"`, "–", ", ", "—", ", ", "…", "... ", "•", ", ", "→", " to ", "×", " times ", "&", " and ",
	"ß", "ss", "æ", "ae", "Æ", "Ae", "œ", "oe", "Œ", "Oe", "ø", "o", "Ø", "O", "đ", "d", "ł", "l", "ð", "th", "þ", "th",
	"*", " ", "_", " ", "`", " ", "#", " ", "~", " ", "^", " ", "|", ", ", "\\", " ", "<", " ", ">", " ",
)

// spoken makes the text that is read: markup, phonetic symbols and emoji removed, accents and typographic marks written
// plainly, one line of ASCII. The error wraps [tts.ErrNoVoice] when the text is in another script, [tts.ErrUnspeakable] when nothing is left.
func spoken(text string) (string, error) {
	text = markup.ReplaceAllString(strings.ToValidUTF8(text, " "), " ")
	text = empty.ReplaceAllString(phonetic.ReplaceAllString(text, "$1"), " ")
	for _, r := range text {
		if unicode.IsLetter(r) && !unicode.Is(unicode.Latin, r) && !strings.ContainsRune("θβχ", r) { // Greek letters of the phonetic alphabet
			return "", fmt.Errorf("%w: the text has %q", tts.ErrNoVoice, r)
		}
	}
	text = strings.Map(ascii, norm.NFD.String(plainLetters.Replace(text)))
	text = strings.Join(strings.Fields(text), " ")
	if !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
		return "", fmt.Errorf("%w: nothing in it can be read", tts.ErrUnspeakable)
	}
	return text, nil
}

// ascii drops combining marks, and puts a space where any other rune cannot be read.
func ascii(r rune) rune {
	switch {
	case unicode.Is(unicode.Mn, r):
		return -1
	case r < ' ' || r >= 0x7f:
		return ' '
	}
	return r
}
