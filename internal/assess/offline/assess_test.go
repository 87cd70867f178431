package offline_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/evaluation"
)

func TestPerfectReadingsScoreAtLeast90(t *testing.T) {
	t.Parallel()
	texts := []string{"I like apples.", "My brother works in a large hospital near the river.", "Mr. Smith has 13 well-known books from 1990.", "hello"}
	for _, voice := range voices {
		for _, text := range texts {
			got := assess(t, flite(t, voice, text), text)
			if got.Scores.Overall < 90 {
				t.Errorf("%s reads %q: overall %d, want at least 90: %+v", voice, text, got.Scores.Overall, got)
			}
			if want := evaluation.LevelOf(got.Scores.Overall, got.Scores.Integrity); got.Level != want {
				t.Errorf("%s reads %q: level %s, want %s", voice, text, got.Level, want)
			}
		}
	}
}

// Every assessment has one item for each word of the text, with times that lie in order within the recording.
func TestAssessmentFollowsTheText(t *testing.T) {
	t.Parallel()
	text := "“The café”, she said — twice — isn’t open: it's 20% the size of the other one… & the e-mail bounced!"
	recording := flite(t, "slt", "the cafe she said twice isn't open it's twenty percent the size of the other one and the email bounced")
	got := assess(t, recording, text)
	var texts []string
	for _, w := range got.Words {
		texts = append(texts, w.Text)
	}
	if diff := cmp.Diff(evaluation.TextWords(text), texts); diff != "" {
		t.Errorf("words (-want +got):\n%s", diff)
	}
	checkTimes(t, got, recording)
	if got.Scores.Integrity != 100 || got.Assessor != "offline" {
		t.Errorf("assessment = %+v, want integrity 100 by offline", got)
	}
}

func checkTimes(t *testing.T, a *evaluation.Assessment, recording []int16) {
	t.Helper()
	end := int64(0)
	length := int64(len(recording)) * 1000 / 16
	for _, w := range a.Words {
		if w.Error == evaluation.WordOmission {
			if w.Offset != 0 || w.Duration != 0 || len(w.Phonemes) != 0 || w.Score != 0 {
				t.Errorf("omitted %q = %+v, want zeros", w.Text, w)
			}
			continue
		}
		if w.Offset.Microseconds() < end || w.Duration <= 0 || (w.Offset+w.Duration).Microseconds() > length {
			t.Errorf("%q lies at %v for %v, after %d µs of %d", w.Text, w.Offset, w.Duration, end, length)
		}
		at := w.Offset
		if w.Error == evaluation.WordInsertion {
			at += w.Duration
		}
		for _, p := range w.Phonemes {
			if p.Offset != at || p.Duration <= 0 || p.Score < 0 || p.Score > 100 || p.IPA() == p.ARPAbet && len(p.ARPAbet) > 1 {
				t.Errorf("%q has phoneme %+v, want it at %v", w.Text, p, at)
			}
			at += p.Duration
		}
		if end = at.Microseconds(); at != w.Offset+w.Duration {
			t.Errorf("the phonemes of %q end at %v, the word at %v", w.Text, at, w.Offset+w.Duration)
		}
	}
}

// A wrong sound that is far from the right one lowers its word and mostly makes it a mispronunciation, and is named.
func TestWrongSoundsLowerTheirWord(t *testing.T) {
	t.Parallel()
	wrong, named, all := 0, 0, 0
	for _, tc := range []struct{ right, said, word, phone, heard string }{
		{"I think so", "I sink so", "think", "TH", "S"},
		{"this is a very good day", "this is a wary good day", "very", "V", "W"},
		{"please turn the light on", "please turn the right on", "light", "L", "R"},
		{"she has a yellow house", "she has a jello house", "yellow", "Y", "JH"},
		{"they came by van", "they came by fan", "van", "V", "F"},
		{"three of them", "tree of them", "three", "TH", "T"},
		{"I want a cup of tea", "I want a cap of tea", "cup", "AH", "AE"},
	} {
		for _, voice := range []string{"rms", "awb"} {
			all++
			before, after := word(t, assess(t, flite(t, voice, tc.right), tc.right), tc.word), word(t, assess(t, flite(t, voice, tc.said), tc.right), tc.word)
			if after.Score > before.Score-10 {
				t.Logf("%s says %q for %q: score %d, right %d", voice, tc.said, tc.right, after.Score, before.Score)
			}
			if before.Error == evaluation.WordCorrect && after.Error == evaluation.WordMispronunciation {
				wrong++
			}
			if slices.ContainsFunc(after.Phonemes, func(p evaluation.Phoneme) bool { return p.ARPAbet == tc.phone && p.Heard == tc.heard }) {
				named++
			}
		}
	}
	if wrong < all*2/3 || named < all/3 {
		t.Errorf("of %d wrong words %d were called so and %d sounds named right, want two thirds and one third", all, wrong, named)
	}
}

