package flite

import (
	"fmt"
	"regexp"
	"slices"
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

// phones writes sounds in ARPAbet as flite takes them. A weak AH, as in "about", is a sound of its own to flite: it is one where the
// word has another full vowel (the last of "study" is weak), or another AH before it.
func phones(arpabet []string) (string, error) {
	said, inner := []string{"pau"}, arpabet
	if n := len(arpabet); n > 0 && arpabet[n-1] == "IY" {
		inner = arpabet[:n-1]
	}
	full := slices.ContainsFunc(inner, func(p string) bool { return slices.Contains(fullVowels, p) })

	for _, p := range arpabet {
		switch {
		case p == "AH" && full:
			said = append(said, "ax")
		case p == "AH":
			full = true
			fallthrough
		case slices.Contains(fullVowels, p) || slices.Contains(otherPhones, p):
			said = append(said, strings.ToLower(p))
		default:
			return "", fmt.Errorf("%w: %q is no sound of English", tts.ErrUnspeakable, p)
		}
	}
	return strings.Join(append(said, "pau"), " "), nil
}

var (
	fullVowels  = strings.Fields("AA AE AO AW AY EH EY IH IY OW OY UH UW")
	otherPhones = strings.Fields("ER B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH")
)
