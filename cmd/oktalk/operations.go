package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"text/tabwriter"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/spf13/cobra"

	"oktalk/internal/client"
	"oktalk/internal/evaluation"
	"oktalk/internal/objectstore"
	"oktalk/internal/postgres"
	"oktalk/internal/process"
	"oktalk/internal/redisconn"
	"oktalk/internal/redisstream"
	"oktalk/internal/replay"
)

// storesConfig is where the stores other than the database are.
type storesConfig struct {
	Redis redisconn.Config
	Store objectstore.Config
}

// storesOf reads the settings of Redis and the object store: from the environment, else, if the database is that of the stack that runs in
// this folder, from there, else the defaults.
func storesOf(getenv func(string) string) (cfg storesConfig, err error) {
	var stack client.Stack
	if getenv("DATABASE_URL") == "" {
		stack, _ = client.FindStack(".") // without one there are the defaults
	}
	fields, err := env.GetFieldParams(&cfg)
	if err != nil {
		return cfg, fmt.Errorf("settings: %w", err)
	}
	vars := map[string]string{}
	for _, f := range fields {
		if v := getenv(f.Key); v != "" {
			vars[f.Key] = v
		} else if v := stack.Environment[f.Key]; v != "" {
			vars[f.Key] = v
		}
	}
	cfg, err = env.ParseAsWithOptions[storesConfig](env.Options{Environment: vars})
	if err == nil {
		err = cfg.Store.Validate()
	}
	if err != nil {
		return cfg, fmt.Errorf("settings: %w", err)
	}
	cfg.Redis.MinIdle = 0 // a tool makes a few calls
	return cfg, nil
}

// withOperations runs fn with everything that operators and QA can do.
func withOperations(ctx context.Context, getenv func(string) string, fn func(s *replay.Service) error) error {
	cfg, err := storesOf(getenv)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	redisconn.LogTo(log)
	redis, err := redisconn.Work(cfg.Redis)
	if err != nil {
		return err
	}
	defer func() { _ = redis.Close() }()
	store, err := objectstore.New(cfg.Store, log)
	if err != nil {
		return err
	}
	return withDatabase(ctx, getenv, func(db *postgres.DB) error {
		producer := redisstream.NewProducer(redis, cfg.Redis.Prefix)
		err := fn(replay.NewService(postgres.NewReplays(db), producer, store, process.Catalog(), log))
		if refusal, ok := errors.AsType[*evaluation.Refusal](err); ok {
			return errors.New(refusal.Message)
		}
		return err
	})
}

// actor is who is recorded for audit: the person at this machine.
func actor(getenv func(string) string) string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if person := getenv("SUDO_USER"); person != "" && person != name {
		name = person + " as " + name
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return name + "@" + host
}

// output prints for people, or with --json for programs.
type output struct{ asJSON bool }

func (o *output) flag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print JSON")
}

// show prints v as JSON, or lets text print it.
func (o *output) show(w io.Writer, v any, text func(w io.Writer) error) error {
	if !o.asJSON {
		return text(w)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// table prints rows in columns.
func table(w io.Writer, head string, rows func(row func(format string, args ...any))) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, head) // Flush returns the first error
	rows(func(format string, args ...any) { _, _ = fmt.Fprintf(t, format+"\n", args...) })
	return t.Flush()
}

func second(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format("2006-01-02 15:04:05")
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// short makes one line of at most n characters.
func short(s string, n int) string {
	r := []rune(s)
	for i, c := range r {
		if c == '\n' || c == '\r' || c == '\t' {
			r[i] = ' '
		}
	}
	if len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return string(r)
}
