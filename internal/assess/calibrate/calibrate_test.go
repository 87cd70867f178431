package calibrate_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"oktalk/internal/assess/calibrate"
	"oktalk/internal/assess/calibration"
)

// Two groups, at log odds 0 and 2, of which shares of 1/2 and 3/4 are right: the line goes through log odds 0 and log 3, so its offset is
// 0 and its slope log 3 / 2.
func TestFitByHand(t *testing.T) {
	t.Parallel()
	var samples []calibrate.Sample
	atTwo := 100 / (1 + math.Exp(-2))
	for i := range 4000 {
		samples = append(samples, calibrate.Sample{Score: 50, Label: float64(i % 2)}, calibrate.Sample{Score: atTwo, Label: float64(min(i%4, 1))})
	}
	c, err := calibrate.Fit(samples, 0)
	if err != nil || math.Abs(c.PhoneOffset) > 1e-3 || math.Abs(c.PhoneSlope-math.Log(3)/2) > 1e-3 || c.Phones != len(samples) {
		t.Errorf("Fit = %+v, %v, want offset 0 and slope %.4f", c, err, math.Log(3)/2)
	}
	if got := c.Apply(atTwo); math.Abs(got-75) > 0.1 {
		t.Errorf("Apply(%.1f) = %.2f, want 75, the share that is right", atTwo, got)
	}
	// In bits: half the phones surprise by 1, half by the entropy of 3/4.
	want := (1 + 0.75*math.Log2(4./3) + 0.25*2) / 2
	if got := calibrate.Surprise(c, samples); math.Abs(got-want) > 1e-3 {
		t.Errorf("Surprise = %.4f, want %.4f", got, want)
	}
}

// TestFitFindsTheCurve draws labels from a known curve.
func TestFitFindsTheCurve(t *testing.T) {
	t.Parallel()
	want := calibration.Calibration{PhoneSlope: 0.6, PhoneOffset: 1.5}
	rng := rand.New(rand.NewPCG(1, 2))
	var samples []calibrate.Sample
	for range 40_000 {
		s := calibrate.Sample{Score: 1 + 98*rng.Float64()}
		if rng.Float64()*100 < want.Apply(s.Score) {
			s.Label = 1
		}
		samples = append(samples, s)
	}
	got, err := calibrate.Fit(samples, 0)
	if err != nil || math.Abs(got.PhoneSlope-want.PhoneSlope) > 0.05 || math.Abs(got.PhoneOffset-want.PhoneOffset) > 0.05 {
		t.Errorf("Fit = %+v, %v, want about %+v", got, err, want)
	}
}

// TestWrongShare: with twice the odds of wrong phones the offset falls by log 2, and the slope stays.
func TestWrongShare(t *testing.T) {
	t.Parallel()
	var samples []calibrate.Sample
	for i := range 3000 {
		score := float64(20 + i%60)
		samples = append(samples, calibrate.Sample{Score: score, Label: 1}, calibrate.Sample{Score: score - 15, Label: 0})
	}
	third, err := calibrate.Fit(samples, 1./3)
	if err != nil {
		t.Fatal(err)
	}
	half, err := calibrate.Fit(samples, 1./2)
	if err != nil || math.Abs(third.PhoneOffset-half.PhoneOffset-math.Log(2)) > 0.1 || math.Abs(third.PhoneSlope-half.PhoneSlope) > 0.2 {
		t.Errorf("Fit with a third wrong = %+v, with half %+v, %v", third, half, err)
	}
}

func TestFitKeepsTheOrderOrFails(t *testing.T) {
	t.Parallel()
	var apart, upside []calibrate.Sample
	for i := range 100 {
		apart = append(apart, calibrate.Sample{Score: float64(i), Label: float64(i / 50)})
		upside = append(upside, calibrate.Sample{Score: float64(i), Label: 1 - float64(i)/99})
	}
	c, err := calibrate.Fit(apart, 0)
	if err != nil || c.Validate() == nil || c.PhoneSlope <= 1 { // the assessor's name is missing
		t.Errorf("Fit of what does not overlap = %+v, %v, want a steep but finite curve", c, err)
	}
	for score := 1.0; score <= 100; score++ {
		if c.Apply(score) < c.Apply(score-1) {
			t.Errorf("Apply(%v) is below Apply(%v)", score, score-1)
		}
	}
	if _, err := calibrate.Fit(upside, 0); !errors.Is(err, calibrate.ErrUpside) {
		t.Errorf("Fit upside down = %v, want ErrUpside", err)
	}
	for _, samples := range [][]calibrate.Sample{nil, {{Score: 50, Label: 1}}, {{Score: 50, Label: 0}}} {
		if _, err := calibrate.Fit(samples, 0); !errors.Is(err, calibrate.ErrOneSided) {
			t.Errorf("Fit(%v) = %v, want ErrOneSided", samples, err)
		}
	}
	if _, err := calibrate.Fit(apart, 1); err == nil {
		t.Error("Fit takes a share of 1")
	}
}
