package stats_test

import (
	"math"
	"testing"

	"oktalk/internal/assess/stats"
)

func near(t *testing.T, name string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9 || math.IsNaN(got) != math.IsNaN(want) {
		t.Errorf("%s = %v, want %v", name, got, want)
	}
}

// Values worked by hand.
func TestCounts(t *testing.T) {
	t.Parallel()
	var c stats.Counts
	for range 6 {
		c.Add(true, true)
	}
	for range 2 {
		c.Add(true, false)
	}
	for range 4 {
		c.Add(false, true)
	}
	for range 36 {
		c.Add(false, false)
	}
	near(t, "Precision", c.Precision(), 0.6)
	near(t, "Recall", c.Recall(), 0.75)
	near(t, "F1", c.F1(), 2*0.6*0.75/(0.6+0.75))
	near(t, "AlarmRate", c.AlarmRate(), 0.1)
	near(t, "F1 of the double", c.Plus(c).F1(), c.F1())
	near(t, "F1 of nothing", stats.Counts{}.F1(), math.NaN())
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	xs := []float64{40, 10, 30, 20}
	for q, want := range map[float64]float64{0: 10, 0.5: 25, 1: 40, 0.25: 17.5} {
		near(t, "Quantile", stats.Quantile(xs, q), want)
	}
	if xs[0] != 40 {
		t.Errorf("Quantile sorted its argument: %v", xs)
	}
	near(t, "Quantile of none", stats.Quantile(nil, 0.5), math.NaN())
	near(t, "Mean", stats.Mean(xs), 25)
}

func TestCorrelations(t *testing.T) {
	t.Parallel()
	// Deviations -2 -1 0 1 2 and -1 -2 1 0 2: products 2+2+0+0+4 = 8, squares 10 and 10.
	xs, ys := []float64{1, 2, 3, 4, 5}, []float64{2, 1, 4, 3, 5}
	near(t, "Pearson", stats.Pearson(xs, ys), 0.8)
	near(t, "Spearman", stats.Spearman(xs, ys), 0.8)
	near(t, "Spearman of a curve", stats.Spearman(xs, []float64{1, 8, 27, 64, 125}), 1)
	near(t, "Spearman reversed", stats.Spearman(xs, []float64{9, 7, 5, 3, 1}), -1)
	// Ranks 1.5 1.5 3 and 1 2 3: deviations -.5 -.5 1 and -1 0 1: products .5+0+1, squares 1.5 and 2.
	near(t, "Spearman with ties", stats.Spearman([]float64{7, 7, 9}, []float64{1, 2, 3}), 1.5/math.Sqrt(3))
	near(t, "Pearson of a constant", stats.Pearson(xs, []float64{1, 1, 1, 1, 1}), math.NaN())
	near(t, "Pearson of none", stats.Pearson(nil, nil), math.NaN())
}

func TestAUC(t *testing.T) {
	t.Parallel()
	// Of 3 x 2 pairs, (1,2) (1,3) (2,3) are above, (2,2) is equal, (4,·) below: 3.5 of 6.
	near(t, "AUC", stats.AUC([]float64{1, 2, 4}, []float64{2, 3}), 3.5/6)
	near(t, "AUC apart", stats.AUC([]float64{1, 2}, []float64{3, 4}), 1)
	near(t, "AUC of equals", stats.AUC([]float64{5, 5}, []float64{5}), 0.5)
	near(t, "AUC of none", stats.AUC(nil, []float64{1}), math.NaN())
}
