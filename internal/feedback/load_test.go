package feedback

import (
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"oktalk/internal/evaluation"
)

const dictionary = "/usr/share/pocketsphinx/model/en-us/cmudict-en-us.dict"

// The grades are a judgement; this holds them to a count that anyone can repeat: how many pairs of short words in the
// dictionary differ in just these two sounds.
func TestFunctionalLoadFollowsMinimalPairs(t *testing.T) {
	t.Parallel()
	counts := minimalPairs(t)
	for name, vowels := range map[string]bool{"vowels": true, "consonants": false} {
		var grades, pairs []float64
		for _, c := range slices.SortedFunc(maps.Keys(functionalLoad), func(x, y contrast) int { return strings.Compare(x.a+x.b, y.a+y.b) }) {
			if isVowel(c.a) == vowels && c != (contrast{"AA", "AO"}) { // many speakers do not tell these two apart
				grades, pairs = append(grades, float64(functionalLoad[c])), append(pairs, float64(counts[c]))
			}
		}
		r := correlation(ranks(grades), ranks(pairs))
		t.Logf("%s: %d contrasts, rank correlation %.2f", name, len(grades), r)
		if r < 0.6 {
			t.Errorf("rank correlation of grades and minimal pairs for %s = %.2f, want at least 0.6", name, r)
		}
	}
}

func TestFunctionalLoadTableIsWellFormed(t *testing.T) {
	t.Parallel()
	for c, l := range functionalLoad {
		if !isPhone(c.a) || !isPhone(c.b) || c.a >= c.b || isVowel(c.a) != isVowel(c.b) || l < 1 || l > 10 {
			t.Errorf("contrast %v has grade %d: want two phones of one class in alphabetical order and a grade of 1-10", c, l)
		}
		if load(c.a, c.b) != l || load(c.b, c.a) != l {
			t.Errorf("load(%s, %s) differs from the table", c.a, c.b)
		}
	}
	if got := load("TH", ""); got != usualLoad {
		t.Errorf("load(TH, nothing) = %d, want %d", got, usualLoad)
	}
}

func TestPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		word  string
		index int
		want  Place
	}{
		{"AE P AH L Z", 0, PlaceStart},
		{"AE P AH L Z", 2, PlaceEnd},
		{"AE P AH L Z", 4, PlaceEnd},
		{"AE P AH L Z", 1, PlaceInside},
		{"TH IH NG K", 0, PlaceStart},
		{"TH IH NG K", 1, PlaceOnly},
		{"AY", 0, PlaceOnly},
		{"Y EH S T ER D EY", 4, PlaceInside},
	} {
		var ps []evaluation.Phoneme
		for s := range strings.FieldsSeq(c.word) {
			ps = append(ps, evaluation.Phoneme{ARPAbet: s})
		}
		if got := place(ps, c.index); got != c.want {
			t.Errorf("place(%s, %d) = %s, want %s", c.word, c.index, got, c.want)
		}
	}
}

func TestPhraseEnds(t *testing.T) {
	t.Parallel()
	ends := phraseEnds(`"Well," she said - it is late… I go—now. (Really?) yes`)
	var got []int
	for n := range ends {
		got = append(got, n)
	}
	slices.Sort(got)
	// Words: Well she said it is late I go now Really yes.
	if want := []int{1, 3, 6, 9, 10}; !slices.Equal(got, want) {
		t.Errorf("phraseEnds = %v, want %v", got, want)
	}
}

// minimalPairs counts pairs of words of at most five sounds that differ in one.
func minimalPairs(t *testing.T) map[contrast]int {
	t.Helper()
	data, err := os.ReadFile(dictionary)
	if err != nil {
		t.Fatalf("read the dictionary: %v; install the package pocketsphinx-en-us", err)
	}
	fill := map[string]map[string]bool{} // word with a gap -> sounds that fill it
	for line := range strings.Lines(string(data)) {
		word, rest, _ := strings.Cut(line, " ")
		sounds := strings.Fields(rest)
		if strings.ContainsAny(word, "('") || len(sounds) > 5 {
			continue
		}
		for i, s := range sounds {
			gap := strings.Join(sounds[:i], " ") + "_" + strings.Join(sounds[i+1:], " ")
			if fill[gap] == nil {
				fill[gap] = map[string]bool{}
			}
			fill[gap][s] = true
		}
	}
	counts := map[contrast]int{}
	for _, set := range fill {
		for a := range set {
			for b := range set {
				if a < b {
					counts[contrast{a, b}]++
				}
			}
		}
	}
	return counts
}

func ranks(xs []float64) []float64 {
	rs := make([]float64, len(xs))
	for i, x := range xs {
		for _, y := range xs {
			switch {
			case y < x:
				rs[i]++
			case y == x:
				rs[i] += 0.5
			}
		}
	}
	return rs
}

func correlation(xs, ys []float64) float64 {
	var mx, my, sxy, sxx, syy float64
	n := float64(len(xs))
	for i := range xs {
		mx, my = mx+xs[i]/n, my+ys[i]/n
	}
	for i := range xs {
		sxy += (xs[i] - mx) * (ys[i] - my)
		sxx += (xs[i] - mx) * (xs[i] - mx)
		syy += (ys[i] - my) * (ys[i] - my)
	}
	if sxx == 0 || syy == 0 {
		return 0
	}
	return sxy / math.Sqrt(sxx*syy)
}
