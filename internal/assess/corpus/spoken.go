package corpus

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"oktalk/internal/command"
)

// spoken is how the programs say a word when it stands alone.
type spoken struct {
	raw       []string            // flite's phones
	stressed  int                 // which of its vowels bears the stress, counted from 0
	mnemonics map[string][]string // espeak-ng's phones by speaker, with stress marks
}

// phones are the word's in ARPAbet without stress.
func (s spoken) phones() []string {
	out := make([]string, len(s.raw))
	for i, p := range s.raw {
		out[i] = toARPAbet(p)
	}
	return out
}

// toARPAbet maps flite's phones to those of the dictionary, which writes the reduced vowel as AH.
func toARPAbet(raw string) string {
	switch raw {
	case "ax":
		return "AH"
	case "axr":
		return "ER"
	default:
		return strings.ToUpper(raw)
	}
}

// entry is a line of flite's dictionary: "think nil : th ih1 ng k". Vowels carry their stress.
func (s spoken) entry(word string, raw []string) string {
	parts := make([]string, len(raw))
	vowel := 0
	for i, p := range raw {
		parts[i] = p
		if !strings.ContainsRune("aeiou", rune(p[0])) {
			continue
		}
		stress := "0"
		if vowel == s.stressed && p != "ax" {
			stress = "1"
		}
		parts[i] += stress
		vowel++
	}
	return word + " nil : " + strings.Join(parts, " ")
}

const (
	toolTimeout = 30 * time.Second // a word list takes 0.1 s; a machine may be busy
	maxPrinted  = 1 << 20
)

// program runs flite or espeak-ng.
func (m *Maker) program(ctx context.Context, p Program, stdin string, maxOutput int, args ...string) ([]byte, error) {
	return command.Run(ctx, command.Command{
		Path: m.paths[p], Args: args, Stdin: strings.NewReader(stdin), Timeout: toolTimeout, MaxOutput: maxOutput,
	})
}

// sayWords asks both programs for the phones of words in lower case.
func (m *Maker) sayWords(ctx context.Context, words, speakers []string) (map[string]spoken, error) {
	list := strings.Join(words, "\n\n") + "\n"
	lines, err := m.printed(ctx, Flite, list, len(words), "-voice", "kal16", "-ps", "-f", "/dev/stdin", "none") // the quickest; the default voice has AA for AH
	if err != nil {
		return nil, err
	}
	all := make(map[string]spoken, len(words))
	for i, w := range words {
		s := spoken{mnemonics: map[string][]string{}}
		s.raw = slices.DeleteFunc(strings.Fields(lines[i]), func(p string) bool { return p == "pau" })
		if w == "a" {
			s.raw = []string{"ax"} // flite takes it for the letter when it stands alone
		}
		all[w] = s
	}
	for n, speaker := range speakers {
		if lines, err = m.printed(ctx, ESpeak, list, len(words), "-q", "-x", "--sep=_", "-v", speaker, "--stdin"); err != nil {
			return nil, err
		}
		for i, w := range words {
			s := all[w]
			s.mnemonics[speaker] = strings.Split(strings.TrimSpace(lines[i]), "_")
			if n == 0 {
				s.stressed = stressedVowel(s.mnemonics[speaker])
			}
			all[w] = s
		}
	}
	return all, nil
}

// printed runs a program that prints a line for each word.
func (m *Maker) printed(ctx context.Context, p Program, list string, n int, args ...string) ([]string, error) {
	out, err := m.program(ctx, p, list, maxPrinted, args...)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != n {
		return nil, fmt.Errorf("%s printed the phones of %d words, want %d", p, len(lines), n)
	}
	return lines, nil
}

// stressedVowel counts the vowels before espeak-ng's mark of main stress; 0 when there is none.
func stressedVowel(mnemonics []string) int {
	vowels := 0
	for _, p := range mnemonics {
		bare := strings.TrimLeft(p, stressMarks)
		if strings.HasPrefix(p, "'") {
			return vowels
		}
		if bare != "" && strings.ContainsRune("aAeEiIoOuUV03@", rune(bare[0])) {
			vowels++
		}
	}
	return 0
}

const stressMarks = "',%="

// espeakPhones maps ARPAbet to espeak-ng's mnemonics, as its English voices write them.
var espeakPhones = map[string]string{
	"P": "p", "B": "b", "T": "t", "D": "d", "K": "k", "G": "g", "F": "f", "V": "v", "TH": "T", "DH": "D", "S": "s", "Z": "z", "SH": "S", "ZH": "Z",
	"HH": "h", "CH": "tS", "JH": "dZ", "M": "m", "N": "n", "NG": "N", "L": "l", "R": "r", "W": "w", "Y": "j",
	"IY": "i:", "IH": "I", "EH": "E", "AE": "a", "AA": "A:", "AO": "O:", "OW": "oU", "UW": "u:", "UH": "U", "AH": "V",
	"AY": "aI", "EY": "eI", "AW": "aU", "OY": "OI", "ER": "3:",
}

// mnemonic writes a word with one phone replaced in espeak-ng's own phones. It reports false when that phone cannot be told
// apart in what espeak-ng says for the word.
func (s spoken) mnemonic(speaker string, from, to string) (string, bool) {
	was, now := espeakPhones[from], espeakPhones[to]
	at := -1
	for i, p := range s.mnemonics[speaker] {
		if strings.TrimLeft(p, stressMarks) != was {
			continue
		}
		if at >= 0 {
			return "", false
		}
		at = i
	}
	if at < 0 || was == "" || now == "" {
		return "", false
	}
	parts := slices.Clone(s.mnemonics[speaker])
	parts[at] = strings.TrimSuffix(parts[at], was) + now
	return "[[" + strings.Join(parts, "|") + "]]", true
}
