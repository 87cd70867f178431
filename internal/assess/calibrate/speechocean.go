package calibrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Utterance is a recording that teachers labelled.
type Utterance struct {
	ID      string
	Split   string // "train" or "test"
	Speaker string
	Age     int    // in years; 0 when it is not known
	Path    string // of the recording in its folder, with slashes
	Labels
}

// Labels are the teachers' scores of a sentence, each 0 to 10.
type Labels struct {
	Text     string
	Accuracy float64
	Fluency  float64
	Prosodic float64
	Total    float64
	Words    []LabelledWord
}

// LabelledWord is a word of a sentence with its teachers' scores.
type LabelledWord struct {
	Text     string
	Accuracy float64   // 0 to 10
	Phones   []string  // ARPAbet without stress
	Scores   []float64 // of the phones, 0 wrong, 1 with an accent, 2 right, and means of these
}

// ReadSpeechOcean reads the labels in a folder as speechocean762 has them: train and test with Kaldi's wav.scp, text, utt2spk and,
// optionally, spk2age; the scores in resource/scores.json or scores.json, or else, as means of the experts', in scores-detail.json beside
// one of these. One of train and test is enough. Recordings are not opened. Utterances come in the order of the lists.
//
// The error names the file, and what is missing in it.
func ReadSpeechOcean(fsys fs.FS) ([]Utterance, error) {
	scores, err := readScores(fsys)
	if err != nil {
		return nil, err
	}
	var all []Utterance
	splits := 0
	for _, split := range []string{"train", "test"} {
		if _, err := fs.Stat(fsys, split); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		splits++
		some, err := readSplit(fsys, split, scores)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	if splits == 0 {
		return nil, errors.New("neither train nor test is there: name the folder of speechocean762 that holds train, test and WAVE")
	}
	return all, nil
}

// scoreFiles are where scores may be; those with one score for each thing come first.
var scoreFiles = []string{"resource/scores.json", "scores.json", "resource/scores-detail.json", "scores-detail.json"}

func readScores(fsys fs.FS) (map[string]Labels, error) {
	for _, name := range scoreFiles {
		data, err := fs.ReadFile(fsys, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		scores, err := ParseScores(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return scores, nil
	}
	return nil, fmt.Errorf("no scores: none of %s is there", strings.Join(scoreFiles, ", "))
}

func readSplit(fsys fs.FS, split string, scores map[string]Labels) ([]Utterance, error) {
	lists := map[string][][2]string{}
	for _, name := range []string{"wav.scp", "text", "utt2spk", "spk2age"} {
		data, err := fs.ReadFile(fsys, path.Join(split, name))
		if errors.Is(err, fs.ErrNotExist) && name == "spk2age" {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s/%s cannot be read; it is part of speechocean762: %w", split, name, err)
		}
		if lists[name], err = parseList(string(data)); err != nil {
			return nil, fmt.Errorf("%s/%s: %w", split, name, err)
		}
	}
	texts, speakers, ages := table(lists["text"]), table(lists["utt2spk"]), table(lists["spk2age"])
	var all []Utterance
	for _, line := range lists["wav.scp"] {
		u := Utterance{ID: line[0], Split: split, Path: path.Clean(line[1]), Speaker: speakers[line[0]]}
		var ok bool
		if u.Labels, ok = scores[u.ID]; !ok {
			return nil, fmt.Errorf("%s/wav.scp has %s, of which there are no scores", split, u.ID)
		}
		if u.Speaker == "" {
			return nil, fmt.Errorf("%s/utt2spk does not have %s, which is in wav.scp", split, u.ID)
		}
		if text := texts[u.ID]; !strings.EqualFold(strings.Join(strings.Fields(text), " "), strings.Join(strings.Fields(u.Text), " ")) {
			return nil, fmt.Errorf("%s/text has %q for %s, the scores have %q", split, text, u.ID, u.Text)
		}
		if !fs.ValidPath(u.Path) {
			return nil, fmt.Errorf("%s/wav.scp has %q for %s: it must be a path below the folder", split, line[1], u.ID)
		}
		u.Age, _ = strconv.Atoi(ages[u.Speaker]) // 0: not known
		all = append(all, u)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s/wav.scp is empty", split)
	}
	return all, nil
}

// parseList reads Kaldi's "key value" lines; the space between them may be a tab.
func parseList(data string) ([][2]string, error) {
	var out [][2]string
	n := 0
	for line := range strings.Lines(data) {
		n++
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		at := strings.IndexAny(line, " \t")
		if at < 0 {
			return nil, fmt.Errorf("line %d has no value: %q", n, line)
		}
		out = append(out, [2]string{line[:at], strings.TrimSpace(line[at:])})
	}
	return out, nil
}

func table(list [][2]string) map[string]string {
	m := make(map[string]string, len(list))
	for _, line := range list {
		m[line[0]] = line[1]
	}
	return m
}

// ParseScores reads scores.json or scores-detail.json by the IDs of utterances. The scores of several experts become their mean.
func ParseScores(data []byte) (map[string]Labels, error) {
	var raw map[string]jsonUtterance
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, err
	}
	out := make(map[string]Labels, len(raw))
	for _, id := range slices.Sorted(maps.Keys(raw)) {
		labels, err := raw[id].labels()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		out[id] = labels
	}
	return out, nil
}

type jsonUtterance struct {
	Text     string     `json:"text"`
	Accuracy *jsonMean  `json:"accuracy"`
	Fluency  *jsonMean  `json:"fluency"`
	Prosodic *jsonMean  `json:"prosodic"`
	Total    *jsonMean  `json:"total"`
	Words    []jsonWord `json:"words"`
}

type jsonWord struct {
	Text     string     `json:"text"`
	Accuracy *jsonMean  `json:"accuracy"`
	Phones   jsonPhones `json:"phones"`
	Scores   []float64  `json:"phones-accuracy"` // not in scores-detail.json, where marks around the phones say it
	Ref      string     `json:"ref-phones"`      // in scores-detail.json only
}

// jsonMean is a number, or those of the experts, of which it takes the mean.
type jsonMean float64

// UnmarshalJSON implements [json.Unmarshaler].
func (m *jsonMean) UnmarshalJSON(data []byte) error {
	var one float64
	if err := json.Unmarshal(data, &one); err == nil {
		*m = jsonMean(one)
		return nil
	}
	var several []float64
	if err := json.Unmarshal(data, &several); err != nil || len(several) == 0 {
		return fmt.Errorf("%s is neither a score nor a list of scores", data)
	}
	for _, x := range several {
		*m += jsonMean(x / float64(len(several)))
	}
	return nil
}

// jsonPhones is "W IY0", ["W", "IY0"], or what each expert wrote, ["W IY0", "W (IY0)"].
type jsonPhones []string

// UnmarshalJSON implements [json.Unmarshaler].
func (p *jsonPhones) UnmarshalJSON(data []byte) error {
	var one string
	if err := json.Unmarshal(data, &one); err == nil {
		*p = strings.Fields(one)
		return nil
	}
	return json.Unmarshal(data, (*[]string)(p))
}

func (u jsonUtterance) labels() (Labels, error) {
	l := Labels{Text: u.Text}
	for _, f := range []struct {
		name string
		from *jsonMean
		to   *float64
	}{{"accuracy", u.Accuracy, &l.Accuracy}, {"fluency", u.Fluency, &l.Fluency}, {"prosodic", u.Prosodic, &l.Prosodic}, {"total", u.Total, &l.Total}} {
		if err := take(f.name, f.from, f.to); err != nil {
			return l, err
		}
	}
	if l.Text == "" || len(u.Words) == 0 {
		return l, errors.New("text or words are missing")
	}
	for _, w := range u.Words {
		word, err := w.word()
		if err != nil {
			return l, fmt.Errorf("word %q: %w", w.Text, err)
		}
		l.Words = append(l.Words, word)
	}
	return l, nil
}

// take checks a score of 0 to 10.
func take(name string, from *jsonMean, to *float64) error {
	switch {
	case from == nil:
		return fmt.Errorf("%s is missing", name)
	case !(*from >= 0 && *from <= 10):
		return fmt.Errorf("%s is %v, which is not within 0 and 10", name, *from)
	default:
		*to = float64(*from)
		return nil
	}
}

func (w jsonWord) word() (LabelledWord, error) {
	out := LabelledWord{Text: w.Text, Phones: w.Phones, Scores: w.Scores}
	if err := take("accuracy", w.Accuracy, &out.Accuracy); err != nil {
		return out, err
	}
	if w.Ref != "" && w.Scores == nil {
		out.Phones = strings.Fields(w.Ref)
		var err error
		if out.Scores, err = expertsMean(w.Phones, len(out.Phones)); err != nil {
			return out, err
		}
	}
	if len(out.Phones) == 0 || len(out.Phones) != len(out.Scores) {
		return out, fmt.Errorf("%d phones with %d scores (phones-accuracy)", len(out.Phones), len(out.Scores))
	}
	out.Phones = slices.Clone(out.Phones)
	for i, p := range out.Phones {
		out.Phones[i] = strings.TrimRight(p, "012")
		if out.Phones[i] == "" {
			return out, fmt.Errorf("%q is no phone", p)
		}
		if s := out.Scores[i]; !(s >= 0 && s <= 2) {
			return out, fmt.Errorf("the score of %s is %v, which is not within 0 and 2", p, s)
		}
	}
	return out, nil
}

// expertsMean reads what experts wrote of n phones, "B (EH0) {R} [L]": in round brackets wrong (0), in curly ones with an accent (1),
// plain right (2), in square ones additional, which says nothing of the n. It gives the mean score of each.
func expertsMean(experts []string, n int) ([]float64, error) {
	mean := make([]float64, n)
	for _, written := range experts {
		var scores []float64
		mark := byte(0)
		for f := range strings.FieldsSeq(written) {
			if strings.ContainsAny(f[:1], "({[") {
				mark = f[0]
			}
			switch mark {
			case '(':
				scores = append(scores, 0)
			case '{':
				scores = append(scores, 1)
			case 0:
				scores = append(scores, 2)
			}
			if strings.ContainsAny(f[len(f)-1:], ")}]") {
				mark = 0
			}
		}
		if len(scores) != n {
			return nil, fmt.Errorf("an expert scored %d phones of %d: %q", len(scores), n, written)
		}
		for i, s := range scores {
			mean[i] += s / float64(len(experts))
		}
	}
	return mean, nil
}
