package acoustic_test

import (
	"math"
	"slices"
	"testing"

	"oktalk/internal/assess/offline/acoustic"
)

// noises are features of a second of changing sound.
func noises(t *testing.T, m *acoustic.Model) []float32 {
	t.Helper()
	samples, near := make([]float32, acoustic.SampleRate), make([]bool, 100)
	for i := range samples {
		samples[i] = float32(1000 * math.Sin(float64(i)*float64(i%777)))
	}
	for i := range near {
		near[i] = true
	}
	features, err := m.NewFrontEnd().Features(t.Context(), samples, near)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(features)
}

// scored are features with their scores and whoever scored them.
func scored(t *testing.T, m *acoustic.Model) (features []float32, s *acoustic.Scorer, all []float32) {
	t.Helper()
	features, s = noises(t, m), m.NewScorer()
	all, err := s.Scores(t.Context(), nil, features)
	if err != nil {
		t.Fatal(err)
	}
	return features, s, all
}

// likeliest gives the phone that fits each frame best and the senone of it that does.
func likeliest(m *acoustic.Model, scores []float32) (phones []acoustic.Phone, senones []uint16) {
	for frame := range slices.Chunk(scores, m.Senones()) {
		best := acoustic.Phone(0)
		senone := m.SenonesOf(best)[0]
		for p := range acoustic.Phone(m.Phones()) {
			for _, s := range m.SenonesOf(p) {
				if frame[s] > frame[senone] {
					best, senone = p, s
				}
			}
		}
		phones, senones = append(phones, best), append(senones, senone)
	}
	return phones, senones
}

func sum(s *acoustic.Scorer, phones []acoustic.Phone, senones []uint16) float64 {
	total := 0.0
	for t := range phones {
		total += float64(s.Score(nil, phones[t], senones[t], t, t+1)[0])
	}
	return total
}

// A speaker of whom nothing is known is as those of the model: scores stay, and phones that are filled in have those of all phones.
func TestUnknownSpeaker(t *testing.T) {
	t.Parallel()
	m := load(t)
	features, s, all := scored(t, m)
	phones, senones := likeliest(m, all)
	before := sum(s, phones, senones)
	speaker := acoustic.NewSpeaker()
	speaker.Settle()
	s.Adapt(speaker, features)
	if after := sum(s, phones, senones); after != before {
		t.Errorf("scores of an unknown speaker sum up to %g, want %g", after, before)
	}
	filled := make([]float32, len(all))
	a, b := acoustic.Phone(5), acoustic.Phone(9)
	s.Fill(filled, a, 0, 50)
	s.Fill(filled, b, 0, 50)
	one, other := m.SenonesOf(a)[1], m.SenonesOf(b)[2]
	for at := 0; at < 50*m.Senones(); at += m.Senones() {
		got, want := filled[at+int(one)]-filled[at+int(other)], all[at+int(one)]-all[at+int(other)]
		if math.Abs(float64(got-want)) > 1e-3 {
			t.Fatalf("frame %d: filled scores differ by %g, those of all phones by %g", at/m.Senones(), got, want)
		}
	}
}

// The map of a speaker whose cepstra are others, by a matrix and a constant, makes up for most of what that costs.
func TestSpeakerIsLearned(t *testing.T) {
	t.Parallel()
	m := load(t)
	features, s, all := scored(t, m)
	phones, senones := likeliest(m, all)
	usual := sum(s, phones, senones)
	for at := 0; at < len(features); at += acoustic.FeatureSize {
		for stream := range acoustic.States {
			c := features[at+stream*acoustic.CepstrumSize:][:acoustic.CepstrumSize]
			for d := 1; d < len(c); d++ {
				c[d] = 1.3*c[d] + 0.2*c[d-1]
			}
		}
		features[at+1] += 5
	}
	if _, err := s.Scores(t.Context(), nil, features); err != nil {
		t.Fatal(err)
	}
	strange := sum(s, phones, senones)
	speaker := acoustic.NewSpeaker()
	for range 2 {
		for frame := range phones {
			s.Learn(speaker, features, frame, phones[frame], senones[frame])
		}
		speaker.Settle()
	}
	s.Adapt(speaker, features)
	learned := sum(s, phones, senones)
	if strange > usual-100 || learned < (usual+strange)/2 {
		t.Errorf("frames score %.0f, %.0f of a strange speaker and %.0f when the speaker is learned; want it to make up for half and more", usual, strange, learned)
	}
}
