package main

import (
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"oktalk/internal/evaluation"
	"oktalk/internal/replay"
)

// filterFlags choose entries.
type filterFlags struct {
	ids                       []string
	since, user, status, grep string
	limit                     int
}

func (f *filterFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.ids, "id", nil, "ids of jobs, evaluations or stream entries; may be repeated")
	cmd.Flags().StringVar(&f.since, "since", "", "added since: 90m, 2h, 7d, or a time as 2026-01-22T10:35:00Z")
	cmd.Flags().StringVar(&f.user, "user", "", "id or name of a user")
	cmd.Flags().StringVar(&f.status, "status", "", "pending, done, dead or cancelled")
	cmd.Flags().StringVar(&f.grep, "grep", "", "part of the target text, the coaching text or an error (3 characters or more)")
	cmd.Flags().IntVar(&f.limit, "limit", 0, "most entries, the newest (0: 100, for a replay 1000; at most 10000)")
}

func (f *filterFlags) filter() (replay.Filter, error) {
	since, err := replay.ParseSince(f.since, time.Now())
	if err != nil {
		return replay.Filter{}, err
	}
	return replay.Filter{
		IDs: f.ids, Since: since, User: f.user, Status: replay.Status(strings.ToLower(f.status)), Grep: f.grep, Limit: f.limit,
	}, nil
}

func newEntriesCommand(getenv func(string) string) *cobra.Command {
	var flags filterFlags
	var out output
	cmd := &cobra.Command{
		Use:   "entries <stage>",
		Short: "Find entries of a stage",
		Long: `entries finds entries of a stage by their jobs, newest first. It asks the database, which
knows them all, also those that the stream has forgotten.`,
		Example: "  oktalk entries feedback --since 2h --status dead\n  oktalk entries speech --user ann --grep apples --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withOperations(cmd.Context(), getenv, func(s *replay.Service) error {
				f, err := flags.filter()
				if err != nil {
					return err
				}
				entries, err := s.Entries(cmd.Context(), evaluation.StageName(args[0]), f)
				if err != nil {
					return err
				}
				return out.show(cmd.OutOrStdout(), entries, func(w io.Writer) error { return printEntries(w, entries) })
			})
		},
	}
	flags.add(cmd)
	out.flag(cmd)
	return cmd
}

func printEntries(w io.Writer, entries []replay.Entry) error {
	return table(w, "ADDED\tENTRY\tJOB\tEVALUATION\tUSER\tSTATUS\tOUTCOME\tPROVIDER\tMS\tERROR", func(row func(string, ...any)) {
		for _, e := range entries {
			row("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s", second(e.CreatedAt), orDash(e.EntryID), e.JobID, evaluationOf(e), orDash(e.User), e.Status,
				orDash(e.Outcome), provider(e.Provider, e.Model, e.PromptVersion), e.LatencyMS, short(e.Error, 60))
		}
	})
}

func evaluationOf(e replay.Entry) string {
	if e.Evaluation == replay.Deleted {
		return e.EvaluationID + " (deleted)"
	}
	return e.EvaluationID
}

// provider names who did something: provider, model and version of the prompt.
func provider(name, model, prompt string) string {
	var parts []string
	for _, s := range []string{name, model, prompt} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return orDash(strings.Join(parts, " "))
}
