package rediskv

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"oktalk/internal/evaluation"
)

//go:embed publish.lua
var publishLua string

//go:embed remove.lua
var removeLua string

// SnapshotConfig is how snapshots are kept.
type SnapshotConfig struct {
	// TTL is how long a snapshot stays after its last change; default 168 h. It is a cache: a shorter time only means more
	// reads from PostgreSQL. Zero means the default.
	TTL time.Duration `env:"SNAPSHOT_TTL" envDefault:"168h"`
}

// Validate reports what is wrong with the settings.
func (c SnapshotConfig) Validate() error {
	if c.TTL < 0 || c.TTL > 0 && c.TTL < time.Second {
		return fmt.Errorf("SNAPSHOT_TTL is %v: want a second or more, or 0 for the default", c.TTL)
	}
	return nil
}

// defaultSnapshotTTL is used where no time is given.
const defaultSnapshotTTL = 168 * time.Hour

// Snapshots stores and publishes the latest states of evaluations. It is safe for concurrent use.
type Snapshots struct {
	client redis.UniversalClient
	keys   keys
	ttl    time.Duration
}

// NewSnapshots makes a Snapshots. How long a call may take is the client's: use one for work to publish, one for
// requests to read inside a request. A ttl of zero or less is 168 h. The caller closes the client.
func NewSnapshots(client redis.UniversalClient, prefix string, ttl time.Duration) *Snapshots {
	if ttl <= 0 {
		ttl = defaultSnapshotTTL
	}
	return &Snapshots{client: client, keys: keys(prefix), ttl: ttl}
}

// Publish stores the evaluations' states and publishes them, all in one round trip. A state whose version is not above
// the stored one is dropped, so repeating and reordering do no harm. On an error any part of them may have been published.
func (s *Snapshots) Publish(ctx context.Context, evaluations []*evaluation.Evaluation) error {
	if len(evaluations) == 0 {
		return nil
	}
	pipe := s.client.Pipeline()
	for _, e := range evaluations {
		args, err := s.publishArgs(e)
		if err != nil {
			return fmt.Errorf("publish snapshot of %s: %w", e.ID, err)
		}
		pipe.Eval(ctx, publishLua, []string{s.keys.snapshot(e.ID)}, args...)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable(fmt.Sprintf("publish %d snapshots", len(evaluations)), err)
	}
	return nil
}

func (s *Snapshots) publishArgs(e *evaluation.Evaluation) ([]any, error) {
	snapshot, err := e.Snapshot()
	if err != nil {
		return nil, err
	}
	message, err := encodeMessage(snapshot)
	if err != nil {
		return nil, err
	}
	args := []any{e.Version, s.ttl.Milliseconds(), s.keys.channel(e.ID), message}
	return append(args, snapshotFields(e, snapshot)...), nil
}

// Remove deletes the snapshots of evaluations and tells their channels that they are gone, all in one round trip. Ids
// without a snapshot are told all the same.
func (s *Snapshots) Remove(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	pipe := s.client.Pipeline()
	for _, id := range ids {
		message, err := encodeMessage(evaluation.Snapshot{ID: id, Deleted: true})
		if err != nil {
			return fmt.Errorf("remove snapshot of %s: %w", id, err)
		}
		pipe.Eval(ctx, removeLua, []string{s.keys.snapshot(id)}, s.keys.channel(id), message)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable(fmt.Sprintf("remove %d snapshots", len(ids)), err)
	}
	return nil
}

// Get reads snapshots, all in one round trip. Ids without one, or with one that cannot be read, are absent from the map.
func (s *Snapshots) Get(ctx context.Context, ids []string) (map[string]evaluation.Snapshot, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	pipe := s.client.Pipeline()
	replies := make([]*redis.SliceCmd, len(ids))
	for i, id := range ids {
		replies[i] = pipe.HMGet(ctx, s.keys.snapshot(id), fieldVersion, fieldStatus, fieldUserID, fieldJSON)
	}
	if _, err := pipe.Exec(ctx); err != nil && !isWrongType(err) {
		return nil, unavailable(fmt.Sprintf("read %d snapshots", len(ids)), err)
	}
	snapshots := make(map[string]evaluation.Snapshot, len(ids))
	for i, id := range ids {
		if snapshot, ok := toSnapshot(id, replies[i].Val()); ok {
			snapshots[id] = snapshot
		}
	}
	return snapshots, nil
}

// isWrongType finds the reply for a key that is not a hash. Redis has no code for it but the first word of its text.
func isWrongType(err error) bool { return redis.HasErrorPrefix(err, "WRONGTYPE") }

// Fields of the hash that are read back.
const (
	fieldUserID  = "user_id"
	fieldStatus  = "status"
	fieldVersion = "version"
	fieldJSON    = "json"
)

// snapshotFields are the fields of the hash in the order name, value, …; what there is not yet is empty.
func snapshotFields(e *evaluation.Evaluation, s evaluation.Snapshot) []any {
	v := e.View()
	var scores evaluation.ScoresView
	score := func(int) string { return "" }
	if v.Scores != nil {
		scores, score = *v.Scores, strconv.Itoa
	}
	return []any{
		fieldUserID, e.UserID,
		"target_text", v.TargetText,
		"overall_score", score(scores.Overall),
		"accuracy_score", score(scores.Accuracy),
		"fluency_score", score(scores.Fluency),
		"integrity_score", score(scores.Integrity),
		"feedback_level", orEmpty(v.Level),
		"feedback_text", orEmpty(v.Feedback.Text),
		"feedback_audio_url", orEmpty(v.Feedback.AudioURL),
		"demo_audio_url", orEmpty(v.Demo.AudioURL),
		"demo_type", orEmpty(v.Demo.Type),
		"created_at", v.CreatedAt.Format(time.RFC3339Nano),
		fieldStatus, string(v.Status),
		fieldVersion, v.Version,
		fieldJSON, []byte(s.Body),
	}
}

// toSnapshot reads the fields version, status, user_id and json.
func toSnapshot(id string, values []any) (evaluation.Snapshot, bool) {
	if len(values) != 4 {
		return evaluation.Snapshot{}, false
	}
	var fields [4]string
	for i, v := range values {
		text, ok := v.(string)
		if !ok {
			return evaluation.Snapshot{}, false
		}
		fields[i] = text
	}
	version, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil || version < 1 || fields[3] == "" {
		return evaluation.Snapshot{}, false
	}
	return evaluation.Snapshot{
		ID: id, UserID: fields[2], Version: version,
		Final: evaluation.Status(fields[1]).Final(), Body: []byte(fields[3]),
	}, true
}

func orEmpty[T ~string](v *T) string {
	if v == nil {
		return ""
	}
	return string(*v)
}
