package httpapi

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"oktalk/internal/evaluation"
	"oktalk/internal/replay"
	"oktalk/internal/telemetry"
)

// addRoutes adds all routes that the description lists.
func addRoutes(api huma.API, d Deps) {
	key := huma.Middlewares{requireKey(d.Accounts, d.Log)}
	keyOrTicket := huma.Middlewares{requireKeyOrTicket(d.Accounts, d.Tickets, d.Log)}

	add(api, d, huma.Operation{
		Method: http.MethodPost, Path: "/v1/evaluations", OperationID: "create-evaluation", DefaultStatus: http.StatusCreated, Middlewares: key,
		Summary: "Evaluate a recording", Tags: []string{"evaluations"}, Description: createDescription,
	}, createEvaluation(d.Intake, d.Tickets, d.Log),
		"invalid-request", "unauthorized", "audio-too-large", "unsupported-audio", "no-speech", "too-quiet", "too-noisy", "clipped", "too-short",
		"too-long", "text-mismatch", "invalid-text", "unsupported-language", "not-found", "idempotency-conflict", "idempotency-mismatch",
		"assessor-unavailable", "unavailable")
	add(api, d, huma.Operation{
		Method: http.MethodGet, Path: "/v1/evaluations", OperationID: "list-evaluations", Middlewares: key,
		Summary: "List evaluations", Tags: []string{"evaluations"}, Description: "The caller's evaluations, newest first, in pages.",
	}, listEvaluations(d.Evaluations), "invalid-request", "unauthorized", "unavailable")
	add(api, d, huma.Operation{
		Method: http.MethodGet, Path: "/v1/evaluations/{id}", OperationID: "get-evaluation", Middlewares: key,
		Summary: "Get an evaluation", Tags: []string{"evaluations"}, Description: "The evaluation as it is now. The ETag is its version; with If-None-Match the answer is 304 until it changes.",
		Responses: map[string]*huma.Response{"304": {Description: "It is still the version in If-None-Match"}},
	}, getEvaluation(d.Evaluations), "unauthorized", "not-found", "unavailable")
	add(api, d, huma.Operation{
		Method: http.MethodDelete, Path: "/v1/evaluations/{id}", OperationID: "delete-evaluation", Middlewares: key,
		Summary: "Delete an evaluation", Tags: []string{"evaluations"}, Description: "From then on it is not found anywhere; its recording, texts and audio are removed.",
	}, deleteEvaluation(d.Evaluations), "unauthorized", "not-found", "unavailable")

	add(api, d, audioOperation("recording", "Get the recording", key), getAudio(d, recording), "unauthorized", "not-found", "unavailable")
	add(api, d, audioOperation("feedback-audio", "Get the coaching text, spoken", key),
		getAudio(d, artifactAudio(evaluation.FeedbackAudio, "feedback")), "unauthorized", "not-found", "not-ready", "unavailable")
	add(api, d, audioOperation("demo-audio", "Get the model reading", key),
		getDemoAudio(d), "invalid-request", "unauthorized", "not-found", "not-ready", "unavailable")

	add(api, d, huma.Operation{
		Method: http.MethodPost, Path: "/v1/evaluations/{id}/tickets", OperationID: "create-ticket", DefaultStatus: http.StatusCreated, Middlewares: key,
		Summary: "Make a progress ticket", Tags: []string{"progress"}, Description: "For browsers, whose sockets cannot send a header. A ticket lives for a minute, is used once and is needed for each connection.",
	}, createTicket(d.Evaluations, d.Tickets), "unauthorized", "not-found", "unavailable")
	add(api, d, huma.Operation{
		Method: http.MethodGet, Path: "/v1/evaluations/{id}/progress", OperationID: "get-progress", Middlewares: keyOrTicket,
		Summary: "Follow an evaluation", Tags: []string{"progress"}, Description: progressDescription,
		Security: []map[string][]string{{"key": {}}, {"ticket": {}}}, Responses: progressResponses(api.OpenAPI().Components.Schemas),
	}, getProgress(d.Evaluations, d.Progress, d.Log), "invalid-request", "unauthorized", "not-found", "unavailable")

	add(api, d, huma.Operation{
		Method: http.MethodGet, Path: "/v1/me", OperationID: "get-me", Middlewares: key,
		Summary: "Who am I", Tags: []string{"account"}, Description: "The caller, by the key in use.",
	}, getMe, "unauthorized", "unavailable")
	addAdminRoutes(api, d)
}

