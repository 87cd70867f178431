package realtime_test

import (
	"context"
	"fmt"
	"time"

	"oktalk/internal/realtime"
)

// A hub is run for the life of the process; handlers call its Serve methods and Wait.
func ExampleHub_Wait() {
	ctx, cancel := context.WithCancel(context.Background())
	store, feed := newDatabase(processing("eval_1", 3)), newWire()
	hub := realtime.NewHub(realtime.Config{}, store, &keyring{}, cache{}, feed, discard())
	done := make(chan error)
	go func() { done <- hub.Run(ctx) }()

	message, err := hub.Wait(ctx, "eval_1", 2, 20*time.Second) // the client has version 2
	fmt.Println(message.Type, message.Version, err)

	cancel()
	fmt.Println(<-done)
	// Output:
	// snapshot 3 <nil>
	// <nil>
}
