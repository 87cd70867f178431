// Package match pairs the sounds of a label with those that an assessor scored, which may stem from another pronunciation of the
// same word.
package match

// None stands for the partner of what has none.
const None = -1

// Phones aligns two sequences of phones with the fewest changes and gives for each phone of want the index of its partner in got,
// [None] for one that has none. A partner may be another phone: the two stand in the same place.
func Phones(want, got []string) []int {
	cost := make([][]int, len(want)+1)
	for i := range cost {
		cost[i] = make([]int, len(got)+1)
		for j := range cost[i] {
			cost[i][j] = cheapest(cost, want, got, i, j)
		}
	}
	partners := make([]int, len(want))
	i, j := len(want), len(got)
	for i > 0 {
		switch {
		case j > 0 && cost[i][j] == cost[i-1][j-1]+change(want[i-1], got[j-1]):
			i, j = i-1, j-1
			partners[i] = j
		case cost[i][j] == cost[i-1][j]+gap:
			i--
			partners[i] = None
		default:
			j--
		}
	}
	return partners
}

// A phone in place of another of its class is likelier than a missing and an additional one, which is likelier than a vowel in place
// of a consonant.
const (
	gap   = 3
	near  = 2
	other = 7
)

func cheapest(cost [][]int, want, got []string, i, j int) int {
	switch {
	case i == 0:
		return j * gap
	case j == 0:
		return i * gap
	default:
		return min(cost[i-1][j-1]+change(want[i-1], got[j-1]), cost[i-1][j]+gap, cost[i][j-1]+gap)
	}
}

func change(a, b string) int {
	switch {
	case a == b:
		return 0
	case Vowel(a) == Vowel(b):
		return near
	default:
		return other
	}
}

// Vowel reports whether an ARPAbet phone is a vowel.
func Vowel(phone string) bool {
	switch phone[:min(1, len(phone))] {
	case "A", "E", "I", "O", "U":
		return true
	default:
		return false
	}
}
