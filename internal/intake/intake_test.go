package intake_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"oktalk/internal/audio"
	"oktalk/internal/evaluation"
	"oktalk/internal/intake"
)

// world is everything around the service, in memory. Fields that are functions replace the usual behaviour.
type world struct {
	assess  func(ctx context.Context) (*evaluation.Assessment, error)
	put     func(ctx context.Context) error
	create  func(ctx context.Context, e *evaluation.Evaluation, opt evaluation.CreateOptions) error
	decode  func() error
	gate    func(audio.Clip) error
	release func() error
	note    func() error // announces

	mu       sync.Mutex
	waiting  map[string]bool // announced and not claimed
	objects  map[string][]byte
	stored   map[string]*evaluation.Evaluation
	options  map[string]evaluation.CreateOptions
	keys     map[string]*reservation
	assessed int
	request  evaluation.AssessRequest // the last one
}

type reservation struct {
	fingerprint  []byte
	evaluationID string
}

func newWorld() *world {
	return &world{
		objects: map[string][]byte{}, stored: map[string]*evaluation.Evaluation{},
		options: map[string]evaluation.CreateOptions{}, keys: map[string]*reservation{}, waiting: map[string]bool{},
	}
}

func (w *world) service() *intake.Service {
	return intake.New(intake.Config{Max: 2}, intake.Deps{
		Assessor: w, Decoder: w, Gate: w.check, Recordings: w, Evaluations: w, Idempotency: w, Log: slog.New(slog.DiscardHandler),
	})
}

func (w *world) check(c audio.Clip) error {
	if w.gate != nil {
		return w.gate(c)
	}
	return nil
}

func (w *world) Assess(ctx context.Context, r evaluation.AssessRequest) (*evaluation.Assessment, error) {
	w.mu.Lock()
	w.assessed++
	w.request = r
	w.mu.Unlock()
	if w.assess != nil {
		return w.assess(ctx)
	}
	a := &evaluation.Assessment{Assessor: "fake", Scores: evaluation.Scores{Accuracy: 75, Fluency: 82, Integrity: 100}}
	for _, word := range evaluation.TextWords(r.Text) {
		a.Words = append(a.Words, evaluation.Word{Text: word, Score: 75, Error: evaluation.WordCorrect})
	}
	return a, nil
}

func (w *world) Decode(context.Context, []byte) (audio.Clip, audio.Info, error) {
	if w.decode != nil {
		if err := w.decode(); err != nil {
			return audio.Clip{}, audio.Info{}, err
		}
	}
	return audio.Clip{Rate: 16000, Samples: make([]int16, 16000)}, audio.Info{Format: "wav", ContentType: "audio/wav", Duration: time.Second}, nil
}

func (w *world) Announce(_ context.Context, id string) error {
	if w.note != nil {
		if err := w.note(); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting[id] = true
	return nil
}

var errUnannounced = errors.New("the recording was not announced")

func (w *world) Put(ctx context.Context, key, _ string, body []byte) error {
	w.mu.Lock()
	announced := w.waiting[strings.Split(key, "/")[1]]
	w.mu.Unlock()
	if !announced {
		return errUnannounced
	}
	if w.put != nil {
		if err := w.put(ctx); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.objects[key] = body
	return nil
}

func (w *world) DeletePrefix(_ context.Context, prefix string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key := range w.objects {
		if strings.HasPrefix(key, prefix) {
			delete(w.objects, key)
		}
	}
	return nil
}

func (w *world) Create(ctx context.Context, e *evaluation.Evaluation, opt evaluation.CreateOptions) error {
	if w.create != nil {
		if err := w.create(ctx, e, opt); err != nil {
			return err
		}
	}
	w.keep(e, opt)
	return nil
}

func (w *world) keep(e *evaluation.Evaluation, opt evaluation.CreateOptions) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stored[e.ID], w.options[e.ID] = e, opt
	if opt.Announced {
		delete(w.waiting, e.ID)
	}
	if opt.IdempotencyKey != "" {
		w.keys[e.UserID+" "+opt.IdempotencyKey].evaluationID = e.ID
	}
}

func (w *world) Get(_ context.Context, userID, id string) (*evaluation.Evaluation, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e, ok := w.stored[id]
	if !ok || e.UserID != userID {
		return nil, evaluation.ErrNotFound
	}
	return e, nil
}

// Extend has nothing to do: keys here do not age.
func (w *world) Extend(context.Context, string, string) error { return nil }

func (w *world) Reserve(_ context.Context, userID, key string, fingerprint []byte) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, ok := w.keys[userID+" "+key]
	switch {
	case !ok:
		w.keys[userID+" "+key] = &reservation{fingerprint: fingerprint}
		return "", nil
	case !bytes.Equal(r.fingerprint, fingerprint):
		return "", evaluation.ErrIdempotencyMismatch
	case r.evaluationID == "":
		return "", evaluation.ErrIdempotencyConflict
	}
	return r.evaluationID, nil
}

