package feedback

// contrast is an unordered pair of sounds.
type contrast struct{ a, b string }

// functionalLoad grades contrasts from 1 (few words depend on it) to 10 (very many do): mixing up the two sounds of a
// heavy contrast costs a listener more. The grades are ours. Their order follows the ranking of A. Brown, "Functional load and the
// teaching of pronunciation", TESOL Quarterly 22 (1988), and J. C. Catford, "Phonetics and the teaching of pronunciation"
// (1987), carried over to General American, and was compared with counts of minimal pairs in the dictionary; docs/coaching.md
// has the table. M. Munro and T. Derwing, "The functional load principle in ESL pronunciation instruction", System 34 (2006),
// found that listeners mind errors of high load more.
var functionalLoad = map[contrast]int{
	{"AE", "EH"}: 10, {"AE", "AH"}: 10, {"AA", "AE"}: 9, {"AA", "AH"}: 9, {"AO", "OW"}: 7, {"EH", "IH"}: 9, {"EH", "EY"}: 9, {"IH", "IY"}: 9,
	{"AH", "EH"}: 8, {"AH", "IH"}: 8, {"AH", "ER"}: 7, {"ER", "OW"}: 7, {"AA", "OW"}: 7, {"AA", "AY"}: 7, {"AA", "AW"}: 6, {"AH", "OW"}: 7,
	{"AE", "EY"}: 7, {"AH", "UH"}: 4, {"UH", "UW"}: 3, {"AO", "OY"}: 2, {"AA", "AO"}: 1,
	{"B", "P"}: 10, {"F", "P"}: 9, {"M", "N"}: 9, {"L", "R"}: 10, {"L", "N"}: 9, {"F", "HH"}: 8, {"D", "T"}: 9, {"G", "K"}: 8,
	{"V", "W"}: 6, {"S", "Z"}: 7, {"B", "V"}: 7, {"F", "V"}: 6, {"S", "SH"}: 7, {"R", "W"}: 7, {"D", "L"}: 8, {"D", "N"}: 8,
	{"DH", "Z"}: 5, {"DH", "V"}: 4, {"D", "DH"}: 5, {"S", "TH"}: 5, {"T", "TH"}: 4, {"F", "TH"}: 3, {"DH", "TH"}: 2,
	{"N", "NG"}: 5, {"CH", "SH"}: 5, {"CH", "JH"}: 5, {"CH", "T"}: 6, {"JH", "Z"}: 4, {"JH", "Y"}: 3, {"D", "JH"}: 5, {"JH", "ZH"}: 1, {"SH", "ZH"}: 1, {"Z", "ZH"}: 1,
}

// usualLoad is the grade of a contrast that is not in the table, and of a sound for which no other was heard.
const usualLoad = 5

// heaviest is the grade of a word that came out as another: with it a listener loses all of it.
const heaviest = 10

func load(wanted, heard string) int {
	if heard < wanted {
		wanted, heard = heard, wanted
	}
	if l, ok := functionalLoad[contrast{wanted, heard}]; ok {
		return l
	}
	return usualLoad
}
