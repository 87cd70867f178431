package measure

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// The drawings are plain SVG without scripts or outside fonts, readable on light and dark pages.

const (
	inkColor  = "#777"
	markColor = "#3b76c4"
	sideColor = "#d08020"
)

// bar is a share, 0 to 1; NaN draws nothing. side is a second one, drawn thinner; NaN when there is none.
type bar struct {
	name        string
	share, side float64
}

// bars draws shares as horizontal bars.
func bars(title string, all []bar) string {
	const left, width, row, top = 170, 400, 16, 34
	d := newDrawing(title, left+width+60, top+row*len(all)+10)
	for _, at := range []float64{0, 0.25, 0.5, 0.75, 1} {
		x := left + at*width
		d.line(x, top-4, x, float64(top+row*len(all)), inkColor, 0.4)
		d.text(x, top-8, "middle", fmt.Sprintf("%.0f %%", 100*at))
	}
	for i, b := range all {
		y := float64(top + row*i)
		d.text(left-6, y+11, "end", b.name)
		if !math.IsNaN(b.share) {
			d.rect(left, y+2, b.share*width, row-6, markColor)
			d.text(left+b.share*width+4, y+11, "start", fmt.Sprintf("%.0f", 100*b.share))
		}
		if !math.IsNaN(b.side) {
			d.rect(left, y+row-5, b.side*width, 2, sideColor)
		}
	}
	return d.end()
}

// box is a distribution of scores, 0 to 100: its ends, the middle half and the median.
type box struct {
	name               string
	least, low, median float64
	high, most         float64
}

// boxes draws distributions.
func boxes(title string, all []box) string {
	const left, width, row, top = 170, 400, 18, 34
	d := newDrawing(title, left+width+40, top+row*len(all)+10)
	at := func(score float64) float64 { return left + score/100*width }
	for _, score := range []float64{0, 20, 40, 60, 80, 100} {
		d.line(at(score), top-4, at(score), float64(top+row*len(all)), inkColor, 0.4)
		d.text(at(score), top-8, "middle", fmt.Sprintf("%.0f", score))
	}
	for i, b := range all {
		y := float64(top + row*i)
		d.text(left-6, y+12, "end", b.name)
		if math.IsNaN(b.median) {
			continue
		}
		d.line(at(b.least), y+8, at(b.most), y+8, markColor, 1)
		d.rect(at(b.low), y+3, max(at(b.high)-at(b.low), 1), 10, markColor)
		d.line(at(b.median), y+1, at(b.median), y+15, sideColor, 2)
	}
	return d.end()
}

// curve is a line through points in 0 to 1.
type curve struct {
	name   string
	points [][2]float64
}

// curves draws lines over two shares.
func curves(title, across, up string, all []curve) string {
	const left, size, top = 60, 300, 34
	d := newDrawing(title, left+size+170, top+size+44)
	colors := []string{markColor, sideColor, "#3a9d5d", "#a04fb0"}
	for _, at := range []float64{0, 0.25, 0.5, 0.75, 1} {
		x, y := left+at*size, top+(1-at)*size
		d.line(x, top, x, top+size, inkColor, 0.4)
		d.line(left, y, left+size, y, inkColor, 0.4)
		d.text(x, top+size+14, "middle", fmt.Sprintf("%.0f %%", 100*at))
		d.text(left-4, y+4, "end", fmt.Sprintf("%.0f %%", 100*at))
	}
	d.text(left+size/2, top+size+32, "middle", across)
	d.text(4, top-10, "start", up)
	for i, c := range all {
		path := make([]string, len(c.points))
		for k, p := range c.points {
			path[k] = fmt.Sprintf("%.1f,%.1f", left+p[0]*size, top+(1-p[1])*size)
		}
		color := colors[i%len(colors)]
		d.addf(`<polyline points="%s" fill="none" stroke="%s" stroke-width="1.5"/>`, strings.Join(path, " "), color)
		d.line(left+size+10, float64(top+12+18*i), left+size+26, float64(top+12+18*i), color, 2)
		d.text(left+size+30, float64(top+16+18*i), "start", c.name)
	}
	return d.end()
}

type drawing struct{ strings.Builder }

func newDrawing(title string, width, height int) *drawing {
	d := &drawing{}
	d.addf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">`, width, height, width, height)
	d.addf(`<title>%s</title>`, html.EscapeString(title))
	return d
}

func (d *drawing) addf(format string, args ...any) {
	d.WriteString(fmt.Sprintf(format, args...) + "\n")
}

func (d *drawing) line(x1, y1, x2, y2 float64, color string, width float64) {
	d.addf(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%.1f"/>`, x1, y1, x2, y2, color, width)
}

func (d *drawing) rect(x, y, w, h float64, color string) {
	d.addf(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`, x, y, w, h, color)
}

func (d *drawing) text(x, y float64, anchor, text string) {
	d.addf(`<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s">%s</text>`, x, y, anchor, inkColor, html.EscapeString(text))
}

func (d *drawing) end() string {
	d.addf(`</svg>`)
	return d.String()
}
