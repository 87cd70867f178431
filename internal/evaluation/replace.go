package evaluation

import "slices"

// Replace puts artifacts that were made again in the place of settled ones, all or none. Only a completed evaluation takes
// them, each must be as good as what it replaces (ready, else fallback, else failed), and it stays completed. It reports
// whether it did.
func (e *Evaluation) Replace(made ...Artifact) bool {
	if e.Status != StatusCompleted || len(made) == 0 {
		return false
	}
	artifacts := slices.Clone(e.Artifacts)
	for _, a := range made {
		i := slices.IndexFunc(artifacts, func(x Artifact) bool { return x.Kind == a.Kind })
		if i < 0 || a.State == StatePending || worth(a.State) < worth(artifacts[i].State) {
			return false
		}
		if a.Kind == DemoAudio { // what is read aloud was decided with the plan
			a.Text, a.DemoType = artifacts[i].Text, artifacts[i].DemoType
		}
		artifacts[i] = a
	}
	e.Artifacts = artifacts
	e.recompute()
	return true
}

func worth(s ArtifactState) int {
	switch s {
	case StateReady:
		return 2
	case StateFallback:
		return 1
	default:
		return 0
	}
}
