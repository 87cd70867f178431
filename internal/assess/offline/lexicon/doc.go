// Package lexicon says how the words of a target text may be spoken.
//
// A word as written has one or more readings ("1990": nineteen ninety, one thousand nine hundred ninety), a reading has
// parts, the spoken words, and a part has one or more pronunciations. They come, in this order, from the dictionary as
// written; from numbers, abbreviations, symbols, letters read one by one and hyphenated pieces, each of which ends in
// the dictionary; from a known word with an ending such as 's; and last from the outside pronouncer, which guesses.
package lexicon
