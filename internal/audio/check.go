package audio

import (
	"fmt"
	"sync"

	"oktalk/internal/evaluation"
)

// Thresholds of the gate. They let doubtful recordings pass: the assessor still finds out when it cannot follow the text, while a
// learner who is refused wrongly can do nothing about it. Measured with four voices of flite and five of espeak-ng reading words and
// sentences, as they are and cut off tightly, with white, pink and brown noise and with gain.
const (
	// silentLevel in dB: only the last bits of a converter are below it.
	silentLevel = -75.0
	// quietLevel in dB, of the speech itself. A laptop's microphone at arm's length gives -40; at -50 a 16-bit recording still
	// has 40 dB above its own steps, below it a microphone's own noise takes over.
	quietLevel = -50.0
	// steadySwing in dB: noise alone swings by 1 to 5, clean words by 14 and more; a voiced word without a pause, or one long
	// vowel, cut off tightly, by as little as 7 or less.
	steadySwing = 6.0
	// noiseVoice: noise alone has a periodicity of 0.25 to 0.5, speech in white or pink noise of 0 dB 0.63 and more.
	noiseVoice = 0.6
	// noisySwing in dB: speech in white or pink noise swings by 5 to 10 at 0 dB, by 9 to 15 at 5 dB, by 13 and more at 10 dB.
	noisySwing = 10.5
	// cleanVoice tells a clean word that was cut off tightly, 0.94 and more, from speech in noise of 0 dB, 0.90 and less.
	cleanVoice = 0.93
	// pureTone: a tone in noise 40 dB below it leaves 0.0014 unpredicted; the purest voice, flite's slt, 0.0035.
	pureTone = 0.002
	// maxClipped: speech as recorded stays below 0.02, the same 3 dB over full scale at 0.05, 12 dB over at 0.2 to 0.8. A little clipping
	// does not hurt the scores.
	maxClipped = 0.25
)

// Check says whether a decoded recording can be scored. The error is a [*evaluation.Refusal]: too-short, too-long, no-speech,
// too-quiet, clipped or too-noisy. A constant offset and the hum of mains do not matter.
func Check(c Clip) error {
	if err := checkDuration(c.Duration()); err != nil {
		return err
	}
	s := measure(c.Resample(Rate))
	voice := sync.OnceValue(s.voice)
	steady := s.swing() < steadySwing
	switch {
	case s.peak < silentLevel:
		return evaluation.Refuse("no-speech", "The recording is silent. Check that the right microphone is chosen and not muted, and record again.")
	case steady && (voice() < noiseVoice || s.tone() < pureTone):
		return evaluation.Refuse("no-speech", "No speech was heard in the recording. Check the microphone and read the text aloud.")
	case s.level < quietLevel:
		return evaluation.Refuse("too-quiet", fmt.Sprintf("The recording is too quiet: speech is at %.0f dB, and at least %.0f dB are needed. "+
			"Move closer to the microphone or raise its level, and record again.", s.level, quietLevel))
	case s.clipped() > maxClipped:
		return evaluation.Refuse("clipped", "The recording is distorted because it is too loud. Move away from the microphone or lower its level, and record again.")
	case s.swing() < noisySwing && voice() < cleanVoice:
		return evaluation.Refuse("too-noisy", "There is too much noise in the recording. Find a quieter place or move closer to the microphone, and record again.")
	}
	return nil
}
