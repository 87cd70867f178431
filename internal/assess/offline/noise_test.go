package offline_test

import (
	"slices"
	"testing"

	"oktalk/internal/evaluation"
)

// Noise must not mark right readings down much.
func TestRightReadingsInSteadyNoise(t *testing.T) {
	t.Parallel()
	lost := 0
	texts := []string{"My brother works in a large hospital near the river.", "The children were afraid of the big black dog"}
	for _, text := range texts {
		for _, voice := range voices {
			recording := flite(t, voice, text)
			clean, heard := assess(t, recording, text).Scores.Overall, assess(t, noisy(recording, 15), text).Scores.Overall
			if heard < clean-20 {
				t.Errorf("%s reads %q: overall %d with noise at 15 dB, %d without, want at most 20 less", voice, text, heard, clean)
			}
			lost += clean - heard
		}
	}
	if mean := lost / (len(texts) * len(voices)); mean > 6 {
		t.Errorf("right readings lose %d points by noise at 15 dB, want at most 6 in the mean", mean)
	}
}

// A word that was not said is not found in noise, neither in hiss nor in the talk of other people before and after the reading.
func TestOmissionsInNoise(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		noise func(s []int16) []int16
		least int // of 8 words that were not said
	}{
		"steady": {func(s []int16) []int16 { return noisy(s, 15) }, 6},
		"people": {func(s []int16) []int16 { return behind(t, s) }, 4},
	} {
		found, lost, said := 0, 0, 0
		for _, voice := range voices {
			for _, part := range []struct {
				said    string
				missing int
			}{{"My brother works in a large", 6}, {"brother works in a large hospital", 0}} {
				got := assess(t, tc.noise(flite(t, voice, part.said)), "My brother works in a large hospital")
				for i, w := range targets(got) {
					switch omitted := w.Error == evaluation.WordOmission; {
					case i == part.missing && omitted:
						found++
					case i != part.missing:
						said++
						if omitted {
							lost++
						}
					}
				}
			}
		}
		if found < tc.least || lost > said/20 {
			t.Errorf("%s: %d of 8 words that were not said are left out, want at least %d; of %d that were said %d, want at most one in 20", name, found, tc.least, said, lost)
		}
	}
}

// behind puts a reading in front of several people who talk at once, before and after too.
func behind(t *testing.T, s []int16) []int16 {
	t.Helper()
	out := make([]int16, len(s)+12000)
	copy(out[6000:], s)
	for n, voice := range slices.Concat(voices, voices) {
		talk := flite(t, voice, "there are seven children playing in the garden and they want to go home before the evening comes")
		for i := range out {
			out[i] += talk[(i+(2*n+1)*5000)%len(talk)] / 24
		}
	}
	return out
}

func targets(a *evaluation.Assessment) []evaluation.Word {
	var words []evaluation.Word
	for _, w := range a.Words {
		if w.Error != evaluation.WordInsertion {
			words = append(words, w)
		}
	}
	return words
}