func word(t *testing.T, a *evaluation.Assessment, text string) evaluation.Word {
	t.Helper()
	at := slices.IndexFunc(a.Words, func(w evaluation.Word) bool { return w.Text == text })
	if at < 0 {
		t.Fatalf("%q is not in %+v", text, a.Words)
	}
	return a.Words[at]
}

func TestOmittedWordsAreFound(t *testing.T) {
	t.Parallel()
	for _, voice := range []string{"slt", "awb"} {
		got := assess(t, flite(t, voice, "we went to the market and bought some cheese"), "We went to the market yesterday and bought some cheese.")
		for _, w := range got.Words {
			if omitted := w.Error == evaluation.WordOmission; omitted != (w.Text == "yesterday") {
				t.Errorf("%s leaves out yesterday: %q is %s", voice, w.Text, w.Error)
			}
		}
		if got.Scores.Integrity != 90 {
			t.Errorf("%s leaves out one of ten words: integrity %d, want 90", voice, got.Scores.Integrity)
		}
	}
}

// A reader who leaves words out, wherever they are, gets no credit for them, and all credit for the others.
func TestOmittedWordsAtEdgesAndInRuns(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ text, said string }{
		{"I like apples two", "I like apples"},
		{"we I like apples", "I like apples"},
		{"She is waiting at the bus stop", "She is waiting at the bus"},
		{"She is waiting at the bus stop", "is waiting at the bus stop"},
		{"We had soup and salad for lunch", "We had soup and"},
		{"The kitchen smells of fresh bread", "fresh bread"},
		{"It takes an hour to get there", "It takes an"},
		{"My grandmother tells good stories", "My grandmother stories"},
		{"You should see a dentist", "You a dentist"},
		{"Tom and his wife moved to the country", "Tom and his wife"},
	} {
		for _, voice := range []string{"slt", "awb"} {
			said := strings.Fields(tc.said)
			for _, w := range assess(t, flite(t, voice, tc.said), tc.text).Words {
				spoken := len(said) > 0 && w.Text == said[0]
				if spoken {
					said = said[1:]
				}
				if omitted := w.Error == evaluation.WordOmission; omitted == spoken {
					t.Errorf("%s says %q for %q: %q is %s", voice, tc.said, tc.text, w.Text, w.Error)
				}
			}
		}
	}
}

func TestHastyReadingsHaveAllWords(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"The river runs through the city", "Please close the door behind you", "There is a hole in my sock"} {
		for _, voice := range []string{"slt", "awb"} {
			if got := assess(t, flite(t, voice, text, "--setf", "duration_stretch=0.7"), text); got.Scores.Integrity != 100 {
				t.Errorf("%s reads %q fast: integrity %d, want 100: %+v", voice, text, got.Scores.Integrity, got.Words)
			}
		}
	}
}

// Words that are not in the text disturb neither their neighbours nor the count, but the flow.
func TestSpeechThatIsNotInTheText(t *testing.T) {
	t.Parallel()
	text := "we went to the market and bought some cheese"
	for _, voice := range []string{"rms", "kal16"} {
		got := assess(t, flite(t, voice, "we went to the market elephant computer and bought some cheese"), text)
		if got.Scores.Integrity != 100 || got.Scores.Accuracy < 88 || got.Scores.Fluency >= 100 {
			t.Errorf("%s adds two words: %+v, want integrity 100, accuracy from 88, fluency below 100", voice, got.Scores)
		}
	}
}

// Words that were said and are not in the text are reported where they were said, by name if that is sure.
func TestInsertedWords(t *testing.T) {
	t.Parallel()
	text := "We had soup and salad for lunch"
	for said, want := range map[string][]string{
		"We had soup and computer salad for lunch": {"We", "had", "soup", "and", "+", "salad", "for", "lunch"},
		"We had soup soup and salad for lunch":     {"We", "had", "+soup", "soup", "and", "salad", "for", "lunch"},
		"We had We had soup and salad for lunch":   {"+We", "+had", "We", "had", "soup", "and", "salad", "for", "lunch"},
		"We had soup and salad, um, for lunch":     {"We", "had", "soup", "and", "salad", "+um", "for", "lunch"},
		"We had soup and salad for lunch computer": {"We", "had", "soup", "and", "salad", "for", "lunch", "+"},
	} {
		for _, voice := range []string{"rms", "awb"} {
			recording := flite(t, voice, said)
			a := assess(t, recording, text)
			var got []string
			for _, w := range a.Words {
				if w.Error == evaluation.WordInsertion {
					w.Text = "+" + w.Text
				}
				got = append(got, w.Text)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s says %q: words (-want +got):\n%s", voice, said, diff)
			}
			if a.Scores.Integrity != 100 || a.Scores.Fluency > 94 {
				t.Errorf("%s says %q: %+v, want integrity 100, fluency below 95", voice, said, a.Scores)
			}
			checkTimes(t, a, recording)
		}
	}
}

