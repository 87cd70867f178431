package redisstream_test

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"oktalk/internal/pipeline/pipelinetest"
	"oktalk/internal/testkit"
)

func TestSourceOnRedis(t *testing.T) {
	t.Parallel()
	url := testkit.RedisURL(t)
	pipelinetest.RunSource(t, quick, true, func(t *testing.T) pipelinetest.Stage {
		t.Helper()
		return open(t, url, quick)
	})
}

// miniredis cannot end a blocking read of another connection, so reads must be short.
func TestSourceOnMiniredis(t *testing.T) {
	t.Parallel()
	timing := quick
	timing.Block = 100 * time.Millisecond
	pipelinetest.RunSource(t, timing, false, func(t *testing.T) pipelinetest.Stage {
		t.Helper()
		return open(t, "redis://"+miniredis.RunT(t).Addr(), timing)
	})
}
