package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"oktalk/internal/evaluation"
	"oktalk/internal/replay"
)

func newStagesCommand(getenv func(string) string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stages",
		Short: "Show, pause and resume stages",
		Long: `stages shows how each stage stands: jobs that are not settled and dead ones (in the
database), and entries in Redis. A paused stage takes no more entries; what is in flight
ends as usual. The pause is kept in the database and survives the loss of Redis.`,
		Args: cobra.NoArgs,
	}
	list := newStagesListCommand(getenv)
	cmd.RunE = list.RunE
	cmd.AddCommand(list, newStagesPauseCommand(getenv, true), newStagesPauseCommand(getenv, false))
	return cmd
}

func newStagesListCommand(getenv func(string) string) *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use: "list", Short: "Show how each stage stands", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withOperations(cmd.Context(), getenv, func(s *replay.Service) error {
				states, err := s.Stages(cmd.Context())
				if err != nil {
					return err
				}
				return out.show(cmd.OutOrStdout(), states, func(w io.Writer) error { return printStages(w, states) })
			})
		},
	}
	out.flag(cmd)
	return cmd
}

func printStages(w io.Writer, states []replay.StageState) error {
	return table(w, "STAGE\tPAUSED\tOPEN\tDEAD\tUNREAD\tLOW LANE\tPENDING\tDELAYED\tDEAD ENTRIES\tCONSUMERS", func(row func(string, ...any)) {
		for _, s := range states {
			paused := "no"
			if s.Paused {
				paused = "yes"
			}
			if s.Note != "" {
				row("%s\t%s\t%d\t%d\t%s", s.Stage, paused, s.Open, s.DeadJobs, s.Note)
				continue
			}
			row("%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d", s.Stage, paused, s.Open, s.DeadJobs, s.Lag, s.Low, s.Pending, s.Delayed, s.Dead, s.Consumers)
		}
	})
}

func newStagesPauseCommand(getenv func(string) string, paused bool) *cobra.Command {
	use, short, done := "resume", "Let a stage go on", "goes on"
	if paused {
		use, short, done = "pause", "Stop deliveries of a stage", "is paused"
	}
	var why string
	cmd := &cobra.Command{
		Use: use + " <stage>", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withOperations(cmd.Context(), getenv, func(s *replay.Service) error {
				if err := s.SetPaused(cmd.Context(), evaluation.StageName(args[0]), paused, actor(getenv), why); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "stage %s %s\n", args[0], done)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&why, "why", "by hand", "reason, kept for audit")
	return cmd
}
