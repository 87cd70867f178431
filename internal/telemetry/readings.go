package telemetry

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// readingTimeout bounds one reading, below the usual timeout of a scrape.
const readingTimeout = 3 * time.Second

// Reading is a figure as it is at the moment.
type Reading struct {
	Name  string // of the metric, one of those that were registered
	Stage string // for metrics by stage, else empty
	Value float64
}

// readings is a collector of figures that are read when metrics are asked for. What cannot be read is left out.
type readings struct {
	metrics map[string]*prometheus.Desc
	read    func(ctx context.Context) ([]Reading, error)
	log     *slog.Logger
}

// RegisterReadings registers gauges, by name with their help, plain ones and those by stage. read is called when metrics are asked for; it
// has three seconds. What it could read is exported even when it returns an error.
func RegisterReadings(
	reg prometheus.Registerer, plain, byStage map[string]string, read func(ctx context.Context) ([]Reading, error), log *slog.Logger,
) {
	r := &readings{metrics: map[string]*prometheus.Desc{}, read: read, log: log}
	for name, help := range plain {
		r.metrics[name] = prometheus.NewDesc(name, help, nil, nil)
	}
	for name, help := range byStage {
		r.metrics[name] = prometheus.NewDesc(name, help, []string{"stage"}, nil)
	}
	reg.MustRegister(r)
}

// Describe implements [prometheus.Collector].
func (r *readings) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range r.metrics {
		descs <- d
	}
}

// Collect implements [prometheus.Collector].
func (r *readings) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), readingTimeout)
	defer cancel()
	list, err := r.read(ctx)
	if err != nil {
		r.log.Debug("some metrics could not be read", KeyErr, err)
	}
	for _, v := range list {
		var labels []string
		if v.Stage != "" {
			labels = []string{v.Stage}
		}
		metrics <- prometheus.MustNewConstMetric(r.metrics[v.Name], prometheus.GaugeValue, v.Value, labels...)
	}
}
