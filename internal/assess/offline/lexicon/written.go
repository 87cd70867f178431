package lexicon

import (
	"regexp"
	"strings"
)

// The written forms of numbers, each at the start of a word. Longer ones come first.
var (
	moneyForm   = regexp.MustCompile(`(?i)^([$€£])(\d[\d,]*)(?:\.(\d\d?))?(k|m|bn)?`)
	priceForm   = regexp.MustCompile(`^(\d[\d,]*)(?:[.,](\d\d))?([$€£])`)
	timeForm    = regexp.MustCompile(`^(\d{1,2}):(\d\d)`)
	ordinalForm = regexp.MustCompile(`(?i)^(\d[\d,]*)(st|nd|rd|th)\b`)
	decadeForm  = regexp.MustCompile(`(?i)^(\d{1,3}0)'?s\b`)
	decimalForm = regexp.MustCompile(`^(\d[\d,]*|)\.(\d+)`)
	ratioForm   = regexp.MustCompile(`^(\d{1,3})/(\d{1,3})\b`)
	commaForm   = regexp.MustCompile(`^\d{1,3}(,\d{3})+\b`)
	heightForm  = regexp.MustCompile(`^(\d{1,2})'(\d{1,2})\b`) // feet and inches: 5'9
	plainForm   = regexp.MustCompile(`^\d+`)
	numberForms = []*regexp.Regexp{moneyForm, priceForm, timeForm, ordinalForm, decadeForm, heightForm, decimalForm, ratioForm, commaForm, plainForm}
)

// numberPrefix is the length of the number a word starts with, 0 if with none.
func numberPrefix(word string) int {
	for _, f := range numberForms {
		if at := f.FindStringIndex(word); at != nil {
			return at[1]
		}
	}
	return 0
}

// expandNumber gives the ways to read a folded word that is a number as a whole, nil if it is none.
func expandNumber(word string) [][]string {
	for _, f := range numberForms {
		m := f.FindStringSubmatch(word)
		if m == nil {
			continue
		}
		if len(m[0]) != len(word) {
			return nil
		}
		for i := range m {
			m[i] = strings.ReplaceAll(m[i], ",", "")
		}
		return readForm(f, m)
	}
	return nil
}

func readForm(f *regexp.Regexp, m []string) [][]string {
	switch f {
	case moneyForm:
		return readMoney(m[1], m[2], m[3], m[4])
	case priceForm:
		return readMoney(m[3], m[1], m[2], "")
	case timeForm:
		return readTime(m[1], m[2])
	case ordinalForm:
		return each(readInteger(m[1]), ordinal)
	case decadeForm:
		return each(readInteger(m[1]), plural)
	case heightForm:
		return readHeight(m[1], m[2])
	case decimalForm:
		return readDecimal(m[1], m[2])
	case ratioForm:
		return readRatio(m[1], m[2])
	default:
		return readInteger(m[0])
	}
}

func readMoney(sign, whole, hundredths, scale string) [][]string {
	c := currencies[[]rune(sign)[0]]
	unit := c.many
	if whole == "1" && hundredths == "" && scale == "" {
		unit = c.one
	}
	var rs [][]string
	for _, n := range readInteger(whole) {
		switch {
		case scale != "":
			n = append(n, map[string]string{"k": "thousand", "m": "million", "bn": "billion"}[scale], unit)
		case hundredths != "" && strings.Trim(hundredths, "0") != "":
			cents := cardinal(hundredths, false)
			rs = append(rs, concat(n, []string{unit}, cents), concat(n, []string{unit, "and"}, cents, []string{c.cents}), concat(n, cents))
			continue
		default:
			n = append(n, unit)
		}
		rs = append(rs, n)
	}
	return rs
}

func readTime(hours, minutes string) [][]string {
	h := cardinal(hours, false)
	m := number(minutes)
	switch {
	case m == 0:
		return [][]string{concat(h, []string{"o'clock"}), h, concat(h, []string{"hundred"})}
	case m < 10:
		return [][]string{concat(h, []string{"oh", units[m]}), concat(h, []string{units[m]})}
	default:
		return [][]string{concat(h, below100(min(m, 99)))}
	}
}

func readHeight(feet, inches string) [][]string {
	f, i := cardinal(feet, false), cardinal(inches, false)
	return [][]string{
		concat(f, []string{"foot"}, i), concat(f, i), concat(f, []string{"feet"}, i), concat(f, []string{"foot"}, i, []string{"inches"}),
		concat(f, []string{"feet"}, i, []string{"inches"}), concat(f, []string{"feet", "and"}, i, []string{"inches"}),
	}
}

func readDecimal(whole, fraction string) [][]string {
	var head []string
	if whole != "" {
		head = cardinal(whole, false)
	}
	rs := [][]string{concat(head, []string{"point"}, spellDigits(fraction, "zero"))}
	if strings.Contains(fraction, "0") {
		rs = append(rs, concat(head, []string{"point"}, spellDigits(fraction, "oh")))
	}
	if whole == "" {
		rs = append(rs, concat([]string{"zero"}, rs[0]))
	}
	return rs
}

func readRatio(above, below string) [][]string {
	a, b := cardinal(above, false), cardinal(below, false)
	rs := [][]string{concat(a, []string{"slash"}, b), concat(a, b), concat(a, []string{"over"}, b)}
	switch below {
	case "2":
		rs = append([][]string{concat(a, []string{"half"})}, rs...)
	case "4":
		rs = append([][]string{concat(a, []string{"quarter"}), concat(a, []string{"quarters"})}, rs...)
	default:
		part := ordinal(b)
		if above != "1" {
			part = plural(part)
		}
		rs = append([][]string{concat(a, part)}, rs...)
	}
	return rs
}

func each(readings [][]string, f func([]string) []string) [][]string {
	rs := make([][]string, len(readings))
	for i, r := range readings {
		rs[i] = f(r)
	}
	return rs
}

func concat(parts ...[]string) []string {
	var words []string
	for _, p := range parts {
		words = append(words, p...)
	}
	return words
}