func (w *world) Release(ctx context.Context, userID, key string) error {
	if w.release != nil {
		return w.release()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if r, ok := w.keys[userID+" "+key]; ok && r.evaluationID == "" {
		delete(w.keys, userID+" "+key)
	}
	return nil
}

// wantNothing checks that nothing of a request is left.
func (w *world) wantNothing(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.stored) != 0 || len(w.objects) != 0 || len(w.keys) != 0 {
		t.Errorf("left over: %d evaluations, %d objects, %d idempotency keys, want none", len(w.stored), len(w.objects), len(w.keys))
	}
}

func request() intake.Request {
	return intake.Request{
		UserID: "user_1", Audio: []byte("RIFF audio"), TargetText: "  I like\napples ", Language: "en-US", FeedbackLanguage: "en",
		DemoMode: evaluation.DemoAuto,
	}
}

func keyed() intake.Request {
	r := request()
	r.IdempotencyKey = "k"
	return r
}

func TestCreateStoresTheWholeEvaluation(t *testing.T) {
	t.Parallel()
	w := newWorld()
	r := request()
	r.Traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	s := w.service()
	e, replayed, err := s.Create(t.Context(), r)
	if err != nil || replayed {
		t.Fatalf("Create = %v, replayed %v", err, replayed)
	}
	s.Close()
	if !regexp.MustCompile(`^eval_[0-9a-hjkmnp-tv-z]{26}$`).MatchString(e.ID) {
		t.Errorf("id = %q, want eval_ and a lower-case ULID", e.ID)
	}
	sum := sha256.Sum256(r.Audio)
	wantRecording := evaluation.Recording{
		ObjectKey: "evaluations/" + e.ID + "/recording.wav", Format: "wav", ContentType: "audio/wav", Bytes: 10, SHA256: sum[:], Duration: time.Second,
	}
	if diff := cmp.Diff(wantRecording, e.Recording); diff != "" {
		t.Errorf("recording (-want +got):\n%s", diff)
	}
	if e.TargetText != "I like apples" || e.Category != evaluation.CategorySentence || e.Version != 1 || e.Status != evaluation.StatusProcessing {
		t.Errorf("evaluation = %q, %s, version %d, %s", e.TargetText, e.Category, e.Version, e.Status)
	}
	if got := e.Assessment; got.Scores.Overall != 77 || got.Level != evaluation.LevelB {
		t.Errorf("overall %d, level %s, want 77 and B", got.Scores.Overall, got.Level)
	}
	if len(e.Artifacts) != 3 || e.Percent() != 40 {
		t.Errorf("artifacts = %v at %d %%, want three at 40 %%", e.Artifacts, e.Percent())
	}
	if !bytes.Equal(w.objects[wantRecording.ObjectKey], r.Audio) || w.stored[e.ID] != e {
		t.Error("recording or evaluation is not stored")
	}
	if len(w.waiting) != 0 {
		t.Error("the recording is not claimed")
	}
	want := evaluation.CreateOptions{Announced: true, Traceparent: r.Traceparent}
	if diff := cmp.Diff(want, w.options[e.ID], cmpopts.IgnoreFields(want, "Fingerprint")); diff != "" { // which counts with a key only
		t.Errorf("options (-want +got):\n%s", diff)
	}
}

