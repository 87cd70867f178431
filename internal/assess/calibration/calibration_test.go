package calibration_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/assess/calibration"
)

func TestCalibrationFile(t *testing.T) {
	t.Parallel()
	want := calibration.Calibration{Assessor: "offline", PhoneSlope: 0.8, PhoneOffset: -0.4, MadeFrom: "train", Recordings: 3, Phones: 40, WrongShare: 0.1}
	file := filepath.Join(t.TempDir(), "calibration.json")
	if err := want.Save(file); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := calibration.Parse(data)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("Parse = %v (-want +got):\n%s", err, diff)
	}
	same := calibration.Calibration{PhoneSlope: 1}
	for _, score := range []float64{1, 50, 99} {
		if got := same.Apply(score); math.Abs(got-score) > 1e-9 {
			t.Errorf("slope 1 and offset 0 make %v of %v", got, score)
		}
	}
	for _, bad := range []string{"", "{}", `{"assessor":"offline","phone_slope":-1}`, `{"phone_slope":1}`, `{"assessor":"offline","phone_slope":"x"}`} {
		if _, err := calibration.Parse([]byte(bad)); err == nil {
			t.Errorf("Parse(%s) has no error", bad)
		}
	}
	if err := (calibration.Calibration{}).Save(file); err == nil {
		t.Error("an empty calibration was saved")
	}
}

// FuzzParse: whatever is accepted keeps scores within 0 and 100 and in order.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"assessor":"offline","phone_slope":0.8,"phone_offset":-0.4}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := calibration.Parse(data)
		if err != nil {
			return
		}
		last := 0.0
		for score := 0.0; score <= 100; score += 5 {
			got := c.Apply(score)
			if !(got >= last && got <= 100) {
				t.Errorf("%+v makes %v of %v after %v", c, got, score, last)
			}
			last = got
		}
		if _, err := json.Marshal(c); err != nil {
			t.Error(err)
		}
	})
}
