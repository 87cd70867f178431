// Command oktalk is the tool of operators and developers.
//
//	oktalk dev      runs everything on this machine
//	oktalk demo     posts a recording to a running stack and follows it
//	oktalk watch    follows an evaluation
//	oktalk stages   shows, pauses and resumes stages
//	oktalk entries  finds past work
//	oktalk replay   runs it again, and compares
//	oktalk dead     looks after what was set aside
//	oktalk explain  tells an evaluation's history
//	oktalk keys     makes, lists and revokes API keys
//	oktalk migrate  changes the database's schema
//	oktalk speech-report, oktalk calibrate  measure and fit the offline assessor
//
// See oktalk --help for all commands.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "oktalk:", err)
		os.Exit(1)
	}
}

// run runs the command that args name. SIGINT and SIGTERM end ctx; a second one ends the program.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	root := newRootCommand(getenv)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return root.ExecuteContext(ctx)
}

func newRootCommand(getenv func(string) string) *cobra.Command {
	root := &cobra.Command{
		Use:   "oktalk",
		Short: "Pronunciation coaching: the tool of operators and developers",
		Long: `oktalk runs, watches and repairs an OKTalk installation.

Settings come from the environment, under the names that .env.example lists; their
defaults fit the servers that "oktalk dev" starts.`,
		SilenceUsage:  true,
		SilenceErrors: true, // main prints them
	}
	root.AddCommand(
		newDevCommand(getenv),
		newDemoCommand(getenv),
		newWatchCommand(getenv),
		newStagesCommand(getenv),
		newEntriesCommand(getenv),
		newReplayCommand(getenv),
		newDeadCommand(getenv),
		newExplainCommand(getenv),
		newKeysCommand(getenv),
		newMigrateCommand(getenv),
		newSpeechReportCommand(getenv),
		newCalibrateCommand(getenv),
	)
	return root
}
