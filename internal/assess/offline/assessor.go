package offline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"oktalk/internal/assess/calibration"
	"oktalk/internal/assess/offline/acoustic"
	"oktalk/internal/assess/offline/lexicon"
	"oktalk/internal/evaluation"
)

// Name is what the assessor calls itself in assessments.
const Name = "offline"

// Config sets up the assessor.
type Config struct {
	// ModelDir is the folder that holds en-us/ (mdef, means, variances, sendump, transition_matrices, feat.params) and
	// cmudict-en-us.dict, as Debian's pocketsphinx-en-us installs them.
	ModelDir string `env:"ASSESSOR_MODEL_DIR" envDefault:"/usr/share/pocketsphinx/model/en-us"`
	// Workers is how many recordings are scored at once; 0 means one a core (GOMAXPROCS).
	Workers int `env:"ASSESSOR_WORKERS" envDefault:"0"`
	// Queue is how many requests may wait for a worker; 0 means none. Beyond it they are refused.
	Queue int `env:"ASSESSOR_QUEUE" envDefault:"32"`
	// QueueWait is how long a request may wait for a worker; one that would probably wait longer is refused at once. 0 means no limit.
	// With scoring itself, a client has its answer within about 5 s.
	QueueWait time.Duration `env:"ASSESSOR_QUEUE_WAIT" envDefault:"3s"`
	// Timeout is how long scoring one recording may take once it has a worker; beyond it the request is refused. 0 means no limit.
	// A minute with sixty words, the most there is, takes 1.7 s of CPU; it took 10 s on a machine with six programs for each core.
	Timeout time.Duration `env:"ASSESSOR_TIMEOUT" envDefault:"15s"`
	// Calibration is a file that `oktalk calibrate` wrote: a curve by which the scores of sounds are moved to those of labelled recordings, their
	// order kept. Words, syllables, accuracy and overall follow. Empty means none.
	Calibration string `env:"ASSESSOR_CALIBRATION"`
	// Diagnosis decides which sounds are heard for others; nil means the one that is built in.
	Diagnosis *Diagnosis `env:"-"`
}

// Pronouncer guesses the pronunciations of words outside the dictionary: ARPAbet without stress, one or more
// alternatives. It must be safe for concurrent use.
type Pronouncer = lexicon.Pronouncer

// Assessor scores recordings of English against the text that was read. It is safe for concurrent use.
type Assessor struct {
	lexicon *lexicon.Lexicon
	queue   *queue
	timeout time.Duration // 0: none
	log     *slog.Logger
}

// New loads the model and the dictionary, in about 0.2 s; all workers share them. g2p may be nil: then words outside the
// dictionary are refused. A missing model is an error that says how to install it.
func New(cfg Config, g2p Pronouncer, log *slog.Logger) (*Assessor, error) {
	if cfg.Workers < 0 || cfg.Queue < 0 || cfg.QueueWait < 0 || cfg.Timeout < 0 {
		return nil, fmt.Errorf("ASSESSOR_WORKERS is %d, ASSESSOR_QUEUE %d, ASSESSOR_QUEUE_WAIT %v and ASSESSOR_TIMEOUT %v: they must not be negative", cfg.Workers, cfg.Queue, cfg.QueueWait, cfg.Timeout)
	}
	model, err := acoustic.Load(filepath.Join(cfg.ModelDir, "en-us"))
	if err != nil {
		return nil, explain(cfg.ModelDir, err)
	}
	known := func(phone string) bool {
		_, ok := model.Phone(phone)
		return ok
	}
	dictionary, err := loadDictionary(filepath.Join(cfg.ModelDir, "cmudict-en-us.dict"), known)
	if err != nil {
		return nil, explain(cfg.ModelDir, err)
	}
	if err := dictionary.LoadStress(); errors.Is(err, lexicon.ErrOtherDictionary) {
		log.Warn("the stress of words is not scored", "err", err)
	} else if err != nil {
		return nil, err
	}
	diagnosis := cfg.Diagnosis
	if diagnosis == nil {
		if diagnosis, err = ParseDiagnosis(diagnosisJSON); err != nil {
			return nil, err
		}
	}
	var curve *calibration.Calibration
	if cfg.Calibration != "" {
		c, err := calibration.Load(cfg.Calibration, Name)
		if err != nil {
			return nil, fmt.Errorf("setting ASSESSOR_CALIBRATION (oktalk calibrate makes such a file; empty: none): %w", err)
		}
		curve = &c
		log.Info("scores of sounds are calibrated", "made_from", c.MadeFrom, "phone_slope", c.PhoneSlope, "phone_offset", c.PhoneOffset)
	}
	n := cfg.Workers
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
	}
	workers := make([]*worker, n)
	for i := range workers {
		workers[i] = newWorker(model, diagnosis, curve)
	}
	return &Assessor{lexicon: lexicon.New(dictionary, g2p, known), queue: newQueue(workers, cfg.Queue, cfg.QueueWait), timeout: cfg.Timeout, log: log}, nil
}

func loadDictionary(path string, known func(string) bool) (*lexicon.Dictionary, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d, err := lexicon.ParseDictionary(data, known)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", filepath.Base(path), err)
	}
	return d, nil
}

// explain tells what to do about a model that cannot be loaded.
func explain(dir string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no speech model in %s: install the Debian package pocketsphinx-en-us (make setup does), or set ASSESSOR_MODEL_DIR to the folder that holds en-us/ and cmudict-en-us.dict: %w", dir, err)
	}
	return fmt.Errorf("load the speech model in %s (setting ASSESSOR_MODEL_DIR): %w", dir, err)
}

