package corpus

import "strconv"

// Split says what a voice and its texts are for.
type Split string

// The two splits.
const (
	Tuning  Split = "tuning"   // constants may be chosen by looking at these
	HeldOut Split = "held-out" // these are the judges
)

// Program is a speech synthesizer.
type Program string

// The programs.
const (
	Flite  Program = "flite"
	ESpeak Program = "espeak-ng"
)

// Voice is who speaks.
type Voice struct {
	Program Program
	Speaker string // the program's name of it
	// Shift multiplies pitch and formants, as a smaller (above 1) or larger person would have them; the tempo stays. 1 is the
	// speaker as it is.
	Shift float64
	Split Split
}

// Name is "rms" or, shifted, "rms x1.10".
func (v Voice) Name() string {
	if v.Shift == 1 {
		return v.Speaker
	}
	return v.Speaker + " x" + strconv.FormatFloat(v.Shift, 'f', 2, 64)
}

// Voices lists all voices, those of flite first. The speakers of the two splits are other people (of flite) or other voice
// definitions (of espeak-ng). kal is kal16 at 8 kHz and left out: condition [Telephone] is that.
func Voices() []Voice {
	var all []Voice
	for _, s := range []struct {
		speaker string
		split   Split
		shifts  []float64
	}{
		{"slt", Tuning, []float64{1, 0.92, 1.08}},
		{"kal16", Tuning, []float64{1, 0.92, 1.1}},
		{"rms", HeldOut, []float64{1, 0.94, 1.15}},
		{"awb", HeldOut, []float64{1, 0.94, 1.1}},
	} {
		for _, shift := range s.shifts {
			all = append(all, Voice{Flite, s.speaker, shift, s.split})
		}
	}
	for _, speaker := range []string{"en-us", "en-us+f3"} {
		all = append(all, Voice{ESpeak, speaker, 1, Tuning})
	}
	for _, speaker := range []string{"en-us+m3", "en-us+f4", "en-gb", "en-gb-x-rp+f2"} {
		all = append(all, Voice{ESpeak, speaker, 1, HeldOut})
	}
	return all
}
