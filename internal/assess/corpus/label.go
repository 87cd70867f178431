package corpus

// Kind is what is wrong with a reading.
type Kind string

// The kinds of readings.
const (
	Right        Kind = "right"
	Substitution Kind = "substitution"   // a phone is another, and in a long text some more
	Several      Kind = "several"        // several phones of several words are others
	Omission     Kind = "omission"       // one or more words are left out
	Insertion    Kind = "insertion"      // a word more
	Repetition   Kind = "repetition"     // a word twice
	Hesitation   Kind = "hesitation"     // "uh" and a pause
	OtherWord    Kind = "another word"   // one word is another
	OtherText    Kind = "another text"   // all of it is
	OtherSingle  Kind = "wrong one-word" // a text of one word, and another word
)

// Method is how a recording was made to say what it says.
type Method string

// The methods; see the package's comment.
const (
	ByText      Method = "text"
	ByLexicon   Method = "lexicon"
	ByPhones    Method = "phones"
	ByMnemonics Method = "mnemonics"
)

// Position is where in its text an omission lies.
type Position string

// The positions of omissions.
const (
	First      Position = "first"
	Middle     Position = "middle"
	Last       Position = "last"
	InARow     Position = "several in a row"
	SecondHalf Position = "second half"
)

// Label is what is known about a recording.
type Label struct {
	ID        string // unique in the plan and readable
	Voice     Voice
	Text      string // the target text
	Words     []Word // of the target text, as evaluation.TextWords gives them
	Kind      Kind
	Method    Method
	Condition Condition
	Position  Position // of an [Omission]
	Planted   []Planted
	Twin      string // ID of the same reading in [Clean] condition; empty when it is one itself
}

// Word is a word of a target text.
type Word struct {
	Text   string   // as written
	Phones []string // as flite speaks it alone: ARPAbet without stress
}

// Planted is one thing that is wrong with a reading. Phone, Canonical and Spoken are of substitutions only.
type Planted struct {
	Word      int    // index of the word; of an inserted one, of the word before it
	Phone     int    // index of the phone in [Word].Phones
	Canonical string // ARPAbet
	Spoken    string // ARPAbet
	Random    bool   // the phone was drawn, not one that learners typically say
}

// Pair names the phones of a substitution, "TH→S".
func (p Planted) Pair() string { return p.Canonical + "→" + p.Spoken }

// Recording is a label with the way to make its recording.
type Recording struct {
	Label
	recipe recipe
}
