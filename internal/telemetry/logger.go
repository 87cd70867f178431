// Package telemetry makes the logger and the metrics server that every process uses, so that logs and metrics look the same
// everywhere.
package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
	"github.com/mattn/go-isatty"
)

// Attribute keys of log records, so that one thing has one name in all processes. Texts of learners, audio, tokens
// and signed URLs are never logged.
const (
	KeyErr        = "err"
	KeyStage      = "stage"
	KeyEvaluation = "evaluation_id"
	KeyJob        = "job_id"
	KeyRun        = "run"
	KeyEntry      = "entry_id"
	KeyConsumer   = "consumer"
	KeyUser       = "user_id"
	KeyRequest    = "request_id"
)

// LogConfig says how to log.
type LogConfig struct {
	// Level is the lowest level that is written: debug, info, warn or error.
	Level slog.Level `env:"LOG_LEVEL" envDefault:"info"`
	// Format is text (coloured on a terminal), json, or auto: text on a terminal, JSON elsewhere.
	Format string `env:"LOG_FORMAT" envDefault:"auto"`
	// NoColor, if not empty, writes text without colour (no-color.org).
	NoColor string `env:"NO_COLOR"`
	// ForceColor, if not empty, writes text in colour although the output is no terminal, as under a supervisor.
	ForceColor string `env:"FORCE_COLOR"`
}

// Validate reports a format that does not exist.
func (c LogConfig) Validate() error {
	switch c.Format {
	case "auto", "text", "json":
		return nil
	default:
		return fmt.Errorf("LOG_FORMAT is %q; use auto, text or json", c.Format)
	}
}

// NewLogger makes a logger that writes to w.
func NewLogger(cfg LogConfig, w io.Writer) *slog.Logger {
	terminal := isTerminal(w)
	if cfg.Format == "json" || cfg.Format == "auto" && !terminal {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: cfg.Level}))
	}
	color := (terminal || cfg.ForceColor != "") && cfg.NoColor == ""
	return slog.New(tint.NewTextHandler(w, &tint.Options{Level: cfg.Level, TimeFormat: time.TimeOnly, NoColor: !color}))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
