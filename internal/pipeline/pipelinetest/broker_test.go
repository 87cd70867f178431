package pipelinetest_test

import (
	"testing"
	"time"

	"oktalk/internal/pipeline"
	"oktalk/internal/pipeline/pipelinetest"
)

// stage is a broker as the suite sees it.
type stage struct{ *pipelinetest.Broker }

func (s stage) Source(_ *testing.T, consumer string) pipeline.Source {
	return s.Broker.Source(consumer)
}
func (s stage) Add(_ *testing.T, entries ...pipeline.Entry)   { s.Broker.Add(entries...) }
func (s stage) AddRaw(_ *testing.T, fields map[string]string) { s.Broker.AddRaw(fields) }
func (s stage) Dead(*testing.T) []pipelinetest.Dead           { return s.Broker.Dead() }

func TestBroker(t *testing.T) {
	t.Parallel()
	timing := pipelinetest.Timing{Lease: 1200 * time.Millisecond, Beat: 100 * time.Millisecond, Block: 200 * time.Millisecond}
	pipelinetest.RunSource(t, timing, true, func(*testing.T) pipelinetest.Stage { return stage{pipelinetest.NewBroker(timing)} })
}
