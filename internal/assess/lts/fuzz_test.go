package lts

import "testing"

// FuzzParse checks that whatever a program prints gives phones of the dictionary or nothing.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"pau hh ax l ow pau\n", "hə\u200dlˈoʊ\n", "(fr)ʒak(en)", "(", "n̩", "ax zz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, out string) {
		for _, parse := range []func(string) []string{parseFlite, parseESpeak} {
			for _, p := range parse(out) {
				if !arpabet[p] {
					t.Errorf("parse(%q) gives %q, which is not in the dictionary's alphabet", out, p)
				}
			}
		}
	})
}
