package account_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"oktalk/internal/account"
)

func ExampleTickets() {
	ctx := context.Background()
	tickets := account.NewTickets(&secrets{}, &once{}, slog.New(slog.DiscardHandler), time.Now)
	ticket, err := tickets.Issue(ctx, account.Caller{UserID: "user_1", KeyID: "key_1"}, "eval_1")
	if err != nil {
		fmt.Println(err)
		return
	}
	bearer, use, err := tickets.Check(ctx, ticket, "eval_1")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(bearer.UserID, use(ctx))
	fmt.Println(use(ctx))
	// Output:
	// user_1 <nil>
	// ticket was used before: unauthorized
}
