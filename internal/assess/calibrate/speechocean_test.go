package calibrate_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"maps"
	"math"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"oktalk/internal/assess/calibrate"
	"oktalk/internal/evaluation"
)

const (
	scores = `{"000010011":{"text":"WE CALL","accuracy":8,"completeness":10.0,"fluency":9,"prosodic":9,"total":7,"words":[
		{"accuracy":10,"stress":10,"total":10,"text":"WE","phones":"W IY0","phones-accuracy":[2.0,2.0]},
		{"accuracy":6,"stress":10,"total":6,"text":"CALL","phones":["K","AO0","L"],"phones-accuracy":[2.0,0.4,1.8],
		 "mispronunciations":[{"canonical-phone":"AO0","index":1,"pronounced-phone":"AA0"}]}]},
	"000020001":{"text":"WE","accuracy":4,"fluency":5,"prosodic":5,"total":4,"words":[
		{"accuracy":3,"text":"WE","phones":"W IY1","phones-accuracy":[0.2,1.0]}]}}`
	detail = `{"000010011":{"text":"WE CALL","accuracy":[7,9],"fluency":[9,9],"prosodic":[8,10],"total":[6,8],"words":[
		{"accuracy":[10,10],"text":"WE","ref-phones":"W IY0","phones":["W IY0","W [L] IY0"]},
		{"accuracy":[5,7],"text":"CALL","ref-phones":"K AO0 L","phones":["K (AO0 L)","K {AO0} L"]}]},
	"000020001":{"text":"WE","accuracy":[4],"fluency":[5],"prosodic":[5],"total":[4],"words":[
		{"accuracy":[3],"text":"WE","ref-phones":"W IY1","phones":["(W) {IY1}"]}]}}`
)

// folder is a small one in the layout of speechocean762.
func folder(changes map[string]string) fstest.MapFS {
	files := map[string]string{
		"resource/scores.json": scores,
		"train/wav.scp":        "000010011\tWAVE/SPEAKER0001/000010011.WAV\n",
		"train/text":           "000010011\tWE CALL\n",
		"train/utt2spk":        "000010011 0001\n",
		"train/spk2age":        "0001\t6\n",
		"test/wav.scp":         "000020001 WAVE/SPEAKER0002/000020001.WAV\n",
		"test/text":            "000020001 WE\n",
		"test/utt2spk":         "000020001\t0002\n",
	}
	maps.Copy(files, changes)
	fsys := fstest.MapFS{}
	for name, content := range files {
		if content != "" {
			fsys[name] = &fstest.MapFile{Data: []byte(content)}
		}
	}
	for _, u := range []string{"WAVE/SPEAKER0001/000010011.WAV", "WAVE/SPEAKER0002/000020001.WAV"} {
		fsys[u] = &fstest.MapFile{Data: wav(1600)}
	}
	return fsys
}

func wav(n int) []byte {
	var b bytes.Buffer
	b.WriteString("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00")
	_ = binary.Write(&b, binary.LittleEndian, []uint32{16000, 32000}) // a buffer takes everything
	b.WriteString("\x02\x00\x10\x00data")
	_ = binary.Write(&b, binary.LittleEndian, uint32(2*n))
	b.Write(make([]byte, 2*n))
	return b.Bytes()
}

func TestReadSpeechOcean(t *testing.T) {
	t.Parallel()
	want := []calibrate.Utterance{
		{ID: "000010011", Split: "train", Speaker: "0001", Age: 6, Path: "WAVE/SPEAKER0001/000010011.WAV", Labels: calibrate.Labels{
			Text: "WE CALL", Accuracy: 8, Fluency: 9, Prosodic: 9, Total: 7, Words: []calibrate.LabelledWord{
				{Text: "WE", Accuracy: 10, Phones: []string{"W", "IY"}, Scores: []float64{2, 2}},
				{Text: "CALL", Accuracy: 6, Phones: []string{"K", "AO", "L"}, Scores: []float64{2, 0.4, 1.8}},
			},
		}},
		{ID: "000020001", Split: "test", Speaker: "0002", Path: "WAVE/SPEAKER0002/000020001.WAV", Labels: calibrate.Labels{
			Text: "WE", Accuracy: 4, Fluency: 5, Prosodic: 5, Total: 4, Words: []calibrate.LabelledWord{
				{Text: "WE", Accuracy: 3, Phones: []string{"W", "IY"}, Scores: []float64{0.2, 1}},
			},
		}},
	}
	for _, changes := range []map[string]string{nil, {"resource/scores.json": "", "scores.json": scores}} {
		got, err := calibrate.ReadSpeechOcean(folder(changes))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("ReadSpeechOcean = %v (-want +got):\n%s", err, diff)
		}
	}
	want[0].Words[1].Scores, want[1].Words[0].Scores = []float64{2, 0.5, 1}, []float64{0, 1}
	got, err := calibrate.ReadSpeechOcean(folder(map[string]string{"resource/scores.json": "", "resource/scores-detail.json": detail}))
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("ReadSpeechOcean of the experts' scores = %v (-want +got):\n%s", err, diff)
	}
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		changes map[string]string
		want    string
	}{
		{map[string]string{"resource/scores.json": ""}, "resource/scores.json, scores.json"},
		{map[string]string{"train/text": ""}, "train/text cannot be read"},
		{map[string]string{"test/utt2spk": "x y\n"}, "test/utt2spk does not have 000020001"},
		{map[string]string{"train/wav.scp": "000099999 x.WAV\n"}, "000099999, of which there are no scores"},
		{map[string]string{"train/wav.scp": "000010011 ../x.WAV\n"}, "path below the folder"},
		{map[string]string{"train/wav.scp": "000010011\n"}, "train/wav.scp: line 1 has no value"},
		{map[string]string{"train/text": "000010011 WE\n"}, `train/text has "WE" for 000010011, the scores have "WE CALL"`},
		{map[string]string{"resource/scores.json": strings.Replace(scores, `"fluency":9,`, "", 1)}, "000010011: fluency is missing"},
		{map[string]string{"resource/scores.json": strings.Replace(scores, `[2.0,2.0]`, "[2.0]", 1)}, `word "WE": 2 phones with 1 scores`},
		{map[string]string{"resource/scores.json": strings.Replace(scores, `[2.0,2.0]`, "[2.0,3]", 1)}, "score of IY0 is 3"},
		{map[string]string{"resource/scores.json": `{"a":{"accuracy":"x"}}`}, "neither a score nor a list"},
	} {
		if _, err := calibrate.ReadSpeechOcean(folder(tc.changes)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("ReadSpeechOcean with %v = %v, want %q", tc.changes, err, tc.want)
		}
	}
	if _, err := calibrate.ReadSpeechOcean(fstest.MapFS{"scores.json": {Data: []byte(scores)}}); err == nil || !strings.Contains(err.Error(), "neither train nor test") {
		t.Errorf("ReadSpeechOcean without lists = %v", err)
	}
}

