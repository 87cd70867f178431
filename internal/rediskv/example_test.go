package rediskv_test

import (
	"context"
	"fmt"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"oktalk/internal/evaluation"
	"oktalk/internal/rediskv"
)

func ExampleSnapshots() {
	server, err := miniredis.Run()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer func() { _ = client.Close() }()

	ctx := context.Background()
	snapshots := rediskv.NewSnapshots(client, "oktalk", 0)
	for _, version := range []int64{1, 3, 2} { // relays reorder
		if err := snapshots.Publish(ctx, []*evaluation.Evaluation{{ID: "eval_1", Version: version}}); err != nil {
			fmt.Println(err)
		}
	}
	got, err := snapshots.Get(ctx, []string{"eval_1", "eval_2"})
	fmt.Println(len(got), got["eval_1"].Version, err)
	// Output: 1 3 <nil>
}
