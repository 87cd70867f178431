package evaluation

import "context"

// Viewer is who follows the progress of an evaluation. That they may was decided before.
type Viewer struct {
	// KeyID is the API key that lets them; the connection ends when it is revoked. Empty: nothing ends it early.
	KeyID string
	// Admit is called once, when nothing else can keep a connection from being opened: it uses a single-use ticket up. An error is the
	// answer. Nil: there is nothing to use up.
	Admit func(ctx context.Context) error
	// Stay keeps the connection open after done: what changes later, when a replay is applied, comes as progress.
	Stay bool
}
