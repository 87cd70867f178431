package intake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"oktalk/internal/evaluation"
	"oktalk/internal/telemetry"
)

// put is an upload under way.
type put struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when the upload has ended
	err    error         // valid when done is closed
}

// startPut begins to upload. The upload does not end with the request: it ends with [put.wait] or [Service.discard].
func (s *Service) startPut(ctx context.Context, rec evaluation.Recording, body []byte) *put {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &put{cancel: cancel, done: make(chan struct{})}
	s.cleanup.Go(func() {
		defer close(p.done)
		p.err = s.d.Recordings.Put(ctx, rec.ObjectKey, rec.ContentType, body)
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

// discard gives the upload up and removes in the background what has arrived of it.
func (s *Service) discard(p *put, e *evaluation.Evaluation) {
	p.cancel()
	s.cleanup.Go(func() {
		<-p.done
		s.remove(e)
	})
}

// settleDoubt removes the recording of an evaluation that could not be stored, if that is certain. If it is not, it asks
// the store later.
func (s *Service) settleDoubt(p *put, e *evaluation.Evaluation, cause error) {
	if !outcomeUnknown(cause) {
		s.discard(p, e)
		return
	}
	p.cancel()
	s.cleanup.Go(func() {
		<-p.done
		if !s.pause(doubtPause) {
			s.d.Log.Warn("recording may be left without its evaluation: stopped before that was known", telemetry.KeyEvaluation, e.ID)
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		_, err := s.d.Evaluations.Get(ctx, e.UserID, e.ID)
		switch {
		case errors.Is(err, evaluation.ErrNotFound):
			s.remove(e)
		case err != nil:
			s.d.Log.Error("recording may be left without its evaluation", telemetry.KeyEvaluation, e.ID, telemetry.KeyErr, err)
		}
	})
}

func (s *Service) remove(e *evaluation.Evaluation) {
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
	defer cancel()
	if err := s.d.Recordings.DeletePrefix(ctx, objectPrefix(e.ID)); err != nil {
		s.d.Log.Warn("unused recording not removed", telemetry.KeyEvaluation, e.ID, telemetry.KeyErr, err)
	}
}

// pause waits and reports true, or reports false when the service is closed meanwhile.
func (s *Service) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.closing:
		return false
	}
}
