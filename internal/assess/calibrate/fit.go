package calibrate

import (
	"errors"
	"fmt"
	"math"

	"oktalk/internal/assess/calibration"
)

// Sample is a phone with what it should be.
type Sample struct {
	Score float64 // the assessor's, 0 to 100
	Label float64 // 0 wrong to 1 right; between for phones that are right with an accent
}

// Errors of [Fit].
var (
	ErrOneSided = errors.New("all phones are right, or all are wrong: there is nothing to tell apart")
	ErrUpside   = errors.New("phones with better labels do not have better scores: no calibration keeps the order")
)

const (
	mostSteps = 100
	// enough is the length of a step from which on the result no longer changes in what is shown.
	enough = 1e-9
	// steady pulls the slope to 1 as half a phone on each side of it would, so that labels without any overlap have a finite fit.
	steady = 1e-3
)

// Fit finds the slope and offset under which the labels are likeliest (logistic regression on the log odds of the scores, by Newton's
// method). wrongShare above 0 weighs right and wrong phones as if that share were wrong, for recordings in which mistakes were planted and are more or
// fewer than learners make; 0 takes them as they are. The result lacks what only the caller knows: Assessor, MadeFrom, Recordings.
func Fit(samples []Sample, wrongShare float64) (calibration.Calibration, error) {
	right := 0.0
	for _, s := range samples {
		right += s.Label
	}
	wrong := float64(len(samples)) - right
	if right <= 0 || wrong <= 0 {
		return calibration.Calibration{}, fmt.Errorf("fit %d phones: %w", len(samples), ErrOneSided)
	}
	if wrongShare < 0 || wrongShare >= 1 {
		return calibration.Calibration{}, fmt.Errorf("the share of wrong phones is %v: it must be at least 0 and below 1", wrongShare)
	}
	weigh := func(float64) float64 { return 1 }
	if wrongShare > 0 {
		n := right + wrong
		weigh = func(label float64) float64 { return n * (label*(1-wrongShare)/right + (1-label)*wrongShare/wrong) }
	}
	c := calibration.Calibration{PhoneSlope: 1, Phones: len(samples), WrongShare: wrongShare}
	for range mostSteps {
		dOffset, dSlope := newton(c, samples, weigh)
		// A step that is too long leads away from a flat part for ever.
		scale := 1 / max(1, math.Abs(dOffset)/2, math.Abs(dSlope)/2)
		c.PhoneOffset, c.PhoneSlope = c.PhoneOffset+scale*dOffset, c.PhoneSlope+scale*dSlope
		if math.Abs(dOffset)+math.Abs(dSlope) < enough {
			break
		}
	}
	if c.PhoneSlope <= 0 || math.IsNaN(c.PhoneSlope) {
		return calibration.Calibration{}, fmt.Errorf("fit %d phones: %w", len(samples), ErrUpside)
	}
	return c, nil
}

// newton is the step to the top of the parabola that touches the likelihood.
func newton(c calibration.Calibration, samples []Sample, weigh func(label float64) float64) (offset, slope float64) {
	var g0, g1, h00, h01, h11 float64
	g1, h11 = -steady*(c.PhoneSlope-1), steady
	for _, s := range samples {
		x, w := calibration.LogOdds(s.Score), weigh(s.Label)
		p := calibration.Logistic(c.PhoneOffset + c.PhoneSlope*x)
		g0, g1 = g0+w*(s.Label-p), g1+w*(s.Label-p)*x
		v := w * max(p*(1-p), 1e-12)
		h00, h01, h11 = h00+v, h01+v*x, h11+v*x*x
	}
	det := h00*h11 - h01*h01
	return (h11*g0 - h01*g1) / det, (h00*g1 - h01*g0) / det
}

// Surprise is how surprising the labels are under a calibration, in bits a phone: 0 when it foretells every one.
func Surprise(c calibration.Calibration, samples []Sample) float64 {
	sum := 0.0
	for _, s := range samples {
		p := min(max(c.Apply(s.Score)/100, 1e-9), 1-1e-9)
		sum -= s.Label*math.Log2(p) + (1-s.Label)*math.Log2(1-p)
	}
	return sum / float64(len(samples))
}
