package offline

import (
	"slices"
	"strings"

	"oktalk/internal/assess/offline/acoustic"
)

// usual are the sounds that learners of English say for others, whatever they grew up with: "TH S" is an S for a TH.
// M. Swan, B. Smith, "Learner English", Cambridge 2001, in both directions where both are made.
const usual = `
	TH S, TH T, TH F, DH D, DH Z, V W, W V, V B, V F, F P, L R, R L, R W, N L, S SH, SH S, S TH, Z S, CH SH, JH CH,
	IY IH, IH IY, EH AE, AE EH, EY EH, UW UH, UH UW, AA AH, AH AA, AO OW, OW AO, ER AH, NG N, N NG, P B, B P, D T, T D, G K, K G`

// typical are those of one first language, by BCP 47 tag; the likelier ones of usual are among them.
var typical = map[string]string{
	"zh": `
		TH S, TH F, DH Z, DH D, V W, V F, R L, L R, N L, NG N, N NG, Z S, ZH R, ZH SH, SH S, CH SH, JH CH,
		IH IY, IY IH, AE EH, EH AE, UH UW, AO OW, EY EH, D T, B P, G K`,
	"yue": `
		TH F, DH D, V W, V F, N L, L N, R W, R L, L W, Z S, SH S, S SH, ZH SH, CH SH, JH CH, HH K,
		IH IY, IY IH, AE EH, EH AE, UH UW, UW UH, AO OW, D T, B P, G K`,
}

// substitutes are the sounds that may have been said for each phone.
type substitutes struct {
	listed  [][]acoustic.Phone // by phone: what usual and typical have
	typical map[[2]acoustic.Phone]bool
}

// newSubstitutes makes the substitutes for a first language, "" for one that is not known.
func newSubstitutes(m *acoustic.Model, native string) substitutes {
	s := substitutes{listed: make([][]acoustic.Phone, m.Phones()), typical: map[[2]acoustic.Phone]bool{}}
	for pair := range strings.SplitSeq(usual, ",") {
		s.add(m, pair)
	}
	if native != "" {
		for pair := range strings.SplitSeq(typical[native], ",") {
			if key, ok := s.add(m, pair); ok {
				s.typical[key] = true
			}
		}
	}
	return s
}

// add adds a pair that is not there yet. It reports false for one that the model does not know.
func (s *substitutes) add(m *acoustic.Model, pair string) (key [2]acoustic.Phone, ok bool) {
	names := strings.Fields(pair)
	if len(names) != 2 {
		return key, false
	}
	p, known := m.Phone(names[0])
	q, also := m.Phone(names[1])
	if key = [2]acoustic.Phone{p, q}; !known || !also {
		return key, false
	}
	if !s.lists(p, q) {
		s.listed[p] = append(s.listed[p], q)
	}
	return key, true
}

func (s *substitutes) lists(p, q acoustic.Phone) bool {
	return slices.Contains(s.listed[p], q)
}

// native finds the key of typical for a BCP 47 tag: Cantonese is written "yue" or "zh-yue", and "zh-HK" is taken for it, since most
// who say so grew up with it.
func native(tag string) string {
	tag = strings.ToLower(strings.ReplaceAll(tag, "_", "-"))
	language, rest, _ := strings.Cut(tag, "-")
	switch {
	case language == "zh" && (rest == "yue" || strings.HasSuffix(rest, "hk") || strings.HasSuffix(rest, "mo")):
		return "yue"
	case language == "cmn":
		return "zh"
	case typical[language] != "":
		return language
	default:
		return ""
	}
}
