package offline

import (
	"math"
	"slices"
	"strings"
	"time"

	"oktalk/internal/assess/offline/acoustic"
	"oktalk/internal/evaluation"
)

// The curve from goodness to a phone's score; docs/scoring.md says how it was chosen.
const (
	halfRatio  = -2.2 // scores 50: 1 % of the words of right readings by flite are then below wrongBelow
	ratioSlope = 1.2  // a nat more or less there is 27 points
)

const (
	// worstShare is the weight of a word's worst phone against the mean of all: one wrong sound makes another word.
	worstShare = 0.4
	// wrongBelow is the word score below which it is mispronounced. One phone at -4 makes 49 of a word of four phones and
	// 56 of one of eight.
	wrongBelow = 60
)

// frame is the time from one frame to the next.
const frame = time.Second * acoustic.FrameShift / acoustic.SampleRate

// phoneScore maps goodness to 0-100.
func phoneScore(ratio float64) float64 {
	return 100 / (1 + math.Exp(-ratioSlope*(ratio-halfRatio)))
}

// score turns what was found into scores. offset is the first frame's place in the recording, total the recording's length.
func (w *worker) score(r *reading, text string, part speech, total time.Duration) *evaluation.Assessment {
	offset := part.offset
	a := &evaluation.Assessment{Assessor: Name, Words: make([]evaluation.Word, len(r.words), len(r.words)+len(r.extras))}
	var sum, phones float64
	spoken := 0
	for i := range r.words {
		found := &r.words[i]
		a.Words[i] = w.scoreWord(found, r, offset, total)
		if n := float64(len(found.phones)); n > 0 && !found.replaced {
			spoken++
			sum, phones = sum+n*float64(a.Words[i].Score), phones+n
		}
	}
	a.Scores.Accuracy = int(math.Round(sum / max(phones, 1)))
	a.Scores.Integrity = int(math.Round(100 * float64(spoken) / float64(len(r.words))))
	a.Scores.Fluency = int(math.Round(fluency(r, pausesAllowed(text, a.Words))))
	a.Scores.Prosody = w.prosodyScore(r, a.Words, part)
	a.Scores.Overall = evaluation.OverallScore(a.Scores.Accuracy, a.Scores.Fluency, a.Scores.Integrity, a.Scores.Prosody)
	a.Level = evaluation.LevelOf(a.Scores.Overall, a.Scores.Integrity)
	a.Words = insertExtras(a.Words, r.extras, offset, total)
	return a
}

// insertExtras puts words that are not in the text before the first word that follows them.
func insertExtras(words []evaluation.Word, extras []extra, offset int, total time.Duration) []evaluation.Word {
	for _, e := range slices.Backward(extras) {
		inserted := evaluation.Word{Text: e.text, Error: evaluation.WordInsertion}
		inserted.Offset, inserted.Duration = within(e.span, offset, total)
		at := len(words)
		for at > 0 && (words[at-1].Error == evaluation.WordOmission || words[at-1].Offset > inserted.Offset) {
			at--
		}
		words = slices.Insert(words, at, inserted)
	}
	return words
}

func (w *worker) scoreWord(found *spokenWord, r *reading, offset int, total time.Duration) evaluation.Word {
	word := evaluation.Word{Text: found.Text, Error: evaluation.WordOmission, Approximate: found.Approximate}
	if len(found.phones) == 0 {
		return word
	}
	var sum float64
	worst, most := 100.0, 100
	for _, p := range found.phones {
		ratio := p.goodness.ratio + r.allowance
		score := phoneScore(ratio)
		switch {
		case !found.another:
			score = p.finding.score(score)
		case !p.heard:
			score = min(score, otherWordScore)
		}
		if w.curve != nil {
			score = w.curve.Apply(score)
		}
		sum, worst = sum+score, min(worst, score)
		at, long := within(p.span, offset, total)
		phoneme := evaluation.Phoneme{ARPAbet: w.model.Name(p.phone), Score: int(math.Round(score)), Offset: at, Duration: long}
		if !found.another && p.finding.heard != "" {
			phoneme.Heard, phoneme.Confidence = p.finding.heard, p.finding.confidence
			most = wrongBelow - 1
		}
		word.Phonemes = append(word.Phonemes, phoneme)
	}
	word.Score, word.Error = min(unitScore(sum/float64(len(found.phones)), worst), most), evaluation.WordCorrect
	if word.Score < wrongBelow {
		word.Error = evaluation.WordMispronunciation
	}
	word.Offset, word.Duration = within(found.span(), offset, total)
	w.scoreSyllables(&word, found.phones)
	return word
}

// unitScore is the score of a word or syllable from the mean and the worst of its phones'.
func unitScore(mean, worst float64) int {
	return int(math.Round((1-worstShare)*mean + worstShare*worst))
}

// within is where a span lies in the recording.
func within(s span, offset int, total time.Duration) (at, long time.Duration) {
	at = min(time.Duration(s.start+offset)*frame, total)
	return at, min(time.Duration(s.end+offset)*frame, total) - at
}

// pausesAllowed tells for each word whether a pause after it is part of reading: punctuation follows.
func pausesAllowed(text string, words []evaluation.Word) []bool {
	allowed := make([]bool, len(words))
	for i, w := range words {
		at := strings.Index(text, w.Text)
		if at < 0 {
			continue
		}
		text = text[at+len(w.Text):]
		gap, _, _ := strings.Cut(text, " ")
		allowed[i] = strings.ContainsAny(gap, ".,;:!?—–…")
	}
	return allowed
}
