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
	ticket, err := tickets.Issue(ctx, "user_1", "eval_1")
	if err != nil {
		fmt.Println(err)
		return
	}
	caller, err := tickets.Redeem(ctx, ticket, "eval_1")
	fmt.Println(caller.UserID, err)
	_, err = tickets.Redeem(ctx, ticket, "eval_1")
	fmt.Println(err)
	// Output:
	// user_1 <nil>
	// ticket was used before: unauthorized
}
