package acoustic

import (
	"math"
	"math/bits"
)

const (
	fftSize  = 512
	halfSize = fftSize / 2
)

// fft computes power spectra of fftSize real samples by one complex transform of half the size. It does not change after
// newFFT.
type fft struct {
	reversed [halfSize]uint8           // bit-reversed indices
	twiddles [halfSize / 2]complex64   // e^(-2πik/halfSize)
	split    [halfSize/2 + 1]complex64 // e^(-2πik/fftSize)
}

func newFFT() *fft {
	f := &fft{}
	for i := range f.reversed {
		f.reversed[i] = bits.Reverse8(uint8(i))
	}
	for k := range f.twiddles {
		s, c := math.Sincos(-2 * math.Pi * float64(k) / halfSize)
		f.twiddles[k] = complex(float32(c), float32(s))
	}
	for k := range f.split {
		s, c := math.Sincos(-2 * math.Pi * float64(k) / fftSize)
		f.split[k] = complex(float32(c), float32(s))
	}
	return f
}

// power writes |X(k)|² for k from 0 to halfSize of the real signal whose samples 2i and 2i+1 are the parts of in[i].
//
//go:norace
func (f *fft) power(in *[halfSize]complex64, out *[halfSize + 1]float32) {
	var z [halfSize]complex64
	for i, r := range f.reversed {
		z[r] = in[i]
	}
	for size := 2; size <= halfSize; size *= 2 {
		half, step := size/2, halfSize/size
		for start := 0; start < halfSize; start += size {
			for k := range half {
				a, b := z[start+k], z[start+k+half]*f.twiddles[k*step]
				z[start+k], z[start+k+half] = a+b, a-b
			}
		}
	}
	// Untangle: even and odd samples' spectra are the conjugate-symmetric parts of z.
	for k := range halfSize/2 + 1 {
		a, b := z[k], z[(halfSize-k)%halfSize]
		even := (a + conj(b)) / 2
		odd := (a - conj(b)) * complex(0, -0.5) * f.split[k]
		out[k], out[halfSize-k] = norm(even+odd), norm(even-odd)
	}
}

//go:norace
func conj(z complex64) complex64 { return complex(real(z), -imag(z)) }

//go:norace
func norm(z complex64) float32 { return real(z)*real(z) + imag(z)*imag(z) }
