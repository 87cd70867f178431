package feedback

import (
	"context"
	"encoding/json"
	"errors"
)

// Request is what a generator writes from.
type Request struct {
	// Seed decides between wordings: the same seed and plan give the same text, other seeds another wording. It is the
	// evaluation's id.
	Seed string
	Plan Plan
	// Model and Prompt ask for another model, and another version of the prompt, than is configured, as a replay may. Empty: as
	// configured. A generator that does not have them fails with an error that wraps ErrNotOffered.
	Model  string
	Prompt string
}

// ErrNotOffered is for a model or a version of a prompt that a generator does not have.
var ErrNotOffered = errors.New("not offered")

// Text is a coaching text and where it came from.
type Text struct {
	Body          string          // plain text, as checked by Check
	Provider      string          // "offline" or a vendor's name
	Model         string          // a vendor's model; empty for the offline coach
	PromptVersion string          // version of the prompt or of the bank of sentences
	Usage         json.RawMessage // tokens and cost as the vendor reports them; nil when it does not
}

// Generator writes the coaching text of a plan. It must be safe for concurrent use and respect ctx. Errors are taken as
// transient unless they are marked otherwise (pipeline.Permanent, pipeline.WaitFor, pipeline.RetryAfter).
type Generator interface {
	Write(ctx context.Context, r Request) (Text, error)
}

// Named is a generator that replays can ask for by its provider's name, as in [Text].
type Named interface{ Name() string }
