package corpus

// The texts of the two splits share no sentence. They are plain, for what is right must be beyond doubt: no numbers, names,
// abbreviations or words with two readings ("live", "read"). Between them every phone of English occurs.
var texts = map[Split][]string{
	Tuning: {
		"apple", "river", "teacher", "yellow", "birthday",
		"good morning", "very well", "thank you", "the last lesson",
		"I think so", "they wash the dishes", "she sells fresh fish", "my father likes rice",
		"this is their third visit", "we will visit the village", "the boys play in the rain",
		"please shut the window", "he put the book on the desk", "the judge made a wise choice",
		"the cat sat on the black mat", "his brother bought a large boat",
		"both of them heard a loud voice", "I usually drink coffee in the morning",
		"the yellow bus stops near the church", "she wants to sing a new song",
		"we need some cheese and fresh bread", "the weather is warmer than yesterday",
		"it is rude to look at your phone now", "the nurse gave him a bitter pill",
		"a thick fog lay over the valley", "my sister has a pleasant little garden",
		"the van was full of heavy wooden boxes", "you should bring a thin jacket with you",
		"the children are walking along the quiet road", "that lazy zebra never leaves its shady tree",
		"the doctor asked me to breathe in and out slowly",
		"her cousin sold the red car and bought a cheap bicycle",
		"there is a huge difference between a ship and a sheep",
		"we took a long walk in the hills, and then it began to rain",
		"many people think that the best food in town is cooked by her mother",
		"on the first day of the week they usually visit the old museum near the bridge",
	},
	HeldOut: {
		"water", "thirsty", "village", "measure", "lovely",
		"long road", "good night", "three sheep", "the red leather",
		"they stay there", "we love this weather", "she wore a silver ring", "pull the rope now",
		"nothing is worth that much", "his voice is rather thin", "the vet will visit us soon",
		"light rain fell all night", "put the pan on the fire", "the chef cut the bread with a knife",
		"that big man has a bad leg", "the king wrote a long letter to his dog",
		"we could hear birds in the wood", "both brothers saw the same movie",
		"the young girl washed her white shoes", "this path leads to the northern lake",
		"my uncle fixed the heavy door today", "please bring me a glass of cold milk",
		"the zoo is closed on the fourth of July", "her vision is worse than it was",
		"the thief ran along the narrow wall", "they planted beans and roses in the yard",
		"a cheap ticket is better than no ticket", "the wind blew very hard from the west",
		"she thanked the judge for a fair decision", "it was difficult to choose between the two shirts",
		"the river was so deep that nobody could swim across",
		"we should finish the lesson before the bell rings",
		"a good leader listens to others and thinks before he speaks",
		"my mother put some sugar in the tea, but I like it bitter",
		"every evening the old farmer feeds his sheep and locks the wooden gate",
		"if you want to sleep well you should turn off the lights and put away your phone",
	},
}

// extraWords are said where the text has none, or in place of another word.
var extraWords = []string{
	"table", "orange", "happy", "window", "simple", "market", "green", "music", "seven", "paper", "kitchen", "garden", "maybe", "football",
}

// babble is what the people in the background talk about.
var babble = []string{
	"well I told him that the car would need new tires before winter, but you know how he is about money",
	"could we have two more cups of coffee and the bill, please, we have to catch a train at half past nine",
	"no, the other one, the one with the blue roof, just behind the station where the market used to be",
}
