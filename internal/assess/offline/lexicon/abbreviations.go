package lexicon

import "strings"

// abbreviations are written forms, in lower case and without dots, that are read as other words. The dictionary's own
// readings come first, so only what it lacks or has otherwise is here.
var abbreviations = map[string][]string{
	"mr": {"mister"}, "mrs": {"misses"}, "dr": {"doctor", "drive"}, "st": {"saint", "street"},
	"prof": {"professor"}, "jr": {"junior"}, "sr": {"senior"}, "vs": {"versus"}, "etc": {"et cetera"},
	"eg": {"for example"}, "ie": {"that is"}, "inc": {"incorporated"}, "ltd": {"limited"}, "co": {"company"}, "approx": {"approximately"}, "dept": {"department"},
	"ave": {"avenue"}, "blvd": {"boulevard"}, "rd": {"road"}, "mt": {"mount"}, "apt": {"apartment"},
	"km": {"kilometers", "kilometer", "k m"}, "cm": {"centimeters", "centimeter", "c m"}, "mm": {"millimeters", "millimeter", "m m"},
	"kg": {"kilograms", "kilogram", "kilos", "k g"}, "mg": {"milligrams", "milligram"}, "ml": {"milliliters", "milliliter"},
	"ft": {"feet", "foot"}, "lb": {"pounds", "pound"}, "lbs": {"pounds"}, "oz": {"ounces", "ounce"},
	"hr": {"hour", "hours"}, "hrs": {"hours"}, "mins": {"minutes"}, "sec": {"seconds", "second"}, "secs": {"seconds"},
	"kmh": {"kilometers per hour"}, "kph": {"kilometers per hour"}, "mph": {"miles per hour"},
	"gb": {"gigabytes", "gigabyte"}, "mb": {"megabytes", "megabyte"}, "hz": {"hertz"},
	"jan": {"january"}, "feb": {"february"}, "aug": {"august"}, "sept": {"september"}, "oct": {"october"},
	"nov": {"november"}, "dec": {"december"}, "mon": {"monday"}, "tue": {"tuesday"}, "tues": {"tuesday"},
	"wed": {"wednesday"}, "thu": {"thursday"}, "thurs": {"thursday"}, "fri": {"friday"},
}

// afterNumber are units that mean something else when they stand alone, such as the letter m.
var afterNumber = map[string][]string{
	"m": {"meters", "meter", "million"}, "g": {"grams", "gram", "g"}, "l": {"liters", "liter"}, "k": {"thousand", "k"},
	"h": {"hours", "hour"}, "s": {"seconds", "second"}, "c": {"celsius"}, "f": {"fahrenheit"}, "in": {"inches", "inch"},
	"min": {"minutes", "minute"}, "am": {"a m"}, "pm": {"p m"}, "bn": {"billion"}, "x": {"times", "x"},
}

// symbols are read as words wherever they stand in a word.
var symbols = map[rune][]string{
	'%': {"percent"}, '&': {"and"}, '+': {"plus"}, '=': {"equals"}, '@': {"at"}, '#': {"number", "hashtag"},
	'°': {"degrees", "degree"}, '×': {"times", "by"}, '½': {"and a half", "half"},
}

// currency is how a sum is read: its unit for one and for more, and its hundredth.
type currency struct{ one, many, cents string }

var currencies = map[rune]currency{
	'$': {"dollar", "dollars", "cents"}, '€': {"euro", "euros", "cents"}, '£': {"pound", "pounds", "pence"},
}

func expandAbbreviation(word string) [][]string {
	return fields(abbreviations[strings.ReplaceAll(word, ".", "")])
}

func fields(phrases []string) [][]string {
	rs := make([][]string, len(phrases))
	for i, p := range phrases {
		rs[i] = strings.Fields(p)
	}
	return rs
}