func TestRefusalsLeaveNothing(t *testing.T) {
	t.Parallel()
	refuse := evaluation.Refuse("any", "Try again.")
	for name, prepare := range map[string]func(*world, *intake.Request){
		"text":    func(_ *world, r *intake.Request) { r.TargetText = "我喜欢苹果" },
		"decoder": func(w *world, _ *intake.Request) { w.decode = func() error { return refuse } },
		"gate":    func(w *world, _ *intake.Request) { w.gate = func(audio.Clip) error { return refuse } },
		"assessor": func(w *world, _ *intake.Request) {
			w.assess = func(context.Context) (*evaluation.Assessment, error) { return nil, refuse }
		},
		"full":      func(w *world, _ *intake.Request) { w.create = failCreate(fmt.Errorf("spool: %w", evaluation.ErrFull)) },
		"statement": func(w *world, _ *intake.Request) { w.create = failCreate(errors.New("check violated")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, r := newWorld(), keyed()
			prepare(w, &r)
			s := w.service()
			if _, _, err := s.Create(t.Context(), r); err == nil {
				t.Fatal("Create succeeded")
			}
			if len(w.keys) != 0 {
				t.Error("the idempotency key is still taken when the answer is given")
			}
			s.Close()
			w.wantNothing(t)
		})
	}
}

func failCreate(err error) func(context.Context, *evaluation.Evaluation, evaluation.CreateOptions) error {
	return func(context.Context, *evaluation.Evaluation, evaluation.CreateOptions) error { return err }
}

func TestTextIsCheckedBeforeAudio(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.decode = func() error { t.Error("the audio was decoded"); return nil }
	for text, want := range map[string]string{
		strings.Repeat("a", 600): "600 characters", "I like \xff apples": "not valid UTF-8", "I\x00": "U+0000", "\u200b": "empty",
	} {
		r := request()
		r.TargetText = text
		var refusal *evaluation.Refusal
		_, _, err := w.service().Create(t.Context(), r)
		if !errors.As(err, &refusal) || refusal.Problem != "invalid-text" || !strings.Contains(refusal.Message, want) {
			t.Errorf("Create with %.10q = %v, want invalid-text that says %q", text, err, want)
		}
	}
}

// What is scored is the plain form of a text; clients see it as they wrote it.
func TestPlainFormIsScored(t *testing.T) {
	t.Parallel()
	w := newWorld()
	r := request()
	r.TargetText, r.NativeLanguage = "Ｉ like\u00a0ﬁve ap\u00adples\u200b.", "zh"
	e, _, err := w.service().Create(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if want := "Ｉ like ﬁve ap\u00adples\u200b."; e.TargetText != want {
		t.Errorf("target text = %q, want %q", e.TargetText, want)
	}
	if w.request.Text != "I like five apples." || w.request.NativeLanguage != "zh" || e.NativeLanguage != "zh" {
		t.Errorf("scored with %+v for native language %q", w.request, e.NativeLanguage)
	}
	r.TargetText = "I like apples" + strings.Repeat("\u200b", 1000)
	if e, _, err = w.service().Create(t.Context(), r); err != nil || e.TargetText != "I like apples" {
		t.Errorf("a text full of invisible characters = %.50q, %v, want its plain form", e.TargetText, err)
	}
}

func TestKeyOfADeletedEvaluation(t *testing.T) {
	t.Parallel()
	w := newWorld()
	s := w.service()
	e, _, err := s.Create(t.Context(), keyed())
	if err != nil {
		t.Fatal(err)
	}
	delete(w.stored, e.ID)
	_, _, err = s.Create(t.Context(), keyed())
	if refusal, ok := errors.AsType[*evaluation.Refusal](err); !ok || refusal.Problem != "not-found" || w.assessed != 1 {
		t.Errorf("repeated after its deletion = %v after scoring %d times, want not-found and once", err, w.assessed)
	}
}

// A recording that finds all cores decoding waits, but not for long.
func TestWaitToDecodeIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		release := make(chan struct{})
		w.decode = func() error { <-release; return nil }
		s := w.service()
		for range runtime.GOMAXPROCS(0) {
			go func() { _, _, _ = s.Create(t.Context(), request()) }()
		}
		synctest.Wait()
		began := time.Now()
		_, _, err := s.Create(t.Context(), request())
		if refusal, ok := errors.AsType[*evaluation.Refusal](err); !ok || refusal.Problem != "assessor-unavailable" || time.Since(began) != 5*time.Second {
			t.Errorf("Create = %v after %v, want assessor-unavailable after 5 s", err, time.Since(began))
		}
		close(release)
		synctest.Wait()
		s.Close()
	})
}

