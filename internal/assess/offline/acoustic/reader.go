package acoustic

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// reader takes little-endian values from the front of a file's bytes. After the first error it returns zeros; err says
// what it was.
type reader struct {
	data []byte
	err  error
}

var errCutShort = errors.New("the file is cut short")

// take returns the next n bytes without copying them, nil when there are fewer.
func (r *reader) take(n int) []byte {
	if r.err == nil && (n < 0 || n > len(r.data)) {
		r.err = errCutShort
	}
	if r.err != nil {
		return nil
	}
	b := r.data[:n]
	r.data = r.data[n:]
	return b
}

func (r *reader) int32() int {
	b := r.take(4)
	if b == nil {
		return 0
	}
	return int(int32(binary.LittleEndian.Uint32(b)))
}

// count reads a number that must lie between low and high.
func (r *reader) count(what string, low, high int) int {
	n := r.int32()
	if r.err == nil && (n < low || n > high) {
		r.err = fmt.Errorf("%s is %d, expected %d to %d", what, n, low, high)
	}
	if r.err != nil {
		return low
	}
	return n
}

// floats reads n finite 32-bit numbers.
func (r *reader) floats(n int) []float32 {
	b := r.take(4 * n)
	if b == nil {
		return nil
	}
	fs := make([]float32, n)
	for i := range fs {
		fs[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		if f := float64(fs[i]); math.IsNaN(f) || math.IsInf(f, 0) {
			r.err = fmt.Errorf("value %d is not a number", i)
			return nil
		}
	}
	return fs
}

// cString reads a string that a zero byte ends.
func (r *reader) cString() string {
	end := bytes.IndexByte(r.data, 0)
	if r.err == nil && end < 0 {
		r.err = errCutShort
	}
	if r.err != nil {
		return ""
	}
	return string(r.take(end + 1)[:end])
}
