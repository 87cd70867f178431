package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

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

func TestReadinessNamesWhatIsDown(t *testing.T) {
	t.Parallel()
	up := func(context.Context) error { return nil }
	down := func(context.Context) error { return errors.New("secret detail") }
	stopped := make(chan struct{})
	close(stopped)
	for _, tc := range []struct {
		name     string
		checks   []telemetry.Check
		stopping chan struct{}
		status   int
		body     string
	}{
		{"all up", []telemetry.Check{{"postgres", true, up}, {"redis", false, up}}, nil, 200, `{"status":"ok","checks":{"postgres":"ok","redis":"ok"}}`},
		{"less", []telemetry.Check{{"postgres", true, up}, {"redis", false, down}}, nil, 200, `{"status":"degraded","checks":{"postgres":"ok","redis":"down"}}`},
		{"down", []telemetry.Check{{"postgres", true, down}, {"redis", false, down}}, nil, 503, `{"status":"down","checks":{"postgres":"down","redis":"down"}}`},
		{"stopping", []telemetry.Check{{"postgres", true, up}}, stopped, 503, `{"status":"stopping","checks":{}}`},
	} {
		w := httptest.NewRecorder()
		telemetry.Readiness(tc.checks, tc.stopping, slog.New(slog.DiscardHandler))(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil))
		if got := strings.TrimSpace(w.Body.String()); w.Code != tc.status || got != tc.body {
			t.Errorf("%s: %d %s, want %d %s", tc.name, w.Code, got, tc.status, tc.body)
		}
	}
}

// What can be read is exported, also when something else cannot.
func TestReadings(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	telemetry.RegisterReadings(reg, map[string]string{"oktalk_a": "a", "oktalk_b": "b"}, map[string]string{"oktalk_c": "c"},
		func(context.Context) ([]telemetry.Reading, error) {
			return []telemetry.Reading{{Name: "oktalk_a", Value: 1}, {Name: "oktalk_c", Stage: "demo", Value: 2}}, errors.New("b is away")
		}, slog.New(slog.DiscardHandler))
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetGauge().GetValue()
		}
	}
	if len(got) != 2 || got["oktalk_a"] != 1 || got["oktalk_c demo"] != 2 {
		t.Errorf("metrics %v, want a and c of demo", got)
	}
}
