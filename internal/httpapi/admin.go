package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"oktalk/internal/account"
	"oktalk/internal/evaluation"
	"oktalk/internal/replay"
)

// Replays is what operators and QA do. What they ask for wrongly is an [evaluation.Refusal]; what does not exist is
// [evaluation.ErrNotFound].
type Replays interface {
	Entries(ctx context.Context, stage evaluation.StageName, f replay.Filter) ([]replay.Entry, error)
	Replay(ctx context.Context, r replay.Request) (replay.Result, error)
	Diff(ctx context.Context, id string) (replay.Diff, error)
	Explain(ctx context.Context, evaluationID string) (replay.History, error)
	Dead(ctx context.Context, stage evaluation.StageName, limit int) ([]replay.Dead, error)
	FindDead(ctx context.Context, id string) (replay.Dead, error)
	RetryDead(ctx context.Context, id, actor, why string) (*replay.Replay, error)
	DropDead(ctx context.Context, id, actor, why string) error
	Stages(ctx context.Context) ([]replay.StageState, error)
	SetPaused(ctx context.Context, stage evaluation.StageName, paused bool, actor, why string) error
}

// requireAdmin lets requests of admins through; it comes after requireKey.
func requireAdmin(log *slog.Logger) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		if caller(ctx.Context()).Role != account.RoleAdmin {
			answer(ctx, log, problem("forbidden", "This path is for admins. A key of one is made with: oktalk keys create --user <name> --role admin"))
			return
		}
		next(ctx)
	}
}

// actor is who is recorded for audit.
func actor(ctx context.Context) string {
	c := caller(ctx)
	return c.UserName + " (" + c.KeyID + ")"
}

// noSuch makes a missing thing's problem name it.
func noSuch(what string, err error) error {
	if errors.Is(err, evaluation.ErrNotFound) {
		return problem("not-found", "There is no such "+what+".")
	}
	return err
}

// adminOutput is an answer that nobody keeps.
type adminOutput[T any] struct {
	CacheControl string `header:"Cache-Control"`
	Body         T
}

func adminAnswer[T any](body T, err error) (*adminOutput[T], error) {
	if err != nil {
		return nil, err
	}
	return &adminOutput[T]{CacheControl: "no-store", Body: body}, nil
}

// itemList is a list without pages: the newest, as many as were asked for.
type itemList[T any] struct {
	Items []T `json:"items"`
}

func items[T any](list []T, err error) (*adminOutput[itemList[T]], error) {
	if list == nil {
		list = []T{}
	}
	return adminAnswer(itemList[T]{list}, err)
}

type whyBody struct {
	Why string `json:"why" minLength:"1" maxLength:"500" doc:"Kept for audit"`
}

func listStages(replays Replays) func(context.Context, *struct{}) (*adminOutput[itemList[replay.StageState]], error) {
	return func(ctx context.Context, _ *struct{}) (*adminOutput[itemList[replay.StageState]], error) {
		return items(replays.Stages(ctx))
	}
}

type stageInput struct {
	Stage evaluation.StageName `path:"stage" doc:"Name of the stage" example:"feedback"`
	Body  whyBody
}

func pauseStage(replays Replays, paused bool) func(context.Context, *stageInput) (*struct{}, error) {
	return func(ctx context.Context, in *stageInput) (*struct{}, error) {
		return nil, replays.SetPaused(ctx, in.Stage, paused, actor(ctx), in.Body.Why)
	}
}

type entriesInput struct {
	Stage  evaluation.StageName `path:"stage" doc:"Name of the stage" example:"feedback"`
	IDs    []string             `query:"id" doc:"Identifiers of jobs, evaluations or stream entries, separated by commas"`
	Since  string               `query:"since" doc:"RFC 3339 time, or how long ago, as 2h or 7d" example:"2h"`
	User   string               `query:"user" doc:"Identifier or name"`
	Status replay.Status        `query:"status" enum:"pending,done,dead,cancelled"`
	Grep   string               `query:"grep" maxLength:"500" doc:"At least 3 characters of the target text, the coaching text or an error"`
	Limit  int                  `query:"limit" minimum:"1" maximum:"10000" default:"100"`
}

func listEntries(replays Replays) func(context.Context, *entriesInput) (*adminOutput[itemList[replay.Entry]], error) {
	return func(ctx context.Context, in *entriesInput) (*adminOutput[itemList[replay.Entry]], error) {
		since, err := replay.ParseSince(in.Since, time.Now())
		if err != nil {
			return nil, err
		}
		return items(replays.Entries(ctx, in.Stage, replay.Filter{
			IDs: in.IDs, Since: since, User: in.User, Status: in.Status, Grep: in.Grep, Limit: in.Limit,
		}))
	}
}

