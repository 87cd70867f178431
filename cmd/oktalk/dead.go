package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"oktalk/internal/evaluation"
	"oktalk/internal/replay"
)

func newDeadCommand(getenv func(string) string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead",
		Short: "Look after dead letters",
		Long: `dead lists what was set aside: jobs whose attempts were used up or whose worker died
again and again, and entries that could not be decoded. A retry runs the work again and
puts the result in place; the letter stays listed until that has succeeded.`,
	}
	cmd.AddCommand(newDeadListCommand(getenv), newDeadShowCommand(getenv),
		newDeadChangeCommand(getenv, "retry", "Run the work of dead letters again", retryDead),
		newDeadChangeCommand(getenv, "drop", "Take dead letters out for good", dropDead))
	return cmd
}

func newDeadListCommand(getenv func(string) string) *cobra.Command {
	var out output
	var limit int
	cmd := &cobra.Command{
		Use: "list [stage]", Short: "List dead letters, newest first", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withOperations(cmd.Context(), getenv, func(s *replay.Service) error {
				var stage evaluation.StageName
				if len(args) > 0 {
					stage = evaluation.StageName(args[0])
				}
				dead, err := s.Dead(cmd.Context(), stage, limit)
				if err != nil {
					return err
				}
				return out.show(cmd.OutOrStdout(), dead, func(w io.Writer) error { return printDead(w, dead) })
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 100, "most letters of each kind")
	out.flag(cmd)
	return cmd
}

func printDead(w io.Writer, dead []replay.Dead) error {
	return table(w, "SET ASIDE\tID\tSTAGE\tEVALUATION\tUSER\tATTEMPTS\tCRASHES\tREASON", func(row func(string, ...any)) {
		for _, d := range dead {
			row("%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s", second(d.At), d.ID, d.Stage, orDash(d.EvaluationID), orDash(d.User), d.Attempts, d.Crashes, short(d.Reason, 80))
		}
	})
}

func newDeadShowCommand(getenv func(string) string) *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use: "show <id>", Short: "Show a dead letter whole", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withOperations(cmd.Context(), getenv, func(s *replay.Service) error {
				d, err := s.FindDead(cmd.Context(), args[0])
				if err != nil {
					return noDead(args[0], err)
				}
				return out.show(cmd.OutOrStdout(), d, func(w io.Writer) error { return printDeadLetter(w, d) })
			})
		},
	}
	out.flag(cmd)
	return cmd
}

func printDeadLetter(w io.Writer, d replay.Dead) error {
	_, _ = fmt.Fprintf(w, "id          %s\nstage       %s\nset aside   %s\nentry       %s\nreason      %s\n", d.ID, d.Stage, second(d.At), orDash(d.EntryID), d.Reason)
	if d.EvaluationID != "" {
		_, _ = fmt.Fprintf(w, "evaluation  %s (oktalk explain %s)\nuser        %s\nattempts    %d\ncrashes     %d\n", d.EvaluationID, d.EvaluationID, d.User, d.Attempts, d.Crashes)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Fields)) {
		_, _ = fmt.Fprintf(w, "field       %q = %q\n", name, d.Fields[name])
	}
	return nil
}

func noDead(id string, err error) error {
	if errors.Is(err, evaluation.ErrNotFound) {
		return fmt.Errorf("there is no dead letter %q: oktalk dead list shows all", id)
	}
	return err
}

// newDeadChangeCommand is a command that does something to each letter that it is given.
func newDeadChangeCommand(
	getenv func(string) string, use, short string, change func(cmd *cobra.Command, s *replay.Service, id, actor, why string) (string, error),
) *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use: use + " <id>…", Short: short, Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withOperations(cmd.Context(), getenv, func(s *replay.Service) error {
				for _, id := range args {
					done, err := change(cmd, s, id, actor(getenv), why)
					if err != nil {
						return noDead(id, err)
					}
					_, _ = fmt.Fprintln(cmd.OutOrStdout(), done)
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&why, "why", "by hand", "reason, kept for audit")
	return cmd
}

func retryDead(cmd *cobra.Command, s *replay.Service, id, actor, why string) (string, error) {
	r, err := s.RetryDead(cmd.Context(), id, actor, why)
	if err != nil {
		return "", err
	}
	if r == nil {
		return id + " goes on", nil
	}
	return fmt.Sprintf("%s is being run again: oktalk replay diff %s", id, r.ID), nil
}

func dropDead(cmd *cobra.Command, s *replay.Service, id, actor, why string) (string, error) {
	if err := s.DropDead(cmd.Context(), id, actor, why); err != nil {
		return "", err
	}
	return id + " is dropped", nil
}
