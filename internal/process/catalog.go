package process

import (
	"oktalk/internal/evaluation"
	"oktalk/internal/feedback/coach"
	"oktalk/internal/provider/flite"
	"oktalk/internal/replay"
)

// Catalog lists whom the workers of each stage can be asked to have the work done by, for replays.
func Catalog() replay.Catalog {
	voice := replay.Provider{Name: "flite", Models: flite.Voices()}
	chinese := replay.Provider{Name: "espeak-ng+flite", Models: flite.Voices()} // as runs of Chinese texts are recorded
	return replay.Catalog{
		evaluation.StageFeedback: {{Name: coach.New().Name(), Prompts: []string{coach.Version}}},
		evaluation.StageSpeech:   {voice, chinese},
		evaluation.StageDemo:     {voice},
	}
}