// FuzzParseScores: whatever is accepted has a score within its range for each phone.
func FuzzParseScores(f *testing.F) {
	f.Add([]byte(scores))
	f.Add([]byte(detail))
	f.Add([]byte(`{"a":{"text":"A","accuracy":[],"words":[{"phones":["(","[A"]}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := calibrate.ParseScores(data)
		if err != nil {
			return
		}
		for id, l := range all {
			for _, w := range l.Words {
				if len(w.Phones) == 0 || len(w.Phones) != len(w.Scores) || !(w.Accuracy >= 0 && w.Accuracy <= 10) {
					t.Errorf("%s: %+v", id, w)
				}
				for _, s := range w.Scores {
					if !(s >= 0 && s <= 2) {
						t.Errorf("%s: %+v", id, w)
					}
				}
			}
		}
	})
}

// scripted gives the assessment of a text.
type scripted map[string]*evaluation.Assessment

func (s scripted) Assess(_ context.Context, samples []int16, text, _ string) (*evaluation.Assessment, error) {
	if a, ok := s[text]; ok && len(samples) == 1600 {
		return a, nil
	}
	return nil, evaluation.Refuse("no-speech", "Nothing was said.")
}

func TestCompare(t *testing.T) {
	t.Parallel()
	fsys := folder(nil)
	all, err := calibrate.ReadSpeechOcean(fsys)
	if err != nil {
		t.Fatal(err)
	}
	phones := func(names string, scores ...int) []evaluation.Phoneme {
		var out []evaluation.Phoneme
		for i, n := range strings.Fields(names) {
			out = append(out, evaluation.Phoneme{ARPAbet: n, Score: scores[i]})
		}
		return out
	}
	a := scripted{
		"we call": {Scores: evaluation.Scores{Accuracy: 80, Fluency: 90, Overall: 85}, Words: []evaluation.Word{
			{Text: "we", Score: 95, Phonemes: phones("W IY", 95, 90)},
			{Text: "well", Error: evaluation.WordInsertion},
			{Text: "call", Score: 60, Phonemes: phones("K AA L", 90, 30, 80)}, // another vowel stands in its place
		}},
		"we": {Scores: evaluation.Scores{Accuracy: 40, Fluency: 30, Overall: 35}, Words: []evaluation.Word{{Text: "we", Score: 40, Phonemes: phones("W IY", 10, 70)}}},
	}
	got, err := calibrate.Compare(t.Context(), a, fsys, all, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	want := []calibrate.Sample{{Score: 95, Label: 1}, {Score: 90, Label: 1}, {Score: 90, Label: 1}, {Score: 30, Label: 0.2}, {Score: 80, Label: 0.9}, {Score: 10, Label: 0.1}, {Score: 70, Label: 0.5}}
	if diff := cmp.Diff(want, got.Samples(), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Errorf("Samples (-want +got):\n%s", diff)
	}
	if got.Recordings != 2 || got.PhoneAUC() != 1 || math.Abs(got.Pearson("sentence: accuracy")-1) > 1e-9 || math.Abs(got.Spearman("word: accuracy")-1) > 1e-9 {
		t.Errorf("comparison %+v, AUC %v", got, got.PhoneAUC())
	}
	var out bytes.Buffer
	if err := got.Write(&out); err != nil || !strings.Contains(out.String(), "2 recordings") || !strings.Contains(out.String(), "phone: AUC") {
		t.Errorf("Write = %v\n%s", err, out.String())
	}
	delete(a, "we")
	if got, err = calibrate.Compare(t.Context(), a, fsys, all, func(int) {}); err != nil || got.Refused != 1 || got.Recordings != 1 {
		t.Errorf("Compare with a refusal = %+v, %v", got, err)
	}
	delete(fsys, "WAVE/SPEAKER0001/000010011.WAV")
	if _, err := calibrate.Compare(t.Context(), a, fsys, all, func(int) {}); err == nil || !strings.Contains(err.Error(), "000010011") {
		t.Errorf("Compare without a recording = %v, want it named", err)
	}
}
