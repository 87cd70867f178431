package offline

import (
	"strings"
	"time"

	"oktalk/internal/assess/calibration"
	"oktalk/internal/assess/offline/acoustic"
)

// worker holds what scoring one recording at a time needs. Its buffers are kept for the next one.
type worker struct {
	model       *acoustic.Model
	tuning      *tuning
	variants    variantSet // of the recording: usual, or narrow
	usual       variantSet
	narrow      variantSet
	frontEnd    *acoustic.FrontEnd
	scorer      *acoustic.Scorer
	aligner     aligner
	listener    listener
	examiner    examiner
	pitch       pitchTracker
	syllables   syllabifier
	sonorant    []bool // by phone: it has a voice to measure the pitch of
	diagnosis   *Diagnosis
	curve       *calibration.Calibration // nil: none
	substitutes map[string]substitutes   // by first language, "" among them
	samples     []float32
	features    []float32 // the front end's
	states      []uint16
	scores      []float32
	adapted     []float32 // scores of the speaker, where they were needed
	since       time.Time // when it was lent out
}

// keepFrames is the length of recording up to which a worker keeps its buffers: 20 s, about 3 MB. Longer ones are rare, and
// a worker that once scored 60 s would otherwise hold 10 MB for ever.
const keepFrames = 2000

// shrink gives up buffers that a long recording made large.
func (w *worker) shrink() {
	if cap(w.scores) > keepFrames*w.model.Senones() {
		w.frontEnd = w.model.NewFrontEnd()
		w.scorer = w.model.NewScorer()
		w.aligner, w.listener, w.examiner, w.pitch, w.samples, w.features, w.scores, w.adapted = aligner{}, listener{}, examiner{}, newPitchTracker(), nil, nil, nil, nil
	}
}

func newWorker(m *acoustic.Model, d *Diagnosis, curve *calibration.Calibration) *worker {
	usual, narrow := newVariantSet(m, variants), newVariantSet(m, narrowVariants(m))
	w := &worker{
		model: m, tuning: defaultTuning(), variants: usual, usual: usual, narrow: narrow, frontEnd: m.NewFrontEnd(), scorer: m.NewScorer(),
		pitch: newPitchTracker(), syllables: newSyllabifier(m), sonorant: sonorants(m), diagnosis: d, curve: curve, substitutes: map[string]substitutes{"": newSubstitutes(m, "")},
	}
	for language := range typical {
		w.substitutes[language] = newSubstitutes(m, language)
	}
	return w
}

// listenAs sets what counts as the same sound, for recordings of narrow band or others.
func (w *worker) listenAs(narrow bool) {
	if w.variants = w.usual; narrow {
		w.variants = w.narrow
	}
}

// sonorants are the vowels and the consonants that are voiced throughout and as loud.
func sonorants(m *acoustic.Model) []bool {
	all := make([]bool, m.Phones())
	for p := range all {
		name := m.Name(acoustic.Phone(p))
		all[p] = !m.Filler(acoustic.Phone(p)) && (isVowel(name) || strings.Contains(" M N NG L R W Y ", " "+name+" "))
	}
	return all
}
