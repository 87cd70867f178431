// Package corpus makes recordings of English of which is known who speaks, what was to be read, and what is wrong with the reading.
//
// No person speaks in them: they are made by flite and espeak-ng, so that anybody can make the same ones again, with mistakes
// planted by giving the programs other sounds or words than the target text has. They show what an assessor can tell apart and that
// a change made it better or worse. They do not show how well it scores learners, whose sounds lie between those of two phones,
// whose rhythm is another and whose rooms and microphones are worse.
//
//	Plan     decides what there will be: a list of labels, each with the recipe of its recording; the same for the same seed
//	Maker    makes the recordings of a plan, or takes them from its folder, where each lies under the hash of its recipe
//
// A planted phone reaches flite in three ways, which differ in how natural they are; each has its own right readings to
// compare with:
//
//	lexicon    flite reads the text, with an entry in its dictionary that gives one word the wrong phones: rhythm and melody stay
//	phones     flite gets the phones of the whole text and makes up the rhythm: the dullest
//	mnemonics  espeak-ng reads the text, with one word written in its own phones
//
// Voices are apart in two sets by speaker, and so are the texts: what is chosen by looking at [Tuning] is judged by [HeldOut].
package corpus
