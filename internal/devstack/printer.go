package devstack

import (
	"fmt"
	"io"
	"strings"
	"sync"
)

// Printer writes the lines of several processes to one terminal, each behind the name of its process. It is safe for
// concurrent use; lines are never mixed.
type Printer struct {
	colour bool
	width  int

	mu sync.Mutex
	w  io.Writer
}

// NewPrinter makes a printer for processes with these names, which it pads to one width. With colour each name gets one of
// its own, as ANSI sequences.
func NewPrinter(w io.Writer, colour bool, names ...string) *Printer {
	p := &Printer{w: w, colour: colour}
	for _, name := range names {
		p.width = max(p.width, len(name))
	}
	return p
}

// For returns a function that prints lines for one process. The number picks its colour.
func (p *Printer) For(number int, name string) func(line string) {
	prefix := name + strings.Repeat(" ", max(0, p.width-len(name))) + " |"
	if p.colour {
		prefix = fmt.Sprintf("\x1b[%dm%s\x1b[0m", colours[number%len(colours)], prefix)
	}
	return func(line string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		_, _ = fmt.Fprintf(p.w, "%s %s\n", prefix, line)
	}
}

// colours are the foreground colours that can be read on black and on white, without red, which says error.
var colours = []int{36, 35, 33, 32, 34, 96, 95, 92}

// Block writes a text of several lines as it is, unbroken by the lines of processes.
func (p *Printer) Block(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = io.WriteString(p.w, text)
}