// addAdminRoutes adds the routes of operators and QA.
func addAdminRoutes(api huma.API, d Deps) {
	op := func(method, path, id, summary, description string) huma.Operation {
		return huma.Operation{
			Method: method, Path: "/v1/admin" + path, OperationID: id, Summary: summary, Description: description, Tags: []string{"admin"},
			Middlewares: huma.Middlewares{requireKey(d.Accounts, d.Log), requireAdmin(d.Log)},
		}
	}
	add(api, d, op(http.MethodGet, "/stages", "list-stages", "List stages", "How each stage stands, in the order in which an evaluation passes them."),
		listStages(d.Replays), "unauthorized", "forbidden", "unavailable")
	for _, paused := range []bool{true, false} {
		name, summary := "resume", "Let a stage go on"
		if paused {
			name, summary = "pause", "Pause a stage"
		}
		o := op(http.MethodPost, "/stages/{stage}/"+name, name+"-stage", summary, "Workers follow within a second; what is in flight ends as usual.")
		o.DefaultStatus = http.StatusNoContent
		add(api, d, o, pauseStage(d.Replays, paused), "invalid-request", "unauthorized", "forbidden", "unavailable")
	}
	add(api, d, op(http.MethodGet, "/stages/{stage}/entries", "list-entries", "Choose entries", "Entries of a stage with their jobs, newest first. Replays are left out."),
		listEntries(d.Replays), "invalid-request", "unauthorized", "forbidden", "unavailable")
	replayOp := op(http.MethodPost, "/stages/{stage}/replays", "create-replay", "Replay entries", replayDescription)
	replayOp.DefaultStatus = http.StatusCreated
	replayOp.Responses = map[string]*huma.Response{"200": {
		Description: "A dry run, or nothing to replay",
		Content:     map[string]*huma.MediaType{"application/json": {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[replay.Result](), true, "Result")}},
	}}
	add(api, d, replayOp, createReplay(d.Replays), "invalid-request", "unauthorized", "forbidden", "unavailable")
	add(api, d, op(http.MethodGet, "/replays/{id}", "get-replay", "Compare a replay", "Old and new side by side; new ones appear as they are made."),
		getReplay(d.Replays), "unauthorized", "forbidden", "not-found", "unavailable")
	add(api, d, op(http.MethodGet, "/evaluations/{id}/history", "explain-evaluation", "Explain an evaluation", "Everything that is known of its course, whoever's it is."),
		explainEvaluation(d.Replays), "unauthorized", "forbidden", "not-found", "unavailable")
	add(api, d, op(http.MethodGet, "/dead", "list-dead", "List dead letters", "Jobs that were set aside, newest first, then entries that could not be decoded."),
		listDead(d.Replays), "invalid-request", "unauthorized", "forbidden", "unavailable")
	add(api, d, op(http.MethodGet, "/dead/letter", "get-dead", "Show a dead letter", "One of the list, whole."),
		getDead(d.Replays), "invalid-request", "unauthorized", "forbidden", "not-found", "unavailable")
	add(api, d, op(http.MethodPost, "/dead/retry", "retry-dead", "Retry a dead letter", "Runs its work again and puts the result in place. It stays listed until that has succeeded."),
		retryDead(d.Replays), "invalid-request", "unauthorized", "forbidden", "not-found", "unavailable")
	drop := op(http.MethodPost, "/dead/drop", "drop-dead", "Drop a dead letter", "Takes it out for good. What its evaluation shows does not change.")
	drop.DefaultStatus = http.StatusNoContent
	add(api, d, drop, dropDead(d.Replays), "invalid-request", "unauthorized", "forbidden", "not-found", "unavailable")
}

// addPageRoutes adds the routes for people and probes, which the description does not list.
func addPageRoutes(router chi.Router, description, docs []byte, d Deps) {
	router.Get("/openapi.json", page("application/openapi+json", description))
	router.Get("/docs", page("text/html; charset=utf-8", docs))
	router.Get("/problems", page("text/plain; charset=utf-8", problemList()))
	router.Get("/problems/{name}", explainProblem)
	router.Get("/healthz", telemetry.Live)
	router.Get("/readyz", telemetry.Readiness(d.Checks, d.Stopping, d.Log))
	router.Get("/", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/docs", http.StatusFound) })
}

// add registers an operation: problems names the kinds it may answer with, and its errors become problems.
func add[I, O any](api huma.API, d Deps, op huma.Operation, handle func(context.Context, *I) (*O, error), problems ...string) {
	op.Responses = withProblems(api.OpenAPI().Components.Schemas, op.Responses, append(problems, "internal"))
	huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, fail(ctx, d.Log, err)
		}
		return out, nil
	})
}

func audioOperation(name, summary string, middlewares huma.Middlewares) huma.Operation {
	return huma.Operation{
		Method: http.MethodGet, Path: "/v1/evaluations/{id}/" + name, OperationID: "get-" + name, Middlewares: middlewares,
		Summary: summary, Tags: []string{"audio"}, Description: audioDescription,
		Responses: map[string]*huma.Response{
			"200": {Description: "The address, if JSON was asked for; or the audio itself, while the object store has not taken it"},
			"302": {Description: "The address of the audio is in the header Location; it needs no key"},
		},
	}
}
