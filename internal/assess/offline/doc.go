// Package offline scores the pronunciation of English without any service: which words of a target text were spoken, how
// well each of their sounds fits the acoustic model of Debian's pocketsphinx-en-us, and how fluent the whole is.
//
// The path of one recording, on one worker:
//
//	findSpeech   crops it to its speech, adds a little noise (speech.go)
//	Features     39 numbers each 10 ms                              (package acoustic)
//	Scores       how well they fit each state of each phone         (package acoustic)
//	align        the likeliest path through the text's graph: alternative pronunciations (package lexicon),
//	             silence, other speech, words left out or said again (graph.go, align.go, omission.go, extra.go)
//	measure      each phone against every other on the same frames: goodness of pronunciation (goodness.go)
//	judge        refuses silence and other texts                    (verdict.go)
//	diagnose     which sound was heard in place of a phone, between its neighbours (substitutes.go, evidence.go, diagnose.go)
//	findReplaced which words stand where another was said            (replaced.go)
//	score        goodness to scores of phones, syllables, words and the whole (scores.go, syllables.go, fluency.go)
//	             pitch, its range, and the stress of words           (pitch.go, prosody.go, stress.go)
//
// docs/scoring.md and docs/diagnosis.md give every formula and constant with its source.
//
// Memory: the model and the dictionary take 11 MB and are shared. docs/scoring.md says what a recording takes: about 0.45 MB
// for each second of a sentence of ten words, and 0.55 MB with sixty.
//
// What it does not do: words that were inserted are reported, but named only when they repeat a word of the text or fill a pause
// ("um"). Of prosody only the range of pitch and the main stress of words are measured, not the melody of a sentence.
package offline
