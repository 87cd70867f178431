// Package lts guesses the pronunciation of words outside the dictionary from their letters.
//
// It asks two programs, flite and espeak-ng, whose letter-to-sound rules were made apart from one another; they disagree mostly
// on names. Both answers are returned as alternatives, and the recording decides. A program that is not installed only loses its
// alternative. Programs are bounded in time, memory and number, and asked for all unknown words of a text at once.
package lts