// Breath, knocks and rustling are no words.
func TestNoisesAreNoWords(t *testing.T) {
	t.Parallel()
	a, b := flite(t, "slt", "We had soup"), flite(t, "slt", "and salad for lunch")
	for name, noise := range map[string]func(at float64) float64{
		"breath": func(at float64) float64 {
			return 800 * (math.Mod(math.Abs(math.Sin(at*16000*12.9898)*43758.5453), 1) - 0.5) * math.Sin(math.Pi*at/0.4)
		},
		"knock": func(at float64) float64 { return 8000 * math.Sin(2*math.Pi*180*at) * math.Exp(-20*at) },
	} {
		n := make([]int16, 6400)
		for i := range n {
			n[i] = int16(noise(float64(i) / 16000))
		}
		for _, w := range assess(t, join(a, n, b, silence(0.2), n), "We had soup and salad for lunch").Words {
			if w.Error == evaluation.WordInsertion || w.Error == evaluation.WordOmission {
				t.Errorf("with %s: %q at %v is %s", name, w.Text, w.Offset, w.Error)
			}
		}
	}
}

func TestRepeatedWords(t *testing.T) {
	t.Parallel()
	text := "the more the better and the more the merrier, no no no"
	if got := assess(t, flite(t, "rms", text), text); got.Scores.Overall < 90 || got.Scores.Integrity != 100 {
		t.Errorf("overall %d, integrity %d, want at least 90 and 100: %+v", got.Scores.Overall, got.Scores.Integrity, got.Words)
	}
}

// A reader who begins anew, or reads the whole text again, has read it once; what was said before is too much.
func TestReadAgain(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, said string }{
		{"Thank you very much", "Thank you very much. Thank you very much."},
		{"How are you today?", "How are you today? How are you today?"},
		{"My brother never drinks coffee after lunch", "My brother never drinks, my brother never drinks coffee after lunch"},
		{"The old farmer carried a heavy basket to the kitchen", "The old farmer carried, the old farmer carried a heavy basket to the kitchen"},
		{"The old farmer carried a heavy basket to the kitchen", "The old farmer carried a heavy basket to the kitchen, the old farmer"},
	} {
		for _, voice := range voices {
			got := assess(t, flite(t, voice, test.said), test.text)
			words, extras := len(strings.Fields(test.text)), len(strings.Fields(test.said))-len(strings.Fields(test.text))
			if n := len(got.Words) - words; n < 1 || n > extras {
				t.Errorf("%s says %q: %d insertions, want 1 to %d: %+v", voice, test.said, n, extras, got.Words)
			}
			if got.Scores.Integrity != 100 || got.Scores.Accuracy < 80 {
				t.Errorf("%s says %q: %+v, want integrity 100 and accuracy from 80", voice, test.said, got.Scores)
			}
		}
	}
	loop := flite(t, "rms", "Nice to meet you")
	if got := assess(t, join(loop, loop, loop, loop, loop, loop), "Nice to meet you"); got.Scores.Integrity != 100 {
		t.Errorf("read six times: %+v, want integrity 100", got.Scores)
	}
}

// Whatever is said for whatever text, there is an answer.
func TestAnyReading(t *testing.T) {
	t.Parallel()
	a := setup(t)
	texts := []string{"Nice to meet you", "The more the better", "I like apples and pears", "Where is the station?", "no no no"}
	var parts [][]int16
	for i, text := range texts {
		parts = append(parts, flite(t, voices[i%len(voices)], text))
	}
	parts = append(parts, silence(0.4), noisy(silence(0.5), 20))
	dice := rand.New(rand.NewPCG(3, 4))
	for range 60 {
		var s []int16
		for range 1 + dice.IntN(5) {
			part := parts[dice.IntN(len(parts))]
			from := dice.IntN(len(part))
			s = append(s, part[from:from+dice.IntN(len(part)-from)]...)
		}
		got, err := a.Assess(t.Context(), s, texts[dice.IntN(len(texts))], "en-US")
		var refusal *evaluation.Refusal
		if err != nil && !errors.As(err, &refusal) || err == nil && (got.Scores.Overall < 0 || got.Scores.Overall > 100) {
			t.Errorf("Assess = %+v, %v", got, err)
		}
	}
}

