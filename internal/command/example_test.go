package command_test

import (
	"context"
	"fmt"
	"time"

	"oktalk/internal/command"
)

func ExampleRun() {
	path, err := command.Find("echo", "ECHO_PATH", "coreutils")
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := command.Run(context.Background(), command.Command{Path: path, Args: []string{"$HOME;", "hello"}, Timeout: time.Minute, MaxOutput: 100})
	fmt.Printf("%q %v\n", out, err)
	// Output: "$HOME; hello\n" <nil>
}
