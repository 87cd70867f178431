package coach

import "oktalk/internal/feedback"

// phone is what the bank knows about a sound.
type phone struct {
	letters  string   // how the sound is called by its letters ("th"); empty for vowels, which are called by an example
	examples []string // common words that have the sound once, the clearest first
	en, zh   advice
}

// advice is how to make a sound, in one language.
type advice struct {
	mouth string // what tongue and lips do, a full sentence
	cue   string // what to feel, hear or imagine, and what the voice does, a full sentence
	short string // the gist, a clause without a full stop
}

// substitution is what the bank knows about one sound heard for another.
type substitution struct {
	wanted, heard string
	en, zh        string      // what to change, a full sentence
	pairs         [][2]string // minimal pairs, the wanted sound first; empty when English has none that a learner knows
	ends          [][2]string // further pairs, which differ in the last sound
}

// pairsFor returns the minimal pairs for a sound at a place of its word: those that end in the sound for the end of a
// word, the others elsewhere, and whichever there are if one kind is missing.
func (s substitution) pairsFor(p feedback.Place) [][2]string {
	if len(s.ends) > 0 && (p == feedback.PlaceEnd || len(s.pairs) == 0) {
		return s.ends
	}
	return s.pairs
}

// findSubstitution returns the entry for a wanted and a heard sound.
func findSubstitution(wanted, heard string) (substitution, bool) {
	for _, s := range substitutions {
		if s.wanted == wanted && s.heard == heard {
			return s, true
		}
	}
	return substitution{}, false
}

