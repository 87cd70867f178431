package acoustic

import (
	"context"
	"math"
)

// The grid of frames.
const (
	// SampleRate is the sampling rate of the samples, in Hz.
	SampleRate = 16000
	// FrameShift is the samples from one frame to the next: 10 ms.
	FrameShift = 160
	// windowSize is PocketSphinx' -wlen of 0.025625 s.
	windowSize = 410

	preEmphasis = 0.97 // PocketSphinx' -alpha
	energyFloor = 1e-4 // added before the logarithm, as PocketSphinx does
	// checkEvery is the frames between two looks at the context; 100 take about 10 ms.
	checkEvery = 100
)

// frontEnd turns samples to cepstra. It does not change after newFrontEnd.
type frontEnd struct {
	params  params
	fft     *fft
	window  [windowSize]float32
	filters []filter
	dct     [][CepstrumSize]float32 // by filter, lifter included
	gain    [CepstrumSize]float64   // of the lifter
}

// filter is one triangular mel filter: weights of the power spectrum from bin first.
type filter struct {
	first   int
	weights []float32
}

// newFrontEnd makes a front end whose filters are warp times as high as the model's.
func newFrontEnd(p params, warp float64) *frontEnd {
	f := &frontEnd{params: p, fft: newFFT(), dct: make([][CepstrumSize]float32, p.filters)}
	for i := range f.window {
		f.window[i] = float32(0.54 - 0.46*math.Cos(2*math.Pi*float64(i)/(windowSize-1)))
	}
	low, high := mel(p.lowHz), mel(p.highHz)
	width := (high - low) / float64(p.filters+1)
	for i := range p.filters {
		from := low + float64(i)*width
		f.filters = append(f.filters, newFilter(roundToBin(warp*hertz(from)), roundToBin(warp*hertz(from+width)), roundToBin(warp*hertz(from+2*width))))
	}
	for i := range CepstrumSize {
		scale := math.Sqrt(2 / float64(p.filters))
		if i == 0 {
			scale = math.Sqrt(1 / float64(p.filters))
		}
		f.gain[i] = 1
		if p.lifter > 0 {
			f.gain[i] = 1 + float64(p.lifter)/2*math.Sin(float64(i)*math.Pi/float64(p.lifter))
			scale *= f.gain[i]
		}
		for j := range p.filters {
			f.dct[j][i] = float32(scale * math.Cos(math.Pi*float64(i)*(float64(j)+0.5)/float64(p.filters)))
		}
	}
	return f
}

func mel(hz float64) float64 { return 2595 * math.Log10(1+hz/700) }

func hertz(mel float64) float64 { return 700 * (math.Pow(10, mel/2595) - 1) }

const binHz = float64(SampleRate) / fftSize

// roundToBin moves a frequency to the nearest bin, as PocketSphinx does with its default -round_filters.
func roundToBin(hz float64) float64 { return math.Floor(hz/binHz+0.5) * binHz }

// newFilter makes a triangle of unit area.
func newFilter(left, center, right float64) filter {
	first := int(left/binHz) + 1
	f := filter{first: first}
	for k := first; float64(k)*binHz < right && k <= halfSize; k++ {
		hz := float64(k) * binHz
		rise, fall := (hz-left)/(center-left), (right-hz)/(right-center)
		f.weights = append(f.weights, float32(math.Min(rise, fall)*2/(right-left)))
	}
	return f
}

// Frames is the number of frames of a recording of n samples: one each [FrameShift] samples, the last one padded with zeros.
func Frames(n int) int {
	if n < windowSize {
		return min(n, 1)
	}
	return (n-windowSize)/FrameShift + 2
}

// FrontEnd computes the features of recordings. It is used by one goroutine at a time and keeps its buffers: about 0.3 KB
// for each frame of the longest recording so far.
type FrontEnd struct {
	model    *Model
	frontEnd *frontEnd
	powers   []float32 // by frame and filter
	cepstra  []float32
	features []float32
	levels   []float32
	narrow   bool
	noise    *Noise
}

// NewFrontEnd makes a front end.
func (m *Model) NewFrontEnd() *FrontEnd { return &FrontEnd{model: m, frontEnd: m.frontEnd} }

// Warp sets how much higher than those of the model's speakers the resonances of a voice are, for the next recordings: 1 at first, 0.85
// for a long vocal tract to 1.17 for a child's short one.
func (f *FrontEnd) Warp(factor float64) {
	if f.frontEnd = f.model.frontEnd; factor != 1 {
		f.frontEnd = newFrontEnd(f.model.frontEnd.params, factor)
	}
}

// Narrow reports whether the last recording ended at about 4 kHz or below, as those from telephones do.
func (f *FrontEnd) Narrow() bool { return f.narrow }

// Noise is the steady noise of the last recording; nil when there was none to reckon with, or the recording is [FrontEnd.Narrow].
func (f *FrontEnd) Noise() *Noise { return f.noise }

