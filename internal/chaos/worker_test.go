package chaos

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"oktalk/internal/audio"
	"oktalk/internal/erasure"
	"oktalk/internal/evaluation"
	"oktalk/internal/feedback"
	"oktalk/internal/feedback/coach"
	"oktalk/internal/housekeeping"
	"oktalk/internal/objectstore"
	"oktalk/internal/pipeline"
	"oktalk/internal/postgres"
	"oktalk/internal/process"
	"oktalk/internal/redisconn"
	"oktalk/internal/settings"
	"oktalk/internal/testkit"
	"oktalk/internal/tts"
)

// asWorker is the first argument of this test program when it plays a worker; the second is its role.
const asWorker = "play-worker"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == asWorker {
		if err := play(context.Background(), os.Args[2], os.Environ(), os.Stdout); err != nil {
			fmt.Println(os.Args[2]+":", err)
			os.Exit(1)
		}
		return
	}
	redisconn.LogTo(slog.New(slog.DiscardHandler)) // it reports each connection to a server that was killed
	testkit.Main(m)
}

// workerConfig is the settings of all roles.
type workerConfig struct {
	process.Config

	Housekeeping housekeeping.Config
	Store        objectstore.Config
	Feedback     feedback.Config
	TTS          tts.Config
	Seed         uint64 `env:"TRIAL_SEED"`
}

// The roles: what the API process does beside HTTP, and the two workers.
const (
	keeperRole   = "keeper"
	feedbackRole = "feedback"
	speechRole   = "tts"
)

// play runs a worker process until a signal comes, as the programs do.
func play(ctx context.Context, role string, environ []string, stdout io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	cfg, err := settings.Load[workerConfig](environ)
	if err != nil {
		return err
	}
	p, err := process.Open(ctx, role, cfg.Config, stdout)
	if err != nil {
		return err
	}
	defer p.Close()
	store, err := objectstore.New(cfg.Store, p.Log)
	if err != nil {
		return err
	}
	parts, err := partsOf(role, cfg, p, store, stdout)
	if err != nil {
		return err
	}
	return p.Run(ctx, nil, parts...)
}

func partsOf(role string, cfg workerConfig, p *process.Process, store *objectstore.Store, stdout io.Writer) ([]process.Part, error) {
	handlers := map[evaluation.StageName]pipeline.Handler{}
	var parts []process.Part
	switch role {
	case keeperRole:
		upkeep := housekeeping.New(cfg.Housekeeping, postgres.NewUpkeep(p.DB), p.Producer, postgres.NewSpool(p.DB), store, p.Log)
		parts = append(parts, upkeep.Run)
		handlers[evaluation.StageErase] = erasure.NewStage(postgres.NewEvaluations(p.DB), store, p.Snapshots)
	case feedbackRole:
		handlers[evaluation.StageFeedback] = feedback.NewStage(cfg.Feedback, coach.New(), coach.New(), p.Log)
	case speechRole:
		speech, err := tts.NewSpeech(cfg.TTS, hum{}, hum{}, store, p.Log)
		if err != nil {
			return nil, err
		}
		demo, err := tts.NewDemo(cfg.TTS, hum{}, hum{}, store, p.Log)
		if err != nil {
			return nil, err
		}
		handlers[evaluation.StageSpeech], handlers[evaluation.StageDemo] = speech, demo
	default:
		return nil, fmt.Errorf("there is no role %q", role)
	}
	for name, h := range handlers {
		runner, err := p.Runner(name, &trial{next: h, seed: cfg.Seed, out: stdout})
		if err != nil {
			return nil, err
		}
		parts = append(parts, runner.Run)
	}
	return parts, nil
}

// hum is a voice and an encoder that cost nothing.
type hum struct{}

func (hum) Name() string                 { return "hum" }
func (hum) Voice(string) (string, error) { return "hum", nil }
func (hum) Speak(_ context.Context, r tts.Request) (audio.Clip, error) {
	return audio.Clip{Rate: 16000, Samples: make([]int16, 160+len(r.Text))}, nil
}

func (hum) MP3(_ context.Context, c audio.Clip, title string) ([]byte, error) {
	return fmt.Appendf(nil, "%s of %d samples", title, len(c.Samples)), nil
}

// trial is a handler that takes its time, fails now and then, and writes down when it works: "run begin <job> <run> <ns>" and "run end …".
type trial struct {
	next pipeline.Handler
	seed uint64
	out  io.Writer
}

// Handle implements [pipeline.Handler].
func (h *trial) Handle(ctx context.Context, j pipeline.Job) (pipeline.Result, error) {
	h.note("begin", j)
	defer h.note("end", j)
	hash := fnv.New64a()
	_, _ = fmt.Fprint(hash, j.ID, j.Attempt)
	dice := rand.New(rand.NewPCG(h.seed, hash.Sum64()))
	took := time.Duration(20+dice.IntN(600)) * time.Millisecond
	if dice.IntN(15) == 0 {
		took *= 5
	}
	if pause(ctx, took); ctx.Err() != nil {
		return pipeline.Result{}, ctx.Err()
	}
	if j.Stage == evaluation.StageErase { // has no fallback
		return h.next.Handle(ctx, j)
	}
	switch dice.IntN(100) {
	case 0, 1, 2:
		return pipeline.Result{}, errors.New("a transient error of the trial")
	case 3:
		return pipeline.Result{}, pipeline.Permanent(errors.New("a permanent error of the trial"))
	case 4:
		return pipeline.Result{}, pipeline.RetryAfter(time.Second, errors.New("the trial is busy"))
	case 5:
		panic("a panic of the trial")
	default:
		return h.next.Handle(ctx, j)
	}
}

// Fallback implements [pipeline.Handler].
func (h *trial) Fallback(ctx context.Context, j pipeline.Job, cause error) (pipeline.Result, error) {
	return h.next.Fallback(ctx, j, cause)
}

func (h *trial) note(what string, j pipeline.Job) {
	_, _ = fmt.Fprintf(h.out, "run %s %s %d %d\n", what, j.ID, j.Run, time.Now().UnixNano())
}
