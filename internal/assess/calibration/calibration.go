// Package calibration moves an assessor's scores of phones to the scale of labels, keeping their order.
//
// Package calibrate makes calibrations from labelled recordings; the offline assessor applies one (ASSESSOR_CALIBRATION).
package calibration

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
)

// Calibration maps an assessor's score of a phone to one on the scale of the labels it was made from. Scores are 0 to 100. On the log
// odds of the score it is a line: log odds after = PhoneOffset + PhoneSlope x log odds before.
//
// An assessor whose score is a logistic curve of something else, 100 / (1 + exp(-a (x - m))), gets the same by using the slope
// PhoneSlope x a and the midpoint m - PhoneOffset / (PhoneSlope x a) instead.
type Calibration struct {
	Assessor    string  `json:"assessor"`     // whose scores it is for, as in evaluation.Assessment
	PhoneSlope  float64 `json:"phone_slope"`  // above 0, so that the order stays; 1 changes nothing
	PhoneOffset float64 `json:"phone_offset"` // 0 changes nothing
	MadeFrom    string  `json:"made_from"`    // which recordings, for a person
	Recordings  int     `json:"recordings"`   // how many of them were scored
	Phones      int     `json:"phones"`       // how many phones they have
	// WrongShare is the share of wrong phones that the fit took for usual, 0 to 1; 0 when it took what the recordings have.
	WrongShare float64 `json:"wrong_share,omitempty"`
}

// leastScore keeps the log odds of scores that are rounded to 0 or 100 finite: half a point from the end.
const leastScore = 0.5

// Apply maps a score, 0 to 100.
func (c Calibration) Apply(score float64) float64 {
	return 100 * Logistic(c.PhoneOffset+c.PhoneSlope*LogOdds(score))
}

// LogOdds is the log odds of a score, 0 to 100; of its ends those of half a point from them.
func LogOdds(score float64) float64 {
	p := min(max(score, leastScore), 100-leastScore) / 100
	return math.Log(p / (1 - p))
}

// Logistic is the share, 0 to 1, with some log odds.
func Logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// Validate reports a calibration that would turn scores around or lose them.
func (c Calibration) Validate() error {
	switch {
	case !(c.PhoneSlope > 0) || math.IsInf(c.PhoneSlope, 0):
		return fmt.Errorf("phone_slope is %v: it must be above 0", c.PhoneSlope)
	case math.IsNaN(c.PhoneOffset) || math.IsInf(c.PhoneOffset, 0):
		return fmt.Errorf("phone_offset is %v: it must be a number", c.PhoneOffset)
	case c.Assessor == "":
		return errors.New("assessor is missing: it says whose scores the calibration is for")
	default:
		return nil
	}
}

// Parse reads a calibration from JSON and checks it.
func Parse(data []byte) (Calibration, error) {
	var c Calibration
	if err := json.Unmarshal(data, &c); err != nil {
		return Calibration{}, fmt.Errorf("read a calibration: %w", err)
	}
	if err := c.Validate(); err != nil {
		return Calibration{}, fmt.Errorf("read a calibration: %w", err)
	}
	return c, nil
}

// Load reads the calibration of an assessor from a file.
func Load(file, assessor string) (Calibration, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return Calibration{}, err
	}
	c, err := Parse(data)
	if err != nil {
		return Calibration{}, fmt.Errorf("%s: %w", file, err)
	}
	if c.Assessor != assessor {
		return Calibration{}, fmt.Errorf("%s: it is for the scores of %q, not of %q", file, c.Assessor, assessor)
	}
	return c, nil
}

// Save writes the calibration as JSON.
func (c Calibration) Save(file string) error {
	if err := c.Validate(); err != nil {
		return err
	}
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o644)
}
