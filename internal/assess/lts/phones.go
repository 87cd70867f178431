package lts

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// parseFlite reads the output of flite -ps, "pau z ih k pau": ARPAbet in lower case, with ax for the reduced vowel, which the
// dictionary writes as AH.
func parseFlite(out string) []string {
	var phones []string
	for f := range strings.FieldsSeq(out) {
		switch f {
		case "pau":
		case "ax":
			phones = append(phones, "AH")
		case "axr":
			phones = append(phones, "ER")
		default:
			p := strings.ToUpper(strings.TrimRight(f, "012"))
			if !arpabet[p] {
				return nil
			}
			phones = append(phones, p)
		}
	}
	return phones
}

// parseESpeak reads IPA as espeak-ng writes it for American English. A symbol that is not in the table makes the whole guess
// void: half a pronunciation is worse than none.
func parseESpeak(out string) []string {
	s := strings.NewReplacer("ˈ", "", "ˌ", "", "_", "", " ", "", "\n", "", "\u0303", "", "\u0329", "ə̩", "(en)", "", "(en-us)", "").Replace(out)
	var phones []string
	for s != "" {
		symbol, found := longestSymbol(s)
		if !found {
			return nil
		}
		phones = append(phones, ipa[symbol]...)
		s = s[len(symbol):]
	}
	return phones
}

// longestSymbol finds the longest symbol of the table that s starts with.
func longestSymbol(s string) (string, bool) {
	ends := make([]int, 0, longest)
	for i := 0; i < len(s) && len(ends) < longest; {
		_, n := utf8.DecodeRuneInString(s[i:])
		i += n
		ends = append(ends, i)
	}
	for _, end := range slices.Backward(ends) {
		if _, ok := ipa[s[:end]]; ok {
			return s[:end], true
		}
	}
	return "", false
}

// longest is the length of the longest symbol in code points.
const longest = 4

// arpabet is the phones of the dictionary.
var arpabet = func() map[string]bool {
	m := map[string]bool{}
	for p := range strings.FieldsSeq("AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH") {
		m[p] = true
	}
	return m
}()

// ipa maps the symbols that espeak-ng's American English voice writes to the dictionary's phones. Vowels before r are listed with
// it, since the dictionary has other vowels there.
var ipa = map[string][]string{
	"p": {"P"}, "b": {"B"}, "t": {"T"}, "d": {"D"}, "k": {"K"}, "ɡ": {"G"}, "g": {"G"}, "ʔ": {"T"}, "ɾ": {"T"},
	"f": {"F"}, "v": {"V"}, "θ": {"TH"}, "ð": {"DH"}, "s": {"S"}, "z": {"Z"}, "ʃ": {"SH"}, "ʒ": {"ZH"}, "h": {"HH"}, "x": {"K"}, "ç": {"HH"},
	"tʃ": {"CH"}, "dʒ": {"JH"}, "m": {"M"}, "n": {"N"}, "ŋ": {"NG"}, "l": {"L"}, "ɫ": {"L"}, "ɬ": {"L"}, "r": {"R"}, "ɹ": {"R"}, "j": {"Y"}, "w": {"W"}, "ʍ": {"W"},
	"nʲ": {"N", "Y"}, "ɲ": {"N", "Y"}, "ə̩": {"AH"}, "ʲ": {},
	"i": {"IY"}, "iː": {"IY"}, "ɪ": {"IH"}, "ᵻ": {"IH"}, "ɨ": {"IH"}, "e": {"EH"}, "ɛ": {"EH"}, "ɛː": {"EH"}, "æ": {"AE"}, "a": {"AE"}, "aː": {"AA"},
	"ɑ": {"AA"}, "ɑː": {"AA"}, "ɒ": {"AA"}, "ɔ": {"AO"}, "ɔː": {"AO"}, "o": {"OW"}, "oː": {"OW"}, "ʊ": {"UH"}, "u": {"UW"}, "uː": {"UW"},
	"ʌ": {"AH"}, "ə": {"AH"}, "ɐ": {"AH"}, "ɚ": {"ER"}, "ɝ": {"ER"}, "ɜ": {"ER"}, "ɜː": {"ER"}, "əl": {"AH", "L"}, "n̩": {"AH", "N"},
	"eɪ": {"EY"}, "aɪ": {"AY"}, "ɔɪ": {"OY"}, "aʊ": {"AW"}, "oʊ": {"OW"}, "əʊ": {"OW"}, "aɪə": {"AY", "AH"}, "aɪɚ": {"AY", "ER"}, "aʊɚ": {"AW", "ER"},
	"ɪɹ": {"IH", "R"}, "iə": {"IY", "AH"}, "ɛɹ": {"EH", "R"}, "ɑːɹ": {"AA", "R"}, "ɔːɹ": {"AO", "R"}, "oːɹ": {"AO", "R"}, "ʊɹ": {"UH", "R"}, "ɜːɹ": {"ER"}, "əɹ": {"ER"},
	"y": {"UW"}, "yː": {"UW"}, "ø": {"ER"}, "œ": {"ER"},
}
