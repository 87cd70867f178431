package settings

import (
	"oktalk/internal/assess/offline"
	"oktalk/internal/audio"
	"oktalk/internal/evaluation"
	"oktalk/internal/feedback"
	"oktalk/internal/housekeeping"
	"oktalk/internal/httpapi"
	"oktalk/internal/intake"
	"oktalk/internal/objectstore"
	"oktalk/internal/process"
	"oktalk/internal/provider/espeak"
	"oktalk/internal/provider/flite"
	"oktalk/internal/realtime"
	"oktalk/internal/tts"
)

// API is the settings of the API process.
type API struct {
	process.Config

	HTTP     httpapi.Config
	Store    objectstore.Config
	Audio    audio.Config
	Intake   intake.Config
	Assessor offline.Config
	// Scorer is who scores recordings: offline, or instant for load tests.
	Scorer       string `env:"ASSESSOR" envDefault:"offline"`
	Realtime     realtime.Config
	Housekeeping housekeeping.Config
	// Stages are the small stages that this process runs: erase. Empty in replicas that should only serve.
	Stages []evaluation.StageName `env:"STAGES" envDefault:"erase"`
}

// WorkerFeedback is the settings of the feedback worker.
type WorkerFeedback struct {
	process.Config

	Feedback feedback.Config
	// Coach is who writes coaching texts: offline, or instant for load tests.
	Coach string `env:"COACH" envDefault:"offline"`
}

// WorkerTTS is the settings of the speech worker.
type WorkerTTS struct {
	process.Config

	Store   objectstore.Config
	Audio   audio.Config
	TTS     tts.Config
	Voice   flite.Config
	Chinese espeak.Config
	// Speaker is who speaks: local, which is flite and espeak-ng, or instant for load tests.
	Speaker string `env:"VOICE" envDefault:"local"`
}
