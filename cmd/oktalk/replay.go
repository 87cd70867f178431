package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"oktalk/internal/evaluation"
	"oktalk/internal/replay"
)

func newReplayCommand(getenv func(string) string) *cobra.Command {
	var flags filterFlags
	var req replay.Request
	var out output
	cmd := &cobra.Command{
		Use:   "replay <stage>",
		Short: "Run entries again, and compare",
		Long: `replay runs entries of a stage (feedback, speech or demo) again with their original
input. By default it is a shadow: what learners have does not change, and what it makes is
seen with "oktalk replay diff". With --apply the whole chain runs as a shadow first; then
text and audio take the originals' place together, unless they are worse.`,
		Example: `  oktalk replay feedback --since 2h --status done --dry-run
  oktalk replay feedback --id eval_01jd… --chain --why "try the new prompt"
  oktalk replay speech --since 1d --voice rms --apply --why "slt was out of tune"
  oktalk replay diff replay_01jd…`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withOperations(cmd.Context(), getenv, func(s *replay.Service) (err error) {
				req.Stage, req.Actor = evaluation.StageName(args[0]), actor(getenv)
				if req.Filter, err = flags.filter(); err != nil {
					return err
				}
				if req.Why == "" && !req.DryRun {
					return errors.New(`say why with --why "…": it is kept for audit`)
				}
				res, err := s.Replay(cmd.Context(), req)
				if err != nil {
					return err
				}
				return out.show(cmd.OutOrStdout(), res, func(w io.Writer) error { return printReplay(w, req, res) })
			})
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&req.Provider, "provider", "", "another provider than the configured one")
	cmd.Flags().StringVar(&req.Model, "model", "", "another model")
	cmd.Flags().StringVar(&req.Model, "voice", "", "another voice (the same as --model)")
	cmd.Flags().StringVar(&req.Prompt, "prompt", "", "another version of the prompt")
	cmd.Flags().BoolVar(&req.DryRun, "dry-run", false, "only show what would be replayed")
	cmd.Flags().BoolVar(&req.Chain, "chain", false, "run the following stages too")
	cmd.Flags().BoolVar(&req.Apply, "apply", false, "put the results in the originals' place; implies --chain")
	cmd.Flags().StringVar(&req.Why, "why", "", "reason, kept for audit")
	out.flag(cmd)
	cmd.MarkFlagsMutuallyExclusive("model", "voice")
	cmd.AddCommand(newReplayDiffCommand(getenv))
	return cmd
}

func printReplay(w io.Writer, req replay.Request, res replay.Result) error {
	for _, skipped := range res.Skipped {
		_, _ = fmt.Fprintf(w, "skipped %s: %s\n", skipped.ID, skipped.Reason)
	}
	if len(res.Entries) > 0 && (req.DryRun || len(res.Entries) <= 20) {
		if err := printEntries(w, res.Entries); err != nil {
			return err
		}
	}
	if res.More {
		_, _ = fmt.Fprintf(w, "more entries match than these %d: raise --limit, or replay the older ones afterwards\n", len(res.Entries)+len(res.Skipped))
	}
	switch {
	case req.DryRun:
		_, err := fmt.Fprintf(w, "%d entries would be replayed\n", len(res.Entries))
		return err
	case res.Replay == nil:
		_, err := fmt.Fprintln(w, "nothing was replayed")
		return err
	}
	_, err := fmt.Fprintf(w, "%d entries are being replayed; compare them with:\n  oktalk replay diff %s\n", len(res.Entries), res.Replay.ID)
	return err
}

func newReplayDiffCommand(getenv func(string) string) *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "diff <replay>",
		Short: "Show old and new side by side: text, audio, latency, cost",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withOperations(cmd.Context(), getenv, func(s *replay.Service) error {
				d, err := s.Diff(cmd.Context(), args[0])
				if errors.Is(err, evaluation.ErrNotFound) {
					return fmt.Errorf("there is no replay %q", args[0])
				}
				if err != nil {
					return err
				}
				return out.show(cmd.OutOrStdout(), d, func(w io.Writer) error { return printDiff(w, d) })
			})
		},
	}
	out.flag(cmd)
	return cmd
}

func printDiff(w io.Writer, d replay.Diff) error {
	r := d.Replay
	_, _ = fmt.Fprintf(w, "%s  stage %s, %d entries, %s by %s: %s\n", r.ID, r.Stage, r.Selected, second(r.CreatedAt), r.Actor, r.Why)
	if d.Deleted > 0 {
		_, _ = fmt.Fprintf(w, "%d of them are gone: the originals were deleted\n", d.Deleted)
	}
	for _, p := range d.Pairs {
		_, _ = fmt.Fprintf(w, "\n%s %s  (%s)\n", p.EvaluationID, p.Stage, fate(p.New))
		if err := printPair(w, p); err != nil {
			return err
		}
	}
	return nil
}

// fate says what became of a replay's run.
func fate(v replay.Version) string {
	switch {
	case v.Applied > 0:
		return fmt.Sprintf("applied in version %d", v.Applied)
	case v.Status == replay.StatusPending:
		return "under way"
	}
	return "shadow"
}

// textWidth is how wide each of two texts side by side is.
const textWidth = 56

func printPair(w io.Writer, p replay.Pair) error {
	err := table(w, "\tOLD\tNEW", func(row func(string, ...any)) {
		line := func(name, old, made string) {
			if old != "" || made != "" {
				row("%s\t%s\t%s", name, orDash(old), orDash(made))
			}
		}
		line("outcome", p.Old.Outcome, p.New.Outcome)
		line("by", provider(p.Old.Provider, p.Old.Model, p.Old.PromptVersion), provider(p.New.Provider, p.New.Model, p.New.PromptVersion))
		line("latency", fmt.Sprintf("%d ms", p.Old.LatencyMS), fmt.Sprintf("%d ms", p.New.LatencyMS))
		line("usage", string(p.Old.Usage), string(p.New.Usage))
		old, made := wrap(p.Old.Text, textWidth), wrap(p.New.Text, textWidth)
		for i := range max(len(old), len(made)) {
			name := ""
			if i == 0 {
				name = "text"
			}
			row("%s\t%s\t%s", name, at(old, i), at(made, i))
		}
		line("error", short(p.Old.Error, textWidth), short(p.New.Error, 2*textWidth))
	})
	for _, a := range []struct{ name, key, url string }{{"old audio", p.Old.ObjectKey, p.Old.AudioURL}, {"new audio", p.New.ObjectKey, p.New.AudioURL}} {
		if a.key != "" {
			_, _ = fmt.Fprintf(w, "%s  %s\n", a.name, cmp.Or(a.url, a.key))
		}
	}
	return err
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

// wrap breaks a text into lines of at most n characters, between words where there are any.
func wrap(text string, n int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		for len([]rune(word)) > n {
			if line != "" {
				lines, line = append(lines, line), ""
			}
			r := []rune(word)
			lines, word = append(lines, string(r[:n])), string(r[n:])
		}
		if line != "" && len([]rune(line))+1+len([]rune(word)) > n {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
