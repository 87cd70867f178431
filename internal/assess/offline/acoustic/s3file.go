package acoustic

import (
	"bytes"
	"errors"
	"fmt"
	"math"
)

// byteOrderMark is the first number of an s3 file's data; read in the wrong order it is another one.
const byteOrderMark = 0x11223344

// readS3Header skips the text header of an s3 file ("s3", lines, "endhdr") and checks the byte order.
func readS3Header(data []byte) (*reader, error) {
	if !bytes.HasPrefix(data, []byte("s3\n")) {
		return nil, errors.New("not an s3 file")
	}
	_, rest, ok := bytes.Cut(data, []byte("endhdr\n"))
	if !ok {
		return nil, errors.New("no end of the s3 header")
	}
	r := &reader{data: rest}
	if mark := r.int32(); r.err == nil && mark != byteOrderMark {
		r.err = fmt.Errorf("byte order mark is %#x, expected %#x", mark, byteOrderMark)
	}
	return r, r.err
}

// probabilityFloor is PocketSphinx' -tmatfloor: a transition that the topology allows is never less likely.
const probabilityFloor = 1e-4

// parseTransitions reads transition_matrices: for each matrix the probabilities from each state to each state and out.
func parseTransitions(data []byte) ([]Transitions, error) {
	r, err := readS3Header(data)
	if err != nil {
		return nil, err
	}
	n := r.count("number of matrices", 1, math.MaxUint8)
	r.count("number of states", States, States)
	r.count("number of targets", States+1, States+1)
	r.count("number of values", n*States*(States+1), n*States*(States+1))
	values := r.floats(n * States * (States + 1))
	if r.err != nil {
		return nil, r.err
	}
	ts := make([]Transitions, n)
	for i := range ts {
		for s := range States {
			if err := ts[i].set(s, [States + 1]float32(values)); err != nil {
				return nil, fmt.Errorf("matrix %d, state %d: %w", i, s, err)
			}
			values = values[States+1:]
		}
	}
	return ts, nil
}

// set norms one row of a matrix and keeps the two logarithms that are not impossible.
func (t *Transitions) set(state int, row [States + 1]float32) error {
	var sum float64
	for i, p := range row {
		if allowed := i == state || i == state+1; allowed != (p > 0) {
			return errors.New("only phones whose states follow one another are supported")
		}
		sum += float64(p)
	}
	t.Stay[state] = float32(math.Log(math.Max(float64(row[state])/sum, probabilityFloor)))
	t.Leave[state] = float32(math.Log(math.Max(float64(row[state+1])/sum, probabilityFloor)))
	return nil
}
