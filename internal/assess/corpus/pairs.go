package corpus

// pair is a substitution that learners of English make.
type pair struct {
	from, to string
	last     bool // only as the last phone of a word
}

// pairs follow what is known of learners' first languages, among them Mandarin, Japanese, Korean, Spanish, French, German and
// Russian (M. Swan, B. Smith, "Learner English", Cambridge 2001), in both directions where both are made.
var pairs = []pair{
	{"TH", "S", false},
	{"TH", "T", false},
	{"TH", "F", false},
	{"DH", "D", false},
	{"DH", "Z", false},
	{"V", "W", false},
	{"W", "V", false},
	{"V", "B", false},
	{"V", "F", false},
	{"F", "P", false},
	{"L", "R", false},
	{"R", "L", false},
	{"R", "W", false},
	{"N", "L", false},
	{"S", "SH", false},
	{"SH", "S", false},
	{"S", "TH", false},
	{"Z", "S", false},
	{"CH", "SH", false},
	{"JH", "CH", false},
	{"IY", "IH", false},
	{"IH", "IY", false},
	{"EH", "AE", false},
	{"AE", "EH", false},
	{"EY", "EH", false},
	{"UW", "UH", false},
	{"UH", "UW", false},
	{"AA", "AH", false},
	{"AH", "AA", false},
	{"AO", "OW", false},
	{"OW", "AO", false},
	{"ER", "AH", false},
	{"NG", "N", true},
	{"N", "NG", true},
	{"P", "B", false},
	{"B", "P", false},
	{"D", "T", true},
	{"T", "D", false},
	{"G", "K", true},
	{"K", "G", false},
}
