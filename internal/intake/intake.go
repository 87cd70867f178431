package intake

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"

	"oktalk/internal/audio"
	"oktalk/internal/evaluation"
	"oktalk/internal/plaintext"
	"oktalk/internal/telemetry"
)

const (
	// putGrace is what the object store gets after scoring has ended. Halved, a store that is merely busy sends recordings
	// through the database; doubled, a client waits a second longer while the store is away.
	putGrace = 500 * time.Millisecond
	// storeTimeout bounds the transaction, which goes on when the client has gone.
	storeTimeout = 10 * time.Second
	// releaseTimeout bounds the freeing of an idempotency key, for which a refused client waits.
	releaseTimeout = 3 * time.Second
	// cleanupTimeout bounds the removal of a recording that was not used: the object store's own 30 s, and some.
	cleanupTimeout = 40 * time.Second
	// workTimeout bounds decoding and scoring with all waiting for a turn. With it a request that took its whole minute to arrive is
	// still answered within the server's two; halved, a full queue of the longest recordings would be refused after its work.
	workTimeout = 45 * time.Second
	// decodeWait is how long a recording may wait to be decoded, which takes a tenth of a second each. Halved, a full house of slow
	// formats would be refused on a busy machine; doubled, clients would wait longer than they do for a score.
	decodeWait = 5 * time.Second
	// retryAfter is what a request is told that finds the house full: recordings come and go within about that time.
	retryAfter = 2 * time.Second
	defaultMax = 64
	// extendEvery is how often a request that runs says so; three times before its idempotency key counts as left behind.
	extendEvery = 3 * time.Second
)

// Config bounds what is taken in at once.
type Config struct {
	// Max is how many requests may be in progress, from the first byte of their recordings on; beyond it they are refused. Each may
	// hold a recording of 10 MB. Default 64; 0 means 64 too.
	Max int `env:"INTAKE_MAX" envDefault:"64"`
}

// Validate reports a number that cannot be.
func (c Config) Validate() error {
	if c.Max < 0 {
		return fmt.Errorf("INTAKE_MAX is %d; it must not be negative", c.Max)
	}
	return nil
}

// Assessor scores an utterance.
type Assessor interface {
	// Assess scores a recording against a text. The error is a [*evaluation.Refusal] when the recording cannot be
	// scored (text-mismatch and the like) or the assessor is down or too busy (assessor-unavailable).
	Assess(ctx context.Context, r evaluation.AssessRequest) (*evaluation.Assessment, error)
}

// Decoder reads a recording of any supported format.
type Decoder interface {
	// Decode returns 16 kHz mono samples. The error is a [*evaluation.Refusal] when the recording cannot be read.
	Decode(ctx context.Context, data []byte) (audio.Clip, audio.Info, error)
}

// Recordings stores recordings.
type Recordings interface {
	Put(ctx context.Context, key, contentType string, body []byte) error
	DeletePrefix(ctx context.Context, prefix string) error
}

// Evaluations stores evaluations.
type Evaluations interface {
	// Announce notes that a recording is about to be put into the object store. Housekeeping removes it if Create does not claim it
	// within some minutes.
	Announce(ctx context.Context, evaluationID string) error
	// Create stores an evaluation and all that follows from it, and claims its recording, or does nothing. The error wraps
	// [evaluation.ErrFull] when the spool takes no more.
	Create(ctx context.Context, e *evaluation.Evaluation, opt evaluation.CreateOptions) error
	// Get finds an evaluation of the user; [evaluation.ErrNotFound] if there is none.
	Get(ctx context.Context, userID, id string) (*evaluation.Evaluation, error)
}

// Idempotency remembers which request made what.
type Idempotency interface {
	// Reserve claims a key. It returns the id of what the first request made, or an empty one if this is the first. Errors:
	// [evaluation.ErrIdempotencyConflict] while the first runs, [evaluation.ErrIdempotencyMismatch] for other content,
	// [evaluation.ErrNotFound] when what the first made was deleted.
	Reserve(ctx context.Context, userID, key string, fingerprint []byte) (evaluationID string, err error)
	// Extend says that the request still runs. A key that was not extended for ten seconds may be claimed by another request.
	Extend(ctx context.Context, userID, key string) error
	// Release frees a key that has no result.
	Release(ctx context.Context, userID, key string) error
}

// Deps are the parts a [Service] works with. All are needed.
type Deps struct {
	Assessor    Assessor
	Decoder     Decoder
	Gate        func(audio.Clip) error // refuses what cannot be scored: [audio.Check]
	Recordings  Recordings
	Evaluations Evaluations
	Idempotency Idempotency
	Log         *slog.Logger
}

// Request is a recording to take in.
type Request struct {
	UserID           string
	Audio            []byte
	TargetText       string              // as written; its plain form is scored
	Language         string              // of the target text, "en-US"
	Category         evaluation.Category // empty: inferred from the text
	FeedbackLanguage string              // "en" or "zh-CN"
	NativeLanguage   string              // what the learner grew up with, a BCP 47 tag; empty: not said
	DemoMode         evaluation.DemoMode
	IdempotencyKey   string // empty: none
	Traceparent      string // may be empty
}

