package rediskv

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"oktalk/internal/evaluation"
)

// keys names the keys and channels of one installation.
type keys string

func (k keys) snapshot(id string) string { return string(k) + ":eval:result:" + id }
func (k keys) channel(id string) string  { return string(k) + ":eval:progress:" + id }
func (k keys) once(id string) string     { return string(k) + ":once:" + id }

// limit is of a stage or a vendor, as in pipeline.Shared. All limits have one hash tag, so that one script can look at several.
func (k keys) limit(of string) string { return string(k) + ":limit:{limits}:" + of }

// evaluationID is the reverse of channel.
func (k keys) evaluationID(channel string) string {
	return strings.TrimPrefix(channel, string(k)+":eval:progress:")
}

// unavailable translates an error of Redis: callers need not tell one error from another.
// An operation that its caller gave up keeps [context.Canceled].
func unavailable(op string, err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", op, context.Canceled)
	}
	return fmt.Errorf("%s: %w: redis: %v", op, evaluation.ErrUnavailable, err) //nolint:errorlint // the driver's errors stay in this package
}
