package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"oktalk/internal/devstack"
)

// crashLanes is how many crashes of one contender are tried at a time, each in a space of its own; Redis has 16, and seven are used to
// measure pickup meanwhile.
const crashLanes = 2

// settleTime is how long the second worker runs before the first is killed.
const settleTime = 1500 * time.Millisecond

// measureCrashes kills worker processes while they run a job and measures how long it takes until another process runs it. It ends
// after b.crashTime; what was not handed on by then is left out.
func (b *bench) measureCrashes(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, b.crashTime)
	defer cancel()
	var g errgroup.Group
	for _, k := range b.kinds {
		if k.crash != "" {
			continue
		}
		turns := make(chan struct{}, b.crashes)
		for range b.crashes {
			turns <- struct{}{}
		}
		close(turns)
		for range min(crashLanes, b.crashes) {
			g.Go(func() error { return b.crashInTurn(ctx, k, turns) })
		}
	}
	return g.Wait()
}

// crashInTurn tries crashes one after the other until there are no turns or there is no time.
func (b *bench) crashInTurn(ctx context.Context, k kind, turns <-chan struct{}) error {
	for range turns {
		took, err := b.crash(ctx, k)
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return nil
		case err != nil:
			return fmt.Errorf("crash: %w", err)
		}
		b.say("a killed worker's job of %s ran again after %v", k.name, took.Round(10*time.Millisecond))
		b.results.addCrash(k.name, took)
	}
	return nil
}

// crash lets one process begin a job, kills it and waits until another begins it.
func (b *bench) crash(ctx context.Context, k kind) (took time.Duration, err error) {
	err = b.servers.use(ctx, k, func(sp space, c contender) error {
		first, err := startChild(ctx, k, sp)
		if err != nil {
			return err
		}
		defer func() { _ = first.process.Kill() }()
		if err := c.Enqueue(ctx, []job{{n: 1, user: 1}}); err != nil {
			return err
		}
		if err := first.wait(ctx); err != nil {
			return fmt.Errorf("first worker: %w", err)
		}
		second, err := startChild(ctx, k, sp)
		if err != nil {
			return err
		}
		defer func() { _ = second.process.Kill() }()
		rest(ctx, settleTime+rand.N(time.Second)) // at any moment of what it does in turn
		start := time.Now()
		if err := first.process.Kill(); err != nil {
			return err
		}
		if err := second.wait(ctx); err != nil {
			return fmt.Errorf("second worker: %w", err)
		}
		took = time.Since(start)
		return nil
	})
	return took, err
}

// child is a worker process.
type child struct {
	process *devstack.Process
	began   chan struct{}
}

// childTask is what a worker process is told to do, as its only argument.
type childTask struct {
	Kind  string `json:"kind"`
	Space space  `json:"space"`
}

const (
	childFlag  = "-worker"
	childBegan = "began"
)

func startChild(ctx context.Context, k kind, sp space) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	task, err := json.Marshal(childTask{Kind: k.name, Space: sp})
	if err != nil {
		return nil, err
	}
	c := &child{began: make(chan struct{}, 1)}
	c.process = devstack.NewProcess(devstack.Command{
		Name: "worker of " + k.name, Path: self, Args: []string{childFlag, string(task)},
		Output: func(line string) {
			if strings.TrimSpace(line) == childBegan {
				c.began <- struct{}{}
			}
		},
	})
	return c, c.process.Start(ctx)
}

// wait waits until the process has begun a job.
func (c *child) wait(ctx context.Context) error {
	select {
	case <-c.began:
		return nil
	case <-c.process.Done():
		return fmt.Errorf("it ended: %s: %s", c.process.Why(), strings.Join(c.process.Tail(), "; "))
	case <-ctx.Done():
		return ctx.Err()
	}
}

// runChild is the body of a worker process. It says when it begins a job and never ends one: it is there to be killed.
func runChild(ctx context.Context, task string, stdout io.Writer) error {
	var t childTask
	if err := json.Unmarshal([]byte(task), &t); err != nil {
		return fmt.Errorf("%s is for the bench's own use: %w", childFlag, err)
	}
	k, err := kindByName(t.Kind)
	if err != nil {
		return err
	}
	c, err := k.open(ctx, t.Space)
	if err != nil {
		return err
	}
	defer c.Close()
	err = c.Work(ctx, idleSlots, func(ctx context.Context, _ int) {
		_, _ = fmt.Fprintln(stdout, childBegan)
		<-ctx.Done()
	})
	if err == nil {
		err = errors.New("the worker ended by itself")
	}
	return err
}
