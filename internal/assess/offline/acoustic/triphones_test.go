package acoustic_test

import (
	"math"
	"testing"

	"oktalk/internal/assess/offline/acoustic"
)

// The senones of AE between K and T inside a word are those that PocketSphinx uses (pocketsphinx_mdef_convert -text shows them).
func TestSenonesBetween(t *testing.T) {
	t.Parallel()
	m, err := acoustic.Load("/usr/share/pocketsphinx/model/en-us/en-us")
	if err != nil {
		t.Fatalf("%v (make setup installs the model)", err)
	}
	phone := func(name string) acoustic.Phone {
		p, ok := m.Phone(name)
		if !ok {
			t.Fatalf("no phone %s", name)
		}
		return p
	}
	if got, want := m.SenonesBetween(phone("K"), phone("AE"), phone("T"), acoustic.Inside), [3]uint16{247, 274, 335}; got != want {
		t.Errorf("senones of AE between K and T are %d, want %d", got, want)
	}
	if got, want := m.SenonesBetween(phone("+NSN+"), phone("AE"), phone("T"), acoustic.AtStart), m.SenonesBetween(m.Silence(), phone("AE"), phone("T"), acoustic.AtStart); got != want {
		t.Errorf("senones of AE after noise are %d, want %d as after silence", got, want)
	}
	if got, want := m.SenonesBetween(phone("K"), m.Silence(), phone("T"), acoustic.Inside), m.SenonesOf(m.Silence()); got != want {
		t.Errorf("senones of silence between K and T are %d, want its own %d", got, want)
	}
}

// Differences of single senones are those of all senones.
func TestScoreOfOneSenone(t *testing.T) {
	t.Parallel()
	m := load(t)
	_, s, all := scored(t, m)
	a, b := acoustic.Phone(5), acoustic.Phone(9)
	one, other := m.SenonesOf(a)[1], m.SenonesOf(b)[2]
	first, second := s.Score(nil, a, one, 10, 60), s.Score(nil, b, other, 10, 60)
	for t0 := range first {
		frame := all[(10+t0)*m.Senones():]
		if got, want := float64(first[t0]-second[t0]), float64(frame[one]-frame[other]); math.Abs(got-want) > 1e-3 {
			t.Fatalf("frame %d: senone %d is %g above %d, want %g", 10+t0, one, got, other, want)
		}
	}
}