func TestFluency(t *testing.T) {
	t.Parallel()
	first, second := "my brother works in a large hospital", "near the river in the old town"
	text := first + " " + second
	plain := assess(t, flite(t, "slt", text), text).Scores.Fluency
	slow := assess(t, flite(t, "slt", text, "--setf", "duration_stretch=2.2"), text).Scores.Fluency
	halting := assess(t, join(flite(t, "slt", first), silence(1.5), flite(t, "slt", second)), text).Scores.Fluency
	punctuated := assess(t, join(flite(t, "slt", first), silence(0.2), flite(t, "slt", second)), first+", "+second).Scores.Fluency
	if plain < 98 || punctuated < 98 {
		t.Errorf("fluency plain %d, with a pause at the comma %d, want at least 98", plain, punctuated)
	}
	if slow > plain-15 || halting > plain-15 {
		t.Errorf("fluency slow %d, with a long pause %d, plain %d, want at least 15 less", slow, halting, plain)
	}
}

// A word on its own is read smoothly unless something is off.
func TestSingleWordsAreFluent(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"go", "hello", "I", "umbrella", "yes", "four", "shoes"} {
		for _, voice := range voices {
			if got := assess(t, flite(t, voice, text), text).Scores; got.Fluency < 95 {
				t.Errorf("%s reads %q: %+v, want fluency from 95", voice, text, got)
			}
		}
	}
}

// Another word in the place of one is no single wrong sound.
func TestReplacedWords(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ said, text, word string }{
		{"I like oranges", "I like apples", "apples"},
		{"We went to the village and bought some cheese", "We went to the market and bought some cheese", "market"},
		{"She has a yellow garden", "She has a yellow house", "house"},
		{"It is raining again this weekend", "It is raining again this morning", "morning"},
	} {
		for _, voice := range []string{"slt", "rms"} {
			w := word(t, assess(t, flite(t, voice, tc.said), tc.text), tc.word)
			bad := 0
			for _, p := range w.Phonemes {
				if p.Score < 50 {
					bad++
				}
				if p.Heard != "" {
					t.Errorf("%s says %q for %q: %s is heard as %s", voice, tc.said, tc.word, p.ARPAbet, p.Heard)
				}
			}
			if w.Error != evaluation.WordOmission && (w.Error != evaluation.WordMispronunciation || bad < 2 || w.Score > 50) {
				t.Errorf("%s says %q for %q: %+v, want it omitted, or mispronounced with two bad sounds", voice, tc.said, tc.word, w)
			}
		}
	}
}

// What is not the learner's doing hardly moves the scores.
func TestScoresDependOnTheSpeechOnly(t *testing.T) {
	t.Parallel()
	text := "I need a light lunch near the river."
	recording := flite(t, "slt", text)
	want := assess(t, recording, text)
	for name, changed := range map[string][]int16{
		"6 dB louder":      scaled(recording, 1.4), // 2 would clip
		"6 dB quieter":     scaled(recording, 0.5),
		"12 dB quieter":    scaled(recording, 0.25),
		"2 s of silence":   join(silence(2), recording, silence(1)),
		"opposite sign":    scaled(recording, -1),
		"direct current":   shifted(recording, 500),
		"cut to 60 ms off": recording[960:],
	} {
		got := assess(t, changed, text)
		if d := math.Abs(float64(got.Scores.Overall - want.Scores.Overall)); d > 2 || got.Scores.Integrity != want.Scores.Integrity {
			t.Errorf("%s: %+v, want about %+v", name, got.Scores, want.Scores)
		}
	}
}

func shifted(s []int16, by int16) []int16 {
	out := slices.Clone(s)
	for i := range out {
		out[i] += by
	}
	return out
}

func TestResampledRecordings(t *testing.T) {
	t.Parallel()
	text := "I need a light lunch near the river."
	file := t.TempDir() + "/speech.wav"
	command(t, "flite", "-voice", "rms", "-t", text, "-o", file)
	want := assess(t, resample(t, file, 16000), text).Scores.Overall
	for _, rate := range []int{22050, 48000} {
		if got := assess(t, resample(t, file, rate, 16000), text).Scores.Overall; got < want-2 || got > want+2 {
			t.Errorf("through %d Hz: overall %d, want about %d", rate, got, want)
		}
	}
}

