package feedback

import (
	"context"
	"encoding/json"
)

// Request is what a generator writes from.
type Request struct {
	// Seed decides between wordings: the same seed and plan give the same text, other seeds another wording. It is the
	// evaluation's id.
	Seed string
	Plan Plan
}

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
