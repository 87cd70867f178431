package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/spf13/cobra"

	"oktalk/internal/client"
	"oktalk/internal/evaluation"
)

func newWatchCommand(getenv func(string) string) *cobra.Command {
	return &cobra.Command{
		Use:   "watch <evaluation id>",
		Short: "Follow an evaluation until it is final",
		Long: `watch follows an evaluation over its WebSocket, connecting again whenever that helps, and
prints at the end the coaching text and where its audio is. The server is the one that
OKTALK_URL and OKTALK_KEY name, or the stack that runs in this folder.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := client.Find(getenv, ".")
			if err != nil {
				return err
			}
			return explainServer(c, watch(cmd.Context(), c, args[0], newScreen(cmd.OutOrStdout(), getenv)))
		},
	}
}

func watch(ctx context.Context, c *client.Client, id string, s *screen) error {
	if _, err := c.Get(ctx, id); err != nil { // a wrong address is told at once instead of being tried for ever
		return err
	}
	v, err := follow(ctx, c, id, s)
	if err != nil {
		return err
	}
	s.outcome(v)
	for _, a := range audioOf(v) {
		address, expires, err := c.AudioURL(ctx, id, a)
		if err != nil {
			return err
		}
		s.printf("%s (until %s):\n  %s\n", a, expires.Local().Format("2006-01-02 15:04"), address)
	}
	return nil
}

// follow draws the progress of an evaluation and returns its final state, without words.
func follow(ctx context.Context, c *client.Client, id string, s *screen) (evaluation.View, error) {
	var last evaluation.View
	err := c.Follow(ctx, id, func(m client.Message) error {
		last = m.Evaluation
		s.progress(last)
		return nil
	})
	if closed, ok := errors.AsType[*client.ClosedError](err); ok && closed.Code == 4504 {
		return last, fmt.Errorf("evaluation %s was deleted", id)
	}
	return last, err
}

// explainServer says what to do about a server that does not answer at all.
func explainServer(c *client.Client, err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w (nothing answers at %s)", client.ErrNoStack, c.URL())
	}
	return err
}
