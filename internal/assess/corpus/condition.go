package corpus

import (
	"math"
	"math/rand/v2"
	"slices"

	"oktalk/internal/audio"
)

// Condition is what happened to a recording on its way.
type Condition string

// The conditions. Those from [Louder] on must not change any score.
const (
	Clean     Condition = "clean"
	White20   Condition = "white noise 20 dB"
	White15   Condition = "white noise 15 dB"
	White10   Condition = "white noise 10 dB"
	Babble20  Condition = "babble 20 dB" // other people talk
	Babble15  Condition = "babble 15 dB"
	Babble10  Condition = "babble 10 dB"
	Room      Condition = "room echo"
	Telephone Condition = "telephone" // 8 kHz, 300 to 3 400 Hz, mu-law
	Louder    Condition = "6 dB louder"
	Quieter   Condition = "6 dB quieter"
	Through22 Condition = "through 22.05 kHz"
	Through48 Condition = "through 48 kHz"
	Padded    Condition = "2 s of silence around"
)

// Hard lists the conditions that make listening harder.
func Hard() []Condition {
	return []Condition{White20, White15, White10, Babble20, Babble15, Babble10, Room, Telephone}
}

// Harmless lists the conditions that must not change any score.
func Harmless() []Condition { return []Condition{Louder, Quieter, Through22, Through48, Padded} }

// Under is the same recording in another condition; seed draws its noise.
func (r Recording) Under(c Condition, seed uint64) Recording {
	r.Twin, r.Condition, r.recipe.Condition, r.recipe.Noise = r.ID, c, c, seed
	r.ID += " " + string(c)
	return r
}

func (c Condition) babbling() bool {
	return slices.Contains([]Condition{Babble20, Babble15, Babble10}, c)
}

func (c Condition) noisy() bool { return c.distance() > 0 }

// distance is how far the noise is below the speech in dB; 0 without noise.
func (c Condition) distance() float64 {
	switch c {
	case White20, Babble20:
		return 20
	case White15, Babble15:
		return 15
	case White10, Babble10:
		return 10
	default:
		return 0
	}
}

// apply changes speech in ±1. seed draws what is random; background is for babble.
func (c Condition) apply(speech []float64, seed uint64, background []float64) []float64 {
	rng := rand.New(rand.NewPCG(seed, 1))
	switch c {
	case Louder:
		return scaled(speech, math.Pow(10, 6./20))
	case Quieter:
		return scaled(speech, math.Pow(10, -6./20))
	case Through22:
		return through(speech, 22_050)
	case Through48:
		return through(speech, 48_000)
	case Padded:
		return slices.Concat(make([]float64, 2*Rate), speech, make([]float64, 2*Rate))
	case Room:
		return echo(speech, rng)
	case Telephone:
		return telephone(speech)
	}
	if !c.noisy() {
		return speech
	}
	padded := slices.Concat(make([]float64, noiseAround), speech, make([]float64, noiseAround))
	if background == nil {
		background = make([]float64, len(padded))
		for i := range background {
			background[i] = rng.NormFloat64()
		}
	}
	return mix(padded, background, rng.IntN(len(background)), level(speech)*math.Pow(10, -c.distance()/20))
}

// noiseAround is how much noise stands before and after the speech, in samples: 0.3 s.
const noiseAround = Rate * 3 / 10

// mix adds noise, from a place in it, at an effective amplitude.
func mix(speech, noise []float64, from int, amplitude float64) []float64 {
	energy := 0.0
	for _, x := range noise {
		energy += x * x
	}
	gain := amplitude / math.Sqrt(energy/float64(len(noise)))
	out := make([]float64, len(speech))
	for i, x := range speech {
		out[i] = x + gain*noise[(from+i)%len(noise)]
	}
	return out
}

