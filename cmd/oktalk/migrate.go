package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"oktalk/internal/postgres"
)

func newMigrateCommand(getenv func(string) string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's schema up to date, or back",
		Long: `migrate changes the schema of the database of DATABASE_URL, or of the stack that runs in
this folder. Several may run at once: one does the work, the others wait for it. A
program runs on the schema of the next version, so migrate first and then upgrade.`,
	}
	cmd.AddCommand(
		newMigrateStep(getenv, "up", "Run all migrations that the database does not have", postgres.Migrate),
		newMigrateStep(getenv, "down", "Undo the last migration; the data of what it drops is lost", postgres.MigrateDown),
		newMigrateStep(getenv, "status", "List the migrations and which of them the database has", func(context.Context, string) error { return nil }),
	)
	return cmd
}

// newMigrateStep is a command that does something to the schema and then shows it.
func newMigrateStep(getenv func(string) string, use, short string, step func(ctx context.Context, url string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := databaseConfig(getenv)
			if err != nil {
				return err
			}
			if err := step(cmd.Context(), cfg.URL); err != nil {
				return explainDatabase(cfg.URL, err)
			}
			list, err := postgres.MigrationStatus(cmd.Context(), cfg.URL)
			if err != nil {
				return explainDatabase(cfg.URL, err)
			}
			return printMigrations(cmd.OutOrStdout(), list)
		},
	}
}

func printMigrations(w io.Writer, list []postgres.Migration) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "VERSION\tAPPLIED\tMIGRATION") // Flush returns the first error
	for _, m := range list {
		_, _ = fmt.Fprintf(t, "%d\t%s\t%s\n", m.Version, day(m.AppliedAt), m.Name)
	}
	return t.Flush()
}
