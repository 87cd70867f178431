package lexicon

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// fold writes a word with straight apostrophes, plain hyphens, ASCII digits and letters without accents. Of its letters
// outside ASCII, which then are few, it makes small ones.
func fold(word string) string {
	var b strings.Builder
	for _, r := range asciiDigits(word) {
		switch {
		case r <= unicode.MaxASCII:
			b.WriteRune(r)
		case strings.ContainsRune("’‘ʼ`´′＇", r):
			b.WriteByte('\'')
		case strings.ContainsRune("‐‑‒−", r):
			b.WriteByte('-')
		case unicode.Is(unicode.Mn, r) || r == '\u200c' || r == '\u200d' || r == '\u00ad': // combining accents, joiners, soft hyphens
		case unicode.IsUpper(r):
			b.WriteString(strings.ToUpper(withoutAccent(unicode.ToLower(r))))
		default:
			b.WriteString(withoutAccent(r))
		}
	}
	return b.String()
}

// plain lists accented letters after their plain form. Latin-1 and Latin Extended-A, and the few of Extended-B that
// names in English texts have.
var plain = []string{
	"aàáâãäåāăąǎ", "aeæ", "cçćĉċč", "dďđð", "eèéêëēĕėęěǝ", "gĝğġģ", "hĥħ", "iìíîïĩīĭįıǐ", "jĵ", "kķĸ", "lĺļľŀł", "nñńņňŉŋ",
	"oòóôõöøōŏőǒ", "oeœ", "rŕŗř", "sśŝşšșſ", "ssß", "tţťŧțþ", "uùúûüũūŭůűųǔ", "wŵ", "yýÿŷ", "zźżž",
}

func withoutAccent(r rune) string {
	for _, line := range plain {
		if strings.ContainsRune(line, r) {
			return strings.TrimRight(line, strings.TrimLeft(line, "abcdefghijklmnopqrstuvwxyz"))
		}
	}
	return string(r)
}

// acronym is a word as written that may be read letter by letter: "USB", "U.S.", "URLs", "DVD's". Longer capitals are words.
var acronym = regexp.MustCompile(`^((?:[A-Z]\.?){2,5})('?s)?$`)

// dotted is letters with dots between them: "u.s.a", "p.m".
var dotted = regexp.MustCompile(`(?i)^([a-z]\.)+([a-z]\b)?`)

// piece is a run of letters (apostrophes inside), a number or a symbol within a word.
type piece struct {
	text        string
	afterNumber bool // stands right after a number: "5km"
}

// split cuts a folded word into its pieces. What has no sound, such as a hyphen, separates and is dropped.
func split(word string) []piece {
	var ps []piece
	afterNumber := false
	for len(word) > 0 {
		n := numberPrefix(word)
		isNumber := n > 0
		if n == 0 {
			n = letterPrefix(word)
		}
		if n == 0 {
			_, n = utf8.DecodeRuneInString(word)
		}
		if text := strings.Trim(word[:n], "'"); isNumber || hasSound(text) {
			ps = append(ps, piece{text, afterNumber && !isNumber})
		}
		afterNumber = isNumber
		word = word[n:]
	}
	return ps
}

func letterPrefix(word string) int {
	if s := dotted.FindString(word); len(s) > 2 {
		return len(s)
	}
	return len(word) - len(strings.TrimLeftFunc(word, func(r rune) bool { return unicode.IsLetter(r) || r == '\'' }))
}

func hasSound(text string) bool {
	r, _ := utf8.DecodeRuneInString(text)
	return unicode.IsLetter(r) || symbols[r] != nil
}
