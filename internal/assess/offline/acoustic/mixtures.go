package acoustic

import (
	"bytes"
	"errors"
	"fmt"
	"math"
)

// mixtures are the weights of each codebook's Gaussians in each senone, as negative logarithms.
type mixtures struct {
	densities int
	weights   []uint8 // (senone*streams + stream)*densities + density, in steps of weightStep
}

// weightStep is one step of a weight in natural logarithms: sendump holds logarithms to base 1.0001, shifted by 10 bits.
var weightStep = float32(1024 * math.Log(1.0001))

// parseMixtures reads sendump: strings, an empty one, then for each stream and Gaussian the weight in each of total senones.
func parseMixtures(data []byte, densities, total int) (*mixtures, error) {
	r := &reader{data: data}
	for {
		n := r.count("length of a header string", 0, 1<<16)
		s := r.take(n)
		if r.err != nil || n == 0 {
			break
		}
		if bytes.HasPrefix(s, []byte("cluster_count ")) && !bytes.HasPrefix(s, []byte("cluster_count 0")) {
			return nil, errors.New("clustered weights are not supported")
		}
	}
	r.count("number of Gaussians", densities, densities)
	r.count("number of senones", total, total)
	if r.err == nil && len(r.data) != streams*densities*total {
		return nil, fmt.Errorf("has %d weights, expected %d", len(r.data), streams*densities*total)
	}
	if r.err != nil {
		return nil, r.err
	}
	m := &mixtures{densities: densities, weights: make([]uint8, total*streams*densities)}
	for g := range streams * densities {
		row := r.take(total)
		for s, w := range row {
			m.weights[s*streams*densities+g] = w
		}
	}
	return m, nil
}

// usageOf is the mean weight of each Gaussian of a codebook and stream in the states of its phone.
func (m *Model) usageOf(codebook, stream int) []float64 {
	n, sum := m.gaussians.densities, math.SmallestNonzeroFloat32
	usage := make([]float64, n)
	for senone := range m.Senones() {
		if int(m.definition.codebook[senone]) != codebook {
			continue
		}
		for k, w := range m.mixtures.weights[(senone*streams+stream)*n:][:n] {
			share := math.Exp(-float64(weightStep) * float64(w))
			usage[k] += share
			sum += share
		}
	}
	for k := range usage {
		usage[k] /= sum
	}
	return usage
}
