package coach_test

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oktalk/internal/assess/offline"
	"oktalk/internal/audio"
	"oktalk/internal/evaluation"
)

var record = flag.Bool("record", false, "have flite read, have the offline assessor score it, and write testdata/readings.txt anew")

// spoken is a reading by flite: of a text, or of sounds, at a stretch of its natural length, with a silence in it.
type spoken struct {
	target, said string
	phones       string // in flite's alphabet, in the place of said
	voice        string
	stretch      float64
	pauseAfter   string // said until the pause
}

// spokenReadings are readings with slips as learners make them.
func spokenReadings() []spoken {
	var rs []spoken
	for i, l := range strings.Split(`think|s ih ng k
three|t r iy
very|w eh r iy
west|v eh s t
right|l ay t
light|r ay t
sheep|sh ih p
ship|sh iy p
bad|b eh d
bed|b ae d
bird|b ah d
choose|sh uw z
shine|s ay n
zoo|s uw
judge|ch ah ch
mother|m ah d er
father|f aa z er
pool|p uh l
thing|th ih n
night|l ay t
pear|b eh r
cold|g ow l d
late|l eh t
coat|k ao t
red|w eh d
measure|m eh sh er
hot|hh ah t
yellow|jh eh l ow
vine|b ay n
leaf|l ih f
comfortable|k ah m f ao t ey b ax l
banana|b ey n eh n ey
vegetable|w eh jh ey t aa b ow l`, "\n") {
		word, phones, _ := strings.Cut(l, "|")
		rs = append(rs, spoken{target: word, phones: "pau " + phones + " pau", voice: []string{"rms", "slt", "awb"}[i%3]})
	}
	for i, l := range strings.Split(`I think so|I sink so
The weather is very nice|The weather is wary nice
We saw three sheep|We saw free ships
She has a red car|She has a led car
It was a bad day|It was a bed day
Please turn on the light|Please turn on the right
He lives in the west|He leaves in the vest
I can see the sea|I can she the she
They went to the zoo|Day went to the Sue
My mother is a teacher|My muzzer is a teacher
This is my best friend|Zis is my best friend
The wine is from France|The vine is from France
Put the pen in the box|Put the pan in the box
She bought a new coat|She boat a new coat
I would like some rice|I would like some lice
He reads a book every night|He reads a buck every night
I like apples and oranges|I like and oranges
The cat sat on the mat|The cat on the mat
We often go to the park on Sunday|We go to the park on Sunday
There are many people in the street today|There are many people in the
The children are playing in the garden|The children are playing
My brother works in a big hospital near here|My brother works in a
I want to learn English this year|I want to learn
She sings a song|She sings sings a song
He is at home now|He is is at the home now
I like tea|I um like um tea
Open the window please|Open the the window please
Good morning everyone|Good morning everyone
I like bananas and oranges|I like bananas and oranges
Where is the station|Where is the station
The comfortable chair is yellow|The come for table chair is yellow
Yesterday was a beautiful day|Yes today was a butter full day
What time is it|What time is it
The quick brown fox jumps over the lazy dog|The quick brown box jumps over the lady dog
Could you repeat that please|Could you repeat zat please
Thank you very much|Sank you wary much`, "\n") {
		target, said, _ := strings.Cut(l, "|")
		rs = append(rs, spoken{target: target, said: said, voice: []string{"rms", "slt", "awb"}[i%3]})
	}
	for i, text := range []string{"I like bananas and oranges", "We often go to the park on Sunday", "The children are playing in the garden"} {
		voice, first := []string{"rms", "slt", "awb"}[i], strings.Join(strings.Fields(text)[:3], " ")
		rs = append(rs, spoken{target: text, said: text, voice: voice, stretch: 2.4}, spoken{target: text, said: text, voice: voice, stretch: 0.5},
			spoken{target: text, said: text, voice: voice, pauseAfter: first}, spoken{target: text, said: text, voice: "kal16"})
	}
	for _, w := range []string{"water", "hello", "school", "orange"} {
		rs = append(rs, spoken{target: w, said: w, voice: "rms"}, spoken{target: w, said: w, voice: "slt", stretch: 1.8})
	}
	for _, l := range []string{"banana|vanilla", "kitchen|chicken", "Tuesday|Thursday", "desert|dessert", "angry|hungry", "quiet|quite"} {
		target, said, _ := strings.Cut(l, "|")
		rs = append(rs, spoken{target: target, said: said, voice: "rms"})
	}
	return rs
}

