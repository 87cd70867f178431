package feedback

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// Config are the settings of the feedback stage.
type Config struct {
	// Timeout is how long the generator may take for one text. Zero: as long as the stage's deadline.
	Timeout time.Duration `env:"FEEDBACK_TIMEOUT" envDefault:"10s"`
}

// Why an artifact is not as intended.
const (
	ReasonCoachUnavailable = "coach-unavailable" // the generator failed; the fallback wrote the text
	ReasonNoText           = "no-coaching-text"  // the fallback failed too
)

// Stage is the handler of stage feedback. It is safe for concurrent use.
type Stage struct {
	cfg      Config
	gen      Generator
	fallback Generator
	log      *slog.Logger
}

var (
	_ pipeline.Handler  = (*Stage)(nil)
	_ pipeline.Vendored = (*Stage)(nil)
)

// NewStage makes the handler: gen writes the texts, and fallback writes when gen's attempts are used up. fallback must
// not depend on the network; both may be the same.
func NewStage(cfg Config, gen, fallback Generator, log *slog.Logger) *Stage {
	return &Stage{cfg: cfg, gen: gen, fallback: fallback, log: log}
}

// Vendor implements [pipeline.Vendored]: one request for a text, of the vendor that the generator names. A generator that is not
// [Named] has no vendor.
func (s *Stage) Vendor() (name string, requests int) {
	if g, ok := s.gen.(Named); ok {
		name = g.Name()
	}
	return name, 1
}

// Handle writes the coaching text of a scored evaluation. An evaluation that cannot be planned is a permanent error; a
// generator's error, or a text that Check refuses, is returned as it is and may be tried again.
func (s *Stage) Handle(ctx context.Context, j pipeline.Job) (pipeline.Result, error) {
	plan, err := NewPlan(j.Evaluation)
	if err != nil {
		return pipeline.Result{}, pipeline.Permanent(fmt.Errorf("plan feedback of %s: %w", j.EvaluationID, err))
	}
	if s.cfg.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.cfg.Timeout)
		defer cancel()
	}
	req, gen, err := s.request(j, plan)
	if err != nil {
		return pipeline.Result{}, err
	}
	r, err := s.write(ctx, gen, req)
	if errors.Is(err, ErrNotOffered) {
		err = pipeline.Permanent(err)
	}
	return r, err
}

// request is what to write and who writes it: the generator of the stage, or whom a replay asks for.
func (s *Stage) request(j pipeline.Job, plan Plan) (Request, Generator, error) {
	req := Request{Seed: j.Evaluation.ID, Plan: plan}
	if j.Replay == nil {
		return req, s.gen, nil
	}
	req.Model, req.Prompt = j.Replay.Model, j.Replay.Prompt
	if j.Replay.Provider == "" {
		return req, s.gen, nil
	}
	for _, g := range []Generator{s.gen, s.fallback} {
		if n, ok := g.(Named); ok && n.Name() == j.Replay.Provider {
			return req, g, nil
		}
	}
	return req, nil, pipeline.Permanent(fmt.Errorf("provider %q is %w by this worker", j.Replay.Provider, ErrNotOffered))
}

// Fallback lets the fallback generator write. When it cannot either, the artifact is failed with a reason and a message.
func (s *Stage) Fallback(ctx context.Context, j pipeline.Job, cause error) (pipeline.Result, error) {
	plan, err := NewPlan(j.Evaluation)
	var r pipeline.Result
	if err == nil {
		r, err = s.write(ctx, s.fallback, Request{Seed: j.Evaluation.ID, Plan: plan})
	}
	if ctx.Err() != nil {
		return pipeline.Result{}, ctx.Err()
	}
	a := &r.Artifact
	if err != nil {
		s.log.Error("fallback wrote no coaching text", "evaluation_id", j.EvaluationID, "err", err)
		a.Kind, a.State, a.Reason = evaluation.FeedbackText, evaluation.StateFailed, ReasonNoText
		a.Message = "There is no coaching text for this recording. The scores are complete."
		return r, nil
	}
	s.log.Warn("fallback wrote the coaching text", "evaluation_id", j.EvaluationID, "err", cause)
	a.State, a.Reason = evaluation.StateFallback, ReasonCoachUnavailable
	a.Message = "The coach could not be reached, so this text comes from the built-in one."
	return r, nil
}

func (s *Stage) write(ctx context.Context, g Generator, req Request) (pipeline.Result, error) {
	seed, plan := req.Seed, req.Plan
	text, err := g.Write(ctx, req)
	if err != nil {
		return pipeline.Result{}, fmt.Errorf("write feedback of %s: %w", seed, err)
	}
	if err := Check(text.Body, plan); err != nil {
		return pipeline.Result{}, fmt.Errorf("check feedback of %s by %s: %w", seed, text.Provider, err)
	}
	hash, err := inputHash(seed, plan, text)
	if err != nil {
		return pipeline.Result{}, fmt.Errorf("hash feedback input of %s: %w", seed, err)
	}
	return pipeline.Result{
		Artifact: evaluation.Artifact{
			Kind: evaluation.FeedbackText, State: evaluation.StateReady, Text: text.Body, Provider: text.Provider,
		},
		InputHash:     hash,
		Provider:      text.Provider,
		Model:         text.Model,
		PromptVersion: text.PromptVersion,
		Usage:         text.Usage,
	}, nil
}

// inputHash is the hash of all that decides a text: seed, plan, provider, model and prompt version.
func inputHash(seed string, plan Plan, t Text) (string, error) {
	b, err := json.Marshal([]any{seed, plan, t.Provider, t.Model, t.PromptVersion})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}