func TestSlowStoreIsGivenHalfASecondAfterScoring(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		put, scoring time.Duration
		spooled      bool
		took         time.Duration
	}{
		"faster than scoring":      {put: time.Second, scoring: 2 * time.Second, took: 2 * time.Second},
		"a little slower":          {put: 2400 * time.Millisecond, scoring: 2 * time.Second, took: 2400 * time.Millisecond},
		"half a second and more":   {put: 3 * time.Second, scoring: 2 * time.Second, spooled: true, took: 2500 * time.Millisecond},
		"slow while scoring is at": {put: time.Hour, scoring: 0, spooled: true, took: 500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.put = func(ctx context.Context) error { return wait(ctx, tc.put) }
				w.assess = func(ctx context.Context) (*evaluation.Assessment, error) {
					return &evaluation.Assessment{Scores: evaluation.Scores{Accuracy: 50, Fluency: 50, Integrity: 100}}, wait(ctx, tc.scoring)
				}
				s := w.service()
				start := time.Now()
				e, _, err := s.Create(t.Context(), request())
				if err != nil {
					t.Fatalf("Create = %v", err)
				}
				if took := time.Since(start); took != tc.took {
					t.Errorf("Create took %v, want %v", took, tc.took)
				}
				s.Close()
				if got := w.options[e.ID].Spooled != nil; got != tc.spooled {
					t.Errorf("spooled = %v, want %v", got, tc.spooled)
				}
				if got := len(w.objects) == 1; got == tc.spooled {
					t.Errorf("in the object store = %v, want %v", got, !tc.spooled)
				}
			})
		})
	}
}

// wait waits for d or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestStoreAway(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.put = func(context.Context) error { return evaluation.ErrUnavailable }
	e, _, err := w.service().Create(t.Context(), request())
	if err != nil {
		t.Fatalf("Create while the object store is away = %v", err)
	}
	if got := w.options[e.ID].Spooled; !bytes.Equal(got, request().Audio) {
		t.Errorf("spooled %q, want the recording", got)
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	w := newWorld()
	s := w.service()
	first, _, err := s.Create(t.Context(), keyed())
	if err != nil {
		t.Fatalf("Create = %v", err)
	}
	again := keyed()
	again.TargetText, again.Category = "I like apples", evaluation.CategorySentence // the same, said otherwise
	second, replayed, err := s.Create(t.Context(), again)
	if err != nil || !replayed || second.ID != first.ID {
		t.Errorf("same request again = %v, replayed %v, %v, want the first evaluation", second, replayed, err)
	}
	if w.assessed != 1 {
		t.Errorf("scored %d times, want once", w.assessed)
	}
	for name, change := range map[string]func(*intake.Request){
		"audio": func(r *intake.Request) { r.Audio = []byte("other") }, "text": func(r *intake.Request) { r.TargetText = "I like pears" },
		"demo": func(r *intake.Request) { r.DemoMode = evaluation.DemoNever }, "feedback language": func(r *intake.Request) { r.FeedbackLanguage = "zh-CN" },
	} {
		r := keyed()
		change(&r)
		if _, _, err := s.Create(t.Context(), r); !errors.Is(err, evaluation.ErrIdempotencyMismatch) {
			t.Errorf("other %s with the same key = %v, want ErrIdempotencyMismatch", name, err)
		}
	}
	other := keyed()
	other.UserID = "user_2"
	if e, replayed, err := s.Create(t.Context(), other); err != nil || replayed || e.ID == first.ID {
		t.Errorf("another user's same key = %v, %v, %v, want an evaluation of its own", e, replayed, err)
	}
}

