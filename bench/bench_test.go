package main

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestContendersHandleEveryJobOnce(t *testing.T) {
	s, err := startServers(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.stop(t.Context()) })
	b := &bench{log: io.Discard, servers: s, results: newResults()}
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			r, err := b.runJobs(t.Context(), k, 300) // fails when a job is left or handled twice
			if err != nil {
				t.Fatal(err)
			}
			if r.perSecond <= 0 {
				t.Errorf("%v jobs/s", r.perSecond)
			}
		})
	}
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = i
	}
	for q, want := range map[float64]int{0: 0, 0.5: 50, 0.95: 95, 1: 99} {
		if got := quantile(hundred, q); got != want {
			t.Errorf("quantile(0…99, %v) = %d, want %d", q, got, want)
		}
	}
	if got := quantile([]int{}, 0.5); got != 0 {
		t.Errorf("quantile of nothing = %d, want 0", got)
	}
}

func TestFloodCountsOnlyWhatIsMeasured(t *testing.T) {
	t.Parallel()
	from := time.Now().Add(time.Second)
	f := &floods{from: from, to: from.Add(time.Second), added: map[int]time.Time{}}
	f.added[1] = from.Add(100 * time.Millisecond)                                        // of user 1, never begun
	f.ended(floodUsers+1, from.Add(-50*time.Millisecond), from.Add(50*time.Millisecond)) // of the flooder, half of it measured
	got := f.figures(time.Second)
	if got.wait != 900*time.Millisecond || !got.atLeast {
		t.Errorf("others wait %v (at least: %v), want at least 900ms", got.wait, got.atLeast)
	}
	if want := 0.05 / floodSlots; got.flooder < want*0.99 || got.flooder > want*1.01 {
		t.Errorf("flooder gets %v of the capacity, want %v", got.flooder, want)
	}
}

func TestSentByTellsClientsFromScripts(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]int{
		"+1699999999.123456 [3 127.0.0.1:50000] \"ping\"\r\n":    3,
		"+1699999999.123456 [12 [::1]:50000] \"ping\" \" [7 x\"": 12,
		"+1699999999.123456 [3 lua] \"TIME\"\r\n":                -1,
		"+OK\r\n": -1,
	} {
		got, ok := sentBy(line)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("sentBy(%q) = %d, want %d", line, got, want)
		}
	}
}

func TestReportLeavesOutWhatWasNotMeasured(t *testing.T) {
	t.Parallel()
	b := &bench{kinds: kinds(), parts: []string{partQueued}, results: newResults()}
	b.results.memory["OKTalk"] = 1234.4
	text, err := b.report(machine{}, []string{"-out", "x.md", "-parts", "queued"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| OKTalk | 1 234 | – |", "make bench BENCHFLAGS=\"-parts queued\"", "| at most 250 bytes for a queued job | 1 234 | missed |"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
	if i := slices.IndexFunc([]string{"## Throughput", "## Pickup", "## A killed", "## One user", "## 10 000"}, func(h string) bool { return strings.Contains(text, h) }); i >= 0 {
		t.Errorf("the report has a part that was not measured")
	}
}
