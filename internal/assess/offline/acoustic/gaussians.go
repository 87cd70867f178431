package acoustic

import (
	"fmt"
	"math"
)

// densitySize is the numbers kept of one Gaussian: its constant, then mean and precision of each dimension in turn, so
// that scoring reads memory in order.
const densitySize = 1 + 2*CepstrumSize

// varianceFloor is PocketSphinx' -varfloor.
const varianceFloor = 1e-4

// gaussians are the codebooks: for each codebook and stream, densities Gaussians of CepstrumSize dimensions.
type gaussians struct {
	codebooks, densities int
	values               []float32 // ((codebook*streams + stream)*densities + density)*densitySize
}

// parseGaussians reads means and variances. A Gaussian's log density is its constant minus the sum over dimensions of
// precision x (value - mean)²; precision is 1 / (2 variance).
func parseGaussians(means, variances []byte) (*gaussians, error) {
	g, mean, err := parseCodebooks(means)
	if err != nil {
		return nil, fmt.Errorf("parse means: %w", err)
	}
	other, variance, err := parseCodebooks(variances)
	if err != nil {
		return nil, fmt.Errorf("parse variances: %w", err)
	}
	if other.codebooks != g.codebooks || other.densities != g.densities {
		return nil, fmt.Errorf("means have %dx%d Gaussians, variances %dx%d", g.codebooks, g.densities, other.codebooks, other.densities)
	}
	g.values = make([]float32, 0, len(mean)/CepstrumSize*densitySize)
	for at := 0; at < len(mean); at += CepstrumSize {
		g.append(mean[at:at+CepstrumSize], variance[at:at+CepstrumSize])
	}
	return g, nil
}

func (g *gaussians) append(mean, variance []float32) {
	first := len(g.values)
	g.values = append(g.values, 0)
	var constant float64
	for d, m := range mean {
		v := math.Max(float64(variance[d]), varianceFloor)
		constant -= 0.5 * math.Log(2*math.Pi*v)
		g.values = append(g.values, m, float32(0.5/v))
	}
	g.values[first] = float32(constant)
}

// parseCodebooks reads means or variances, which have the same form: sizes, then all values.
func parseCodebooks(data []byte) (*gaussians, []float32, error) {
	r, err := readS3Header(data)
	if err != nil {
		return nil, nil, err
	}
	g := &gaussians{codebooks: r.count("number of codebooks", 1, math.MaxUint8)}
	r.count("number of streams", streams, streams)
	g.densities = r.count("number of Gaussians", topGaussians, math.MaxUint8+1)
	for range streams {
		r.count("size of a stream", CepstrumSize, CepstrumSize)
	}
	n := g.codebooks * streams * g.densities * CepstrumSize
	r.count("number of values", n, n)
	values := r.floats(n)
	return g, values, r.err
}