type replayInput struct {
	Stage evaluation.StageName `path:"stage" doc:"Name of the stage: feedback, speech or demo" example:"feedback"`
	Body  struct {
		IDs      []string      `json:"ids,omitempty" nullable:"false" doc:"Identifiers of jobs, evaluations or stream entries; needed unless since is given"`
		Since    string        `json:"since,omitempty" doc:"RFC 3339 time, or how long ago, as 2h or 7d" example:"2h"`
		User     string        `json:"user,omitempty" doc:"Identifier or name"`
		Status   replay.Status `json:"status,omitempty" enum:"done,dead"`
		Grep     string        `json:"grep,omitempty" doc:"At least 3 characters of the target text, the coaching text or an error"`
		Limit    int           `json:"limit,omitempty" minimum:"0" maximum:"10000" doc:"Most entries, the newest; 1000 if absent"`
		Provider string        `json:"provider,omitempty" doc:"Another provider than the configured one"`
		Model    string        `json:"model,omitempty" doc:"Another model, or voice"`
		Prompt   string        `json:"prompt,omitempty" doc:"Another version of the prompt"`
		Chain    bool          `json:"chain,omitempty" doc:"Run the following stages too"`
		Apply    bool          `json:"apply,omitempty" doc:"Put the results in the originals' place; implies chain"`
		DryRun   bool          `json:"dry_run,omitempty" doc:"Only say what would be replayed"`
		Why      string        `json:"why,omitempty" maxLength:"500" doc:"Kept for audit; needed unless it is a dry run"`
	}
}

type replayOutput struct {
	Status       int
	CacheControl string `header:"Cache-Control"`
	Location     string `header:"Location" doc:"Path of the comparison; absent when nothing was started"`
	Body         replay.Result
}

func createReplay(replays Replays) func(context.Context, *replayInput) (*replayOutput, error) {
	return func(ctx context.Context, in *replayInput) (*replayOutput, error) {
		b := in.Body
		since, err := replay.ParseSince(b.Since, time.Now())
		if err != nil {
			return nil, err
		}
		res, err := replays.Replay(ctx, replay.Request{
			Stage: in.Stage, Filter: replay.Filter{IDs: b.IDs, Since: since, User: b.User, Status: b.Status, Grep: b.Grep, Limit: b.Limit},
			Provider: b.Provider, Model: b.Model, Prompt: b.Prompt, Chain: b.Chain, Apply: b.Apply, DryRun: b.DryRun, Actor: actor(ctx), Why: b.Why,
		})
		if err != nil {
			return nil, err
		}
		out := &replayOutput{Status: http.StatusOK, CacheControl: "no-store", Body: res}
		if res.Replay != nil {
			out.Status, out.Location = http.StatusCreated, "/v1/admin/replays/"+res.Replay.ID
		}
		return out, nil
	}
}

type replayIDInput struct {
	ID string `path:"id" doc:"Identifier of the replay" example:"replay_01jd3k8v5n9q2w7x4y6z0a1b2c"`
}

func getReplay(replays Replays) func(context.Context, *replayIDInput) (*adminOutput[replay.Diff], error) {
	return func(ctx context.Context, in *replayIDInput) (*adminOutput[replay.Diff], error) {
		d, err := replays.Diff(ctx, in.ID)
		return adminAnswer(d, noSuch("replay", err))
	}
}

func explainEvaluation(replays Replays) func(context.Context, *idInput) (*adminOutput[replay.History], error) {
	return func(ctx context.Context, in *idInput) (*adminOutput[replay.History], error) {
		id, err := evaluationID(in.ID)
		if err != nil {
			return nil, err
		}
		return adminAnswer(replays.Explain(ctx, id))
	}
}

type deadListInput struct {
	Stage evaluation.StageName `query:"stage" doc:"Only of this stage"`
	Limit int                  `query:"limit" minimum:"1" maximum:"10000" default:"100"`
}

func listDead(replays Replays) func(context.Context, *deadListInput) (*adminOutput[itemList[replay.Dead]], error) {
	return func(ctx context.Context, in *deadListInput) (*adminOutput[itemList[replay.Dead]], error) {
		return items(replays.Dead(ctx, in.Stage, in.Limit))
	}
}

type deadInput struct {
	ID string `query:"id" required:"true" doc:"As the list of dead letters has it" example:"job_01jd3k8v5n9q2w7x4y6z0a1b2c"`
}

type deadChangeInput struct {
	Body struct {
		ID  string `json:"id" doc:"As the list of dead letters has it" example:"job_01jd3k8v5n9q2w7x4y6z0a1b2c"`
		Why string `json:"why" minLength:"1" maxLength:"500" doc:"Kept for audit"`
	}
}

func getDead(replays Replays) func(context.Context, *deadInput) (*adminOutput[replay.Dead], error) {
	return func(ctx context.Context, in *deadInput) (*adminOutput[replay.Dead], error) {
		d, err := replays.FindDead(ctx, in.ID)
		return adminAnswer(d, noSuch("dead letter", err))
	}
}

type retried struct {
	ReplayID *string `json:"replay_id" doc:"Of the replay that runs the work again; null for an erasure, which just goes on"`
}

func retryDead(replays Replays) func(context.Context, *deadChangeInput) (*adminOutput[retried], error) {
	return func(ctx context.Context, in *deadChangeInput) (*adminOutput[retried], error) {
		r, err := replays.RetryDead(ctx, in.Body.ID, actor(ctx), in.Body.Why)
		var out retried
		if r != nil {
			out.ReplayID = &r.ID
		}
		return adminAnswer(out, noSuch("dead letter", err))
	}
}

func dropDead(replays Replays) func(context.Context, *deadChangeInput) (*struct{}, error) {
	return func(ctx context.Context, in *deadChangeInput) (*struct{}, error) {
		return nil, noSuch("dead letter", replays.DropDead(ctx, in.Body.ID, actor(ctx), in.Body.Why))
	}
}