// A telephone cuts what is above 4 kHz off, which is not the learner's doing.
func TestTelephoneRecordings(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"My sister bought a green jacket", "The kitchen smells of fresh bread", "It was a difficult question"} {
		for _, voice := range voices {
			file := filepath.Join(t.TempDir(), "speech.wav")
			command(t, "flite", "-voice", voice, "-t", text, "-o", file)
			want, got := assess(t, resample(t, file, 16000), text).Scores, assess(t, resample(t, file, 8000, 16000), text).Scores
			if d := want.Overall - got.Overall; d > 7 || got.Integrity != 100 {
				t.Errorf("%s reads %q on the telephone: %+v, want about %+v", voice, text, got, want)
			}
		}
	}
}

// A child's voice, whose pitch and resonances are higher, is heard as one.
func TestHighVoicesAreNotRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"My sister bought a green jacket", "She is waiting at the bus stop", "It was a difficult question"} {
		for _, voice := range []string{"slt", "awb"} {
			file := filepath.Join(t.TempDir(), "speech.wav")
			command(t, "flite", "-voice", voice, "-t", text, "-o", file)
			high := command(t, "ffmpeg", "-v", "error", "-i", file, "-af", "asetrate=19200,aresample=16000,atempo=0.8333", "-ac", "1", "-f", "s16le", "-")
			if got := assess(t, samples(high), text).Scores; got.Overall < 70 || got.Integrity != 100 {
				t.Errorf("%s reads %q three semitones higher: %+v, want integrity 100 and overall from 70", voice, text, got)
			}
		}
	}
}

func TestUnusualVoicesAndNoiseAreNotRefused(t *testing.T) {
	t.Parallel()
	texts := []string{"The doctor told him to take a long rest.", "good morning"}
	refused := 0 // at 10 dB, where a person has to listen closely
	for _, text := range texts {
		for _, voice := range []string{"en-us", "en-us+f3"} {
			if got := problem(t, espeak(t, voice, text), text); got != "" {
				t.Errorf("espeak-ng %s reads %q: refused as %s", voice, text, got)
			}
		}
		for _, voice := range voices {
			if got := problem(t, noisy(flite(t, voice, text), 15), text); got != "" {
				t.Errorf("%s reads %q with noise at 15 dB: refused as %s", voice, text, got)
			}
			if problem(t, noisy(flite(t, voice, text), 10), text) != "" {
				refused++
			}
		}
	}
	if all := len(texts) * len(voices); refused > all/4 {
		t.Errorf("%d of %d right readings with noise at 10 dB were refused, want at most a quarter", refused, all)
	}
}

func TestOneOrTwoWrongWordsAreNotRefused(t *testing.T) {
	t.Parallel()
	for _, voice := range []string{"slt", "kal16"} {
		recording := flite(t, voice, "the doctor told him to take a long rest")
		for _, text := range []string{"The teacher told him to take a long rest", "The doctor asked them to take a long rest", "The doctor told him to take a short walk"} {
			got := assess(t, recording, text)
			if !slices.ContainsFunc(got.Words, func(w evaluation.Word) bool { return w.Error != evaluation.WordCorrect }) {
				t.Errorf("%s says another word than %q has: no word is wrong in %+v", voice, text, got.Words)
			}
		}
	}
}

func TestSameRecordingSameResult(t *testing.T) {
	t.Parallel()
	text := "we went to the market and bought some bread and cheese"
	one, other := flite(t, "slt", text), flite(t, "awb", "hello")
	want, wantOther := assess(t, one, text), assess(t, other, "hello")
	for range 2 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(want, assess(t, one, text)); diff != "" {
				t.Errorf("second assessment (-first +second):\n%s", diff)
			}
			if diff := cmp.Diff(wantOther, assess(t, other, "hello")); diff != "" {
				t.Errorf("second assessment (-first +second):\n%s", diff)
			}
		})
	}
}

func TestLongText(t *testing.T) {
	t.Parallel()
	text := "Learning a new language takes patience and practice. We are going to travel around the world next year, " +
		"so my brother and I read a short story every evening. He usually drinks a cup of coffee while I look up the words."
	recording := flite(t, "awb", text, "--setf", "duration_stretch=1.6")
	got := assess(t, recording, text)
	if got.Scores.Integrity != 100 || got.Scores.Accuracy < 85 {
		t.Errorf("%d s of reading: %+v, want integrity 100 and accuracy from 85", len(recording)/16000, got.Scores)
	}
	checkTimes(t, got, recording)
}