// Service takes recordings in. It is safe for concurrent use.
type Service struct {
	d        Deps
	places   chan struct{} // one for each request in progress
	decoding chan struct{} // one for each core that decodes

	cleanup sync.WaitGroup
}

// New makes a service.
func New(cfg Config, d Deps) *Service {
	if cfg.Max <= 0 {
		cfg.Max = defaultMax
	}
	return &Service{d: d, places: make(chan struct{}, cfg.Max), decoding: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// Close waits until unused recordings are removed. Create must not be called any more.
func (s *Service) Close() { s.cleanup.Wait() }

// Admit takes a place for a request, to be called before its recording is read; leave gives it back. The error is a
// [*evaluation.Refusal], assessor-unavailable, when too many requests are in progress.
func (s *Service) Admit() (leave func(), err error) {
	select {
	case s.places <- struct{}{}:
		return sync.OnceFunc(func() { <-s.places }), nil
	default:
		return nil, busy("Too many recordings are being taken in right now. Please try again in a moment.")
	}
}

func busy(message string) error {
	return &evaluation.Refusal{Problem: "assessor-unavailable", Message: message, RetryAfter: retryAfter}
}

// Create takes a recording in and returns its evaluation; replayed says that an earlier request with the same idempotency
// key made it. Errors: a [*evaluation.Refusal] for what cannot be scored, the idempotency sentinels,
// [evaluation.ErrFull] and [evaluation.ErrUnavailable] when it cannot be stored now. An error means that nothing is stored, except
// that after ErrUnavailable from the transaction itself it may be; the same idempotency key tells. The caller holds a place
// ([Service.Admit]).
func (s *Service) Create(ctx context.Context, req Request) (e *evaluation.Evaluation, replayed bool, err error) {
	if req.TargetText, err = checkText(req.TargetText, req.Language); err != nil {
		return nil, false, err
	}
	if req.Category == "" {
		req.Category = evaluation.InferCategory(req.TargetText)
	}
	digest := sha256.Sum256(req.Audio)
	if req.IdempotencyKey == "" {
		e, err = s.take(ctx, req, digest[:])
		return e, false, err
	}
	id, err := s.d.Idempotency.Reserve(ctx, req.UserID, req.IdempotencyKey, fingerprint(req, digest[:]))
	if err == nil && id != "" {
		e, err = s.d.Evaluations.Get(ctx, req.UserID, id)
	}
	switch {
	case errors.Is(err, evaluation.ErrNotFound):
		return nil, false, evaluation.Refuse("not-found", "The evaluation that this Idempotency-Key made was deleted. To evaluate the recording again, use a new key.")
	case err != nil:
		return nil, false, fmt.Errorf("reserve idempotency key: %w", err)
	case id != "":
		return e, true, nil
	}
	stop := s.keepKey(ctx, req)
	defer stop()
	if e, err = s.take(ctx, req, digest[:]); err != nil {
		s.release(ctx, req)
		return nil, false, err
	}
	return e, false, nil
}

// checkText checks the plain form of a text and returns the text as written, with its white space folded. One that is mostly invisible
// is replaced by its plain form.
func checkText(text, language string) (string, error) {
	plain := text
	if utf8.ValidString(text) { // what is not would get characters that nobody sent
		plain = plaintext.Of(text)
	}
	plain, err := evaluation.CheckText(plain, language)
	if err != nil {
		return "", err
	}
	text = strings.Join(strings.Fields(text), " ")
	if utf8.RuneCountInString(text) > evaluation.MaxTextCharacters {
		return plain, nil
	}
	return text, nil
}

// keepKey extends the request's idempotency key until stop is called, which waits for the last call.
func (s *Service) keepKey(ctx context.Context, req Request) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(extendEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := s.d.Idempotency.Extend(ctx, req.UserID, req.IdempotencyKey); err != nil && ctx.Err() == nil {
				s.d.Log.Warn("idempotency key could not be extended", telemetry.KeyUser, req.UserID, telemetry.KeyErr, err)
			}
		}
	}()
	return func() { cancel(); <-done }
}

func (s *Service) take(ctx context.Context, req Request, digest []byte) (*evaluation.Evaluation, error) {
	work, cancel := context.WithTimeout(ctx, workTimeout)
	defer cancel()
	clip, info, err := s.decode(work, req.Audio)
	if err != nil {
		return nil, tooSlow(ctx, err)
	}
	e := newEvaluation(req, info, digest)
	put := s.startPut(ctx, e, req.Audio)
	if err := s.score(work, e, clip.Samples); err != nil {
		s.discard(put, e)
		return nil, tooSlow(ctx, err)
	}
	if err := <-put.announced; err != nil {
		put.cancel()
		return nil, fmt.Errorf("announce the recording of %s: %w", e.ID, err)
	}
	opt := evaluation.CreateOptions{
		IdempotencyKey: req.IdempotencyKey, Fingerprint: fingerprint(req, digest), Announced: true, Traceparent: req.Traceparent,
	}
	if err := put.wait(putGrace); err != nil {
		s.d.Log.Warn("recording goes into the spool", telemetry.KeyEvaluation, e.ID, telemetry.KeyErr, err)
		opt.Spooled = req.Audio
	}
	if err := ctx.Err(); err != nil {
		s.discard(put, e)
		return nil, fmt.Errorf("client went away: %w", err)
	}
	if err := s.store(ctx, e, opt); err != nil {
		if !outcomeUnknown(err) {
			s.discard(put, e)
		}
		return nil, err
	}
	return e, nil
}

