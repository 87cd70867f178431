package offline

// tuning are the constants of the search, in natural logarithms of probabilities. Measured on recordings by four flite and
// three espeak-ng voices, clean and with noise at 15 and 10 dB; docs/scoring.md has the tables.
type tuning struct {
	silenceCost  float32 // for each silence between words; without it silence nibbles at weak consonants
	fillerCost   float32 // for each stretch of other speech
	fillerMargin float32 // how much worse than the best state of any phone other speech is, a frame
	fillerNodes  int     // other speech lasts at least three times as many frames: 21, a short word
	pauseCost    float32 // for each "uh" and "um"
	restartCost  float32 // for going back to a word that was said already, at most restartWords before
	restartWords int
	changeCost   float32 // for each phone of the free recognition

	// skipCost is for leaving a word out: of words that are there, one in five hundred is worth less than that to the likelihood
	// of clean speech, of words that are not, 97 in 100. skipMore is the share of it that each further word in a row costs: without
	// it a reader who stops midway gets credit for the lone "a" and "the" of what is left.
	skipCost, skipMore float32
	// doubtCost is added for each nat by which the recording as a whole fits badly ([reading.shortfall]), hastyCost for each frame
	// by which phones are shorter than hastyFrames: noise, unusual voices and haste make short words worth little.
	doubtCost, hastyCost float32
	// spareSounds is how many sounds must have been heard for each phone of words left out, beyond those of their neighbours, or how
	// much unknown speech, to think that they were said badly rather than not at all; leaving them out then costs spareCost more for
	// each of their phones, and other speech refillCost, so that it does not take the half of such a word.
	spareSounds           float64
	spareCost, refillCost float32
}

func defaultTuning() *tuning {
	return &tuning{
		silenceCost: 4, fillerCost: 60, fillerMargin: 3, fillerNodes: 7, pauseCost: 20, restartCost: 30, restartWords: 3, changeCost: 4,
		skipCost: 15, skipMore: 0.5, doubtCost: 30, hastyCost: 10, spareSounds: 0.75, spareCost: 5, refillCost: 40,
	}
}
