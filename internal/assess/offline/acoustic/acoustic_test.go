package acoustic_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/assess/offline/acoustic"
)

const modelDir = "/usr/share/pocketsphinx/model/en-us/en-us"

func load(t testing.TB) *acoustic.Model {
	t.Helper()
	m, err := acoustic.Load(modelDir)
	if err != nil {
		t.Fatalf("%v; the Debian package pocketsphinx-en-us has the model (make setup installs it)", err)
	}
	return m
}

func TestLoad(t *testing.T) {
	t.Parallel()
	m := load(t)
	if m.Phones() != 42 || m.Senones() != 126 || m.Name(m.Silence()) != "SIL" {
		t.Errorf("model has %d phones, %d senones, silence %s, want 42, 126, SIL", m.Phones(), m.Senones(), m.Name(m.Silence()))
	}
	seen := map[uint16]bool{}
	fillers := 0
	for p := range m.Phones() {
		phone := acoustic.Phone(p)
		if again, ok := m.Phone(m.Name(phone)); !ok || again != phone {
			t.Errorf("Phone(%s) = %d, %t, want %d", m.Name(phone), again, ok, phone)
		}
		for _, s := range m.SenonesOf(phone) {
			seen[s] = true
		}
		if m.Filler(phone) {
			fillers++
		}
	}
	if len(seen) != 126 || fillers != 3 {
		t.Errorf("phones have %d senones and %d are fillers, want 126 and 3", len(seen), fillers)
	}
}

// tiny is a model of two phones in the format of the real one.
func tiny() fstest.MapFS {
	return fstest.MapFS{
		"feat.params":         {Data: []byte("-lowerf 130\n-upperf 6800\n-nfilt 25\n-transform dct\n-lifter 22\n-feat 1s_c_d_dd\n-svspec 0-12/13-25/26-38\n-agc none\n-cmn batch\n-varnorm no\n-model ptm\n-cmninit 41.00,-5.29\n")},
		"mdef":                {Data: tinyDefinition()},
		"means":               {Data: s3(header(2, 3, 4, 13, 13, 13, 2*3*4*13), floats(2*3*4*13, func(i int) float32 { return float32(i % 7) }))},
		"variances":           {Data: s3(header(2, 3, 4, 13, 13, 13, 2*3*4*13), floats(2*3*4*13, func(i int) float32 { return 1 + float32(i%3) }))},
		"sendump":             {Data: tinyMixtures()},
		"transition_matrices": {Data: s3(header(2, 3, 4, 24), floats(24, func(i int) float32 { return []float32{3, 1, 0, 0, 0, 3, 1, 0, 0, 0, 3, 1}[i%12] }))},
	}
}

func tinyDefinition() []byte {
	b := append([]byte("BMDF"), header(1, 4)...)
	b = append(b, "text"...)
	b = append(b, header(2, 3, 3, 6, 9, 2, 3, 3, 1, 0)...) // phones, triphones, states, senones, all, matrices, sequences, context, tree, silence
	b = append(b, "SIL\x00AA\x00\x00"...)                  // padded to 8
	b = append(b, make([]byte, 8)...)                      // tree
	b = append(b, header(0, 0, 0, 1, 1, 0, 2, 1, 0)...)    // sequence, matrix, attributes of each phone and the triphone
	b = append(b, header(9)...)
	for s := range 9 {
		b = binary.LittleEndian.AppendUint16(b, uint16(s))
	}
	return b
}

func tinyMixtures() []byte {
	var b []byte
	for _, s := range []string{"tiny", "cluster_count 0"} {
		b = append(append(b, header(len(s))...), s...)
	}
	b = append(b, header(0, 4, 9)...)
	for i := range 3 * 4 * 9 {
		b = append(b, byte(i))
	}
	return b
}

func header(values ...int) []byte {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return b
}

func s3(parts ...[]byte) []byte {
	return append([]byte("s3\nversion 1.0\nendhdr\n\x44\x33\x22\x11"), bytes.Join(parts, nil)...)
}

func floats(n int, f func(int) float32) []byte {
	var b []byte
	for i := range n {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f(i)))
	}
	return b
}

func TestReadTinyModel(t *testing.T) {
	t.Parallel()
	m, err := acoustic.Read(tiny())
	if err != nil {
		t.Fatal(err)
	}
	aa, _ := m.Phone("AA")
	if diff := cmp.Diff([acoustic.States]uint16{3, 4, 5}, m.SenonesOf(aa)); diff != "" {
		t.Errorf("senones of AA (-want +got):\n%s", diff)
	}
	if got := m.TransitionsOf(aa); math.Abs(float64(got.Stay[1])-math.Log(0.75)) > 1e-6 || math.Abs(float64(got.Leave[2])-math.Log(0.25)) > 1e-6 {
		t.Errorf("transitions of AA = %v, want log 3/4 and log 1/4", got)
	}
}

