package offline

// tuning are the constants of the search, in natural logarithms of probabilities. Measured on recordings by four flite and
// three espeak-ng voices, clean and with noise at 15 and 10 dB; docs/scoring.md has the tables.
type tuning struct {
	silenceCost   float32 // for each silence between words; without it silence nibbles at weak consonants
	skipCost      float32 // for leaving a word out, and
	skipCostPhone float32 // for each of its phones: no word of clean speech that is there is left out, at 10 dB 0.4 %
	fillerCost    float32 // for each stretch of other speech
	fillerMargin  float32 // how much worse than the best state of any phone other speech is, a frame
	fillerNodes   int     // other speech lasts at least three times as many frames: 15, a short word
	changeCost    float32 // for each phone of the free recognition
}

func defaultTuning() *tuning {
	return &tuning{silenceCost: 4, skipCost: 60, skipCostPhone: 10, fillerCost: 100, fillerMargin: 3, fillerNodes: 5, changeCost: 4}
}