func TestSameKeyAtTheSameTime(t *testing.T) {
	t.Parallel()
	w := newWorld()
	begun, goOn := make(chan struct{}), make(chan struct{})
	w.assess = func(context.Context) (*evaluation.Assessment, error) {
		close(begun)
		<-goOn
		return &evaluation.Assessment{}, nil
	}
	s := w.service()
	first := make(chan error, 1)
	go func() {
		_, _, err := s.Create(context.Background(), keyed())
		first <- err
	}()
	<-begun
	for range 5 {
		if _, _, err := s.Create(t.Context(), keyed()); !errors.Is(err, evaluation.ErrIdempotencyConflict) {
			t.Errorf("Create while the first runs = %v, want ErrIdempotencyConflict", err)
		}
	}
	close(goOn)
	if err := <-first; err != nil {
		t.Errorf("first Create = %v", err)
	}
	if len(w.stored) != 1 {
		t.Errorf("%d evaluations stored, want 1", len(w.stored))
	}
}

func TestClientGoesAwayWhileScoring(t *testing.T) {
	t.Parallel()
	w := newWorld()
	ctx, cancel := context.WithCancel(t.Context())
	w.assess = func(ctx context.Context) (*evaluation.Assessment, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	s := w.service()
	if _, _, err := s.Create(ctx, keyed()); !errors.Is(err, context.Canceled) {
		t.Errorf("Create = %v, want context.Canceled", err)
	}
	s.Close()
	w.wantNothing(t)
}

func TestClientGoesAwayBeforeTheTransaction(t *testing.T) {
	t.Parallel()
	w := newWorld()
	ctx, cancel := context.WithCancel(t.Context())
	w.assess = func(context.Context) (*evaluation.Assessment, error) {
		cancel()
		return &evaluation.Assessment{}, nil
	}
	s := w.service()
	if _, _, err := s.Create(ctx, keyed()); !errors.Is(err, context.Canceled) {
		t.Errorf("Create = %v, want context.Canceled", err)
	}
	s.Close()
	w.wantNothing(t)
}

func TestClientGoesAwayInsideTheTransaction(t *testing.T) {
	t.Parallel()
	w := newWorld()
	ctx, cancel := context.WithCancel(t.Context())
	w.create = func(ctx context.Context, _ *evaluation.Evaluation, _ evaluation.CreateOptions) error {
		cancel()
		return ctx.Err()
	}
	s := w.service()
	e, _, err := s.Create(ctx, request())
	if err != nil {
		t.Fatalf("Create = %v, want the evaluation stored", err)
	}
	s.Close()
	if w.stored[e.ID] == nil || len(w.objects) != 1 {
		t.Error("the evaluation or its recording is missing")
	}
}

// When nobody knows whether the transaction was committed, the recording stays, for the evaluation or for housekeeping.
func TestCommitOfUnknownOutcome(t *testing.T) {
	t.Parallel()
	for name, committed := range map[string]bool{"committed": true, "not committed": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.create = func(_ context.Context, e *evaluation.Evaluation, opt evaluation.CreateOptions) error {
				if committed {
					w.keep(e, opt)
				}
				return fmt.Errorf("commit: %w", evaluation.ErrUnavailable)
			}
			s := w.service()
			if _, _, err := s.Create(t.Context(), request()); !errors.Is(err, evaluation.ErrUnavailable) {
				t.Fatalf("Create = %v, want ErrUnavailable", err)
			}
			s.Close()
			if len(w.objects) != 1 {
				t.Errorf("%d recordings are left, want 1", len(w.objects))
			}
			if got := len(w.waiting) == 0; got != committed {
				t.Errorf("claimed = %v, want %v", got, committed)
			}
		})
	}
}