// TestRecord makes testdata/readings.txt, with -record only: the golden texts must not change with every change of the assessor.
func TestRecord(t *testing.T) {
	t.Parallel()
	if !*record {
		return
	}
	cfg := offline.Config{ModelDir: "/usr/share/pocketsphinx/model/en-us", Workers: 2, Queue: 64}
	assessor, err := offline.New(cfg, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, r := range spokenReadings() {
		a, err := assessor.Assess(t.Context(), r.speak(t).Samples, r.target, "en-US")
		if err != nil {
			t.Logf("%+v: %v", r, err)
			continue
		}
		b.WriteString(format(r, a))
	}
	if err := os.WriteFile(readingsFile, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

var readingsFile = filepath.Join("testdata", "readings.txt")

func (r spoken) speak(t *testing.T) audio.Clip {
	t.Helper()
	if r.pauseAfter != "" {
		before, after := r, r
		before.said, before.pauseAfter = r.pauseAfter, ""
		after.said, after.pauseAfter = strings.TrimPrefix(r.said, r.pauseAfter), ""
		return audio.Join(before.speak(t), audio.Silence(16000, 1500*time.Millisecond), after.speak(t))
	}
	if r.stretch == 0 {
		r.stretch = 1
	}
	file := filepath.Join(t.TempDir(), "reading.wav")
	args := []string{"-voice", r.voice, "--setf", fmt.Sprintf("duration_stretch=%.2f", r.stretch), "-o", file}
	if r.phones != "" {
		args = append(args, "-p", r.phones)
	} else {
		args = append(args, "-t", r.said)
	}
	if out, err := exec.Command("flite", args...).CombinedOutput(); err != nil {
		t.Fatalf("flite: %v: %s", err, out)
	}
	wav, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c, err := audio.ParseWAV(wav)
	if err != nil {
		t.Fatal(err)
	}
	edge := audio.Silence(c.Rate, 200*time.Millisecond)
	return audio.Join(edge, c, edge)
}

// format writes a reading: how it was made, target text, scores, and a line for each word with its sounds, wanted>heard:score/ms/confidence, without the
// last where none was heard.
func format(r spoken, a *evaluation.Assessment) string {
	var b strings.Builder
	s := a.Scores
	fmt.Fprintf(&b, "# %s says %q%s stretch %.1f pause %q\n", r.voice, r.said, r.phones, r.stretch, r.pauseAfter)
	fmt.Fprintf(&b, "%s\n%d %d %d %d %s\n", r.target, s.Overall, s.Accuracy, s.Fluency, s.Integrity, a.Level)
	for _, w := range a.Words {
		fmt.Fprintf(&b, "%q %s %d %t %d %d", w.Text, w.Error, w.Score, w.Approximate, w.Offset.Milliseconds(), w.Duration.Milliseconds())
		for _, p := range w.Phonemes {
			fmt.Fprintf(&b, " %s>%s:%d/%d", p.ARPAbet, p.Heard, p.Score, p.Duration.Milliseconds())
			if p.Heard != "" {
				fmt.Fprintf(&b, "/%g", p.Confidence)
			}
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return b.String()
}

// recorded reads testdata/readings.txt; each reading is there for both languages.
func recorded(t testing.TB) []*evaluation.Evaluation {
	t.Helper()
	data, err := os.ReadFile(readingsFile)
	if err != nil {
		t.Fatalf("%v; make it with go test ./internal/feedback/coach -run Record -record", err)
	}
	var es []*evaluation.Evaluation
	for n, block := range strings.Split(strings.TrimSpace(string(data)), "\n\n") {
		for _, language := range []string{"en", "zh-CN"} {
			e := parse(t, strings.Split(block, "\n"))
			e.ID, e.FeedbackLanguage = fmt.Sprintf("eval_%s%023d", language[:2], n), language
			es = append(es, e)
		}
	}
	return es
}

func parse(t testing.TB, lines []string) *evaluation.Evaluation {
	t.Helper()
	a := &evaluation.Assessment{Assessor: "offline"}
	e := &evaluation.Evaluation{TargetText: lines[1], Language: "en-US", Category: evaluation.InferCategory(lines[1]), Assessment: a}
	s := &a.Scores
	scan(t, lines[2], "%d %d %d %d %s", &s.Overall, &s.Accuracy, &s.Fluency, &s.Integrity, (*string)(&a.Level))
	for _, line := range lines[3:] {
		var w evaluation.Word
		var offset, duration int64
		scan(t, line, "%q %s %d %t %d %d", &w.Text, (*string)(&w.Error), &w.Score, &w.Approximate, &offset, &duration)
		w.Offset, w.Duration = time.Duration(offset)*time.Millisecond, time.Duration(duration)*time.Millisecond
		for f := range strings.FieldsSeq(line) {
			sounds, rest, ok := strings.Cut(f, ":")
			if !ok || !strings.Contains(sounds, ">") {
				continue
			}
			var p evaluation.Phoneme
			var ms int64
			p.ARPAbet, p.Heard, _ = strings.Cut(sounds, ">")
			if p.Heard == "" {
				scan(t, rest, "%d/%d", &p.Score, &ms)
			} else {
				scan(t, rest, "%d/%d/%g", &p.Score, &ms, &p.Confidence)
			}
			p.Duration = time.Duration(ms) * time.Millisecond
			w.Phonemes = append(w.Phonemes, p)
		}
		a.Words = append(a.Words, w)
	}
	e.Plan()
	return e
}

func scan(t testing.TB, line, pattern string, into ...any) {
	t.Helper()
	if _, err := fmt.Sscanf(line, pattern, into...); err != nil {
		t.Fatalf("testdata/readings.txt: %q: %v", line, err)
	}
}
