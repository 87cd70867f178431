package corpus_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"oktalk/internal/assess/corpus"
	"oktalk/internal/assess/offline/lexicon"
	"oktalk/internal/evaluation"
)

const dictionaryFile = "/usr/share/pocketsphinx/model/en-us/cmudict-en-us.dict"

// shared is one dictionary for all tests: under the race detector it takes half a second.
var shared = sync.OnceValues(func() (*lexicon.Dictionary, error) {
	data, err := os.ReadFile(dictionaryFile)
	if err != nil {
		return nil, err
	}
	return lexicon.ParseDictionary(data, func(string) bool { return true })
})

func dictionary(t *testing.T) *lexicon.Dictionary {
	t.Helper()
	d, err := shared()
	if err != nil {
		t.Fatalf("%v: make setup installs pocketsphinx-en-us", err)
	}
	return d
}

func setup(t *testing.T, dir string) *corpus.Maker {
	t.Helper()
	m, err := corpus.NewMaker(t.Context(), corpus.Config{Dir: dir, Dictionary: dictionary(t)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func plan(t *testing.T, m *corpus.Maker, seed uint64) []corpus.Recording {
	t.Helper()
	all, err := m.Plan(t.Context(), seed)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var once struct {
	sync.Once
	plan []corpus.Recording
}

// planned is one plan for all tests that only look at it.
func planned(t *testing.T) []corpus.Recording {
	t.Helper()
	once.Do(func() { once.plan = plan(t, setup(t, ""), 1) })
	return once.plan
}

func TestPlanHoldsWhatIsPromised(t *testing.T) {
	t.Parallel()
	all := planned(t)
	if len(all) < 2000 {
		t.Errorf("%d recordings, want at least 2000", len(all))
	}
	ids, pairs, kinds, conditions, speakers := map[string]bool{}, map[string]int{}, map[corpus.Kind]int{}, map[corpus.Condition]int{}, map[string]map[corpus.Split]bool{}
	texts := map[string]map[corpus.Split]bool{}
	for _, r := range all {
		if ids[r.ID] {
			t.Errorf("two recordings are called %s", r.ID)
		}
		ids[r.ID] = true
		kinds[r.Kind]++
		conditions[r.Condition]++
		mark(speakers, r.Voice.Speaker, r.Voice.Split)
		mark(texts, r.Text, r.Voice.Split)
		if r.Kind == corpus.Substitution && !r.Planted[0].Random && r.Voice.Split == corpus.HeldOut && r.Voice.Program == corpus.Flite {
			pairs[r.Planted[0].Pair()]++
		}
		if r.Twin != "" && !ids[r.Twin] {
			t.Errorf("%s is a copy of %s, which is not there", r.ID, r.Twin)
		}
	}
	for name, splits := range speakers {
		if len(splits) != 1 {
			t.Errorf("speaker %s is in both splits", name)
		}
	}
	for text, splits := range texts {
		if len(splits) != 1 {
			t.Errorf("text %q is in both splits", text)
		}
	}
	if len(pairs) < 40 {
		t.Errorf("%d pairs by held-out voices of flite, want all 40: %v", len(pairs), pairs)
	}
	for _, k := range []corpus.Kind{
		corpus.Right, corpus.Substitution, corpus.Several, corpus.Omission, corpus.Insertion, corpus.Repetition, corpus.Hesitation,
		corpus.OtherWord, corpus.OtherText, corpus.OtherSingle,
	} {
		if kinds[k] < 20 {
			t.Errorf("%d recordings of kind %s, want at least 20", kinds[k], k)
		}
	}
	for _, c := range append(corpus.Hard(), corpus.Harmless()...) {
		if conditions[c] < 20 {
			t.Errorf("%d recordings in condition %s, want at least 20", conditions[c], c)
		}
	}
	t.Logf("%d recordings; %v; %v", len(all), kinds, conditions)
}

func mark(m map[string]map[corpus.Split]bool, key string, split corpus.Split) {
	if m[key] == nil {
		m[key] = map[corpus.Split]bool{}
	}
	m[key][split] = true
}

func TestSameSeedSamePlan(t *testing.T) {
	t.Parallel()
	m := setup(t, "")
	one, same, other := planned(t), plan(t, m, 1), plan(t, m, 2)
	equal := func(a, b []corpus.Recording) bool {
		return slices.EqualFunc(a, b, func(a, b corpus.Recording) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
	}
	if !equal(one, same) {
		t.Error("the same seed gives another plan")
	}
	if equal(one, other) {
		t.Error("another seed gives the same plan")
	}
}

func TestLabelsAreOfTheText(t *testing.T) {
	t.Parallel()
	d := dictionary(t)
	for _, r := range planned(t) {
		words := evaluation.TextWords(r.Text)
		if len(words) != len(r.Words) {
			t.Fatalf("%s has labels of %d words, %q has %d", r.ID, len(r.Words), r.Text, len(words))
		}
		for _, p := range r.Planted {
			if p.Canonical == "" {
				continue
			}
			w := r.Words[p.Word]
			if w.Phones[p.Phone] != p.Canonical || p.Spoken == p.Canonical {
				t.Errorf("%s plants %s at %d of %v", r.ID, p.Pair(), p.Phone, w.Phones)
			}
			phones := slices.Clone(w.Phones)
			phones[p.Phone] = p.Spoken
			if slices.ContainsFunc(d.Lookup(strings.ToLower(w.Text)), func(k lexicon.Pronunciation) bool { return slices.Equal(k, phones) }) {
				t.Errorf("%s plants %s in %q, which is as right", r.ID, p.Pair(), w.Text)
			}
		}
		if (r.Kind == corpus.Right) != (len(r.Planted) == 0) && r.Kind != corpus.OtherText && r.Kind != corpus.OtherSingle {
			t.Errorf("%s is %s with %v planted", r.ID, r.Kind, r.Planted)
		}
	}
}

// TestFliteSaysWhatTheLabelSays asks flite which phones it spoke.
func TestFliteSaysWhatTheLabelSays(t *testing.T) {
	t.Parallel()
	checked := map[corpus.Method]int{}
	for i, r := range planned(t) {
		if r.Voice.Program != corpus.Flite || r.Kind != corpus.Substitution && r.Kind != corpus.Right || r.Condition != corpus.Clean || i%7 != 0 || checked[r.Method] >= 15 {
			continue
		}
		checked[r.Method]++
		args := append(corpus.FliteArgs(r), "-ps", "-o", "none")
		cmd := exec.CommandContext(t.Context(), "flite", args...)
		cmd.Stdin = strings.NewReader(corpus.FliteLexicon(r))
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("flite %v: %v", args, err)
		}
		want := ""
		for k, w := range r.Words {
			phones := slices.Clone(w.Phones)
			for _, p := range r.Planted {
				if p.Word == k {
					phones[p.Phone] = p.Spoken
				}
			}
			want += strings.Join(phones, " ") + " "
		}
		got := arpabet(string(out))
		if !sameButForTheThe(got, strings.Fields(want)) {
			t.Errorf("%s: flite said\n%v, the label says\n%s", r.ID, got, want)
		}
	}
	for _, m := range []corpus.Method{corpus.ByText, corpus.ByLexicon, corpus.ByPhones} {
		if checked[m] < 10 {
			t.Errorf("%d recordings made by %s were checked, want at least 10", checked[m], m)
		}
	}
}

func arpabet(out string) []string {
	out = strings.ReplaceAll(strings.ToUpper(out), "PAU", "")
	return strings.Fields(strings.NewReplacer("AXR", "ER", "AX", "AH").Replace(out))
}

// sameButForTheThe compares phones; before a vowel flite says "thee", and the label "the".
func sameButForTheThe(got, want []string) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		thee := got[i] == "IY" && want[i] == "AH" && i > 0
		if got[i] != want[i] && !thee {
			return false
		}
	}
	return true
}

// TestRecordings makes one recording of each kind, method and condition, and makes it again from the folder and anew.
func TestRecordings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := setup(t, dir)
	seen := map[string]bool{}
	kept := map[string][]int16{}
	var clean corpus.Recording
	for _, r := range planned(t) {
		sort := string(r.Kind) + string(r.Method) + string(r.Condition) + string(r.Voice.Program)
		if seen[sort] || r.Voice.Shift != 1 || len(r.Words) > 7 {
			continue
		}
		seen[sort] = true
		samples, made, err := m.Make(t.Context(), r)
		if err != nil || !made {
			t.Fatalf("Make(%s) = made %v, %v, want a new recording", r.ID, made, err)
		}
		d := float64(len(samples)) / corpus.Rate
		if d < 0.3 || d > 20 || loudest(samples) < 3000 {
			t.Errorf("%s has %.2f s and a peak of %d", r.ID, d, loudest(samples))
		}
		again, made, err := m.Make(t.Context(), r)
		if err != nil || made || !slices.Equal(samples, again) {
			t.Errorf("Make(%s) again = made %v, %v, want the same from the folder", r.ID, made, err)
		}
		kept[r.ID] = samples
		clean = r
	}
	anew, _, err := setup(t, t.TempDir()).Make(t.Context(), clean)
	if err != nil || !slices.Equal(anew, kept[clean.ID]) {
		t.Errorf("Make(%s) anew = %v, or other samples", clean.ID, err)
	}
	if len(seen) < 25 {
		t.Errorf("%d sorts of recordings, want at least 25", len(seen))
	}
}

func loudest(samples []int16) int {
	most := 0
	for _, s := range samples {
		most = max(most, int(s), -int(s))
	}
	return most
}

// TestPlantedPhonesAreHeard: a recording with a planted phone differs from the right one.
func TestPlantedPhonesAreHeard(t *testing.T) {
	t.Parallel()
	m := setup(t, t.TempDir())
	n := 0
	for i, r := range planned(t) {
		if r.Kind != corpus.Substitution || r.Condition != corpus.Clean || i%100 != 0 {
			continue
		}
		n++
		wrong, _, err := m.Make(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		right, _, err := m.Make(t.Context(), corpus.Corrected(r))
		if err != nil {
			t.Fatal(err)
		}
		if slices.Equal(wrong, right) {
			t.Errorf("%s sounds as if nothing were planted", r.ID)
		}
	}
	if n < 5 {
		t.Errorf("%d recordings were compared, want at least 5", n)
	}
}

func TestMissingProgramsAreNamed(t *testing.T) { //nolint:paralleltest // it changes the environment
	d := dictionary(t)
	t.Setenv("PATH", t.TempDir())
	_, err := corpus.NewMaker(t.Context(), corpus.Config{Dictionary: d})
	if err == nil || !strings.Contains(err.Error(), "flite") || !strings.Contains(err.Error(), "espeak-ng") {
		t.Errorf("NewMaker without programs = %v, want both named", err)
	}
}
