// Package plaintext makes the plain form of a text, the one that is scored and spoken.
//
// Texts that people paste carry what nobody reads: soft hyphens, zero-width spaces, ligatures, letters in full width. The text as written
// stays what clients see; words are looked up, and voices speak, in its plain form. Both have the same words in the same order.
package plaintext

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Of returns the plain form of a text: without invisible characters, with letters, digits, spaces and full-width forms in the shape of
// everyday typing (Unicode's compatibility composition, NFKC), and accents composed (NFC). Other signs stay, such as "½" and "…", since NFKC would change
// how they are read or where words end. Control characters stay too: it is for others to refuse them.
func Of(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	for _, r := range text {
		switch {
		case r < 0x80:
			b.WriteRune(r)
		case invisible(r):
		case unicode.IsLetter(r), unicode.IsDigit(r), unicode.Is(unicode.Zs, r), r >= '\uff01' && r <= '\uff5e':
			b.WriteString(norm.NFKC.String(string(r)))
		default:
			b.WriteRune(r)
		}
	}
	return norm.NFC.String(b.String())
}

// invisible reports characters that only tell programs where to break, join or direct text.
func invisible(r rune) bool {
	switch r {
	case '\u00ad', // soft hyphen
		'\u200b', '\u200c', '\u200d', // zero-width space, non-joiner, joiner
		'\u200e', '\u200f', // marks of direction
		'\u2060', '\ufeff': // word joiner, byte order mark
		return true
	}
	return false
}