// Features gives [FeatureSize] numbers for each frame of 16-bit samples at [SampleRate]. Cepstra are counted from their
// mean over the frames that speech selects, so that neither microphone nor silence around the speech moves them. The
// result is valid until the next call.
func (f *FrontEnd) Features(ctx context.Context, samples []float32, speech []bool) ([]float32, error) {
	frames := Frames(len(samples))
	f.powers, f.cepstra, f.features = f.powers[:0], f.cepstra[:0], f.features[:0]
	for t := range frames {
		if t%checkEvery == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		f.powers = f.frontEnd.appendPowers(f.powers, samples, t*FrameShift)
	}
	filters, dct := len(f.frontEnd.filters), f.frontEnd.dct
	n := live(f.powers, filters)
	if f.narrow = n < filters; f.narrow {
		dct = f.frontEnd.narrow(&f.model.covariance, n)
	}
	var quiet []int
	if !f.narrow {
		f.levels = logPowers(f.levels[:0], f.powers)
		quiet = steadyNoise(f.levels, filters)
	}
	removeNoise(f.powers, filters, n)
	for t := range frames {
		f.cepstra = appendCepstrum(f.cepstra, f.powers[t*filters:], dct)
	}
	mean := meanCepstrum(f.cepstra, speech)
	f.features = appendFeatures(f.features, f.cepstra, mean)
	if f.noise = nil; quiet != nil {
		f.levels = logPowers(f.levels[:0], f.powers)
		f.noise = f.model.newNoise(f.frontEnd, f.levels, f.features, quiet, speech, mean)
	}
	return f.features, nil
}

// appendPowers appends the power in each mel filter of the window that starts at a sample.
//
//go:norace
func (f *frontEnd) appendPowers(dst, samples []float32, start int) []float32 {
	var previous float32
	if start > 0 {
		previous = samples[start-1]
	}
	var frame [windowSize]float32
	for i, x := range samples[start:min(len(samples), start+windowSize)] {
		frame[i] = (x - preEmphasis*previous) * f.window[i]
		previous = x
	}
	var in [halfSize]complex64
	for i := range windowSize / 2 {
		in[i] = complex(frame[2*i], frame[2*i+1])
	}
	var power [halfSize + 1]float32
	f.fft.power(&in, &power)
	for i := range f.filters {
		var sum float32
		for k, w := range f.filters[i].weights {
			sum += w * power[f.filters[i].first+k]
		}
		dst = append(dst, sum)
	}
	return dst
}

// appendCepstrum appends the cosine transform of the filters' levels.
//
//go:norace
func appendCepstrum(dst, powers []float32, dct [][CepstrumSize]float32) []float32 {
	var c [CepstrumSize]float32
	for i := range dct {
		level := float32(math.Log(float64(powers[i]) + energyFloor))
		for j, d := range dct[i] {
			c[j] += d * level
		}
	}
	return append(dst, c[:]...)
}

// meanCepstrum averages the cepstra of the frames that use selects; zeros when it selects none.
func meanCepstrum(cepstra []float32, use []bool) (mean [CepstrumSize]float32) {
	var sum [CepstrumSize]float64
	n := 0
	for t := range min(len(use), len(cepstra)/CepstrumSize) {
		if !use[t] {
			continue
		}
		n++
		for i, c := range cepstra[t*CepstrumSize : (t+1)*CepstrumSize] {
			sum[i] += float64(c)
		}
	}
	for i := range mean {
		mean[i] = float32(sum[i] / float64(max(n, 1)))
	}
	return mean
}

// appendFeatures appends [FeatureSize] numbers for each frame to dst: cepstra minus their mean c, the differences
// c[t+2]-c[t-2], and the differences of those. Frames before the first and after the last are copies of these.
func appendFeatures(dst, cepstra []float32, mean [CepstrumSize]float32) []float32 {
	n := len(cepstra) / CepstrumSize
	at := func(t int) *[CepstrumSize]float32 {
		return (*[CepstrumSize]float32)(cepstra[min(max(t, 0), n-1)*CepstrumSize:])
	}
	for t := range n {
		c, m3, m2, m1, p1, p2, p3 := at(t), at(t-3), at(t-2), at(t-1), at(t+1), at(t+2), at(t+3)
		var f [FeatureSize]float32
		for i := range CepstrumSize {
			f[i] = c[i] - mean[i]
			f[CepstrumSize+i] = p2[i] - m2[i]
			f[2*CepstrumSize+i] = (p3[i] - m1[i]) - (p1[i] - m3[i])
		}
		dst = append(dst, f[:]...)
	}
	return dst
}

// Powers gives the power in each mel filter of each frame of the last recording, after the noise was taken off, and the number of
// filters. It is valid until the next call of Features.
func (f *FrontEnd) Powers() (powers []float32, filters int) {
	return f.powers, len(f.frontEnd.filters)
}
