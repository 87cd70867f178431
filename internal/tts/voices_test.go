package tts_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/audio"
	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
	"oktalk/internal/provider/espeak"
	"oktalk/internal/provider/flite"
	"oktalk/internal/tts"
)

// mandarin is a voice for Chinese that says what it was asked.
type mandarin struct{ voice }

func (m *mandarin) Voice(string) (string, error) { return "mei", nil }

func (m *mandarin) Speak(_ context.Context, r tts.Request) (audio.Clip, error) {
	m.asked = append(m.asked, r)
	return audio.Silence(16000, 100*time.Millisecond), nil
}

// TestVoicesSplit gives each voice what it can read: words of the learner's text, numbers among them, are English whatever they stand in.
func TestVoicesSplit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"很好，每个词都很清楚。":                         "很好，每个词都很清楚",
		"注意“think”开头的 th 音，我听到的是“see”里的 s 音。": "注意|think|开头的|th|音，我听到的是|see|里的|s|音",
		"先练“13”，再读第3个词。":                      "先练|13|再读第3个词",
		"像看医生时那样发“啊”，别急。":                     "像看医生时那样发“啊”，别急",
		"“New York”，“it's”，café。":             "New York|it's|café",
		"读三遍apples再读apples and pears吧":        "读三遍|apples|再读|apples and pears|吧",
		"“don't”": "don't",
	} {
		han, latin := &mandarin{}, &voice{}
		v := tts.NewVoices(latin, han)
		name, err := v.Voice("zh-CN")
		if err != nil || name != "mei+nova" {
			t.Fatalf("Voice(zh-CN) = %q, %v", name, err)
		}
		if _, err := v.Speak(t.Context(), tts.Request{Text: text, Language: "zh-CN", Voice: name, Speed: 1}); err != nil {
			t.Fatal(err)
		}
		var wantHan, wantLatin, gotHan, gotLatin []string
		for p := range strings.SplitSeq(want, "|") {
			if strings.ContainsFunc(p, isHan) {
				wantHan = append(wantHan, p)
			} else {
				wantLatin = append(wantLatin, p)
			}
		}
		for _, r := range han.asked {
			gotHan = append(gotHan, r.Text)
			if r.Language != "zh-CN" || r.Voice != "mei" {
				t.Errorf("%q is asked of %s for %s", r.Text, r.Voice, r.Language)
			}
		}
		for _, r := range latin.asked {
			gotLatin = append(gotLatin, r.Text)
			if r.Language != "en-US" || r.Voice != "nova" {
				t.Errorf("%q is asked of %s for %s", r.Text, r.Voice, r.Language)
			}
		}
		if diff := cmp.Diff([][]string{wantHan, wantLatin}, [][]string{gotHan, gotLatin}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestVoicesWithoutChinese(t *testing.T) {
	t.Parallel()
	english := &voice{}
	v := tts.NewVoices(english, nil)
	if _, err := v.Voice("zh-CN"); !errors.Is(err, tts.ErrNoVoice) {
		t.Errorf("Voice(zh-CN) = %v, want none", err)
	}
	if _, err := v.Speak(t.Context(), tts.Request{Text: "很好", Language: "zh-CN", Speed: 1}); !errors.Is(err, tts.ErrNoVoice) {
		t.Errorf("Speak = %v, want no voice", err)
	}
	if _, err := v.Speak(t.Context(), tts.Request{Text: "good", Language: "en", Voice: "nova", Speed: 1}); err != nil || len(english.asked) != 1 {
		t.Errorf("English: %v, asked %v", err, english.asked)
	}
	if _, err := tts.NewVoices(english, &mandarin{}).Speak(t.Context(), tts.Request{Text: "，", Language: "zh-CN", Voice: "mei+nova", Speed: 1}); !errors.Is(err, tts.ErrUnspeakable) {
		t.Errorf("marks alone: %v", err)
	}
}

// TestProviderOfALanguage records who spoke: of a Chinese text both voices' providers.
func TestProviderOfALanguage(t *testing.T) {
	t.Parallel()
	english, han := &voice{}, &mandarin{voice{name: "mandarin"}}
	mixed := "mandarin+" + english.Name()
	for _, tt := range []struct {
		language, replay, want string
		chinese                tts.Synthesizer
		permanent              bool
	}{
		{language: "zh-CN", chinese: han, want: mixed},
		{language: "zh-CN", chinese: han, want: mixed, replay: english.Name()},
		{language: "zh-CN", chinese: han, want: mixed, replay: mixed},
		{language: "en", chinese: han, want: english.Name()},
		{language: "en", chinese: han, replay: mixed, permanent: true},
		{language: "zh-CN", want: english.Name()}, // it fails
	} {
		j := job("eval_1", "读“think”", evaluation.DemoWord, "apples")
		j.Evaluation.FeedbackLanguage = tt.language
		if tt.replay != "" {
			j.Replay = &pipeline.Replay{ID: "replay_1", Provider: tt.replay}
		}
		r, err := speech(t, config, tts.NewVoices(english, tt.chinese), encoder{}, &store{}).Handle(t.Context(), j)
		if _, permanent := errors.AsType[*pipeline.PermanentError](err); permanent != tt.permanent || !tt.permanent && (r.Provider != tt.want || r.Artifact.Provider != tt.want) {
			t.Errorf("%+v: Handle = %q and %q, %v", tt, r.Provider, r.Artifact.Provider, err)
		}
	}
}

// TestVoicesReplay takes a voice that a replay names for the English one.
func TestVoicesReplay(t *testing.T) {
	t.Parallel()
	english := &voice{}
	v := tts.NewVoices(english, &mandarin{})
	if _, err := v.Speak(t.Context(), tts.Request{Text: "读“think”", Language: "zh-CN", Voice: "alto", Speed: 1}); err != nil || english.asked[0].Voice != "alto" {
		t.Errorf("asked %+v, %v", english.asked, err)
	}
}

// TestRealVoicesAreAlike speaks Chinese with English words in it: no piece is much louder than another, the pauses are short, and the
// English words are exactly those of the English voice.
func TestRealVoicesAreAlike(t *testing.T) {
	t.Parallel()
	english, err := flite.New(flite.Config{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	han, err := espeak.New(t.Context(), espeak.Config{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	v := tts.NewVoices(english, han)
	name, err := v.Voice("zh-CN")
	if err != nil {
		t.Fatal(err)
	}
	c, err := v.Speak(t.Context(), tts.Request{Text: "现在把“think”和“sink”读五遍，再读“think”。", Language: "zh-CN", Voice: name, Speed: 1})
	if err != nil || audio.Check(c) != nil {
		t.Fatalf("Speak = %v of speech, %v, %v", c.Duration(), err, audio.Check(c))
	}
	if d := c.Duration(); d < 3*time.Second || d > 7*time.Second {
		t.Errorf("it lasts %v, want about 5 s", d)
	}
	word, err := english.Speak(t.Context(), tts.Request{Text: "think", Language: "en-US", Voice: "rms", Speed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if leveled := audio.Level(word).Resample(c.Rate).Samples; !contains(c.Samples, leveled) {
		t.Error("the English voice's word is not in the speech")
	}
}

// contains reports whether the middle half of part, which is long, occurs in whole.
func contains(whole, part []int16) bool {
	part = part[len(part)/4 : len(part)*3/4]
	for i := range max(0, len(whole)-len(part)) {
		if slices.Equal(whole[i:i+len(part)], part) {
			return true
		}
	}
	return false
}

// TestCoachIsReadable speaks the Chinese of the coach's golden texts: each of its characters has a reading.
func TestCoachIsReadable(t *testing.T) {
	t.Parallel()
	golden, err := os.ReadFile(filepath.Join("..", "feedback", "coach", "testdata", "golden.txt"))
	if err != nil {
		t.Fatal(err)
	}
	han, latin := &mandarin{}, &mandarin{}
	for line := range strings.Lines(string(golden)) {
		text, ok := strings.CutPrefix(line, "=> ")
		if !ok || !strings.ContainsFunc(text, isHan) {
			continue
		}
		if _, err := tts.NewVoices(latin, han).Speak(t.Context(), tts.Request{Text: text, Language: "zh-CN", Voice: "mei+nova", Speed: 1}); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	var pieces []string
	for _, r := range han.asked {
		pieces = append(pieces, r.Text)
	}
	slices.Sort(pieces)
	actual, err := espeak.New(t.Context(), espeak.Config{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	name, err := actual.Voice("zh-CN")
	if err != nil {
		t.Fatal(err)
	}
	pieces = slices.Compact(pieces)
	if len(pieces) < 100 {
		t.Fatalf("the golden texts have %d pieces of Chinese, want many", len(pieces))
	}
	for some := range slices.Chunk(pieces, 40) {
		if _, err := actual.Speak(t.Context(), tts.Request{Text: strings.Join(some, "，"), Language: "zh-CN", Voice: name, Speed: 2}); err != nil {
			t.Errorf("%q: %v", some, err)
		}
	}
}

func isHan(r rune) bool { return unicode.Is(unicode.Han, r) }
