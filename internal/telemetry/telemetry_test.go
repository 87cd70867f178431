package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"oktalk/internal/telemetry"
)

func TestLoggerWritesJSONWhereNoTerminalIs(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	telemetry.NewLogger(telemetry.LogConfig{Format: "auto"}, &out).Info("started", telemetry.KeyStage, "feedback")
	var record map[string]any
	if err := json.Unmarshal(out.Bytes(), &record); err != nil || record["stage"] != "feedback" {
		t.Errorf("log record = %s, %v, want JSON with a stage", out.String(), err)
	}
}

func TestLogConfigValidate(t *testing.T) {
	t.Parallel()
	err := telemetry.LogConfig{Format: "xml"}.Validate()
	if err == nil || !strings.Contains(err.Error(), "LOG_FORMAT") {
		t.Errorf("Validate() = %v, want an error that names LOG_FORMAT", err)
	}
}

func TestReadyNamesWhatIsDown(t *testing.T) {
	t.Parallel()
	status, body := telemetry.Ready(t.Context(), map[string]telemetry.Check{
		"postgres": func(context.Context) error { return nil },
		"redis":    func(context.Context) error { return errors.New("secret detail") },
	})
	if status != http.StatusServiceUnavailable || body["redis"] != "down" || body["postgres"] != "ok" {
		t.Errorf("Ready() = %d %v, want 503 with redis down and postgres ok", status, body)
	}
}
