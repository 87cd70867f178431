package intake

import (
	"context"
	"fmt"
	"time"

	"oktalk/internal/evaluation"
	"oktalk/internal/telemetry"
)

// put is an upload under way.
type put struct {
	cancel    context.CancelFunc
	announced chan error    // gets one value: why the recording could not be announced, in which case nothing is put
	done      chan struct{} // closed when the upload has ended
	err       error         // valid when done is closed
}

// startPut begins to announce and then to upload a recording. That does not end with the request: it ends with [put.wait] or
// [Service.discard].
func (s *Service) startPut(ctx context.Context, e *evaluation.Evaluation, body []byte) *put {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &put{cancel: cancel, announced: make(chan error, 1), done: make(chan struct{})}
	rec := e.Recording
	s.cleanup.Go(func() {
		defer close(p.done)
		p.err = s.d.Evaluations.Announce(ctx, e.ID)
		p.announced <- p.err
		if p.err == nil {
			p.err = s.d.Recordings.Put(ctx, rec.ObjectKey, rec.ContentType, body)
		}
	})
	return p
}

// wait waits for the upload until grace has passed and then gives it up. The error says why the recording is not stored.
func (p *put) wait(grace time.Duration) error {
	defer p.cancel()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return p.err
	case <-timer.C:
		return fmt.Errorf("the object store did not take it within %v after scoring", grace)
	}
}

// discard gives the upload up and removes in the background what has arrived of it. What this misses, because it fails, this
// process dies or the store ends the upload later, is still announced, and housekeeping removes it.
func (s *Service) discard(p *put, e *evaluation.Evaluation) {
	p.cancel()
	s.cleanup.Go(func() {
		<-p.done
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		if err := s.d.Recordings.DeletePrefix(ctx, evaluation.ObjectPrefix(e.ID)); err != nil {
			s.d.Log.Warn("unused recording is left to housekeeping", telemetry.KeyEvaluation, e.ID, telemetry.KeyErr, err)
		}
	})
}