// decode decodes a recording and passes it through the gate, on as many cores at once as there are.
func (s *Service) decode(ctx context.Context, data []byte) (audio.Clip, audio.Info, error) {
	wait, cancel := context.WithTimeout(ctx, decodeWait)
	defer cancel()
	select {
	case s.decoding <- struct{}{}:
	case <-wait.Done():
		if ctx.Err() == nil {
			return audio.Clip{}, audio.Info{}, busy("Too many recordings are being taken in right now. Please try again in a moment.")
		}
		return audio.Clip{}, audio.Info{}, fmt.Errorf("wait to decode: %w", ctx.Err())
	}
	defer func() { <-s.decoding }()
	clip, info, err := s.d.Decoder.Decode(ctx, data)
	if err != nil {
		return audio.Clip{}, info, fmt.Errorf("decode recording: %w", err)
	}
	return clip, info, s.d.Gate(clip)
}

// tooSlow makes a refusal of an error that came because workTimeout passed, and not because the client, whose context ctx is, went
// away.
func tooSlow(ctx context.Context, err error) error {
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return busy("The recording could not be scored in time. Please try again in a moment.")
	}
	return err
}

// score sets the assessment. The overall score and the level are ours whoever measured the rest, so that scores compare.
func (s *Service) score(ctx context.Context, e *evaluation.Evaluation, samples []int16) error {
	a, err := s.d.Assessor.Assess(ctx, evaluation.AssessRequest{
		Samples: samples, Text: plaintext.Of(e.TargetText), Language: e.Language, NativeLanguage: e.NativeLanguage,
	})
	if err != nil {
		return fmt.Errorf("assess %s: %w", e.ID, err)
	}
	a.Scores.Overall = evaluation.OverallScore(a.Scores.Accuracy, a.Scores.Fluency, a.Scores.Integrity, a.Scores.Prosody)
	a.Level = evaluation.LevelOf(a.Scores.Overall, a.Scores.Integrity)
	e.Assessment = a
	e.Plan()
	return nil
}

// store runs the transaction. It goes on when the client goes away: a commit that is interrupted has no known outcome.
func (s *Service) store(ctx context.Context, e *evaluation.Evaluation, opt evaluation.CreateOptions) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	if err := s.d.Evaluations.Create(ctx, e, opt); err != nil {
		return fmt.Errorf("store %s: %w", e.ID, err)
	}
	return nil
}

func (s *Service) release(ctx context.Context, req Request) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if err := s.d.Idempotency.Release(ctx, req.UserID, req.IdempotencyKey); err != nil {
		s.d.Log.Warn("idempotency key stays taken for ten seconds", telemetry.KeyUser, req.UserID, telemetry.KeyErr, err)
	}
}

func newEvaluation(req Request, info audio.Info, digest []byte) *evaluation.Evaluation {
	now := time.Now().UTC().Truncate(time.Millisecond)
	id := "eval_" + strings.ToLower(ulid.MustNew(ulid.Timestamp(now), rand.Reader).String())
	return &evaluation.Evaluation{
		ID: id, UserID: req.UserID, Version: 1, CreatedAt: now, UpdatedAt: now,
		TargetText: req.TargetText, Language: req.Language, Category: req.Category,
		FeedbackLanguage: req.FeedbackLanguage, NativeLanguage: req.NativeLanguage, DemoMode: req.DemoMode,
		Recording: evaluation.Recording{
			ObjectKey: evaluation.ObjectPrefix(id) + "recording." + info.Format, Format: info.Format, ContentType: info.ContentType,
			Bytes: int64(len(req.Audio)), SHA256: digest, Duration: info.Duration,
		},
	}
}

// fingerprint is the same for requests that ask for the same: fields and content, not the bytes of the request.
func fingerprint(req Request, digest []byte) []byte {
	fields := []string{req.TargetText, req.Language, string(req.Category), req.FeedbackLanguage, string(req.DemoMode), fmt.Sprintf("%x", digest)}
	if req.NativeLanguage != "" { // without it as before there was one: keys live across an upgrade
		fields = append(fields, req.NativeLanguage)
	}
	b, err := json.Marshal(fields)
	if err != nil {
		panic("marshal strings: " + err.Error()) // encoding/json cannot fail on strings
	}
	sum := sha256.Sum256(b)
	return sum[:]
}

// outcomeUnknown reports whether a transaction that ended with err may have been committed. Its recording is then left where it is:
// either it is claimed, or housekeeping removes it.
func outcomeUnknown(err error) bool {
	return errors.Is(err, evaluation.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded)
}
