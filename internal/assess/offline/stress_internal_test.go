package offline

import (
	"encoding/binary"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// stressTexts are read with the stress of each of their longer words on its syllables in turn.
var stressTexts = []string{
	"the banana and the tomato are on the table", "my computer is in the department today", "she decided to complete the project before september",
	"the president will arrive in the afternoon", "they discovered another beautiful island", "the professor is preparing an important lecture",
	"the police officer explained the situation", "we enjoy delicious potatoes with our dinner", "he forgot to mention the president of the company",
	"the musician played a romantic melody", "please remember to return the umbrella tomorrow", "I believe the hospital is open until eleven",
}

// BenchmarkStress reports how well the stress that espeak-ng puts on another syllable is told from that where it belongs (AUC of the
// probability of the right syllable), and how much of it is reported, by voices that the weights were not chosen on.
func BenchmarkStress(b *testing.B) {
	a, err := New(Config{ModelDir: "/usr/share/pocketsphinx/model/en-us", Workers: 1}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		var right, wrong []float64
		found, alarms := 0, 0
		for _, voice := range []string{"en-us+m3", "en-gb"} {
			for _, text := range stressTexts {
				for i, chance := range chancesIn(b, a, voice, text, text) {
					if right = append(right, chance.right); chance.misplaced {
						b.Logf("%s: the stress of %q is right", voice, strings.Fields(text)[i])
						alarms++
					}
				}
				for i, said := range misstressed(b, voice, text) {
					if chance, ok := chancesIn(b, a, voice, said, text)[i]; ok {
						if wrong = append(wrong, chance.right); chance.misplaced {
							found++
						}
					}
				}
			}
		}
		higher := 0.0
		for _, r := range right {
			for _, w := range wrong {
				if r > w {
					higher++
				}
			}
		}
		b.ReportMetric(higher/float64(len(right)*len(wrong)), "AUC")
		b.ReportMetric(float64(len(right)), "right-words")
		b.ReportMetric(float64(alarms), "false-alarms")
		b.ReportMetric(float64(len(wrong)), "wrong-words")
		b.ReportMetric(float64(found), "found")
	}
}

// judged is what was found of the stress of a word.
type judged struct {
	right     float64 // the probability of the dictionary's syllable
	misplaced bool
}

// chancesIn judges the stress of the words of a text, by their number.
func chancesIn(b *testing.B, a *Assessor, voice, said, text string) map[int]judged {
	b.Helper()
	file := filepath.Join(b.TempDir(), "speech.wav")
	run(b, "espeak-ng", "-v", voice, "-w", file, said)
	raw := run(b, "ffmpeg", "-v", "error", "-i", file, "-ar", "16000", "-ac", "1", "-f", "s16le", "-")
	samples := make([]int16, len(raw)/2)
	for i := range samples {
		samples[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	words, err := a.words(b.Context(), text)
	if err != nil {
		b.Fatal(err)
	}
	w, err := a.queue.take(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer a.queue.giveBack(w)
	r, part, err := w.understand(b.Context(), samples, words)
	if err != nil {
		return nil // refused
	}
	found := map[int]judged{}
	p := w.measureProsody(r, part.samples)
	for i, nuclei := range p.nuclei {
		phones := r.words[i].phones
		main := slices.IndexFunc(nuclei, func(v nucleus) bool { return phones[v.vowel].stress == 1 })
		if p.measured && len(nuclei) > 1 && main >= 0 {
			at := w.stressed(r, i, nuclei)
			found[i] = judged{chances(nuclei)[main], at >= 0 && at != main}
		}
	}
	return found
}

// misstressed writes a text with the stress of one word on another syllable, for each word that has one: by its number.
func misstressed(b *testing.B, voice, text string) map[int]string {
	b.Helper()
	all := map[int]string{}
	words := strings.Fields(text)
	for i, word := range words {
		phones := strings.Split(strings.TrimSpace(string(run(b, "espeak-ng", "-q", "-x", "--sep=_", "-v", voice, word))), "_")
		main, other := -1, -1
		for k, p := range phones {
			vowel := strings.ContainsAny(strings.TrimLeft(p, "',%=")+" ", "aAeEiIoOuUV03@")
			if strings.HasPrefix(p, "'") {
				main = k
			} else if vowel && (other < 0 || main >= 0 && other < main) {
				other = k
			}
		}
		if main >= 0 && other >= 0 {
			phones[main], phones[other] = strings.TrimPrefix(phones[main], "'"), "'"+strings.TrimLeft(phones[other], ",%=")
			said := slices.Clone(words)
			said[i] = "[[" + strings.Join(phones, "|") + "]]"
			all[i] = strings.Join(said, " ")
		}
	}
	return all
}

func run(b *testing.B, name string, args ...string) []byte {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("%s: %v (make setup installs it)", name, err)
	}
	return out
}
