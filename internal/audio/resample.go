package audio

import (
	"math"
	"sync"
)

const (
	// zeroCrossings of the windowed sinc on each side, at the lower of the two rates. With the window below it gives a
	// transition band of 1.2 kHz at 16 kHz: flat up to 6.8 kHz, which is where the acoustic model stops listening. Halving it
	// would alias sibilants; doubling it costs time that nobody hears.
	zeroCrossings = 32
	// kaiserBeta gives a stop band of about 80 dB (Kaiser and Schafer, 1980), below the noise of 16-bit microphones.
	kaiserBeta = 7.857
	// passBand is the cut-off as a fraction of the lower rate's Nyquist frequency, so that the transition ends at Nyquist.
	passBand = 0.925
	// maxPhases bounds the table of a pair of rates without a large common divisor. Beyond it the nearest phase is used, an error
	// of at most 1/4096 of a sample: noise below -79 dB of a 4 kHz tone at 16 kHz.
	maxPhases = 2048
	// prototypeSteps is how finely the filter is tabulated, for each zero crossing. Between two steps it is a line, an error below
	// -105 dB (Smith, "Digital Audio Resampling", 1.2/steps²), far under the stop band.
	prototypeSteps = 512
)

// resample changes the rate of samples with a polyphase windowed-sinc filter. It keeps the level at all ratios and the
// time of every sample: the filter has no delay.
func resample(in []float32, from, to int) []float32 {
	if from == to || len(in) == 0 {
		return in
	}
	g := gcd(from, to)
	up, down := to/g, from/g
	n := int((int64(len(in))*int64(up) + int64(down) - 1) / int64(down))
	phases := min(up, maxPhases)
	bank, half := filterBank(phases, math.Min(1, float64(to)/float64(from)))
	out := make([]float32, n)
	for i := range out {
		pos := int64(i) * int64(down)
		whole, part := int(pos/int64(up)), int(pos%int64(up))
		if phases < up {
			part = (part*phases + up/2) / up
			whole, part = whole+part/phases, part%phases
		}
		out[i] = convolve(in, bank[part], whole-half+1)
	}
	return out
}

// convolve multiplies a filter with the samples from start on; samples before the first and after the last are silence.
func convolve(in, filter []float32, start int) float32 {
	if start < 0 {
		filter = filter[min(-start, len(filter)):]
		start = 0
	}
	if start >= len(in) {
		return 0
	}
	n := min(len(filter), len(in)-start)
	in, filter = in[start:start+n], filter[:n]
	var a, b, c, d float32 // four sums, so that one addition need not wait for the one before
	for len(in) >= 8 && len(filter) >= 8 {
		a += in[0]*filter[0] + in[4]*filter[4]
		b += in[1]*filter[1] + in[5]*filter[5]
		c += in[2]*filter[2] + in[6]*filter[6]
		d += in[3]*filter[3] + in[7]*filter[7]
		in, filter = in[8:], filter[8:]
	}
	for i := range in {
		a += in[i] * filter[i]
	}
	return a + b + c + d
}

// filterBank computes one filter for each fraction of an input sample. scale is the lower rate over the input's rate. Tap k of a
// filter belongs to the input sample k - half + 1 after the whole one before the output sample.
func filterBank(phases int, scale float64) (bank [][]float32, half int) {
	half = int(math.Ceil(zeroCrossings / scale))
	bank = make([][]float32, phases)
	taps, table := make([]float64, 2*half), prototype()
	for p := range bank {
		bank[p] = make([]float32, 2*half)
		sum := 0.0
		for k := range taps {
			taps[k] = lookUp(table, (float64(k-half+1)-float64(p)/float64(phases))*scale)
			sum += taps[k]
		}
		for k := range taps { // every phase passes a constant unchanged, or their differences would be heard as a tone
			bank[p][k] = float32(taps[k] / sum)
		}
	}
	return bank, half
}

// prototype is one half of the filter that all others are samples of: the windowed sinc from its middle to its end. Computing it
// for each tap would take two thirds of a second for a pair of rates without a common divisor.
var prototype = sync.OnceValue(func() []float64 {
	table := make([]float64, zeroCrossings*prototypeSteps+1)
	for i := range table {
		t := float64(i) / prototypeSteps
		table[i] = sinc(t*passBand) * kaiser(t/zeroCrossings)
	}
	return table
})

// lookUp is the filter at t zero crossings from its middle.
func lookUp(table []float64, t float64) float64 {
	t = math.Abs(t) * prototypeSteps
	i := int(t)
	if i >= len(table)-1 {
		return 0
	}
	return table[i] + (t-float64(i))*(table[i+1]-table[i])
}

func sinc(x float64) float64 {
	if math.Abs(x) < 1e-9 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// kaiser is the Kaiser window over -1 to 1.
func kaiser(x float64) float64 {
	if x <= -1 || x >= 1 {
		return 0
	}
	return bessel(kaiserBeta*math.Sqrt(1-x*x)) / bessel(kaiserBeta)
}

// bessel is the modified Bessel function of the first kind and order zero, by its series.
func bessel(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > 1e-12*sum; k++ {
		term *= (x / (2 * k)) * (x / (2 * k))
		sum += term
	}
	return sum
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