// phones are the 39 sounds of the CMU dictionary. What tongue, lips and voice do is common knowledge of phonetics, put into
// words of level A2; examples and pairs are checked against the dictionary by a test.
var phones = map[string]phone{
	"AA": {
		examples: []string{"hot", "father"},
		en: advice{
			"Drop your jaw, keep your lips relaxed, and rest your tongue low and flat.",
			"Say a long ah, as at the doctor, with your mouth wide open.",
			"drop your jaw and rest your tongue",
		},
		zh: advice{"下巴往下放，嘴唇放松，舌头放低放平。", "像看医生时那样张大嘴，发一个长长的“啊”。", "下巴放低，舌头放平"},
	},
	"AE": {
		examples: []string{"cat", "apple"},
		en: advice{
			"Open your mouth wide, spread your lips a little, and push your tongue low and forward.",
			"Let your jaw fall and smile a little; the sound is wide and bright.",
			"open wide with a small smile",
		},
		zh: advice{"嘴巴张大，嘴角稍微向两边拉，舌头放低、往前伸。", "下巴放下来，带一点微笑，声音又宽又亮。", "嘴张大，嘴角微微拉开"},
	},
	"AH": {
		examples: []string{"cup", "love"},
		en: advice{
			"Keep your mouth half open, your lips relaxed, and your tongue in the middle.",
			"Make it short and lazy, as if your mouth does almost nothing.",
			"keep it short and relaxed",
		},
		zh: advice{"嘴巴半开，嘴唇放松，舌头放在中间。", "发得短一点、懒一点，嘴巴几乎不用力。", "短一点，放松一点"},
	},
	"AO": {
		examples: []string{"law", "ball"},
		en: advice{
			"Round your lips, lower your jaw, and pull your tongue back a little.",
			"Make a long, round sound and hold your lips still until it ends.",
			"round your lips and hold them still",
		},
		zh: advice{"嘴唇收圆，下巴放低，舌头稍微往后缩。", "发一个又长又圆的音，结束之前嘴唇不要动。", "嘴唇收圆，保持不动"},
	},
	"AW": {
		examples: []string{"now", "out"},
		en: advice{
			"Start with your mouth wide open, then close your lips into a small circle.",
			"Glide slowly from ah to oo in one smooth move.",
			"move from an open mouth to round lips",
		},
		zh: advice{"先把嘴张大，再慢慢把嘴唇收成小圆圈。", "从“啊”平稳地滑到“呜”，中间不要断。", "从大嘴滑到小圆嘴"},
	},
	"AY": {
		examples: []string{"my", "time"},
		en: advice{
			"Start with your mouth open and your tongue low, then lift your tongue and smile.",
			"Glide slowly from ah to ee in one smooth move.",
			"move from an open mouth to a smile",
		},
		zh: advice{"先张开嘴、舌头放低，再抬起舌头、嘴角拉开。", "从“啊”平稳地滑到“衣”，中间不要断。", "从大嘴滑到微笑的嘴形"},
	},
	"B": {
		letters: "b", examples: []string{"bed", "big"},
		en: advice{
			"Press your lips together, then open them with your voice on and little air.",
			"Touch your throat: it should hum while your lips are still closed.",
			"switch your voice on, with little air",
		},
		zh: advice{"双唇闭紧，再打开，同时声带振动，气流要小。", "摸着喉咙，嘴唇还没打开时就要感到振动。", "声带振动，气流小一点"},
	},
	"CH": {
		letters: "ch", examples: []string{"chair", "much"},
		en: advice{
			"Press your tongue tip behind your top teeth, round your lips, and let go fast.",
			"Stop the air for a moment, then let it burst out, without voice.",
			"stop the air first, then let it burst",
		},
		zh: advice{"舌尖顶住上齿后面，嘴唇收圆，然后快速放开。", "先把气堵住一下，再让它冲出来，声带不振动。", "先堵住气，再放开"},
	},
	"D": {
		letters: "d", examples: []string{"do", "red"},
		en: advice{
			"Press your tongue tip behind your top teeth, then let go with your voice on.",
			"Touch your throat: it should hum while your tongue is up.",
			"tongue tip up, voice on",
		},
		zh: advice{"舌尖顶住上齿后面，放开时声带振动。", "摸着喉咙，舌尖还顶着时就要感到振动。", "舌尖顶住，声带振动"},
	},
	"DH": {
		letters: "th", examples: []string{"this", "mother"},
		en: advice{
			"Put your tongue tip lightly between your teeth and let your voice hum through.",
			"Touch your throat and feel it buzz while your tongue tip touches your teeth.",
			"tongue tip between your teeth, voice on",
		},
		zh: advice{"舌尖轻轻放在上下齿之间，让声音从舌尖上流过。", "摸着喉咙，舌尖碰着牙齿时要感到振动。", "舌尖放在牙齿间，声带振动"},
	},
	"EH": {
		examples: []string{"bed", "ten"},
		en: advice{
			"Open your mouth half way, relax your lips, and keep your tongue forward.",
			"Keep it short, with a small mouth and a relaxed jaw.",
			"open half way and keep it short",
		},
		zh: advice{"嘴巴半开，嘴唇放松，舌头往前放。", "发得短一点，嘴张小一点，下巴放松。", "嘴半开，发短一点"},
	},
	"ER": {
		examples: []string{"bird", "her"},
		en: advice{
			"Lift the middle of your tongue, pull it back, and round your lips a little.",
			"Hold one long sound; your tongue tip touches nothing.",
			"pull your tongue back and hold",
		},
		zh: advice{"舌头中间抬起、往后缩，嘴唇稍微收圆。", "像发一个拉长的“儿”音，舌尖不碰任何地方。", "舌头往后卷，保持住"},
	},
	"EY": {
		examples: []string{"day", "name"},
		en: advice{
			"Start with your mouth half open, then lift your tongue and smile.",
			"Let the vowel move: it starts half open and ends near ee.",
			"let it glide into a smile",
		},
		zh: advice{"先半开嘴巴，再抬起舌头，嘴角拉开。", "让声音动起来：从半开的嘴形滑向“衣”。", "滑到微笑的嘴形"},
	},
	"F": {
		letters: "f", examples: []string{"fish", "off"},
		en: advice{
			"Touch your bottom lip with your top teeth and blow air, without voice.",
			"Hold the air for one second; your two lips do not meet.",
			"top teeth on your bottom lip, then blow",
		},
		zh: advice{"上齿轻轻碰下唇，吹气，声带不振动。", "吹气一秒钟，两片嘴唇不要碰在一起。", "上齿碰下唇，吹气"},
	},
	"G": {
		letters: "g", examples: []string{"good", "big"},
		en: advice{
			"Press the back of your tongue up, then let go with your voice on.",
			"Touch your throat: it should hum before the sound opens.",
			"back of the tongue up, voice on",
		},
		zh: advice{"舌根抬起顶住，放开时声带振动。", "摸着喉咙，放开之前就要感到振动。", "舌根抬起，声带振动"},
	},
	"HH": {
		letters: "h", examples: []string{"hat", "home"},
		en: advice{
			"Open your mouth, relax your tongue, and let out a soft breath.",
			"Breathe out as if you warm your hands, without voice.",
			"breathe out softly first",
		},
		zh: advice{"张开嘴，舌头放松，轻轻呼出一口气。", "像哈气暖手那样呼气，声带不振动。", "先轻轻呼气"},
	},
	"IH": {
		examples: []string{"sit", "big"},
		en: advice{
			"Relax your lips and let your tongue rest a little lower, without a smile.",
			"Keep it short and relaxed; your face stays still.",
			"make it short, with relaxed lips",
		},
		zh: advice{"嘴唇放松，舌头稍微放低，不要咧嘴。", "发得短一点、松一点，脸不用动。", "短一点，嘴唇放松"},
	},
	"IY": {
		examples: []string{"see", "eat"},
		en: advice{
			"Smile, lift your tongue high and forward, and hold the sound longer.",
			"Spread your lips as in a smile and keep the sound long.",
			"smile and hold it longer",
		},
		zh: advice{"嘴角拉开，舌头抬高、往前，声音拉长。", "像微笑一样拉开嘴唇，把“衣”拉长。", "嘴角拉开，拉长一点"},
	},
	"JH": {
		letters: "j", examples: []string{"job", "age"},
		en: advice{
			"Press your tongue tip behind your top teeth, round your lips, and let go with voice.",
			"Stop the air for a moment, then let it buzz, with your throat humming.",
			"stop the air first, then let it buzz",
		},
		zh: advice{"舌尖顶住上齿后面，嘴唇收圆，放开时声带振动。", "先把气堵住一下，再放开，喉咙要振动。", "先堵住气，再振动放开"},
	},
	"K": {
		letters: "k", examples: []string{"key", "back"},
		en: advice{
			"Press the back of your tongue up, then let go with a puff of air.",
			"Hold your hand in front of your mouth and feel the air, without voice.",
			"back of the tongue up, then a puff of air",
		},
		zh: advice{"舌根抬起顶住，再放开，送出一股气。", "手放在嘴前，要感到一股气，声带不振动。", "舌根抬起，送出一股气"},
	},
	"L": {
		letters: "l", examples: []string{"light", "feel"},
		en: advice{
			"Press your tongue tip behind your top teeth and let your voice flow around its sides.",
			"Keep your tongue tip up and touching until the sound ends.",
			"keep your tongue tip up and touching",
		},
		zh: advice{"舌尖顶住上齿后面，让声音从舌头两边流出。", "舌尖一直顶着，直到声音结束。", "舌尖一直顶住"},
	},
	"M": {
		letters: "m", examples: []string{"man", "home"},
		en: advice{
			"Close your lips gently and let your voice hum through your nose.",
			"Keep your lips closed and feel the hum in your nose.",
			"close your lips and hum",
		},
		zh: advice{"嘴唇轻轻闭上，让声音从鼻子里出来。", "嘴唇闭着，感到鼻子里在振动。", "闭上嘴唇，用鼻音"},
	},
	"N": {
		letters: "n", examples: []string{"no", "ten"},
		en: advice{
			"Press your tongue tip behind your top teeth and hum through your nose.",
			"Keep your lips open and your tongue tip up while you hum.",
			"tongue tip up, hum through your nose",
		},
		zh: advice{"舌尖顶住上齿后面，让声音从鼻子里出来。", "嘴唇张开，舌尖顶住，用鼻子哼出来。", "舌尖顶住，用鼻音"},
	},
	"NG": {
		letters: "ng", examples: []string{"sing", "long"},
		en: advice{
			"Lift the back of your tongue, keep the tip down, and hum through your nose.",
			"Keep your mouth open and hold the hum at the back.",
			"lift the back of your tongue and hum",
		},
		zh: advice{"舌根抬起，舌尖放下，让声音从鼻子里出来。", "嘴巴张着，把后鼻音保持一会儿。", "舌根抬起，用后鼻音"},
	},
	"OW": {
		examples: []string{"go", "home"},
		en: advice{
			"Start with relaxed, round lips, then make the circle smaller as you speak.",
			"Let the vowel move, and finish with your lips as if to whistle.",
			"finish with small, round lips",
		},
		zh: advice{"嘴唇先放松收圆，边说边把圆圈收小。", "让声音动起来，最后嘴唇像吹口哨一样。", "最后把嘴唇收小收圆"},
	},
	"OY": {
		examples: []string{"boy", "noise"},
		en: advice{
			"Start with round lips and your tongue back, then lift your tongue and smile.",
			"Glide slowly from round lips to a smile in one smooth move.",
			"move from round lips to a smile",
		},
		zh: advice{"先收圆嘴唇、舌头往后，再抬起舌头、嘴角拉开。", "从圆嘴形平稳地滑到微笑的嘴形。", "从圆嘴滑到微笑的嘴形"},
	},
	"P": {
		letters: "p", examples: []string{"pen", "stop"},
		en: advice{
			"Close your lips, then open them quickly with a puff of air, without voice.",
			"Hold your hand in front of your mouth and feel a strong puff.",
			"a puff of air, without voice",
		},
		zh: advice{"双唇闭上，再快速打开，送出一股气，声带不振动。", "手放在嘴前，要感到一股明显的气。", "送出一股气，声带不振动"},
	},
	"R": {
		letters: "r", examples: []string{"red", "very"},
		en: advice{
			"Round your lips and pull your tongue back; the tip touches nothing.",
			"Start from a small oo, then pull your tongue back with your voice on.",
			"round your lips, and the tongue touches nothing",
		},
		zh: advice{"嘴唇收圆，舌头往后缩，舌尖不碰任何地方。", "先做小小的“呜”嘴形，再把舌头往后卷，声带振动。", "嘴唇收圆，舌尖悬空"},
	},
	"S": {
		letters: "s", examples: []string{"see", "bus"},
		en: advice{
			"Bring your teeth together, keep your tongue tip behind them, and blow a thin line of air.",
			"Hiss like a snake, with no voice in your throat.",
			"hiss, without voice",
		},
		zh: advice{"上下齿靠近，舌尖放在齿后，吹出细细的气流。", "像蛇一样发“嘶”声，喉咙不振动。", "只出气，声带不振动"},
	},
	"SH": {
		letters: "sh", examples: []string{"ship", "wash"},
		en: advice{
			"Round your lips, pull your tongue back a little, and blow soft air.",
			"Think of asking for quiet: round lips and soft air.",
			"round your lips and blow softly",
		},
		zh: advice{"嘴唇收圆，舌头稍微往后，吹出柔和的气流。", "像让别人安静时那样“嘘”一声。", "嘴唇收圆，轻轻吹气"},
	},
	"T": {
		letters: "t", examples: []string{"ten", "hot"},
		en: advice{
			"Press your tongue tip behind your top teeth, then let the air burst out.",
			"Hold your hand in front of your mouth and feel the puff, without voice.",
			"tongue tip up, then a puff of air",
		},
		zh: advice{"舌尖顶住上齿后面，再放开，让气冲出来。", "手放在嘴前，要感到一股气，声带不振动。", "舌尖顶住，送出一股气"},
	},
	"TH": {
		letters: "th", examples: []string{"think", "three"},
		en: advice{
			"Put your tongue tip lightly between your teeth and blow air, without voice.",
			"Look in a mirror: you should see your tongue tip while the air flows.",
			"tongue tip between your teeth, then blow",
		},
		zh: advice{"舌尖轻轻放在上下齿之间，吹气，声带不振动。", "照着镜子，吹气时要能看到舌尖。", "舌尖放在牙齿间，吹气"},
	},
	"UH": {
		examples: []string{"book", "good"},
		en: advice{
			"Round your lips a little, keep your tongue back, and stay relaxed.",
			"Keep it short and loose, with lips only a little round.",
			"make it short, with softly round lips",
		},
		zh: advice{"嘴唇稍微收圆，舌头往后，保持放松。", "发得短一点、松一点，嘴唇只要一点点圆。", "短一点，嘴唇微圆"},
	},
	"UW": {
		examples: []string{"blue", "food"},
		en: advice{
			"Push your lips into a small circle, lift the back of your tongue, and hold.",
			"Make it long, with your lips as if to whistle.",
			"make your lips small and round, and hold",
		},
		zh: advice{"嘴唇收成小圆圈、往前突，舌根抬起，拉长。", "发得长一点，嘴唇像吹口哨一样。", "嘴唇收小收圆，拉长"},
	},
	"V": {
		letters: "v", examples: []string{"very", "love"},
		en: advice{
			"Touch your bottom lip with your top teeth and let your voice buzz.",
			"Feel the buzz on your bottom lip; your lips make no circle.",
			"top teeth on your bottom lip, voice on",
		},
		zh: advice{"上齿轻轻碰下唇，让声带振动。", "感到下唇在振动，嘴唇不要收圆。", "上齿碰下唇，声带振动"},
	},
	"W": {
		letters: "w", examples: []string{"we", "wine"},
		en: advice{
			"Push your lips into a small circle, then open them; your teeth touch nothing.",
			"Start with oo and open quickly, with your voice on.",
			"round your lips, and use no teeth",
		},
		zh: advice{"嘴唇收成小圆圈，再打开，牙齿不碰嘴唇。", "先做“呜”的嘴形，再快速打开，声带振动。", "嘴唇收圆，不碰牙齿"},
	},
	"Y": {
		letters: "y", examples: []string{"yes", "you"},
		en: advice{
			"Lift the middle of your tongue high, then move quickly to the next vowel.",
			"Start with a short ee and slide into the next vowel.",
			"start with a quick ee",
		},
		zh: advice{"舌头中间抬高，再快速滑到后面的元音。", "先发一个短短的“衣”，再滑到后面的元音。", "先来一个短短的“衣”"},
	},
	"Z": {
		letters: "z", examples: []string{"zoo", "easy"},
		en: advice{
			"Keep your tongue as for s, and turn your voice on.",
			"Buzz like a bee and feel it in your throat.",
			"let your voice buzz",
		},
		zh: advice{"舌头位置和 s 一样，同时让声带振动。", "像蜜蜂一样发出嗡嗡声，喉咙要振动。", "让声带振动"},
	},
	"ZH": {
		letters: "zh", examples: []string{"measure", "vision"},
		en: advice{
			"Round your lips, pull your tongue back a little, and let your voice buzz.",
			"Say sh, then turn your voice on without moving your mouth.",
			"say sh with your voice on",
		},
		zh: advice{"嘴唇收圆，舌头稍微往后，让声带振动。", "先发 sh，嘴形不变，再让声带振动。", "像 sh，但声带振动"},
	},
}
