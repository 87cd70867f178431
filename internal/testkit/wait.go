package testkit

import (
	"testing"
	"time"
)

// waitPoll is the pause between two looks; a condition costs a query at most.
const waitPoll = 10 * time.Millisecond

// WaitFor waits until cond holds and fails the test when it does not within timeout; what completes the sentence "waited
// in vain for …". Use it where there is no signal to wait for.
func WaitFor(t testing.TB, timeout time.Duration, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(waitPoll)
	defer tick.Stop()
	limit := time.After(timeout)
	for !cond() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited %v in vain for %s", timeout, what)
		}
	}
}
