package main

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// quantile is the value below which a part q of sorted values lies; zero of none.
func quantile[T cmp.Ordered](sorted []T, q float64) (v T) {
	if len(sorted) == 0 {
		return v
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// median is the middle of values in any order.
func median[T cmp.Ordered](values []T) T {
	return quantile(slices.Sorted(slices.Values(values)), 0.5)
}

// rate is one measurement of throughput.
type rate struct {
	perSecond float64
	cpu       cpu     // for one job
	others    float64 // part of the processors that others had meanwhile
}

// pickup are the latencies of jobs added to an idle worker.
type pickup struct {
	took     []time.Duration
	commands float64 // sent to Redis in a second by a worker that has nothing to do; negative: none was counted
}

// fairness is what a flood of one user does to the others.
type fairness struct {
	wait    time.Duration // p95 of the others
	atLeast bool          // so many were never begun that it is longer
	others  float64       // part of the capacity that the others used
	flooder float64       // and the flooder
}

// flight is what Redis computes in a second for an idle worker, and for one that has 10 000 jobs in flight.
type flight struct{ idle, busy time.Duration }

// results are all figures of a run, by contender.
type results struct {
	rates    map[string][]rate
	pickups  map[string]*pickup
	memory   map[string]float64 // bytes of Redis for a queued job
	disk     map[string]float64 // bytes of PostgreSQL for one
	fairness map[string]fairness
	flights  map[string]flight
	path     []pathRun // by rising rate

	mu      sync.Mutex // crashes are tried side by side
	crashes map[string][]time.Duration
}

func newResults() *results {
	return &results{
		rates: map[string][]rate{}, pickups: map[string]*pickup{}, crashes: map[string][]time.Duration{}, memory: map[string]float64{},
		disk: map[string]float64{}, fairness: map[string]fairness{}, flights: map[string]flight{},
	}
}

func (r *results) addCrash(name string, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.crashes[name] = append(r.crashes[name], took)
}

// speeds are the throughputs of a contender, the lowest first.
func (r *results) speeds(name string) []float64 {
	v := []float64{}
	for _, x := range r.rates[name] {
		v = append(v, x.perSecond)
	}
	slices.Sort(v)
	return v
}

// each is the CPU time of a job of a contender.
func (r *results) each(name string, part func(cpu) time.Duration) time.Duration {
	var v []time.Duration
	for _, x := range r.rates[name] {
		v = append(v, part(x.cpu))
	}
	return median(v)
}

// others is the part of the processors that others had while throughput was measured.
func (r *results) others() float64 {
	var v []float64
	for _, rates := range r.rates {
		for _, x := range rates {
			v = append(v, x.others)
		}
	}
	return median(v)
}
