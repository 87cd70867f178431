package tts_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"oktalk/internal/assess/offline"
	"oktalk/internal/audio"
	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
	"oktalk/internal/provider/espeak"
	"oktalk/internal/provider/flite"
	"oktalk/internal/tts"
)

// studio is everything that makes audio, with the tools of this machine.
type studio struct {
	voice *tts.Voices
	enc   *audio.Encoder
	dec   *audio.Decoder
}

func newStudio(t testing.TB) studio {
	t.Helper()
	english, err := flite.New(flite.Config{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	chinese, err := espeak.New(t.Context(), espeak.Config{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	cfg := audio.Config{FFmpegTimeout: time.Minute}
	enc, err := audio.NewEncoder(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	dec, err := audio.NewDecoder(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return studio{tts.NewVoices(english, chinese), enc, dec}
}

// make runs both stages and gives the audio by kind: feedback, demo, contrast.
func (s studio) make(t testing.TB, e *evaluation.Evaluation) map[string][]byte {
	t.Helper()
	st := &store{}
	j := job(e.ID, "", "", "")
	j.Evaluation = e
	spoken := handle(t, speech(t, config, s.voice, s.enc, st), j)
	read := handle(t, demo(t, config, s.voice, s.enc, st), j)
	made := map[string][]byte{"feedback": st.objects[spoken.Artifact.ObjectKey], "demo": st.objects[read.Artifact.ObjectKey]}
	if key := read.Artifact.ContrastKey; key != "" {
		made["contrast"] = st.objects[key]
	}
	return made
}

// handle does what a worker does: work that waits for a busy machine is done again.
func handle(t testing.TB, h pipeline.Handler, j pipeline.Job) pipeline.Result {
	t.Helper()
	for tries := 1; ; tries++ {
		r, err := h.Handle(t.Context(), j)
		if err == nil {
			return r
		}
		if _, busy := errors.AsType[*pipeline.EnvironmentError](err); !busy || tries == 5 {
			t.Fatal(err)
		}
	}
}

var loadListener = sync.OnceValues(func() (*offline.Assessor, error) {
	cfg := offline.Config{ModelDir: "/usr/share/pocketsphinx/model/en-us", Workers: 2, Queue: 64}
	return offline.New(cfg, nil, slog.New(slog.DiscardHandler))
})

// listen scores a clip as a reading of a text.
func listen(t testing.TB, c audio.Clip, text string) *evaluation.Assessment {
	t.Helper()
	a, err := loadListener()
	if err != nil {
		t.Fatal(err)
	}
	edge := audio.Silence(c.Rate, 200*time.Millisecond)
	scored, err := a.Assess(t.Context(), audio.Join(edge, c, edge).Resample(16000).Samples, text, "en-US")
	if err != nil {
		t.Logf("%q: %v", text, err)
		return &evaluation.Assessment{}
	}
	return scored
}

// demoWords are forty common words.
var demoWords = strings.Fields(`apple think three very west right light sheep ship bed bad measure good home boy now bird yesterday judge father
	law comfortable singing zone water thank mother beautiful world girl vision choose bread school winter people question orange breakfast this`)

// TestDemosAreClear lets our own assessor listen to model readings, as learners would hear them: cut from the MP3.
func TestDemosAreClear(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	sum, refused := 0, 0
	for _, w := range demoWords {
		st := &store{}
		j := job("eval_1", "", evaluation.DemoSentence, w) // a sentence is read once, slowly
		r := handle(t, demo(t, config, s.voice, s.enc, st), j)
		accuracy := listen(t, s.decode(t, st.objects[r.Artifact.ObjectKey]), w).Scores.Accuracy
		if accuracy == 0 {
			refused++
		}
		sum += accuracy
	}
	mean := float64(sum) / float64(len(demoWords)-refused)
	t.Logf("accuracy of %d model readings: %.1f on average, %d not recognized", len(demoWords), mean, refused)
	if mean < 90 || refused > 2 {
		t.Errorf("model readings score %.1f on average and %d are not recognized, want at least 90 and at most 2", mean, refused)
	}
}

func (s studio) decode(t testing.TB, mp3 []byte) audio.Clip {
	t.Helper()
	c, _, err := s.dec.Decode(t.Context(), mp3)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestContrastIsHeard lets our assessor listen to both halves of contrasts: the first scores lower where the sounds differ.
func TestContrastIsHeard(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	told := 0
	slips := []struct{ word, meant, from, to string }{
		{"think", "TH IH NG K", "TH", "S"},
		{"vine", "V AY N", "V", "W"},
		{"right", "R AY T", "R", "L"},
		{"sheep", "SH IY P", "IY", "IH"},
		{"bad", "B AE D", "AE", "EH"},
		{"light", "L AY T", "L", "R"},
		{"pear", "P EH R", "P", "B"},
		{"zoo", "Z UW", "Z", "S"},
		{"bird", "B ER D", "B", "P"},
		{"choose", "CH UW Z", "CH", "SH"},
	}
	for _, slip := range slips {
		e := slipped(slip.word, slip.meant, slip.from, slip.to)
		mp3, ok := s.make(t, e)["contrast"]
		if !ok {
			t.Fatalf("no contrast for %s", slip.word)
		}
		heard, meant := halves(t, s.decode(t, mp3))
		before, after := scoreOf(listen(t, heard, slip.word), slip.from), scoreOf(listen(t, meant, slip.word), slip.from)
		t.Logf("%s: %s is scored %d as it was heard and %d as it is meant", slip.word, slip.from, before, after)
		if before < after {
			told++
		}
	}
	if told < len(slips)-2 {
		t.Errorf("our assessor tells %d contrasts of %d apart, want %d", told, len(slips), len(slips)-2)
	}
}

// slipped is an evaluation of one word with another sound in it.
func slipped(word, sounds, from, to string) *evaluation.Evaluation {
	w := evaluation.Word{Text: word, Score: 55, Error: evaluation.WordMispronunciation, Duration: 500 * time.Millisecond}
	for p := range strings.FieldsSeq(sounds) {
		ph := evaluation.Phoneme{ARPAbet: p, Score: 95, Duration: 100 * time.Millisecond}
		if p == from {
			ph.Score, ph.Heard = 20, to
		}
		w.Phonemes = append(w.Phonemes, ph)
	}
	e := job("eval_1", "Well done.", evaluation.DemoWord, word).Evaluation
	e.TargetText, e.Category = word, evaluation.CategoryWord
	e.Assessment = &evaluation.Assessment{
		Assessor: "offline", Level: evaluation.LevelC, Words: []evaluation.Word{w},
		Scores: evaluation.Scores{Overall: 60, Accuracy: 55, Fluency: 80, Integrity: 100},
	}
	return e
}

// halves cuts a contrast at its pauses: the first and the second reading.
func halves(t testing.TB, c audio.Clip) (heard, meant audio.Clip) {
	t.Helper()
	var parts []audio.Clip
	quiet, start, long := 0, -1, c.Rate*400/1000 // of silence; pauses have 600 ms
	for i, v := range c.Samples {
		if math.Abs(float64(v)) > 200 {
			if start < 0 {
				start = i
			}
			quiet = 0
			continue
		}
		if quiet++; quiet >= long && start >= 0 {
			parts = append(parts, audio.Clip{Rate: c.Rate, Samples: c.Samples[start : i-quiet]})
			start = -1
		}
	}
	if start >= 0 {
		parts = append(parts, audio.Clip{Rate: c.Rate, Samples: c.Samples[start:]})
	}
	if len(parts) != 4 {
		t.Fatalf("the contrast has %d readings, want 4", len(parts))
	}
	return parts[0], parts[1]
}

func scoreOf(a *evaluation.Assessment, phone string) int {
	for _, w := range a.Words {
		for _, p := range w.Phonemes {
			if p.ARPAbet == phone {
				return p.Score
			}
		}
	}
	return 0
}

// TestAudioIsWell measures what the stages make with ffmpeg: loudness, true peak, silence at the ends, title.
func TestAudioIsWell(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	made := map[string][]byte{}
	e := slipped("think", "TH IH NG K", "TH", "S")
	e.Artifacts[0].Text = `Well done: "apples" was very clear. In "think", the th at the start sounded like the s in "see". Now try it again.`
	for kind, mp3 := range s.make(t, e) {
		made["English "+kind] = mp3
	}
	e.FeedbackLanguage, e.Artifacts[0].Text = "zh-CN", "开头很好，“home”读得很清楚。注意“think”开头的 th 音，我听到的是“see”里的 s 音。再读一遍“think”。"
	made["Chinese feedback"] = s.make(t, e)["feedback"]
	for _, word := range []string{"a", "it", "six", "&"} {
		made["demo of "+word] = s.make(t, job("eval_1", "Good.", evaluation.DemoWord, word).Evaluation)["demo"]
	}
	made["a word"] = s.make(t, job("eval_1", "Good.", evaluation.DemoWord, "it").Evaluation)["feedback"]
	for name, mp3 := range made {
		m := measure(t, mp3)
		t.Logf("%-18s %4.1f s %6.1f LUFS %5.1f dBTP, silence %v and %v, title %q", name, m.seconds, m.lufs, m.peak, m.before, m.after, m.title)
		// The meter hears 400 ms at a time: of a word that is shorter, and in pauses between words, it hears silence too.
		least := -17.0
		if m.seconds < 2 {
			least = -20
		}
		if m.lufs < least || m.lufs > -15 {
			t.Errorf("%s: %.1f LUFS, want -16", name, m.lufs)
		}
		if m.peak > -1.5 {
			t.Errorf("%s: true peak %.1f dB, want at most -1.5", name, m.peak)
		}
		for _, d := range []time.Duration{m.before, m.after} {
			if d < 40*time.Millisecond || d > 190*time.Millisecond { // the last frame of MP3 adds up to 72 ms, and weak sounds are below the threshold
				t.Errorf("%s: silence of %v and %v at the ends, want about 50ms", name, m.before, m.after)
			}
		}
		if m.title == "" || m.rate < 16000 {
			t.Errorf("%s: title %q, %d Hz", name, m.title, m.rate)
		}
	}
}

type measurement struct {
	seconds, lufs, peak float64
	before, after       time.Duration
	title               string
	rate                int
}

// measure asks ffmpeg and ffprobe about an MP3.
func measure(t testing.TB, mp3 []byte) (m measurement) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "x.mp3")
	if err := os.WriteFile(file, mp3, 0o600); err != nil {
		t.Fatal(err)
	}
	var probe struct {
		Format struct {
			Duration string
			Tags     struct{ Title string }
		}
		Streams []struct {
			SampleRate string `json:"sample_rate"`
		}
	}
	if err := json.Unmarshal(run(t, "ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", file), &probe); err != nil {
		t.Fatal(err)
	}
	m.title, m.seconds = probe.Format.Tags.Title, number(t, probe.Format.Duration)
	m.rate, _ = strconv.Atoi(probe.Streams[0].SampleRate)
	said := string(run(t, "ffmpeg", "-hide_banner", "-nostats", "-i", file, "-af", "ebur128=peak=true,silencedetect=noise=-42dB:d=0.02", "-f", "null", "-"))
	summary := said[strings.LastIndex(said, "Summary:"):]
	m.lufs = number(t, regexp.MustCompile(`I:\s+(-?[\d.]+) LUFS`).FindStringSubmatch(summary)[1])
	m.peak = number(t, regexp.MustCompile(`Peak:\s+(-?[\d.]+) dBFS`).FindStringSubmatch(summary)[1])
	if first := regexp.MustCompile(`silence_start: (-?[\d.e-]+)\s[\s\S]*?silence_end: ([\d.]+)`).FindStringSubmatch(said); first != nil && number(t, first[1]) < 0.02 {
		m.before = seconds(number(t, first[2]))
	}
	if starts := regexp.MustCompile(`silence_start: ([\d.]+)`).FindAllStringSubmatch(said, -1); len(starts) > 0 {
		m.after = seconds(m.seconds - number(t, starts[len(starts)-1][1]))
	}
	return m
}

func run(t testing.TB, name string, args ...string) []byte {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s(the tests need ffmpeg)", name, err, out)
	}
	return out
}

func number(t testing.TB, s string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond)
}
