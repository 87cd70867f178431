package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"oktalk/internal/account"
	"oktalk/internal/evaluation"
	"oktalk/internal/postgres"
)

func newKeysCommand(getenv func(string) string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, list and revoke API keys",
		Long: `keys manages the API keys with which clients call the API. A key is shown once, when it is
made; the database holds its hash. The database is that of DATABASE_URL, or of the stack
that runs in this folder.`,
	}
	cmd.AddCommand(newKeysCreateCommand(getenv), newKeysListCommand(getenv), newKeysRevokeCommand(getenv))
	return cmd
}

// withAccounts runs fn with the accounts of the database.
func withAccounts(ctx context.Context, getenv func(string) string, fn func(s *account.Service) error) error {
	return withDatabase(ctx, getenv, func(db *postgres.DB) error {
		return fn(account.NewService(postgres.NewAccounts(db)))
	})
}

func newKeysCreateCommand(getenv func(string) string) *cobra.Command {
	var user, role, why string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "create --user <name>",
		Short:   "Make a key; the last line is the key alone",
		Example: "  oktalk keys create --user me\n  KEY=$(oktalk keys create --user me | tail -n 1)",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAccounts(cmd.Context(), getenv, func(s *account.Service) error {
				s = s.As(account.Act{Actor: actor(getenv), Why: why})
				if role != "" {
					if err := s.SetRole(cmd.Context(), user, account.Role(role)); err != nil {
						return err
					}
				}
				key, err := s.CreateKey(cmd.Context(), user)
				if err != nil {
					return err
				}
				if asJSON {
					return json.NewEncoder(cmd.OutOrStdout()).Encode(key)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "key %s of user %s (%s); it is not shown again:\n%s\n", key.ID, user, key.UserID, key.Key)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&user, "user", "", "name of the user, who is made if needed")
	cmd.Flags().StringVar(&role, "role", "", "give the user a role: user, or admin, who may use /v1/admin")
	cmd.Flags().StringVar(&why, "why", "by hand", "reason, kept for audit")
	cmd.Flags().BoolVar(&asJSON, "json", false, `print {"id","user_id","key"}`)
	if err := cmd.MarkFlagRequired("user"); err != nil {
		panic(err) // the flag is defined two lines above
	}
	return cmd
}

// listedKey is a key as `keys list --json` prints it.
type listedKey struct {
	ID         string     `json:"id"`
	UserID     string     `json:"user_id"`
	User       string     `json:"user"`
	Hint       string     `json:"hint"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
	RevokedAt  *time.Time `json:"revoked_at"`
}

func newKeysListCommand(getenv func(string) string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List keys, revoked ones too, newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAccounts(cmd.Context(), getenv, func(s *account.Service) error {
				keys, err := s.ListKeys(cmd.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return printKeysJSON(cmd.OutOrStdout(), keys)
				}
				return printKeys(cmd.OutOrStdout(), keys)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

func printKeys(w io.Writer, keys []account.Key) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "ID\tUSER\tKEY\tCREATED\tLAST USED\tREVOKED") // Flush returns the first error
	for _, k := range keys {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s…\t%s\t%s\t%s\n", k.ID, k.UserName, k.Hint, day(k.CreatedAt), day(k.LastUsedAt), day(k.RevokedAt))
	}
	return t.Flush()
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format("2006-01-02 15:04")
}

func printKeysJSON(w io.Writer, keys []account.Key) error {
	list := []listedKey{}
	for _, k := range keys {
		list = append(list, listedKey{k.ID, k.UserID, k.UserName, k.Hint, k.CreatedAt, unlessZero(k.LastUsedAt), unlessZero(k.RevokedAt)})
	}
	return json.NewEncoder(w).Encode(list)
}

func unlessZero(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func newKeysRevokeCommand(getenv func(string) string) *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use:   "revoke <id>",
		Short: "End a key at once; connections opened with it end within 20 seconds",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAccounts(cmd.Context(), getenv, func(s *account.Service) error {
				err := s.As(account.Act{Actor: actor(getenv), Why: why}).RevokeKey(cmd.Context(), args[0])
				if errors.Is(err, evaluation.ErrNotFound) {
					return fmt.Errorf("there is no key %q: oktalk keys list shows all", args[0])
				}
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "key %s is revoked\n", args[0])
				return err
			})
		},
	}
	cmd.Flags().StringVar(&why, "why", "by hand", "reason, kept for audit")
	return cmd
}
