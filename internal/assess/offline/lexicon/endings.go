package lexicon

import "slices"

// endings are what may follow an apostrophe, and how it sounds.
var endings = map[string][]Pronunciation{
	"s":  nil, // depends on the last phone
	"":   {nil},
	"ll": {{"AH0", "L"}, {"L"}},
	"ve": {{"AH0", "V"}, {"V"}},
	"d":  {{"D"}, {"AH0", "D"}, {"IH0", "D"}},
	"re": {{"ER"}, {"R"}},
}

func knownEnding(ending string) bool {
	_, ok := endings[ending]
	return ok
}

// appendEnding adds an ending to each pronunciation; nil for an unknown ending.
func appendEnding(bases []Pronunciation, ending string) []Pronunciation {
	sounds, ok := endings[ending]
	if !ok {
		return nil
	}
	var ps []Pronunciation
	for _, base := range bases {
		variants := sounds
		if ending == "s" {
			variants = []Pronunciation{possessive(base[len(base)-1])}
		}
		for _, v := range variants {
			ps = append(ps, slices.Concat(base, v))
		}
	}
	return ps
}

// possessive is the sound of 's: a syllable after a sibilant, else voiced as the phone before.
func possessive(last string) Pronunciation {
	switch last {
	case "S", "Z", "SH", "ZH", "CH", "JH":
		return Pronunciation{"IH0", "Z"}
	case "P", "T", "K", "F", "TH":
		return Pronunciation{"S"}
	default:
		return Pronunciation{"Z"}
	}
}
