package lexicon

import (
	"strings"
	"unicode"
)

var (
	units = []string{
		"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
		"thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
	}
	tens     = []string{"", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"}
	scales   = []string{"", "thousand", "million", "billion", "trillion"}
	ordinals = map[string]string{
		"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth", "twelve": "twelfth",
	}
)

// maxCardinalDigits is the length from which a number is only read digit by digit.
const maxCardinalDigits = 15

// readInteger gives the ways to read a string of ASCII digits, the likeliest first: the cardinal, with and without "and",
// a year or a house number in pairs, and digit by digit when it is long or starts with zero.
func readInteger(digits string) [][]string {
	var rs [][]string
	bare := strings.TrimLeft(digits, "0")
	leading := len(bare) < len(digits) && len(digits) > 1
	pairs := readPairs(digits)
	if pairs != nil && digits[0] == '1' { // likelier a year than a sum
		rs = append(rs, pairs)
	}
	if !leading {
		rs = append(rs, cardinal(digits, false))
	}
	if !leading && len(digits) >= 3 {
		rs = append(rs, cardinal(digits, true))
	}
	if digits == "100" || digits == "1000" {
		rs = append(rs, append([]string{"a"}, cardinal(digits, false)[1:]...))
	}
	if pairs != nil && digits[0] != '1' {
		rs = append(rs, pairs)
	}
	if len(digits) >= 3 || leading {
		rs = append(rs, spellDigits(digits, "zero"), spellDigits(digits, "oh"))
	}
	if leading {
		rs = append(rs, cardinal(digits, false))
	}
	return rs
}

// cardinal reads a number; one too long for words is read digit by digit.
func cardinal(digits string, and bool) []string {
	digits = strings.TrimLeft(digits, "0")
	switch {
	case digits == "":
		return []string{"zero"}
	case len(digits) > maxCardinalDigits:
		return spellDigits(digits, "zero")
	}
	var words []string
	for len(digits) > 0 {
		n := (len(digits)-1)%3 + 1
		scale := (len(digits) - n) / 3
		group := below1000(number(digits[:n]), and, len(words) > 0 && scale == 0)
		if len(group) > 0 && scale > 0 {
			group = append(group, scales[scale])
		}
		words = append(words, group...)
		digits = digits[n:]
	}
	return words
}

// below1000 reads a group of three digits; follows says that larger groups come before it ("two thousand and five").
func below1000(n int, and, follows bool) []string {
	var words []string
	if n >= 100 {
		words = append(words, units[n/100], "hundred")
	}
	if rest := n % 100; rest > 0 {
		if and && (n >= 100 || follows) {
			words = append(words, "and")
		}
		words = append(words, below100(rest)...)
	}
	return words
}

func below100(n int) []string {
	if n < 20 {
		return []string{units[n]}
	}
	words := []string{tens[n/10]}
	if n%10 > 0 {
		words = append(words, units[n%10])
	}
	return words
}

// readPairs reads four digits as a year: nineteen ninety, nineteen oh five, nineteen hundred. It is nil for other lengths
// and for thousands such as 2000 or 2005, where nobody says so.
func readPairs(digits string) []string {
	if len(digits) != 4 || digits[0] == '0' || digits[1:3] == "00" {
		return nil
	}
	words := below100(number(digits[:2]))
	switch low := number(digits[2:]); {
	case low == 0:
		return append(words, "hundred")
	case low < 10:
		return append(words, "oh", units[low])
	default:
		return append(words, below100(low)...)
	}
}

func spellDigits(digits, zero string) []string {
	words := make([]string, 0, len(digits))
	for _, d := range digits {
		if d == '0' {
			words = append(words, zero)
			continue
		}
		words = append(words, units[d-'0'])
	}
	return words
}

// ordinal turns the last word of a cardinal into its ordinal: twenty one, twenty first.
func ordinal(words []string) []string {
	last := words[len(words)-1]
	o, ok := ordinals[last]
	switch {
	case ok:
	case strings.HasSuffix(last, "y"):
		o = strings.TrimSuffix(last, "y") + "ieth"
	default:
		o = last + "th"
	}
	return append(words[:len(words)-1:len(words)-1], o)
}

// plural turns the last word of a year into a decade: nineteen ninety, nineteen nineties.
func plural(words []string) []string {
	last := words[len(words)-1]
	if stem, ok := strings.CutSuffix(last, "y"); ok {
		last = stem + "ies"
	} else {
		last += "s"
	}
	return append(words[:len(words)-1:len(words)-1], last)
}

// number is the value of up to three ASCII digits.
func number(digits string) int {
	n := 0
	for _, d := range digits {
		n = n*10 + int(d-'0')
	}
	return n
}

// asciiDigits writes the decimal digits of all scripts as 0 to 9. Unicode keeps each script's ten in one run.
func asciiDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= unicode.MaxASCII || !unicode.IsDigit(r) {
			return r
		}
		for _, x := range unicode.Nd.R16 {
			if rune(x.Lo) <= r && r <= rune(x.Hi) {
				return '0' + (r-rune(x.Lo))%10
			}
		}
		for _, x := range unicode.Nd.R32 {
			if rune(x.Lo) <= r && r <= rune(x.Hi) {
				return '0' + (r-rune(x.Lo))%10
			}
		}
		return r
	}, s)
}
