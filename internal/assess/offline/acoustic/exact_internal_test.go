package acoustic

import (
	"cmp"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// What the frame before says about this one must not change which Gaussians are the best.
func TestFindIsExact(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	const n = 128
	var found best
	previous := [topGaussians]uint8{0, 1, 2, 3}
	for range 200 {
		densities := make([]float32, n)
		for i := range densities {
			densities[i] = float32(math.Round(20 * r.NormFloat64())) // with equal ones, of which the first counts
		}
		found.find(&previous, densities, make([]uint8, n/lanes))
		all := make([]int, n)
		for i := range all {
			all[i] = i
		}
		slices.SortStableFunc(all, func(a, b int) int { return cmp.Compare(densities[b], densities[a]) })
		for i := range topGaussians {
			if int(found.index[i]) != all[i] || found.score[i] != densities[all[i]] {
				t.Fatalf("best Gaussian %d is %d (%g), want %d (%g)", i, found.index[i], found.score[i], all[i], densities[all[i]])
			}
		}
		previous = found.index
	}
}

// The same recording has the same scores on every machine.
func TestVectorsAreExact(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	for count := 1; count < 18; count++ {
		groups := make([]float32, count*groupSize)
		for i := range groups {
			groups[i] = float32(r.NormFloat64())
		}
		var frames [blockFrames][FeatureSize]float32
		for f := range frames {
			for i := range frames[f] {
				frames[f][i] = float32(10 * r.NormFloat64())
			}
		}
		for stream := range streams {
			got := make([]float32, blockFrames*lanes*count)
			want := slices.Clone(got)
			scoreBlock(got, &frames, stream, groups)
			scoreNumbers(want, &frames, stream, groups)
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Fatalf("%d groups, stream %d (-numbers +vectors):\n%s", count, stream, diff)
			}
			limit := want[lanes*count/2]
			marks, wantMarks := make([]uint8, blockFrames*count), make([]uint8, blockFrames*count)
			markAbove(marks, got, limit)
			markNumbers(wantMarks, want, limit)
			if diff := gocmp.Diff(wantMarks, marks); diff != "" {
				t.Fatalf("marks of %d groups (-numbers +vectors):\n%s", count, diff)
			}
		}
	}
}

// A density is the logarithm of the normal distribution's.
func TestDensityIsTheNormalDistribution(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 8))
	mean, variance := make([]float32, CepstrumSize), make([]float32, CepstrumSize)
	var frames [blockFrames][FeatureSize]float32
	want := 0.0
	for d := range mean {
		mean[d], variance[d] = float32(r.NormFloat64()), 0.5+r.Float32()
		x := float32(r.NormFloat64())
		frames[2][CepstrumSize+d] = x
		want -= 0.5*math.Log(2*math.Pi*float64(variance[d])) + math.Pow(float64(x-mean[d]), 2)/(2*float64(variance[d]))
	}
	group := make([]float32, groupSize)
	place(group[5:], mean, variance)
	dst := make([]float32, blockFrames*lanes)
	scoreBlock(dst, &frames, 1, group)
	if got := float64(dst[2*lanes+5]); math.Abs(got-want) > 1e-4*math.Abs(want) {
		t.Errorf("log density %g, want %g", got, want)
	}
}

func BenchmarkBlock(b *testing.B) {
	groups := make([]float32, 16*groupSize)
	dst := make([]float32, blockFrames*16*lanes)
	var frames [blockFrames][FeatureSize]float32
	b.Run("vectors", func(b *testing.B) {
		for b.Loop() {
			scoreBlock(dst, &frames, 1, groups)
		}
	})
	b.Run("numbers", func(b *testing.B) {
		for b.Loop() {
			scoreNumbers(dst, &frames, 1, groups)
		}
	})
}

func TestPowerIsTheFourierTransform(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	samples := make([]float64, fftSize)
	var in [halfSize]complex64
	for i := range samples {
		samples[i] = r.NormFloat64()
	}
	for i := range in {
		in[i] = complex(float32(samples[2*i]), float32(samples[2*i+1]))
	}
	var got [halfSize + 1]float32
	newFFT().power(&in, &got)
	for _, k := range []int{0, 1, 17, halfSize / 2, halfSize - 1, halfSize} {
		var sum complex128
		for i, x := range samples {
			sum += complex(x, 0) * cmplx.Exp(complex(0, -2*math.Pi*float64(k*i)/fftSize))
		}
		if want := real(sum)*real(sum) + imag(sum)*imag(sum); math.Abs(float64(got[k])-want) > 1e-3*(1+want) {
			t.Errorf("power[%d] = %g, want %g", k, got[k], want)
		}
	}
}

func TestLogAdd(t *testing.T) {
	t.Parallel()
	e := newExponents()
	for _, d := range []float64{0, 0.3, 1, 5, 15.9, 16, 100} {
		want := math.Log(1 + math.Exp(-d))
		for _, got := range []float32{e.logAdd(0, float32(-d)), e.logAdd(float32(-d), 0)} {
			if math.Abs(float64(got)-want) > 0.004 {
				t.Errorf("logAdd(0, %g) = %g, want %g", -d, got, want)
			}
		}
	}
}
