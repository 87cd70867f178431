package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// MetricsConfig says where a process serves its metrics.
type MetricsConfig struct {
	// Addr is the address of /metrics, /healthz and /readyz, apart from the public API; "off": they are not served.
	Addr string `env:"METRICS_ADDR" envDefault:"127.0.0.1:9090"`
}

// NewRegistry makes a metrics registry with those of the Go runtime and the process.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// ServeMetrics serves /metrics, /healthz and /readyz until ctx ends.
func ServeMetrics(ctx context.Context, cfg MetricsConfig, reg *prometheus.Registry, checks []Check, log *slog.Logger) error {
	if cfg.Addr == "off" {
		<-ctx.Done()
		return nil
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Addr)
	if err != nil {
		return fmt.Errorf("serve metrics on %s (choose another address with METRICS_ADDR): %w", cfg.Addr, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError)}))
	mux.HandleFunc("GET /healthz", Live)
	mux.HandleFunc("GET /readyz", Readiness(checks, nil, log))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	stopped := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stopped()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}

// StageMetrics counts runs of stages; it is the observer of a pipeline's runners. It is safe for concurrent use.
type StageMetrics struct {
	runs      *prometheus.HistogramVec
	inFlight  *prometheus.GaugeVec
	waits     *prometheus.CounterVec
	permits   *prometheus.HistogramVec
	abandoned *prometheus.GaugeVec
}

// NewStageMetrics registers the metrics of a worker's stages.
func NewStageMetrics(reg prometheus.Registerer) *StageMetrics {
	m := &StageMetrics{
		runs: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "oktalk_stage_run_seconds", Help: "Duration of runs of a stage, from begin to settle.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"stage", "outcome"}),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "oktalk_stage_in_flight", Help: "Deliveries that this process is handling.",
		}, []string{"stage"}),
		waits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oktalk_stage_waits_total", Help: "Jobs put off because a part of the environment was away.",
		}, []string{"stage", "what"}),
		permits: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "oktalk_stage_permit_wait_seconds", Help: "How long deliveries of a limited stage waited for their permits.",
			Buckets: []float64{.001, .005, .025, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
		}, []string{"stage"}),
		abandoned: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "oktalk_stage_abandoned", Help: "Handlers that did not return after their deadline and still run.",
		}, []string{"stage"}),
	}
	reg.MustRegister(m.runs, m.inFlight, m.waits, m.permits, m.abandoned)
	return m
}

// RunEnded counts a run.
func (m *StageMetrics) RunEnded(stage, outcome string, took time.Duration) {
	m.runs.WithLabelValues(stage, outcome).Observe(took.Seconds())
}

// InFlight adds delta to the deliveries being handled.
func (m *StageMetrics) InFlight(stage string, delta int) {
	m.inFlight.WithLabelValues(stage).Add(float64(delta))
}

// Waited counts a job that was put off.
func (m *StageMetrics) Waited(stage, what string) { m.waits.WithLabelValues(stage, what).Inc() }

// Admitted notes how long a delivery waited for its permit.
func (m *StageMetrics) Admitted(stage string, waited time.Duration) {
	m.permits.WithLabelValues(stage).Observe(waited.Seconds())
}

// Abandoned adds delta to the handlers that ignore their deadline.
func (m *StageMetrics) Abandoned(stage string, delta int) {
	m.abandoned.WithLabelValues(stage).Add(float64(delta))
}
