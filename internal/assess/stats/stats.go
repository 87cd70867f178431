// Package stats has the few statistics with which an assessor is measured.
package stats

import (
	"cmp"
	"math"
	"slices"
)

// Counts are the outcomes of a search for something that is there or not.
type Counts struct {
	Hits   int // there and found
	Misses int // there and not found
	Alarms int // not there and found
	Quiet  int // not there and not found
}

// Add counts one case.
func (c *Counts) Add(there, found bool) {
	switch {
	case there && found:
		c.Hits++
	case there:
		c.Misses++
	case found:
		c.Alarms++
	default:
		c.Quiet++
	}
}

// Plus is the sum of two counts.
func (c Counts) Plus(d Counts) Counts {
	return Counts{c.Hits + d.Hits, c.Misses + d.Misses, c.Alarms + d.Alarms, c.Quiet + d.Quiet}
}

// Precision is the share of what was found that is there; NaN when nothing was found.
func (c Counts) Precision() float64 { return Share(c.Hits, c.Hits+c.Alarms) }

// Recall is the share of what is there that was found; NaN when nothing is there.
func (c Counts) Recall() float64 { return Share(c.Hits, c.Hits+c.Misses) }

// AlarmRate is the share of what is not there that was found all the same; NaN when everything is there.
func (c Counts) AlarmRate() float64 { return Share(c.Alarms, c.Alarms+c.Quiet) }

// F1 is the harmonic mean of precision and recall: 2 hits / (2 hits + misses + alarms); NaN when nothing is there and nothing found.
func (c Counts) F1() float64 { return Share(2*c.Hits, 2*c.Hits+c.Misses+c.Alarms) }

// Share is part / whole; NaN when whole is 0.
func Share(part, whole int) float64 {
	if whole == 0 {
		return math.NaN()
	}
	return float64(part) / float64(whole)
}

// Mean is the arithmetic mean; NaN of none.
func Mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}

// Quantile is the value below which a share q (0 to 1) of xs lies, on the line between the two nearest; NaN of none. It
// leaves xs as it is.
func Quantile(xs []float64, q float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(xs))
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

// Pearson is the linear correlation of pairs; NaN when there are fewer than two or one side does not vary. It panics when the
// lengths differ.
func Pearson(xs, ys []float64) float64 {
	if len(xs) != len(ys) {
		panic("stats: pairs of different numbers")
	}
	mx, my := Mean(xs), Mean(ys)
	var xy, xx, yy float64
	for i := range xs {
		dx, dy := xs[i]-mx, ys[i]-my
		xy, xx, yy = xy+dx*dy, xx+dx*dx, yy+dy*dy
	}
	if xx == 0 || yy == 0 {
		return math.NaN()
	}
	return xy / math.Sqrt(xx*yy)
}

// Spearman is the correlation of ranks; equal values share the mean of their ranks. NaN and panics as [Pearson].
func Spearman(xs, ys []float64) float64 { return Pearson(ranks(xs), ranks(ys)) }

// AUC is the probability that a value of high is above one of low, equal ones counting half: the area under the curve of
// hits over alarms. NaN when either is empty.
func AUC(low, high []float64) float64 {
	if len(low) == 0 || len(high) == 0 {
		return math.NaN()
	}
	sum := 0.0
	for _, r := range ranks(slices.Concat(low, high))[len(low):] {
		sum += r
	}
	n := float64(len(high))
	return (sum - n*(n+1)/2) / (n * float64(len(low)))
}

// ranks gives each value its place in order, from 1; equal values get the mean of theirs.
func ranks(xs []float64) []float64 {
	order := make([]int, len(xs))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(xs[a], xs[b]) })
	out := make([]float64, len(xs))
	for start := 0; start < len(order); {
		end := start + 1
		for end < len(order) && xs[order[end]] == xs[order[start]] {
			end++
		}
		for _, i := range order[start:end] {
			out[i] = float64(start+end+1) / 2
		}
		start = end
	}
	return out
}
