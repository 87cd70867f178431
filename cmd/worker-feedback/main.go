// Command worker-feedback runs the feedback stage: it writes coaching texts.
package main

import (
	"os"

	"oktalk/internal/evaluation"
	"oktalk/internal/feedback"
	"oktalk/internal/feedback/coach"
	"oktalk/internal/process"
	"oktalk/internal/provider/instant"
	"oktalk/internal/settings"
)

func main() {
	process.CollectLess()
	os.Exit(process.Main("worker-feedback", settings.Load[settings.WorkerFeedback], assemble))
}

func assemble(cfg settings.WorkerFeedback, p *process.Process) (process.Parts, error) {
	var writer feedback.Generator = coach.New()
	if yes, err := instant.Chosen("COACH", cfg.Coach, "offline", p.Log); err != nil {
		return process.Parts{}, err
	} else if yes {
		writer = instant.Coach{}
	}
	runner, err := p.Runner(evaluation.StageFeedback, feedback.NewStage(cfg.Feedback, writer, coach.New(), p.Log))
	if err != nil {
		return process.Parts{}, err
	}
	return process.Parts{Run: []process.Part{runner.Run}}, nil
}
