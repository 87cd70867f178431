package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"oktalk/internal/evaluation"
	"oktalk/internal/replay"
)

func newExplainCommand(getenv func(string) string) *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "explain <evaluation>",
		Short: "Tell everything that is known of an evaluation's course",
		Long: `explain prints the whole history of an evaluation: its artifacts, its jobs with their owners
and attempts, every run that ended, what is still to be sent, and the entries that the
streams hold with their deliveries.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withOperations(cmd.Context(), getenv, func(s *replay.Service) error {
				h, err := s.Explain(cmd.Context(), args[0])
				if errors.Is(err, evaluation.ErrNotFound) {
					return fmt.Errorf("there is no evaluation %q, or it was deleted and erased", args[0])
				}
				if err != nil {
					return err
				}
				return out.show(cmd.OutOrStdout(), h, func(w io.Writer) error { return printHistory(w, h) })
			})
		},
	}
	out.flag(cmd)
	return cmd
}

func printHistory(w io.Writer, h replay.History) error {
	_, _ = fmt.Fprintf(w, "%s of %s: %s, version %d, created %s, changed %s\n", h.EvaluationID, h.UserID, h.Status, h.Version, second(h.CreatedAt), second(h.UpdatedAt))
	if h.DeletedAt != nil {
		_, _ = fmt.Fprintf(w, "deleted %s; it is being erased\n", second(*h.DeletedAt))
	}
	if h.WaitingFor != "" {
		_, _ = fmt.Fprintf(w, "waiting for %s\n", h.WaitingFor)
	}
	if h.Note != "" {
		_, _ = fmt.Fprintln(w, h.Note)
	}
	for _, section := range []func(io.Writer, replay.History) error{printArtifacts, printJobs, printRuns, printEntryStates, printOutbox} {
		if err := section(w, h); err != nil {
			return err
		}
	}
	return nil
}

func printArtifacts(w io.Writer, h replay.History) error {
	return table(w, "\nARTIFACT\tSTATE\tBY\tCHANGED\tOBJECT\tREASON", func(row func(string, ...any)) {
		for _, a := range h.Artifacts {
			object := orDash(a.ObjectKey)
			if a.Spooled {
				object += " (waits in the database)"
			}
			row("%s\t%s\t%s\t%s\t%s\t%s", a.Kind, a.State, orDash(a.Provider), second(a.UpdatedAt), object, orDash(a.Reason))
		}
	})
}

func printJobs(w io.Writer, h replay.History) error {
	return table(w, "\nJOB\tSTAGE\tSTATUS\tRUNS\tATTEMPTS\tCRASHES\tWAITS\tOWNER\tENTRY\tADDED\tCHANGED\tREPLAY\tERROR", func(row func(string, ...any)) {
		for _, j := range h.Jobs {
			owner := orDash(j.Owner)
			if j.OwnerIs != "" {
				owner += " (" + j.OwnerIs + ")"
			}
			replays := orDash(j.ReplayID)
			if j.Applied > 0 {
				replays += fmt.Sprintf(" (version %d)", j.Applied)
			}
			row("%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s", j.ID, j.Stage, j.Status, j.Run, j.Attempts, j.Crashes, j.Waits, owner,
				orDash(j.EntryID), second(j.CreatedAt), second(j.UpdatedAt), replays, short(j.LastError, 60))
		}
	})
}

func printRuns(w io.Writer, h replay.History) error {
	return table(w, "\nRUN OF JOB\tRUN\tSTAGE\tSTARTED\tMS\tATTEMPT\tOUTCOME\tBY\tOWNER\tENTRY\tERROR", func(row func(string, ...any)) {
		for _, r := range h.Runs {
			row("%s\t%d\t%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s", r.JobID, r.Run, r.Stage, second(r.StartedAt), r.LatencyMS, r.Attempt, r.Outcome,
				provider(r.Provider, r.Model, r.PromptVersion), orDash(r.Owner), orDash(r.EntryID), short(r.Error, 60))
		}
	})
}

func printEntryStates(w io.Writer, h replay.History) error {
	return table(w, "\nENTRY\tSTAGE\tLANE\tADDED\tJOB\tDELIVERED TO\tDELIVERIES", func(row func(string, ...any)) {
		for _, e := range h.Entries {
			row("%s\t%s\t%s\t%s\t%s\t%s\t%d", e.EntryID, e.Stage, e.Lane, second(e.AddedAt), e.JobID, orDash(e.Consumer), e.Deliveries)
		}
	})
}

func printOutbox(w io.Writer, h replay.History) error {
	if len(h.Outbox) == 0 {
		_, err := fmt.Fprintln(w, "\noutbox: all was sent")
		return err
	}
	return table(w, "\nTO BE SENT\tJOB\tSINCE", func(row func(string, ...any)) {
		for _, o := range h.Outbox {
			row("%s\t%s\t%s", o.Kind, orDash(o.JobID), second(o.CreatedAt))
		}
	})
}
