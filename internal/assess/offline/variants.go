package offline

import (
	"slices"

	"oktalk/internal/assess/offline/acoustic"
)

// place is where in its word a phone stands.
type place uint8

const (
	anywhere place = iota
	atEnd          // last phone of a word, or before a consonant
	beforeR        // before R, Y or ER
	beforeL
)

// variant says that other is a way to say phone that is no mistake in General American, or that the model cannot tell from
// it; such a phone is not what a sound is compared with.
type variant struct {
	phone, other string
	where        place
}

// The variants come from phonology (merged and reduced vowels, flaps, unreleased stops) and were each among the commonest
// false alarms on right readings by flite.
var variants = []variant{
	{"AO", "AA", anywhere},
	{"AA", "AO", anywhere}, // cot, caught
	// AH is also schwa, which takes the colour of its neighbours; the dictionary does not tell them apart.
	{"AH", "IH", anywhere},
	{"AH", "EH", anywhere},
	{"AH", "UH", anywhere},
	{"AH", "W", beforeL},
	{"AH", "OW", beforeL},
	{"AH", "AO", beforeL},
	{"AH", "L", beforeL}, // apples
	{"IH", "AH", anywhere},
	{"AW", "AY", anywhere}, // fronted, as in Scotland
	{"ER", "R", anywhere},
	{"R", "ER", anywhere},
	{"T", "D", anywhere}, // flap: water
	{"T", "CH", beforeR},
	{"D", "JH", beforeR},
	{"T", "JH", beforeR}, // train, would you
	{"T", "P", atEnd},
	{"T", "K", atEnd},
	{"D", "B", atEnd},
	{"D", "G", atEnd},
	{"D", "T", atEnd},
	{"P", "T", atEnd},
	{"K", "T", atEnd},
	{"K", "P", atEnd}, // not released
	{"D", "N", atEnd},
	{"T", "N", atEnd}, // and, want
	{"L", "W", atEnd},
	{"L", "OW", atEnd}, // dark l: well
	{"DH", "V", anywhere},
}

// narrowVariants are for recordings that end at 4 kHz: the hiss of s and z is above, so that no consonant can be told from them, nor
// the other fricatives from one another.
func narrowVariants(m *acoustic.Model) []variant {
	vs := slices.Concat(variants, []variant{
		{"F", "S", anywhere},
		{"F", "TH", anywhere},
		{"TH", "F", anywhere},
		{"TH", "S", anywhere},
		{"V", "Z", anywhere},
		{"V", "DH", anywhere},
		{"DH", "Z", anywhere},
	})
	for p := range m.Phones() {
		if name := m.Name(acoustic.Phone(p)); !m.Filler(acoustic.Phone(p)) && !isVowel(name) {
			vs = append(vs, variant{"S", name, anywhere}, variant{"Z", name, anywhere})
		}
	}
	return vs
}

// variantSet answers which phones are variants of one another.
type variantSet map[[2]acoustic.Phone]place

func newVariantSet(m *acoustic.Model, variants []variant) variantSet {
	s := variantSet{}
	for _, v := range variants {
		p, ok := m.Phone(v.phone)
		q, also := m.Phone(v.other)
		if ok && also {
			s[[2]acoustic.Phone{p, q}] = v.where
		}
	}
	return s
}

// accepts reports whether other is a variant of p where p stands.
func (s variantSet) accepts(p, other acoustic.Phone, at surroundings) bool {
	where, ok := s[[2]acoustic.Phone{p, other}]
	if !ok {
		return false
	}
	switch where {
	case atEnd:
		return at.end
	case beforeR:
		return at.r
	case beforeL:
		return at.l
	default:
		return true
	}
}

// surroundings is what follows a phone in its word.
type surroundings struct {
	end  bool // nothing or a consonant
	r, l bool // R, ER or Y; L
}

func surroundingsOf(m *acoustic.Model, phones []spokenPhone, i int) surroundings {
	if i == len(phones)-1 {
		return surroundings{end: true}
	}
	next := m.Name(phones[i+1].phone)
	return surroundings{
		end: !isVowel(next),
		r:   next == "R" || next == "ER" || next == "Y",
		l:   next == "L",
	}
}

// dropUncertain takes back what was heard for a sound where, in a recording of narrow band, the two are told apart by what is missing.
func (w *worker) dropUncertain(r *reading) {
	if !w.frontEnd.Narrow() {
		return
	}
	for i := range r.words {
		phones := r.words[i].phones
		for k := range phones {
			p := &phones[k]
			heard, ok := w.model.Phone(p.finding.heard)
			if ok && w.variants.accepts(p.phone, heard, surroundingsOf(w.model, phones, k)) {
				p.finding = finding{}
			}
		}
	}
}
