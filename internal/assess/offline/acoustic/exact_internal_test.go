package acoustic

import (
	"math"
	"math/cmplx"
	"math/rand/v2"
	"slices"
	"testing"
)

// Giving Gaussians up early must not change which are the best.
func TestFindIsExact(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	const n = 128
	values := make([]float32, n*densitySize)
	for i := range values {
		values[i] = float32(r.NormFloat64())
		if i%densitySize > 0 && i%densitySize%2 == 0 {
			values[i] = r.Float32() // a precision
		}
	}
	var found best
	found.index = [topGaussians]uint8{0, 1, 2, 3}
	for range 200 {
		var x [CepstrumSize]float32
		for i := range x {
			x[i] = float32(2 * r.NormFloat64())
		}
		found.find(&x, values)
		all := make([]int, n)
		for i := range all {
			all[i] = i
		}
		score := func(i int) float32 { return density(&x, (*[densitySize]float32)(values[i*densitySize:])) }
		slices.SortFunc(all, func(a, b int) int { return int(math.Copysign(1, float64(score(b)-score(a)))) })
		for i := range topGaussians {
			if int(found.index[i]) != all[i] || math.Abs(float64(found.score[i]-score(all[i]))) > 1e-3 {
				t.Fatalf("best Gaussian %d is %d (%g), want %d (%g)", i, found.index[i], found.score[i], all[i], score(all[i]))
			}
		}
	}
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
