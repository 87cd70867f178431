package offline_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/evaluation"
)

func TestSyllables(t *testing.T) {
	t.Parallel()
	text := "The president of the umbrella company arrived without instructions in nineteen 1990."
	got := assess(t, flite(t, "rms", text), text)
	written := func(w evaluation.Word) string {
		parts := make([]string, len(w.Syllables))
		at := 0
		for i, s := range w.Syllables {
			parts[i] = map[evaluation.Stress]string{evaluation.StressPrimary: "'", evaluation.StressSecondary: ","}[s.Stress]
			var sounds []string
			for _, p := range w.Phonemes[at : at+s.Phonemes] {
				sounds = append(sounds, p.ARPAbet)
			}
			at += s.Phonemes
			parts[i] += strings.Join(sounds, " ")
		}
		return strings.Join(parts, ".")
	}
	found := map[string]string{}
	for _, w := range got.Words {
		found[w.Text] = written(w)
		end, phones, low, high := w.Offset, 0, 100, 0
		for _, s := range w.Syllables {
			if s.Offset != end || s.Duration <= 0 || s.Score < 0 || s.Score > 100 {
				t.Errorf("%q has syllable %+v, want it at %v", w.Text, s, end)
			}
			end, phones, low, high = end+s.Duration, phones+s.Phonemes, min(low, s.Score), max(high, s.Score)
		}
		if end != w.Offset+w.Duration || phones != len(w.Phonemes) || w.Score < low-5 || w.Score > high+5 {
			t.Errorf("the syllables of %+v do not make the word", w)
		}
		if w.StressMisplaced() {
			t.Errorf("the stress of %q is misplaced: %+v", w.Text, w.Syllables)
		}
	}
	for word, want := range map[string]string{
		"umbrella": "AH M.'B R EH.L AH", "company": "'K AH M.P AH.N IY", "instructions": "IH N.'S T R AH K.SH AH N Z",
		"The": "DH AH", "arrived": "ER.'AY V D",
	} {
		if found[word] != want {
			t.Errorf("%s is %q, want %q", word, found[word], want)
		}
	}
	if n := strings.Count(found["1990"], "."); n != 3 {
		t.Errorf("1990 is %q, want four syllables", found["1990"])
	}
}

// A reading on one note has less prosody, and hardly less of anything else.
func TestMonotony(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"The children are walking along the quiet road.", "Her cousin sold the red car and bought a cheap bicycle."} {
		for _, voice := range []string{"slt", "awb", "kal16"} {
			lively, flat := assess(t, flite(t, voice, text), text).Scores, assess(t, flite(t, voice, text, "--setf", "int_f0_target_stddev=1"), text).Scores
			if lively.Prosody == nil || flat.Prosody == nil || *lively.Prosody < 85 || *flat.Prosody > 49 {
				t.Errorf("%s reads %q: %+v, on one note %+v, want prosody of 85 and more, below 50", voice, text, lively, flat)
				continue
			}
			if d := lively.Overall - flat.Overall; d < 2 || d > 8 {
				t.Errorf("%s reads %q: overall %d, on one note %d, want a little less", voice, text, lively.Overall, flat.Overall)
			}
		}
	}
}

// Where there is too little voice prosody is not measured, and the other scores make up the whole.
func TestProsodyThatCannotBeMeasured(t *testing.T) {
	t.Parallel()
	text := "The children are walking along the quiet road."
	for name, got := range map[string]*evaluation.Assessment{
		"a word": assess(t, flite(t, "slt", "apples"), "apples"), "a whisper": assess(t, espeak(t, "en-us+whisper", text), text),
	} {
		if got.Scores.Prosody != nil {
			t.Errorf("%s has prosody %d, want none", name, *got.Scores.Prosody)
		}
		if want := evaluation.OverallScore(got.Scores.Accuracy, got.Scores.Fluency, got.Scores.Integrity, nil); got.Scores.Overall != want {
			t.Errorf("%s: overall %d, want %d", name, got.Scores.Overall, want)
		}
	}
}

// Stress on another syllable is found now and then, and never where it is right.
func TestMisplacedStress(t *testing.T) {
	t.Parallel()
	found := 0
	for _, tc := range []struct{ text, word, wrong string }{
		{"the banana and the tomato are on the table", "banana", "[[b'an@n@]]"},
		{"please return the umbrella to the teacher tomorrow", "umbrella", "[['Vmbr@l@]]"},
		{"the musician played a romantic melody for us", "musician", "[[mj'u:zIS@n]]"},
		{"the government discussed the economy with us", "government", "[[gVv3m'Ent]]"},
		{"my computer is in the department today", "computer", "[[k'VmpjUt3]]"},
		{"we enjoy delicious potatoes with our dinner", "potatoes", "[[p'oUteItoUz]]"},
	} {
		for _, voice := range []string{"en-us+f3"} {
			if w := word(t, assess(t, espeak(t, voice, tc.text), tc.text), tc.word); w.StressMisplaced() {
				t.Errorf("%s reads %q: the stress of %q is misplaced: %+v", voice, tc.text, tc.word, w.Syllables)
			}
			w := word(t, assess(t, espeak(t, voice, strings.Replace(tc.text, tc.word, tc.wrong, 1)), tc.text), tc.word)
			if w.StressMisplaced() {
				found++
				if n := len(slices.DeleteFunc(slices.Clone(w.Syllables), func(s evaluation.Syllable) bool { return s.Heard != evaluation.StressPrimary })); n != 1 {
					t.Errorf("%q has %d main stresses: %+v", tc.word, n, w.Syllables)
				}
			}
		}
	}
	if found < 2 {
		t.Errorf("stress on another syllable was found in %d of 6 words, want 2 at least", found)
	}
}

// The same recording twice has the same prosody, on a worker that has heard others.
func TestProsodyIsTheSameAgain(t *testing.T) {
	t.Parallel()
	text := "I forgot my umbrella, so I was completely wet."
	file := filepath.Join(t.TempDir(), "speech.wav")
	command(t, "flite", "-voice", "awb", "-t", text, "-o", file)
	s := resample(t, file, 16000)
	want := assess(t, s, text)
	for range 3 {
		assess(t, flite(t, "slt", "good morning to all of you"), "good morning to all of you")
		if diff := cmp.Diff(want, assess(t, s, text)); diff != "" {
			t.Errorf("the second time (-first +second):\n%s", diff)
		}
	}
}
