package acoustic

import (
	"fmt"
	"math"
)

// varianceFloor is PocketSphinx' -varfloor.
const varianceFloor = 1e-4

// gaussians are the codebooks: for each codebook and stream, densities Gaussians of CepstrumSize dimensions in groups, the last of
// which may be filled up with Gaussians that nothing is near to.
type gaussians struct {
	codebooks, densities int
	values               []float32 // groups of groupSize numbers: ((codebook*streams + stream)*groups + group)*groupSize
}

// groups is the number of groups of a codebook and stream.
func (g *gaussians) groups() int { return (g.densities + lanes - 1) / lanes }

// codebook gives the groups of one codebook and stream: i is codebook*streams + stream.
func (g *gaussians) codebook(i int) []float32 {
	size := g.groups() * groupSize
	return g.values[i*size : (i+1)*size]
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
	g.values = make([]float32, g.codebooks*streams*g.groups()*groupSize)
	for i := range g.codebooks * streams {
		groups := g.codebook(i)
		for n := range g.groups() * lanes {
			group := groups[n/lanes*groupSize:][:groupSize]
			if n >= g.densities {
				group[n%lanes] = Never
				continue
			}
			at := (i*g.densities + n) * CepstrumSize
			place(group[n%lanes:], mean[at:at+CepstrumSize], variance[at:at+CepstrumSize])
		}
	}
	return g, nil
}

// place writes a Gaussian into its lane of a group.
func place(group, mean, variance []float32) {
	var constant float64
	for d, m := range mean {
		v := math.Max(float64(variance[d]), varianceFloor)
		constant -= 0.5 * math.Log(2*math.Pi*v)
		group[lanes*(1+2*d)] = m
		group[lanes*(2+2*d)] = float32(0.5 / v)
	}
	group[0] = float32(constant)
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
