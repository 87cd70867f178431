package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"

	"github.com/caarlos0/env/v11"

	"oktalk/internal/client"
	"oktalk/internal/evaluation"
	"oktalk/internal/postgres"
)

// databaseConfig is the database that DATABASE_URL names, else that of the development stack that was started in this folder or
// above, else the default.
func databaseConfig(getenv func(string) string) (postgres.Config, error) {
	vars := map[string]string{}
	if u := getenv("DATABASE_URL"); u != "" {
		vars["DATABASE_URL"] = u
	} else if s, err := client.FindStack("."); err == nil && s.DatabaseURL != "" {
		vars["DATABASE_URL"] = s.DatabaseURL
	}
	cfg, err := env.ParseAsWithOptions[postgres.Config](env.Options{Environment: vars})
	if err != nil {
		return cfg, fmt.Errorf("settings: %w", err)
	}
	return cfg, nil
}

// withDatabase runs fn with a database whose schema is up to date.
func withDatabase(ctx context.Context, getenv func(string) string, fn func(db *postgres.DB) error) error {
	cfg, err := databaseConfig(getenv)
	if err != nil {
		return err
	}
	db, err := postgres.Open(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.CheckSchema(ctx); err != nil {
		return explainDatabase(cfg.URL, err)
	}
	return explainDatabase(cfg.URL, fn(db))
}

// explainDatabase adds to an error of a database that is away which one it is and what to do.
func explainDatabase(databaseURL string, err error) error {
	if !errors.Is(err, evaluation.ErrUnavailable) {
		return err
	}
	where := "the database"
	if u, parseErr := url.Parse(databaseURL); parseErr == nil && u.Host != "" {
		where = "PostgreSQL at " + u.Host
	}
	return fmt.Errorf("%s cannot be reached: start a stack with make run, or name another database with DATABASE_URL (%w)", where, err)
}
