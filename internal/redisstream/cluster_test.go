package redisstream_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline/pipelinetest"
	"oktalk/internal/redisconn"
	"oktalk/internal/testkit"
)

// startCluster starts three nodes that share the slots.
func startCluster(t *testing.T) (url string) {
	t.Helper()
	const nodes, slots = 3, 16384
	var servers []*server
	for range nodes {
		servers = append(servers, startServer(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000"))
	}
	ctx := t.Context()
	for i, s := range servers {
		c := s.client()
		t.Cleanup(func() { _ = c.Close() })
		if err := c.ClusterAddSlotsRange(ctx, i*slots/nodes, (i+1)*slots/nodes-1).Err(); err != nil {
			t.Fatal(err)
		}
		if err := c.Do(ctx, "CLUSTER", "MEET", "127.0.0.1", servers[0].port).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range servers {
		c := s.client()
		t.Cleanup(func() { _ = c.Close() })
		testkit.WaitFor(t, slow, "the cluster to agree", func() bool {
			info, err := c.ClusterInfo(context.Background()).Result()
			return err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3")
		})
	}
	return fmt.Sprintf("redis-cluster://%s?addr=%s&addr=%s", servers[0].addr(), servers[1].addr(), servers[2].addr())
}

func TestSourceOnCluster(t *testing.T) {
	t.Parallel()
	url := startCluster(t)
	pipelinetest.RunSource(t, quick, true, func(t *testing.T) pipelinetest.Stage {
		t.Helper()
		return open(t, url, quick)
	})
}

// Stages live in different slots, most likely on different nodes; one call adds to all of them.
func TestProducerOnCluster(t *testing.T) {
	t.Parallel()
	url := startCluster(t)
	s := open(t, url, quick)
	entries := pipelinetest.Entries(40)
	for i := range entries {
		entries[i].Stage = []evaluation.StageName{"feedback", "speech", "demo", "erase"}[i%4]
	}
	s.Add(t, entries...)
	work, err := redisconn.Work(redisconn.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = work.Close() })
	if _, ok := work.(*redis.ClusterClient); !ok {
		t.Fatalf("client is %T, want a cluster client", work)
	}
	for _, stage := range []evaluation.StageName{"feedback", "speech", "demo", "erase"} {
		jobs, err := s.Present(t.Context(), stage)
		if err != nil || len(jobs) != 10 {
			t.Errorf("%d jobs are present in %s, %v, want 10", len(jobs), stage, err)
		}
		st, err := s.Stats(t.Context(), stage)
		if err != nil || st.Lag != 10 {
			t.Errorf("Stats of %s = %+v, %v, want lag 10", stage, st, err)
		}
		if err := s.Trim(t.Context(), stage, 0, 0); err != nil {
			t.Errorf("Trim of %s: %v", stage, err)
		}
		if err := s.SetMarker(t.Context(), stage, "g1"); err != nil {
			t.Errorf("SetMarker of %s: %v", stage, err)
		}
	}
}
