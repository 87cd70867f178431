package corpus

import "strings"

// FliteArgs are the arguments with which a recording is spoken, without its output.
func FliteArgs(r Recording) []string { return r.recipe.fliteArgs() }

// FliteLexicon is what flite reads as its dictionary.
func FliteLexicon(r Recording) string { return strings.Join(r.recipe.Lexicon, "\n") + "\n" }

// Corrected is a recording of the same reading without what was planted by substitution.
func Corrected(r Recording) Recording {
	r.recipe.Lexicon = nil
	if r.recipe.Phones != "" {
		r.recipe.Phones, r.recipe.Said = "", r.Text
	} else {
		r.recipe.Said = r.Text
	}
	r.ID += " corrected"
	return r
}
