package pipeline

import (
	"log/slog"
	"sync"
	"time"
)

// outage logs that something is away once, and once that it is back, however many calls fail meanwhile.
type outage struct {
	what string
	log  *slog.Logger

	mu    sync.Mutex
	since time.Time // zero: it is there
}

func (o *outage) failed(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		o.since = time.Now()
		o.log.Warn("a part is away; calls are repeated until it is back", "part", o.what, "err", err)
	}
}

func (o *outage) worked() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.since.IsZero() {
		o.log.Info("a part is back", "part", o.what, "away", time.Since(o.since).Round(time.Millisecond))
		o.since = time.Time{}
	}
}

// pauses are growing pauses between repeated calls.
type pauses struct{ next, most time.Duration }

func (p *pauses) after() time.Duration {
	d := max(p.next, pauseFirst)
	p.next = min(2*d, p.most)
	return d
}
