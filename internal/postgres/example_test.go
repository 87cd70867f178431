package postgres_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"oktalk/internal/postgres"
)

func Example() {
	ctx, url := context.Background(), os.Getenv("DATABASE_URL")
	if err := postgres.Migrate(ctx, url); err != nil {
		fmt.Println(err)
		return
	}
	db, err := postgres.Open(ctx, postgres.Config{URL: url, MaxConns: 10}, slog.Default())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	db.OnOutbox(func() { fmt.Println("something waits to be sent") })

	user, err := postgres.NewAccounts(db).EnsureUser(ctx, "ann")
	if err != nil {
		fmt.Println(err)
		return
	}
	list, err := postgres.NewEvaluations(db).List(ctx, user, 20, "")
	fmt.Println(len(list), err)
}