// level is the effective amplitude of speech without its pauses: of the 20 ms within 30 dB of the loudest.
func level(speech []float64) float64 {
	const window = Rate / 50
	var energies []float64
	for part := range slices.Chunk(speech, window) {
		sum := 0.0
		for _, x := range part {
			sum += x * x
		}
		energies = append(energies, sum/float64(len(part)))
	}
	least := slices.Max(energies) / 1000
	sum, n := 0.0, 0.0
	for _, e := range energies {
		if e >= least {
			sum, n = sum+e, n+1
		}
	}
	return math.Sqrt(sum / n)
}

func scaled(speech []float64, by float64) []float64 {
	out := make([]float64, len(speech))
	for i, x := range speech {
		out[i] = x * by
	}
	return out
}

// through brings speech to another rate and back.
func through(speech []float64, rate int) []float64 {
	return fromClip(toClip(speech).Resample(rate).Resample(Rate))
}

func toClip(speech []float64) audio.Clip { return audio.Clip{Rate: Rate, Samples: toSamples(speech)} }

func fromClip(c audio.Clip) []float64 {
	out := make([]float64, len(c.Samples))
	for i, s := range c.Samples {
		out[i] = float64(s) / 32768
	}
	return out
}

// A living room: the sound is 60 dB weaker after half a second, and the reflections together are 3 dB weaker than the voice.
const (
	reverberation  = Rate / 2
	reflections    = 400
	reflectedShare = 0.5
)

// echo adds reflections, at random times and of random sign, to the voice (velvet noise: M. Karjalainen, H. Järveläinen, "Reverberation
// modeling using velvet noise", AES 2007).
func echo(speech []float64, rng *rand.Rand) []float64 {
	type reflection struct {
		delay int
		gain  float64
	}
	all, energy := make([]reflection, reflections), 0.0
	for i := range all {
		delay := Rate/200 + rng.IntN(reverberation) // from 5 ms on
		gain := math.Pow(10, -3*float64(delay)/reverberation) * float64(1-2*rng.IntN(2))
		all[i] = reflection{delay, gain}
		energy += gain * gain
	}
	scale := math.Sqrt(reflectedShare / energy)
	out := make([]float64, len(speech)+reverberation)
	copy(out, speech)
	for _, r := range all {
		for i, x := range speech[:min(len(speech), len(out)-r.delay)] {
			out[i+r.delay] += scale * r.gain * x
		}
	}
	return limited(out)
}

// limited brings the largest amplitude down to 0.9, if it is above.
func limited(speech []float64) []float64 {
	most := 0.0
	for _, x := range speech {
		most = max(most, math.Abs(x))
	}
	if most <= 0.9 {
		return speech
	}
	return scaled(speech, 0.9/most)
}

// telephone is what an 8 kHz line with mu-law leaves (ITU-T G.711; the band of G.712).
func telephone(speech []float64) []float64 {
	line := toClip(speech).Resample(8000)
	xs := highPass(fromClip(line), 300./8000)
	for i, x := range xs {
		const mu = 255
		x = max(-1, min(1, x))
		y := math.Round(127*math.Log1p(mu*math.Abs(x))/math.Log1p(mu)) / 127
		xs[i] = math.Copysign(math.Expm1(y*math.Log1p(mu))/mu, x)
	}
	return fromClip(audio.Clip{Rate: 8000, Samples: toSamples(xs)}.Resample(Rate))
}

// highPass is a Butterworth filter of second order (R. Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients");
// cutoff is a share of the sample rate.
func highPass(xs []float64, cutoff float64) []float64 {
	w := 2 * math.Pi * cutoff
	alpha, cos := math.Sin(w)/math.Sqrt2, math.Cos(w)
	b, a0, a1, a2 := (1+cos)/2, 1+alpha, -2*cos, 1-alpha
	out := make([]float64, len(xs))
	var x1, x2, y1, y2 float64
	for i, x := range xs {
		y := (b*x - 2*b*x1 + b*x2 - a1*y1 - a2*y2) / a0
		x1, x2, y1, y2 = x, x1, y, y1
		out[i] = y
	}
	return out
}
