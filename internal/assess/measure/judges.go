package measure

import (
	_ "embed" // for the diagnoses
	"encoding/json"
	"fmt"

	"oktalk/internal/assess/corpus"
	"oktalk/internal/assess/offline"
)

// Panel gives the assessor that judges a voice.
type Panel func(corpus.Voice) Assessor

//go:embed diagnoses.json
var diagnosesJSON []byte

// Diagnoses gives for each speaker of flite the diagnosis that is fitted to the others alone. The one that is built into the assessor has
// heard all of them, so that it cannot be judged by any. `oktalk calibrate --diagnosis` writes both.
func Diagnoses() (map[string]*offline.Diagnosis, error) {
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(diagnosesJSON, &parts); err != nil {
		return nil, fmt.Errorf("read the diagnoses of speakers: %w", err)
	}
	out := map[string]*offline.Diagnosis{}
	for speaker, data := range parts {
		d, err := offline.ParseDiagnosis(data)
		if err != nil {
			return nil, fmt.Errorf("speaker %s: %w", speaker, err)
		}
		out[speaker] = d
	}
	return out, nil
}
