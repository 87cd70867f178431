package offline

// Fluency starts at 100 and loses points for pauses, slow or hasty speech and speech that is not in the text.
const (
	// A silence counts as a pause from 250 ms (de Jong and Bosker 2013, the threshold at which pauses tell most about
	// second-language fluency); at punctuation 700 ms are free.
	pauseFrames       = 25
	punctuationFrames = 70
	pauseWeight       = 150 // a fifth of the time in pauses costs 30 points
	pauseMost         = 50

	// Phones per second within words. Right readings by flite have 9 to 15 (measured); single words are said slower.
	slowRate      = 8.5
	slowRateShort = 5   // for texts of two words
	slowRateWord  = 2.5 // for one word: drawn out, as one says a word for the dictionary, is no lack of flow
	slowWeight    = 12  // points for each phone per second below
	slowMost      = 40
	hastyRate     = 22
	hastyWeight   = 5
	hastyMost     = 20

	fillerPoints = 6 // for each stretch of other speech, a word in place of another among them
	fillerMost   = 24
)

func fluency(r *reading, pauseAllowed []bool) float64 {
	first, last := r.spokenSpan()
	if last <= first {
		return 0
	}
	return max(0, 100-r.pausePoints(first, last, pauseAllowed)-r.ratePoints()-r.fillerPoints())
}

// spokenSpan is from the first frame of the first spoken word to the end of the last.
func (r *reading) spokenSpan() (first, last int) {
	for i := range r.words {
		if s := r.words[i].span(); s.end > 0 {
			if last == 0 {
				first = s.start
			}
			last = s.end
		}
	}
	return first, last
}

func (r *reading) pausePoints(first, last int, allowed []bool) float64 {
	paused := 0
	for _, p := range r.pauses {
		if p.start < first || p.end > last {
			continue
		}
		free := pauseFrames
		if allowed[r.wordBefore(p.start)] {
			free = punctuationFrames
		}
		if n := p.frames(); n > free {
			paused += n - free
		}
	}
	return min(pauseMost, pauseWeight*float64(paused)/float64(last-first))
}

// wordBefore is the last spoken word that ends by a frame; 0 if there is none.
func (r *reading) wordBefore(frame int) int {
	before := 0
	for i := range r.words {
		if s := r.words[i].span(); s.end > 0 && s.end <= frame {
			before = i
		}
	}
	return before
}

func (r *reading) ratePoints() float64 {
	phones, frames := 0, 0
	for i := range r.words {
		for _, p := range r.words[i].phones {
			phones++
			frames += p.frames()
		}
	}
	slow := slowRate
	switch len(r.words) {
	case 1:
		slow = slowRateWord
	case 2:
		slow = slowRateShort
	}
	rate := float64(phones) / (float64(frames) * frame.Seconds())
	return min(slowMost, slowWeight*max(0, slow-rate)) + min(hastyMost, hastyWeight*max(0, rate-hastyRate))
}

func (r *reading) fillerPoints() float64 {
	others := len(r.extras)
	for i := range r.words {
		if r.words[i].replaced {
			others++
		}
	}
	return min(fillerMost, float64(fillerPoints*others))
}
