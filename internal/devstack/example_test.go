package devstack_test

import (
	"context"
	"fmt"

	"oktalk/internal/devstack"
)

func ExampleProcess() {
	p := devstack.NewProcess(devstack.Command{
		Name:   "greeter",
		Path:   "/bin/sh",
		Args:   []string{"-c", "echo hello; exit 3"},
		Output: func(line string) { fmt.Println("greeter |", line) },
	})
	if err := p.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	<-p.Done()
	fmt.Println("greeter ended:", p.Why())
	// Output:
	// greeter | hello
	// greeter ended: exit status 3
}
