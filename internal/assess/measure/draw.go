package measure

import (
	"math"
	"slices"

	"oktalk/internal/assess/corpus"
	"oktalk/internal/assess/stats"
)

func (r *reporter) drawPairs() string {
	var all []bar
	for _, t := range tallies(r.flite) {
		all = append(all, bar{t.name, t.recall(), math.NaN()})
	}
	slices.SortStableFunc(all, func(a, b bar) int { return int(math.Copysign(1, b.share-a.share)) })
	return bars("Share of planted phones found, by pair, all voices of flite", all)
}

func (r *reporter) drawConditions() string {
	all := []bar{{"clean, the same readings", r.twins().hear().F1(), r.twins().hear().AlarmRate()}}
	for _, c := range corpus.Hard() {
		h := r.all.where(of(corpus.Flite), under(c)).hear()
		all = append(all, bar{string(c), h.F1(), h.AlarmRate()})
	}
	return bars("F1 of phone errors (broad) and right phones called wrong (thin), by condition", all)
}

func (r *reporter) drawScores() string {
	var all []box
	for _, v := range corpus.Voices() {
		all = append(all, boxOf(v.Name(), r.rightOf(v).scores(overall)))
	}
	return boxes("Overall scores of right readings, by voice", all)
}

func (r *reporter) drawErrors() string {
	var all []box
	for _, c := range r.byErrors() {
		all = append(all, boxOf(c.name+" wrong phones", c.set.scores(accuracy)))
	}
	return boxes("Accuracy by the number of wrong phones in texts of six words and more", all)
}

func boxOf(name string, scores []float64) box {
	q := func(share float64) float64 { return stats.Quantile(scores, share) }
	return box{name, q(0), q(0.25), q(0.5), q(0.75), q(1)}
}

func (r *reporter) drawROC() string {
	var all []curve
	for i, c := range r.columns() {
		if i == allFlite {
			continue // it lies between the two that it is made of
		}
		h := c.set.hear()
		var points [][2]float64
		for limit := range 102 {
			points = append(points, [2]float64{below(h.right, limit), below(h.wrong, limit)})
		}
		if len(h.wrong) > 0 {
			all = append(all, curve{c.name, points})
		}
	}
	return curves("Phones below a score, for every score", "right phones below it", "wrong phones below it", all)
}

// below is the share of scores that are below one.
func below(scores []float64, limit int) float64 {
	n := 0
	for _, s := range scores {
		if s < float64(limit) {
			n++
		}
	}
	return stats.Share(n, len(scores))
}
