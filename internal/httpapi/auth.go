package httpapi

import (
	"context"
	"log/slog"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"oktalk/internal/account"
	"oktalk/internal/evaluation"
)

// caller is who makes the request; requireKey and requireKeyOrTicket have seen to it that there is one.
func caller(ctx context.Context) account.Caller {
	c, _ := ctx.Value(callerKey).(account.Caller)
	return c
}

// requireKey lets requests with a good API key through.
func requireKey(accounts Accounts, log *slog.Logger) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		c, err := callerOfKey(ctx, accounts)
		if err != nil {
			answer(ctx, log, err)
			return
		}
		next(huma.WithValue(ctx, callerKey, c))
	}
}

// requireKeyOrTicket lets requests with a good API key or with a ticket for the path's evaluation through. The ticket is not used up yet: the
// handler calls useTicket when the request is sure to be served.
func requireKeyOrTicket(accounts Accounts, tickets Tickets, log *slog.Logger) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		ticket := ctx.Query("ticket")
		if ticket == "" || ctx.Header("Authorization") != "" {
			requireKey(accounts, log)(ctx, next)
			return
		}
		c, use, err := tickets.Check(ctx.Context(), ticket, ctx.Param("id"))
		if err != nil {
			answer(ctx, log, err)
			return
		}
		next(huma.WithValue(huma.WithValue(ctx, callerKey, c), useTicketKey, use))
	}
}

// useTicket uses up the ticket with which the request was made, if it was; [evaluation.ErrUnauthorized] if it was used before.
func useTicket(ctx context.Context) error {
	if use, ok := ctx.Value(useTicketKey).(func(context.Context) error); ok {
		return use(ctx)
	}
	return nil
}

func callerOfKey(ctx huma.Context, accounts Accounts) (account.Caller, error) {
	scheme, key, _ := strings.Cut(ctx.Header("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(key) == "" {
		return account.Caller{}, unauthorized(`Send the header "Authorization: Bearer <key>". A key is made with: oktalk keys create --user <name>`)
	}
	return accounts.Authenticate(ctx.Context(), strings.TrimSpace(key))
}

// answer writes the problem of an error from outside a handler.
func answer(ctx huma.Context, log *slog.Logger, err error) {
	_, w := humachi.Unwrap(ctx)
	writeProblem(w, fail(ctx.Context(), log, err))
}

// evaluationID checks an id of a path: what cannot be one is not looked up.
func evaluationID(id string) (string, error) {
	const prefix, length = "eval_", 26
	rest, ok := strings.CutPrefix(id, prefix)
	if !ok || len(rest) != length || strings.Trim(rest, "0123456789abcdefghijklmnopqrstuvwxyz") != "" {
		return "", evaluation.ErrNotFound
	}
	return id, nil
}