// What a refusal could not remove, a kill or a late upload among it, is still announced.
func TestRefusedRecordingStaysAnnounced(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.assess = func(context.Context) (*evaluation.Assessment, error) {
		return nil, evaluation.Refuse("text-mismatch", "")
	}
	s := w.service()
	if _, _, err := s.Create(t.Context(), request()); err == nil {
		t.Fatal("Create succeeded")
	}
	s.Close()
	if len(w.waiting) != 1 || len(w.objects) != 0 {
		t.Errorf("%d recordings are announced and %d stored, want 1 and 0", len(w.waiting), len(w.objects))
	}
}

func TestWhatIsRefusedBeforeScoringIsNotAnnounced(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.gate = func(audio.Clip) error { return evaluation.Refuse("too-quiet", "") }
	s := w.service()
	if _, _, err := s.Create(t.Context(), request()); err == nil {
		t.Fatal("Create succeeded")
	}
	s.Close()
	if len(w.waiting) != 0 {
		t.Error("a recording that is not put was announced")
	}
}

func TestNothingIsPutUnannounced(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.note = func() error { return evaluation.ErrUnavailable }
	w.put = func(context.Context) error { t.Error("the recording was put"); return nil }
	s := w.service()
	if _, _, err := s.Create(t.Context(), keyed()); !errors.Is(err, evaluation.ErrUnavailable) {
		t.Errorf("Create while the database is away = %v, want ErrUnavailable", err)
	}
	s.Close()
	w.wantNothing(t)
}

func TestAdmit(t *testing.T) {
	t.Parallel()
	s := newWorld().service()
	first, err := s.Admit()
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Admit()
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Admit()
	wantBusy(t, err)
	first()
	first() // gives its place back once
	if third, err := s.Admit(); err != nil {
		t.Errorf("Admit when a place is free = %v", err)
	} else {
		_, err = s.Admit()
		wantBusy(t, err)
		third()
	}
	second()
}

// wantBusy checks for a refusal that asks to come back soon.
func wantBusy(t *testing.T, err error) {
	t.Helper()
	var refusal *evaluation.Refusal
	if !errors.As(err, &refusal) || refusal.Problem != "assessor-unavailable" || refusal.RetryAfter <= 0 || refusal.Message == "" {
		t.Errorf("error %v, want assessor-unavailable with RetryAfter", err)
	}
}

// As many recordings are decoded at once as there are cores, and a client that goes away waits no longer.
func TestDecodingIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		running, most := 0, 0
		w.decode = func() error {
			w.mu.Lock()
			running++
			most = max(most, running)
			w.mu.Unlock()
			_ = wait(context.Background(), time.Second)
			w.mu.Lock()
			running--
			w.mu.Unlock()
			return nil
		}
		s, cores := w.service(), runtime.GOMAXPROCS(0)
		for range 3 * cores {
			go func() { _, _, _ = s.Create(context.Background(), request()) }()
		}
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() {
			_, _, err := s.Create(ctx, request())
			gone <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("Create of a client that went away = %v, want context.Canceled", err)
		}
		_ = wait(t.Context(), time.Minute)
		w.mu.Lock()
		defer w.mu.Unlock()
		if most != cores || len(w.stored) != 3*cores {
			t.Errorf("%d decoded at once and %d stored, want %d and %d", most, len(w.stored), cores, 3*cores)
		}
	})
}

func TestWorkIsBoundedInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.assess = func(ctx context.Context) (*evaluation.Assessment, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		s := w.service()
		start := time.Now()
		_, _, err := s.Create(t.Context(), keyed())
		wantBusy(t, err)
		if took := time.Since(start); took != 45*time.Second {
			t.Errorf("Create took %v, want 45s", took)
		}
		s.Close()
		w.wantNothing(t)
	})
}

func TestCloseWaitsForRemoval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.put = func(context.Context) error { return wait(context.Background(), 3*time.Second) } // deaf to its context
		w.assess = func(context.Context) (*evaluation.Assessment, error) {
			return nil, evaluation.Refuse("text-mismatch", "")
		}
		s := w.service()
		if _, _, err := s.Create(t.Context(), keyed()); err == nil {
			t.Fatal("Create succeeded")
		}
		s.Close()
		w.wantNothing(t)
	})
}
