// Package pause waits for a time, or for a context to end.
package pause

import (
	"context"
	"time"
)

// For waits for d and reports whether it has passed: false if ctx ended first. With d of zero or less it returns at once, and reports whether
// ctx is still under way.
func For(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