// Assess scores 16 kHz mono samples against a text that evaluation.CheckText accepted. It waits for a free worker.
//
// The error is a [*evaluation.Refusal] when the recording cannot be scored: no-speech, too-noisy, text-mismatch,
// invalid-text for a word without pronunciation, unsupported-language, assessor-unavailable when too many wait, for longer than
// [Config].QueueWait, or scoring takes longer than [Config].Timeout. The same samples and text always give the same assessment.
func (a *Assessor) Assess(ctx context.Context, samples []int16, text, language string) (*evaluation.Assessment, error) {
	return a.AssessLearner(ctx, samples, text, language, "")
}

// AssessLearner is [Assessor.Assess] for a learner of whom the first language is known, as a BCP 47 tag. Sounds that are typically said for
// others by people who grew up with Mandarin ("zh") or Cantonese ("yue", "zh-HK") are found a little sooner; other languages change nothing.
func (a *Assessor) AssessLearner(ctx context.Context, samples []int16, text, language, nativeLanguage string) (*evaluation.Assessment, error) {
	if language != "en-US" {
		return nil, evaluation.Refuse("unsupported-language", "The language is not supported. Supported: en-US.")
	}
	w, err := a.queue.take(ctx)
	if err != nil {
		return nil, err
	}
	defer a.queue.giveBack(w)
	limited, cancel := ctx, func() {}
	if a.timeout > 0 {
		limited, cancel = context.WithTimeout(ctx, a.timeout)
	}
	defer cancel()
	got, err := a.assess(limited, w, samples, text, native(nativeLanguage))
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		a.log.Warn("a recording took too long to score", "limit", a.timeout, "samples", len(samples))
		return nil, &evaluation.Refusal{
			Problem: "assessor-unavailable", Message: "The recording could not be scored in time. Please try again in a moment.", RetryAfter: retryAfter,
		}
	}
	return got, err
}

// assess looks the words up and scores, both on a worker's turn: the programs that guess at unknown words cost more than many a
// recording.
func (a *Assessor) assess(ctx context.Context, w *worker, samples []int16, text, language string) (*evaluation.Assessment, error) {
	words, err := a.words(ctx, text)
	if err != nil {
		return nil, err
	}
	return w.assess(ctx, samples, text, language, words)
}

// wordError turns a word nobody can pronounce into a refusal and logs why the guess failed, if it did.
func (a *Assessor) wordError(err error) error {
	var unknown *lexicon.UnknownWordError
	if !errors.As(err, &unknown) {
		return err
	}
	if unknown.Cause != nil {
		a.log.Warn("no guess for a word outside the dictionary", "err", unknown.Cause)
	}
	return evaluation.Refuse("invalid-text", fmt.Sprintf("No pronunciation is known for %q. Write it as it is spoken, or leave it out.", unknown.Word))
}

// assess runs all steps on one worker.
func (w *worker) assess(ctx context.Context, samples []int16, text, native string, words []lexicon.Word) (*evaluation.Assessment, error) {
	defer w.shrink()
	r, part, err := w.understand(ctx, samples, words)
	if err != nil {
		return nil, err
	}
	w.diagnose(r, native)
	w.dropUncertain(r)
	if err := w.findReplaced(ctx, r, w.scores, r.background); err != nil {
		return nil, err
	}
	return w.score(r, text, part, time.Duration(len(samples))*time.Second/acoustic.SampleRate), nil
}

// understand finds the words in a recording and refuses what cannot be scored.
func (w *worker) understand(ctx context.Context, samples []int16, words []lexicon.Word) (*reading, speech, error) {
	part, ok := findSpeech(w.samples, samples)
	if !ok {
		return nil, part, evaluation.Refuse("no-speech", "The recording is silent. Check the microphone and try again.")
	}
	w.samples = part.samples
	r, err := w.hear(ctx, part, words)
	return r, part, err
}

// warps are the voices that a recording is heard as, one after another: as the model's speakers, as a child, as a large man. Each costs
// as much as the first, so that only a recording that would be refused as another text is heard again.
var warps = []float64{1, 1.15, 0.88}

// warpEvidence is how much more evidence it takes each time, as chances to take another text for this one add up.
const warpEvidence = 2

// hear reads and judges a recording.
func (w *worker) hear(ctx context.Context, part speech, words []lexicon.Word) (*reading, error) {
	defer w.frontEnd.Warp(1)
	var first error
	for i, warp := range warps {
		w.frontEnd.Warp(warp)
		r, err := w.hearAs(ctx, part, words, warpEvidence*float64(min(i, 1)))
		var refusal *evaluation.Refusal
		if err == nil || !errors.As(err, &refusal) || refusal.Problem != "text-mismatch" && i == 0 {
			return r, err
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// hearAs reads and judges a recording with the front end as it is.
func (w *worker) hearAs(ctx context.Context, part speech, words []lexicon.Word, extra float64) (*reading, error) {
	var err error
	if w.features, err = w.frontEnd.Features(ctx, part.samples, part.near); err != nil {
		return nil, err
	}
	w.listenAs(w.frontEnd.Narrow())
	w.scorer.Expect(w.frontEnd.Noise())
	if w.scores, err = w.scorer.Scores(ctx, w.scores[:0], w.features); err != nil {
		return nil, err
	}
	r, err := w.read(ctx, words, w.scores)
	if err != nil {
		return nil, err
	}
	r.background = part.background
	if err := w.judge(ctx, r, w.scores, extra); err != nil {
		return nil, err
	}
	if w.frontEnd.Noise() == nil {
		r.dropUnheard(part.levels, part.quiet)
	}
	return r, nil
}
