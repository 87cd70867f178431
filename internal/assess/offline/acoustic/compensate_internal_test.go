package acoustic

import (
	"math"
	"math/rand/v2"
	"testing"
)

func loadModel(t *testing.T) *Model {
	t.Helper()
	m, err := Load("/usr/share/pocketsphinx/model/en-us/en-us")
	if err != nil {
		t.Fatalf("%v; the Debian package pocketsphinx-en-us has the model (make setup installs it)", err)
	}
	return m
}

// noiseAt is noise of the same level in all filters around speech of level 10.
func noiseAt(m *Model, level float64) *Noise {
	f := m.frontEnd
	n := &Noise{transform: f, level: make([]float64, len(f.filters)), speech: make([]float64, len(f.filters))}
	for i := range f.filters {
		n.level[i], n.speech[i] = level, 10
		for c, d := range f.dct[i] {
			n.mean[c] += d * 10
		}
	}
	for s := range n.variance {
		for i := range n.variance[s] {
			n.variance[s][i] = 4
		}
	}
	return n
}

// others visits each lane of the codebooks that are not silence, in the model and in a scorer that expects noise.
func others(m *Model, s *Scorer, visit func(stream int, model, noisy []float32)) {
	for i := range m.gaussians.codebooks * streams {
		if i/streams == int(m.definition.codebook[m.SenonesOf(m.Silence())[0]]) {
			continue
		}
		for k := range m.gaussians.densities {
			at := k/lanes*groupSize + k%lanes
			visit(i%streams, m.gaussians.codebook(i)[at:], s.gaussians.codebook(i)[at:])
		}
	}
}

// Noise that is not there changes nothing.
func TestExpectNoNoise(t *testing.T) {
	t.Parallel()
	m := loadModel(t)
	s := m.NewScorer()
	s.Expect(noiseAt(m, -1000))
	most := 0.0
	others(m, s, func(_ int, model, noisy []float32) {
		most = max(most, math.Abs(float64(model[0]-noisy[0])))
		for d := range CepstrumSize {
			mean, precision := lanes*(1+2*d), lanes*(2+2*d)
			most = max(most, math.Abs(float64(model[mean]-noisy[mean])), math.Abs(float64(noisy[precision]/model[precision])-1))
		}
	})
	if most > 1e-2 {
		t.Errorf("without noise a mean, a constant or a share of a precision changes by %g, want none", most)
	}
	s.Expect(nil)
	if s.gaussians != m.gaussians {
		t.Error("a scorer that expects no noise again does not use the model's codebooks")
	}
}

// In noise far above the speech all sounds are the noise, and nothing of their movement is left but what differenceShare keeps.
func TestExpectOnlyNoise(t *testing.T) {
	t.Parallel()
	m := loadModel(t)
	s, n := m.NewScorer(), noiseAt(m, 1000)
	s.Expect(n)
	var want [CepstrumSize]float64
	for i := range n.level {
		for c, d := range m.frontEnd.dct[i] {
			want[c] += float64(d) * (1000 - 10)
		}
	}
	most := 0.0
	others(m, s, func(stream int, model, noisy []float32) {
		for d := range CepstrumSize {
			w := want[d]
			if stream > 0 {
				w = (1 - differenceShare) * float64(model[lanes*(1+2*d)])
			}
			most = max(most, math.Abs(float64(noisy[lanes*(1+2*d)])-w))
		}
	})
	if most > 1e-2 {
		t.Errorf("in noise alone a mean is %g from that of the noise", most)
	}
}

// Silence is the noise, with all its weight in the four Gaussians that count.
func TestSilenceIsTheNoise(t *testing.T) {
	t.Parallel()
	m := loadModel(t)
	s, n := m.NewScorer(), noiseAt(m, 8)
	n.cepstra[0][0] = 3
	s.Expect(n)
	var features [FeatureSize]float32
	features[0] = 3
	scores, err := s.Scores(t.Context(), nil, features[:])
	if err != nil {
		t.Fatal(err)
	}
	best := Never
	for _, senone := range m.SenonesOf(m.Silence()) {
		best = max(best, scores[senone])
	}
	if best != 0 {
		t.Errorf("the best state of silence is %g below that of another phone in noise alone", -best)
	}
}

func TestSpeechLevel(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for _, speech := range []float64{-2, 0, 3, 12} { // around noise at 1
		heard := 0.0
		const times = 20000
		for range times {
			heard += addNoise(speech+2*r.NormFloat64(), 1) / times
		}
		if got := speechLevel(heard, 1, 2); math.Abs(got-speech) > 0.3 {
			t.Errorf("speechLevel(%.2f) = %.2f, want %.2f", heard, got, speech)
		}
	}
}

// What counts as steady noise: hiss under speech, not speech alone, not noise alone, not a noise that comes and goes.
func TestSteadyNoise(t *testing.T) {
	t.Parallel()
	m := loadModel(t)
	for name, tc := range map[string]struct {
		speech, noise, swing float64
		want                 bool
	}{
		"clean":                   {3000, 3, 0, false},
		"noise at 15 dB":          {3000, 300, 0, true},
		"noise alone":             {0, 300, 0, false},
		"noise that comes and go": {3000, 300, 2, false},
	} {
		r := rand.New(rand.NewPCG(3, 4))
		samples := make([]float32, 2*SampleRate)
		for i := range samples {
			at := float64(i) / SampleRate
			v := tc.noise * math.Exp(tc.swing*math.Sin(2*math.Pi*7*at)*math.Sin(2*math.Pi*3.1*at)) * r.NormFloat64()
			if at > 0.4 && at < 1.6 {
				for h := 1.0; h < 30; h++ {
					v += tc.speech * math.Abs(math.Sin(2*math.Pi*3*at)) * math.Sin(2*math.Pi*120*h*at) / 3
				}
			}
			samples[i] = float32(v)
		}
		f := m.NewFrontEnd()
		speech := make([]bool, Frames(len(samples)))
		for i := range speech {
			speech[i] = i > 30 && i < 170
		}
		if _, err := f.Features(t.Context(), samples, speech); err != nil {
			t.Fatal(err)
		}
		if got := f.Noise() != nil; got != tc.want {
			t.Errorf("%s: steady noise %t, want %t", name, got, tc.want)
		}
	}
}

func BenchmarkExpect(b *testing.B) {
	m, err := Load("/usr/share/pocketsphinx/model/en-us/en-us")
	if err != nil {
		b.Fatal(err)
	}
	s, n := m.NewScorer(), noiseAt(m, 8)
	for b.Loop() {
		s.Expect(n)
	}
}
