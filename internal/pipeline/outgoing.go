package pipeline

import "oktalk/internal/evaluation"

// Destination is where rows of the outbox go. Each can be away on its own, as when one slot of a cluster is down.
type Destination string

// ToSnapshots is the destination of changed and deleted evaluations.
const ToSnapshots Destination = "snapshots"

// ToStage is the destination of a stage's entries.
func ToStage(name evaluation.StageName) Destination { return Destination(name) }

// Destinations lists all.
func Destinations() []Destination {
	list := []Destination{ToSnapshots}
	for _, s := range evaluation.Stages() {
		list = append(list, ToStage(s.Name))
	}
	return list
}

// Outgoing is what rows of the outbox ask to send, each once and as it is now.
type Outgoing struct {
	Jobs    []Entry                  // open jobs to enqueue
	Changed []*evaluation.Evaluation // states to publish, without words, which messages never carry
	Deleted []string                 // evaluations whose snapshots are to be removed
}
