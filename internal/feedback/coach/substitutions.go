package coach

// Advice for a voiced consonant at the end of a word that was heard without voice. There the length of the vowel before it tells
// listeners more than the voice itself.
const (
	finalVoiceEnglish = "Make the vowel before it longer, and keep your voice on to the end."
	finalVoiceChinese = "前面的元音拉长一点，声带振动到最后。"
)

// voiceless gives the partner without voice of a voiced consonant.
var voiceless = map[string]string{"B": "P", "D": "T", "G": "K", "V": "F", "Z": "S", "DH": "TH", "JH": "CH", "ZH": "SH"}

// substitutions are the changes that learners of many first languages make, in both directions where both are common. The list
// holds those that assessors look for and those with a high functional load.
var substitutions = []substitution{
	// Vowels.
	{
		wanted: "EH", heard: "AE", en: "Close your mouth a little more and keep the vowel short.", zh: "嘴巴再合上一点，元音发短一些。",
		pairs: [][2]string{{"men", "man"}, {"bed", "bad"}, {"pen", "pan"}},
	},
	{
		wanted: "AE", heard: "EH", en: "Open your mouth wider and let your jaw drop more.", zh: "嘴巴再张大一些，下巴放得更低。",
		pairs: [][2]string{{"man", "men"}, {"bad", "bed"}, {"sad", "said"}},
	},
	{
		wanted: "IY", heard: "IH", en: "Smile more and hold the vowel longer.", zh: "嘴角再拉开一些，元音拉长一点。",
		pairs: [][2]string{{"seat", "sit"}, {"sheep", "ship"}, {"feel", "fill"}},
	},
	{
		wanted: "IH", heard: "IY", en: "Relax your lips, stop smiling, and make the vowel shorter.", zh: "嘴唇放松，不要咧嘴，元音发短一点。",
		pairs: [][2]string{{"sit", "seat"}, {"ship", "sheep"}, {"fill", "feel"}},
	},
	{
		wanted: "EH", heard: "IH", en: "Open your mouth a little more and lower your tongue.", zh: "嘴巴再张开一点，舌头放低一点。",
		pairs: [][2]string{{"ten", "tin"}, {"bell", "bill"}, {"desk", "disk"}},
	},
	{
		wanted: "IH", heard: "EH", en: "Close your mouth a little more and lift your tongue.", zh: "嘴巴再合上一点，舌头抬高一点。",
		pairs: [][2]string{{"tin", "ten"}, {"bill", "bell"}, {"sit", "set"}},
	},
	{
		wanted: "EY", heard: "EH", en: "Make the vowel longer and let it move into a smile.", zh: "元音拉长一点，滑到微笑的嘴形。",
		pairs: [][2]string{{"late", "let"}, {"paper", "pepper"}, {"wait", "wet"}},
	},
	{
		wanted: "EH", heard: "EY", en: "Keep the vowel short and do not let it move.", zh: "元音发短一点，嘴形不要滑动。",
		pairs: [][2]string{{"let", "late"}, {"pepper", "paper"}, {"wet", "wait"}},
	},
	{
		wanted: "AE", heard: "AH", en: "Push your tongue forward, open wider, and smile a little.", zh: "舌头往前，嘴张大一些，嘴角微微拉开。",
		pairs: [][2]string{{"cat", "cut"}, {"bag", "bug"}, {"fan", "fun"}},
	},
	{
		wanted: "AH", heard: "AE", en: "Relax your lips, close your mouth a little, and make it shorter.", zh: "嘴唇放松，嘴合上一点，发短一些。",
		pairs: [][2]string{{"cut", "cat"}, {"bug", "bag"}, {"fun", "fan"}},
	},
	{
		wanted: "AA", heard: "AH", en: "Open your mouth wider and make the vowel longer.", zh: "嘴巴张得更大，元音拉长一点。",
		pairs: [][2]string{{"hot", "hut"}, {"lock", "luck"}, {"cop", "cup"}},
	},
	{
		wanted: "AH", heard: "AA", en: "Close your mouth half way and make the vowel shorter.", zh: "嘴巴合到一半，元音发短一点。",
		pairs: [][2]string{{"hut", "hot"}, {"luck", "lock"}, {"cup", "cop"}},
	},
	{
		wanted: "AE", heard: "AA", en: "Move your tongue forward and spread your lips a little.", zh: "舌头往前移，嘴角稍微拉开。",
		pairs: [][2]string{{"cat", "cot"}, {"hat", "hot"}, {"map", "mop"}},
	},
	{
		wanted: "AH", heard: "EH", en: "Relax your tongue in the middle and do not spread your lips.", zh: "舌头放松在中间，嘴角不要拉开。",
		pairs: [][2]string{{"but", "bet"}, {"nut", "net"}, {"done", "den"}},
	},
	{
		wanted: "UH", heard: "UW", en: "Relax your lips and make the vowel shorter.", zh: "嘴唇放松，元音发短一点。",
		pairs: [][2]string{{"full", "fool"}, {"pull", "pool"}, {"look", "Luke"}},
	},
	{
		wanted: "UW", heard: "UH", en: "Make your lips smaller and rounder, and hold the vowel longer.", zh: "嘴唇收得更小更圆，元音拉长一点。",
		pairs: [][2]string{{"fool", "full"}, {"pool", "pull"}},
	},
	{
		wanted: "OW", heard: "AO", en: "Let the vowel move and close your lips into a small circle.", zh: "让元音滑动，最后嘴唇收成小圆圈。",
		pairs: [][2]string{{"bowl", "ball"}, {"low", "law"}, {"coat", "caught"}},
	},
	{
		wanted: "AO", heard: "OW", en: "Keep your jaw low and hold your lips still.", zh: "下巴保持放低，嘴唇不要动。",
		pairs: [][2]string{{"ball", "bowl"}, {"law", "low"}, {"caught", "coat"}},
	},
	{
		wanted: "ER", heard: "AH", en: "Pull your tongue back, lift its middle, and hold the sound.", zh: "舌头往后卷，中间抬起，保持一会儿。",
		pairs: [][2]string{{"bird", "bud"}, {"hurt", "hut"}, {"burn", "bun"}},
	},
	{
		wanted: "AH", heard: "ER", en: "Let your tongue rest low in the middle and do not pull it back.", zh: "舌头放松、放低，不要往后卷。",
		pairs: [][2]string{{"bud", "bird"}, {"hut", "hurt"}, {"bun", "burn"}},
	},

	// Consonants made between or behind the teeth.
	{
		wanted: "TH", heard: "S", en: "Move your tongue tip forward, between your teeth, and blow gently.", zh: "舌尖往前伸到上下齿之间，轻轻吹气。",
		pairs: [][2]string{{"think", "sink"}, {"thick", "sick"}}, ends: [][2]string{{"mouth", "mouse"}},
	},
	{
		wanted: "TH", heard: "T", en: "Do not stop the air: let it flow over your tongue tip, between your teeth.", zh: "不要把气堵住，舌尖放在齿间，让气一直流。",
		pairs: [][2]string{{"three", "tree"}, {"thin", "tin"}, {"thank", "tank"}}, ends: [][2]string{{"both", "boat"}, {"tenth", "tent"}},
	},
	{
		wanted: "TH", heard: "F", en: "Keep your lip away from your teeth and use your tongue tip.", zh: "下唇离开牙齿，改用舌尖放在齿间。",
		pairs: [][2]string{{"three", "free"}, {"thin", "fin"}, {"thought", "fought"}}, ends: [][2]string{{"death", "deaf"}},
	},
	{
		wanted: "S", heard: "TH", en: "Pull your tongue tip back behind your teeth and hiss.", zh: "舌尖缩回到牙齿后面，发出“嘶”声。",
		pairs: [][2]string{{"sink", "think"}, {"sick", "thick"}}, ends: [][2]string{{"mouse", "mouth"}},
	},
	{
		wanted: "DH", heard: "D", en: "Do not stop the air: keep your tongue tip between your teeth and hum.", zh: "不要把气堵住，舌尖放在齿间，持续振动。",
		pairs: [][2]string{{"they", "day"}, {"then", "den"}, {"though", "dough"}}, ends: [][2]string{{"breathe", "breed"}},
	},
	{
		wanted: "DH", heard: "Z", en: "Move your tongue tip forward, between your teeth, and keep humming.", zh: "舌尖往前伸到上下齿之间，继续振动。",
		pairs: [][2]string{{"clothing", "closing"}, {"then", "Zen"}}, ends: [][2]string{{"breathe", "breeze"}},
	},
	{
		wanted: "DH", heard: "TH", en: "Keep your tongue there and turn your voice on.", zh: "舌头位置不变，让声带振动起来。",
		pairs: [][2]string{{"either", "ether"}},
	},
	{
		wanted: "Z", heard: "S", en: "Keep your tongue the same and let your voice buzz.", zh: "舌头位置不变，让声带振动起来。",
		pairs: [][2]string{{"zoo", "Sue"}}, ends: [][2]string{{"eyes", "ice"}, {"prize", "price"}},
	},
	{
		wanted: "S", heard: "Z", en: "Turn your voice off and let only the air hiss.", zh: "声带不要振动，只让气流发出“嘶”声。",
		pairs: [][2]string{{"Sue", "zoo"}}, ends: [][2]string{{"ice", "eyes"}, {"price", "prize"}, {"bus", "buzz"}},
	},
	{
		wanted: "SH", heard: "S", en: "Round your lips and pull your tongue back a little.", zh: "嘴唇收圆，舌头稍微往后缩。",
		pairs: [][2]string{{"she", "see"}, {"ship", "sip"}, {"shine", "sign"}}, ends: [][2]string{{"leash", "lease"}},
	},
	{
		wanted: "S", heard: "SH", en: "Spread your lips and bring your tongue tip closer to your teeth.", zh: "嘴角拉开，舌尖往牙齿靠近。",
		pairs: [][2]string{{"see", "she"}, {"sip", "ship"}, {"sign", "shine"}},
	},
	{
		wanted: "CH", heard: "SH", en: "Stop the air with your tongue first, then let it burst.", zh: "先用舌尖把气堵住，再让它冲出来。",
		pairs: [][2]string{{"chair", "share"}, {"cheap", "sheep"}}, ends: [][2]string{{"watch", "wash"}},
	},
	{
		wanted: "SH", heard: "CH", en: "Do not stop the air: let it flow softly from the start.", zh: "不要把气堵住，一开始就让它柔和地流出。",
		pairs: [][2]string{{"share", "chair"}, {"sheep", "cheap"}}, ends: [][2]string{{"wash", "watch"}},
	},
	{
		wanted: "JH", heard: "CH", en: "Keep your mouth the same and turn your voice on.", zh: "嘴形不变，让声带振动起来。",
		pairs: [][2]string{{"joke", "choke"}, {"jeep", "cheap"}}, ends: [][2]string{{"ridge", "rich"}},
	},
	{
		wanted: "CH", heard: "JH", en: "Turn your voice off and let the air burst out.", zh: "声带不要振动，让气冲出来。",
		pairs: [][2]string{{"choke", "joke"}, {"cheap", "jeep"}}, ends: [][2]string{{"rich", "ridge"}},
	},
	{wanted: "JH", heard: "ZH", en: "Stop the air with your tongue for a moment before the buzz.", zh: "振动之前，先用舌尖把气堵住一下。"},
	{wanted: "ZH", heard: "SH", en: "Keep your mouth the same and turn your voice on.", zh: "嘴形不变，让声带振动起来。"},

	// Consonants made with the lips.
	{
		wanted: "V", heard: "W", en: "Bring your top teeth down to your bottom lip and let it buzz.", zh: "上齿碰住下唇，让它振动。",
		pairs: [][2]string{{"vet", "wet"}, {"vest", "west"}, {"vine", "wine"}},
	},
	{
		wanted: "W", heard: "V", en: "Round your lips and keep your teeth away from them.", zh: "嘴唇收圆，牙齿不要碰嘴唇。",
		pairs: [][2]string{{"wet", "vet"}, {"west", "vest"}, {"wine", "vine"}},
	},
	{
		wanted: "V", heard: "F", en: "Keep your teeth on your lip and turn your voice on.", zh: "上齿继续碰着下唇，让声带振动起来。",
		pairs: [][2]string{{"van", "fan"}, {"very", "ferry"}}, ends: [][2]string{{"leave", "leaf"}},
	},
	{
		wanted: "V", heard: "B", en: "Keep your lips apart: only your top teeth touch your bottom lip.", zh: "双唇不要闭上，只用上齿碰下唇。",
		pairs: [][2]string{{"vote", "boat"}, {"very", "berry"}, {"van", "ban"}},
	},
	{
		wanted: "F", heard: "HH", en: "Bring your top teeth to your bottom lip before you blow.", zh: "吹气之前，先让上齿碰住下唇。",
		pairs: [][2]string{{"fat", "hat"}, {"fall", "hall"}},
	},
	{
		wanted: "HH", heard: "F", en: "Keep your lip away from your teeth and breathe from your throat.", zh: "下唇离开牙齿，从喉咙轻轻呼气。",
		pairs: [][2]string{{"hat", "fat"}, {"hall", "fall"}},
	},
	{
		wanted: "B", heard: "P", en: "Turn your voice on early and use less air.", zh: "声带早一点振动，气流小一点。",
		pairs: [][2]string{{"bear", "pear"}, {"big", "pig"}}, ends: [][2]string{{"cab", "cap"}},
	},
	{
		wanted: "P", heard: "B", en: "Turn your voice off and let out a stronger puff of air.", zh: "声带不要振动，送出更强的一股气。",
		pairs: [][2]string{{"pear", "bear"}, {"pig", "big"}}, ends: [][2]string{{"cap", "cab"}},
	},

	// Consonants made with the tongue tip or the back of the tongue.
	{
		wanted: "R", heard: "L", en: "Pull your tongue back so that the tip touches nothing, and round your lips.", zh: "舌头往后缩，舌尖不碰任何地方，嘴唇收圆。",
		pairs: [][2]string{{"right", "light"}, {"road", "load"}, {"rice", "lice"}},
	},
	{
		wanted: "L", heard: "R", en: "Lift your tongue tip to touch behind your top teeth and keep it there.", zh: "舌尖抬起顶住上齿后面，不要放开。",
		pairs: [][2]string{{"light", "right"}, {"load", "road"}, {"lock", "rock"}},
	},
	{
		wanted: "R", heard: "W", en: "Keep the lips softer and pull your tongue back more.", zh: "嘴唇放松一点，舌头更往后缩。",
		pairs: [][2]string{{"red", "wed"}, {"run", "won"}, {"rest", "west"}},
	},
	{
		wanted: "L", heard: "N", en: "Let the air out of your mouth, around your tongue, not through your nose.", zh: "让气从舌头两边出来，不要从鼻子出来。",
		pairs: [][2]string{{"light", "night"}, {"low", "no"}, {"slow", "snow"}}, ends: [][2]string{{"mail", "main"}, {"tell", "ten"}},
	},
	{
		wanted: "N", heard: "L", en: "Close the way through your mouth and hum through your nose.", zh: "舌头把口腔堵住，让声音从鼻子里出来。",
		pairs: [][2]string{{"night", "light"}, {"no", "low"}, {"snow", "slow"}}, ends: [][2]string{{"main", "mail"}, {"ten", "tell"}},
	},
	{
		wanted: "D", heard: "T", en: "Turn your voice on early and use less air.", zh: "声带早一点振动，气流小一点。",
		pairs: [][2]string{{"down", "town"}, {"do", "two"}}, ends: [][2]string{{"ride", "write"}, {"bad", "bat"}, {"road", "wrote"}},
	},
	{
		wanted: "T", heard: "D", en: "Turn your voice off and end with a clear puff of air.", zh: "声带不要振动，送出一股清楚的气。",
		pairs: [][2]string{{"town", "down"}}, ends: [][2]string{{"write", "ride"}, {"bat", "bad"}},
	},
	{
		wanted: "G", heard: "K", en: "Turn your voice on early and use less air.", zh: "声带早一点振动，气流小一点。",
		pairs: [][2]string{{"gold", "cold"}}, ends: [][2]string{{"bag", "back"}, {"pig", "pick"}},
	},
	{
		wanted: "K", heard: "G", en: "Turn your voice off and let out a clear puff of air.", zh: "声带不要振动，送出一股清楚的气。",
		pairs: [][2]string{{"cold", "gold"}}, ends: [][2]string{{"back", "bag"}, {"pick", "pig"}},
	},
	{
		wanted: "NG", heard: "N", en: "Keep your tongue tip down and lift the back of your tongue.", zh: "舌尖放下，舌根抬起来。",
		ends: [][2]string{{"thing", "thin"}, {"wing", "win"}, {"sung", "sun"}},
	},
	{
		wanted: "N", heard: "NG", en: "Lift your tongue tip to touch behind your top teeth.", zh: "舌尖抬起，顶住上齿后面。",
		ends: [][2]string{{"thin", "thing"}, {"win", "wing"}, {"sun", "sung"}},
	},
	{
		wanted: "M", heard: "N", en: "Close your lips to the end of the sound.", zh: "嘴唇闭上，一直到声音结束。",
		pairs: [][2]string{{"mine", "nine"}, {"map", "nap"}}, ends: [][2]string{{"some", "sun"}},
	},
	{
		wanted: "N", heard: "M", en: "Keep your lips open and lift your tongue tip.", zh: "嘴唇张开，舌尖抬起顶住。",
		pairs: [][2]string{{"nine", "mine"}, {"nap", "map"}}, ends: [][2]string{{"sun", "some"}},
	},
	{
		wanted: "Y", heard: "JH", en: "Do not stop the air: slide from a short ee.", zh: "不要把气堵住，从短短的“衣”滑过去。",
		pairs: [][2]string{{"yet", "jet"}, {"yell", "gel"}},
	},
}
