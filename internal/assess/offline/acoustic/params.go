package acoustic

import (
	"bytes"
	"fmt"
	"strconv"
)

// params are the settings of the front end that a model was trained with, those of feat.params.
type params struct {
	lowHz, highHz float64 // edges of the mel filters
	filters       int
	lifter        int // length of the sine lifter, 0 for none
}

// parseParams reads "-name value" lines. Settings that change the features in a way this package does not know are errors.
func parseParams(data []byte) (params, error) {
	p := params{lowHz: 133.33334, highHz: 6855.4976, filters: 40} // PocketSphinx' defaults
	required := map[string]string{
		"-transform": "dct", "-feat": "1s_c_d_dd", "-svspec": "0-12/13-25/26-38", "-agc": "none", "-cmn": "batch", "-varnorm": "no", "-model": "ptm",
	}
	fields := bytes.Fields(data)
	for len(fields) >= 2 {
		name, value := string(fields[0]), string(fields[1])
		fields = fields[2:]
		var err error
		switch name {
		case "-lowerf":
			p.lowHz, err = strconv.ParseFloat(value, 64)
		case "-upperf":
			p.highHz, err = strconv.ParseFloat(value, 64)
		case "-nfilt":
			p.filters, err = strconv.Atoi(value)
		case "-lifter":
			p.lifter, err = strconv.Atoi(value)
		case "-cmninit": // where live normalization starts; ours is over the whole recording
		default:
			if want, ok := required[name]; !ok || value != want {
				err = fmt.Errorf("only models with %s %s are supported", name, want)
			}
		}
		if err != nil {
			return p, fmt.Errorf("%s %s: %w", name, value, err)
		}
		delete(required, name)
	}
	delete(required, "-agc") // none, no and batch are what a model without these lines means
	delete(required, "-varnorm")
	for name, value := range required {
		return p, fmt.Errorf("%s %s is missing", name, value)
	}
	return p, p.check()
}

func (p params) check() error {
	switch {
	case !(p.lowHz >= 0 && p.lowHz < p.highHz && p.highHz <= SampleRate/2):
		return fmt.Errorf("filters from %g to %g Hz, expected within 0 to %d", p.lowHz, p.highHz, SampleRate/2)
	case p.filters < CepstrumSize || p.filters > 100:
		return fmt.Errorf("%d filters, expected %d to 100", p.filters, CepstrumSize)
	case p.lifter < 0 || p.lifter > 1000:
		return fmt.Errorf("lifter %d, expected 0 to 1000", p.lifter)
	}
	return nil
}
