package redisstream

import "oktalk/internal/evaluation"

// group is the name of the one consumer group of every stream.
const group = "workers"

// keys are the names of all keys of one stage. They share the hash tag {stage}, so that they live in one slot of a cluster.
type keys struct {
	stream     string // stream: entries of the ordinary lane
	low        string // stream: entries of the low lane
	open       string // hash: user -> entries added and not settled
	delayed    string // zset: entries to be added later, by due time in ms of Redis's clock
	dead       string // stream: entries set aside
	leases     string // zset: consumer -> expiry in ms of Redis's clock
	generation string // string: equals the stage's generation in the database while the keys are whole
	paused     string // string: exists while the stage is paused
}

func stageKeys(prefix string, stage evaluation.StageName) keys {
	base := prefix + ":stage:{" + string(stage) + "}:"
	return keys{
		stream:     base + "stream",
		low:        base + "stream:low",
		open:       base + "open",
		delayed:    base + "delayed",
		dead:       base + "dead",
		leases:     base + "leases",
		generation: base + "generation",
		paused:     base + "paused",
	}
}

// lane is the stream of a lane.
func (k keys) lane(low bool) string {
	if low {
		return k.low
	}
	return k.stream
}
