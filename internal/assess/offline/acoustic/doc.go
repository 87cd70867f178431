// Package acoustic reads an acoustic model in the format of CMU Sphinx and says how well each moment of a recording fits
// each state of each phone.
//
// The model is the one of Debian's pocketsphinx-en-us: phonetically tied mixtures, that is one codebook of 128 Gaussians
// for each phone and each of three feature streams (cepstra, their first and their second differences), shared by all
// states of that phone, and for each state ("senone") the weights of those Gaussians. Each phone without regard to its
// neighbours is a chain of three states, and so is each between two others, a triphone. [Scorer.Scores] has the former only: measured on
// 4 130 phone boundaries of four flite voices, aligning with triphones agrees with PocketSphinx on 96.7 % and without on 96.5 %.
// [Scorer.Score] has both, for comparing sounds.
//
// The loops over samples, Gaussians and states are marked go:norace: the race detector makes them about fifteen times
// slower, and each works on memory of its own and on a model that nobody changes.
//
// The path of a recording is Cepstra (13 numbers every 10 ms), Features (mean removed, differences added: 39 numbers) and
// Scores (one number for each senone and frame). Formats: the CMU Sphinx sources are the only documentation; the binary
// definition file describes itself in its first bytes.
package acoustic