// A file that is missing or cut short anywhere is an error that names it.
func TestReadCutShort(t *testing.T) {
	t.Parallel()
	for name, file := range tiny() {
		for n := range len(file.Data) {
			if i := bytes.Index(file.Data, []byte("\n-cmninit")); i >= 0 && n >= i {
				break // what feat.params loses there is not required
			}
			fsys := tiny()
			fsys[name] = &fstest.MapFile{Data: file.Data[:n]}
			if _, err := acoustic.Read(fsys); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("Read() with %d of %d bytes of %s = %v, want an error naming it", n, len(file.Data), name, err)
				break
			}
		}
		fsys := tiny()
		delete(fsys, name)
		if _, err := acoustic.Read(fsys); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Read() without %s = %v, want an error naming it", name, err)
		}
	}
}

// FuzzRead puts any bytes in place of one file: an error or a model, never a panic.
func FuzzRead(f *testing.F) {
	names := []string{"feat.params", "mdef", "means", "variances", "sendump", "transition_matrices"}
	for i, name := range names {
		f.Add(i, tiny()[name].Data)
	}
	f.Fuzz(func(t *testing.T, which int, data []byte) {
		fsys := tiny()
		fsys[names[uint(which)%uint(len(names))]] = &fstest.MapFile{Data: data}
		m, err := acoustic.Read(fsys)
		if err != nil {
			return
		}
		features, err := m.NewFrontEnd().Features(t.Context(), make([]float32, 2000), make([]bool, 12))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.NewScorer().Scores(t.Context(), nil, features); err != nil {
			t.Fatal(err)
		}
	})
}

// vowel is a crude one: harmonics of 120 Hz below two resonances.
func vowel(n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		at := float64(i) / acoustic.SampleRate
		for h := 1.0; h <= 30; h++ {
			hz := 120 * h
			gain := resonance(hz-700) + resonance(hz-1200)
			s[i] += float32(3000 * gain * math.Sin(2*math.Pi*hz*at))
		}
	}
	return s
}

// resonance is how much passes at a distance from the middle of a resonance 300 Hz wide.
func resonance(hz float64) float64 { return 1 / (1 + hz*hz/(150*150)) }

func TestScoresDoNotDependOnGain(t *testing.T) {
	t.Parallel()
	m := load(t)
	frontEnd, scorer := m.NewFrontEnd(), m.NewScorer()
	score := func(gain float32) []float32 {
		s := vowel(8000)
		for i := range s {
			s[i] *= gain
		}
		all := make([]bool, acoustic.Frames(len(s)))
		for i := range all {
			all[i] = true
		}
		features, err := frontEnd.Features(t.Context(), s, all)
		if err != nil {
			t.Fatal(err)
		}
		scores, err := scorer.Scores(t.Context(), nil, features)
		if err != nil {
			t.Fatal(err)
		}
		return scores
	}
	want, got := score(1), score(0.5)
	if len(want) != acoustic.Frames(8000)*m.Senones() {
		t.Fatalf("%d scores, want %d frames of %d", len(want), acoustic.Frames(8000), m.Senones())
	}
	for i := range want {
		if want[i] > 0 || math.Abs(float64(want[i]-got[i])) > 0.5 {
			t.Fatalf("score %d is %g, at half the gain %g", i, want[i], got[i])
		}
	}
}

func TestFrames(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{0: 0, 1: 1, 409: 1, 410: 2, 569: 2, 570: 3, 16000: 99} {
		if got := acoustic.Frames(n); got != want {
			t.Errorf("Frames(%d) = %d, want %d", n, got, want)
		}
	}
	features, err := load(t).NewFrontEnd().Features(t.Context(), make([]float32, 16000), nil)
	if err != nil || len(features) != 99*acoustic.FeatureSize {
		t.Errorf("Features() of 16000 samples = %d numbers, %v, want %d", len(features), err, 99*acoustic.FeatureSize)
	}
}

func BenchmarkFeatures(b *testing.B) {
	frontEnd, s := load(b).NewFrontEnd(), vowel(5*acoustic.SampleRate)
	for b.Loop() {
		if _, err := frontEnd.Features(b.Context(), s, nil); err != nil {
			b.Fatal(err)
		}
	}
}
