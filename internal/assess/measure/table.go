package measure

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"oktalk/internal/assess/stats"
)

// table is a table of Markdown. Its first column holds names, the others figures.
type table struct {
	head []string
	rows [][]string
}

func newTable(head ...string) *table { return &table{head: head} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// String writes the table in Markdown.
func (t *table) String() string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(t.head)
	b.WriteString("|---" + strings.Repeat("|--:", len(t.head)-1) + "|\n")
	for _, r := range t.rows {
		line(r)
	}
	return b.String()
}

// none stands in a table where there is no figure.
const none = "–"

func percent(x float64) string {
	if math.IsNaN(x) {
		return none
	}
	return strconv.FormatFloat(100*x, 'f', 1, 64) + " %"
}

func ratio(x float64) string {
	if math.IsNaN(x) {
		return none
	}
	return strconv.FormatFloat(x, 'f', 3, 64)
}

func whole(x float64) string {
	if math.IsNaN(x) {
		return none
	}
	return strconv.FormatFloat(math.Round(x), 'f', 0, 64)
}

// part is "recall, of how many".
func part(hits, all int) string {
	if all == 0 {
		return none
	}
	return fmt.Sprintf("%s of %d", percent(stats.Share(hits, all)), all)
}
