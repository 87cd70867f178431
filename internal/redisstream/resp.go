package redisstream

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// message is an entry as the server sent it.
type message struct {
	low    bool
	id     string
	fields []string // names and values in turn
}

// replyError is an error that the server replied.
type replyError string

func (e replyError) Error() string { return string(e) }

// RedisError marks it as the library marks those that it reads itself.
func (replyError) RedisError() {}

var _ redis.Error = replyError("")

// parseRead reads the reply of XREADGROUP as it came over the wire, in either version of the protocol; low names the low lane's
// stream. The library's own reader makes a map of each entry, which takes three times as long as all the rest of a read (measured). What is
// returned shares the memory of the reply.
func parseRead(reply, low string) ([]message, error) {
	r := &respReader{rest: reply}
	kind, streams := r.open("*%")
	if kind == 0 {
		return nil, r.err
	}
	var found []message
	for range streams {
		if kind == '*' { // a map has no list for each of its pairs
			r.expect(2)
		}
		name := r.text()
		_, entries := r.open("*")
		if r.err != nil {
			return nil, r.err
		}
		if found == nil {
			found = make([]message, 0, entries)
		}
		for range entries {
			r.expect(2)
			m := message{low: name == low, id: r.text()}
			there, n := r.open("*")
			if there != 0 {
				m.fields = make([]string, 0, n)
			}
			for range n {
				m.fields = append(m.fields, r.text())
			}
			if r.err != nil {
				return nil, r.err
			}
			found = append(found, m)
		}
	}
	return found, r.err
}

// respReader reads values of the protocol, one after the other. After an error it returns zero values.
type respReader struct {
	rest string
	err  error
}

// open reads the head of a list of one of the kinds and returns which and how many elements follow, pairs of a map; 0 for nil, and
// after an error.
func (r *respReader) open(kinds string) (kind byte, n int) {
	kind, value := r.line()
	switch {
	case r.err != nil, kind == '_', value == "-1" && strings.IndexByte("*$", kind) >= 0:
		return 0, 0
	case kind == '-':
		r.err = replyError(value)
		return 0, 0
	case kind == '!':
		if text := r.bytes(value); r.err == nil {
			r.err = replyError(text)
		}
		return 0, 0
	}
	n, err := strconv.Atoi(value)
	if strings.IndexByte(kinds, kind) < 0 || err != nil || n < 0 || n > len(r.rest) { // each element has a byte at least
		r.fail("a list", kind, value)
		return 0, 0
	}
	return kind, n
}

// expect reads the head of a list of n elements.
func (r *respReader) expect(n int) {
	if _, got := r.open("*"); r.err == nil && got != n {
		r.err = fmt.Errorf("reply of Redis cannot be read: a list of %d elements where %d were expected", got, n)
	}
}

// text reads a string or a number.
func (r *respReader) text() string {
	kind, value := r.line()
	switch kind {
	case '$', '=':
		return r.bytes(value)
	case '+', ':':
		return value
	}
	r.fail("a text", kind, value)
	return ""
}

// bytes reads as many bytes as length says, and the end of line after them.
func (r *respReader) bytes(length string) string {
	n, err := strconv.Atoi(length)
	if r.err != nil || err != nil || n < 0 || n > len(r.rest)-2 {
		r.fail("the length of a text", '$', length)
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n+2:]
	return s
}

// line reads a line: its kind and what follows that.
func (r *respReader) line() (kind byte, value string) {
	if r.err != nil {
		return 0, ""
	}
	line, rest, ok := strings.Cut(r.rest, "\r\n")
	if !ok || line == "" {
		r.fail("a line", 0, line)
		return 0, ""
	}
	r.rest = rest
	return line[0], line[1:]
}

func (r *respReader) fail(want string, kind byte, value string) {
	if r.err == nil {
		r.err = fmt.Errorf("reply of Redis cannot be read: %.40q where %s was expected", string(kind)+value, want)
	}
}
