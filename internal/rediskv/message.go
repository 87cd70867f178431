package rediskv

import (
	"encoding/json"
	"errors"
	"fmt"

	"oktalk/internal/evaluation"
)

// message is what a channel carries.
type message struct {
	ID      string          `json:"id"`
	Version int64           `json:"version,omitempty"`
	Final   bool            `json:"final,omitempty"`
	Deleted bool            `json:"deleted,omitempty"`
	Body    json.RawMessage `json:"body,omitempty"`
}

func encodeMessage(s evaluation.Snapshot) ([]byte, error) {
	return json.Marshal(message{ID: s.ID, Version: s.Version, Final: s.Final, Deleted: s.Deleted, Body: s.Body})
}

// decodeMessage reads a message and checks that it can be used.
func decodeMessage(data []byte) (evaluation.Snapshot, error) {
	var m message
	if err := json.Unmarshal(data, &m); err != nil {
		return evaluation.Snapshot{}, fmt.Errorf("decode progress message: %w", err)
	}
	switch {
	case m.ID == "":
		return evaluation.Snapshot{}, errors.New("decode progress message: no id")
	case m.Deleted:
		return evaluation.Snapshot{ID: m.ID, Deleted: true}, nil
	case m.Version < 1 || len(m.Body) == 0 || m.Body[0] != '{':
		return evaluation.Snapshot{}, fmt.Errorf("decode progress message of %s: no version or no body", m.ID)
	}
	return evaluation.Snapshot{ID: m.ID, Version: m.Version, Final: m.Final, Body: m.Body}, nil
}
