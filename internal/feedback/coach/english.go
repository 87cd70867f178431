package coach

import (
	"fmt"
	"strings"

	"oktalk/internal/evaluation"
	"oktalk/internal/feedback"
)

// english writes the parts of a plan in plain English (A2 to B1).
type english struct {
	chooser
	plan feedback.Plan
}

var _ writer = english{}

func (e english) praise() string {
	w := e.word(e.plan.Praise.Word)
	kind := e.plan.Praise.Kind
	if e.plan.Category == evaluation.CategoryWord && (kind == feedback.PraisePerfect || kind == feedback.PraiseClear || kind == feedback.PraiseWell) {
		return e.praiseOneWord(kind)
	}
	switch kind {
	case feedback.PraisePerfect:
		return e.among("praise", "Excellent! Every word was clear and smooth.", "Beautiful reading: clear words and a smooth pace.",
			"Great work! Everything was clear, from the first word to the last.", "Wonderful! That was clear and easy to follow.")
	case feedback.PraiseClear:
		return e.among("praise", "Every word was clear, well done.", "Good work: each word was clear.", "Nice: I could hear every word clearly.",
			"Well done, all of your words were clear.")
	case feedback.PraiseWell:
		return e.among("praise", "Your reading came across well.", "Good work: your reading was easy to follow.", "Well read: that was easy to understand.")
	case feedback.PraiseWord:
		return e.among("praise", "Well done: "+w+" was very clear.", "I liked how you said "+w+": clear and easy to understand.",
			"Good start: "+w+" came out clearly.", "You said "+w+" very clearly.")
	case feedback.PraiseSound:
		s := e.sound(feedback.Issue{Phone: e.plan.Praise.Phone, Place: feedback.PlaceInside})
		return e.among("praise", "Well done: "+s+" in "+w+" was clear.", "Nice work on "+s+" in "+w+", a sound that many find hard.",
			"I liked "+s+" in "+w+": clear and easy to hear.", "You have a clear "+strings.TrimPrefix(s, "the ")+" in "+w+".")
	case feedback.PraisePart:
		s := e.sound(feedback.Issue{Phone: e.plan.Praise.Phone, Place: feedback.PlaceInside})
		return e.among("praise", capital(s)+" in "+w+" was clear.", "I could hear "+s+" in "+w+" well.", "Good: "+s+" in "+w+" came out clearly.")
	case feedback.PraiseFluency:
		if e.plan.Category == evaluation.CategoryWord {
			return e.among("praise", "You said it smoothly, in one go.", "You said the word without a stop, good.", "Good: you said it in one breath.")
		}
		return e.among("praise", "You spoke smoothly, well done.", "Your words flowed nicely.", "Nice and smooth: your words follow each other well.",
			"You kept a steady flow.")
	case feedback.PraiseComplete:
		return e.among("praise", "You read the whole text, well done.", "Good: I heard every word of the text.", "You did not leave out a single word.",
			"You stayed with the text to the last word.")
	default:
		return e.among("praise", "Thank you for recording this; every try helps.", "It is good that you practise aloud.",
			"Good that you gave this a try.", "Well done for reading aloud.")
	}
}

func (e english) praiseOneWord(k feedback.PraiseKind) string {
	if k == feedback.PraiseWell {
		return e.among("praise", "That came across well.", "Good work, that was easy to understand.")
	}
	if k == feedback.PraisePerfect {
		return e.among("praise", "Excellent, that was very clear!", "Beautiful: every part of the word was clear.", "Great, that was easy to understand!")
	}
	return e.among("praise", "Well done: that was clear.", "Very nice, that came out clearly.", "Good work, that was easy to understand.")
}

func (e english) finding(i feedback.Issue) string {
	w := e.word(i.Word)
	switch i.Kind {
	case feedback.IssueSound:
		return e.soundFinding(i)
	case feedback.IssueWord:
		return e.among("finding", capital(w)+" was not quite clear yet.", "The word to work on is "+w+".", "Let us give "+w+" some more care.")
	case feedback.IssueReplaced:
		if i.Count > 0 {
			return e.among("finding", "Where the text has "+e.missing(i)+", I heard "+another(i.Count)+".", "In the place of "+e.missing(i)+", I heard "+another(i.Count)+".")
		}
		return e.among("finding", "Where the text has "+w+", I heard something quite different.", "I could not recognize "+w+" this time.", "What I heard for "+w+" was more like another word.")
	case feedback.IssueUnfinished:
		return e.among("finding", "I did not hear the end of the text, from "+w+" on.", "You stopped before the end: "+w+" and what follows were missing.", "The last part, from "+w+" on, got lost.")
	case feedback.IssueOmission:
		missing := e.missing(i)
		return e.among("finding", "I did not hear "+missing+".", "It seems that "+missing+" got lost.", "I listened for "+missing+" but could not find "+pronoun(i.Count)+".")
	case feedback.IssuePartial:
		return e.among("finding", "I heard only a part of the text this time.", "Many words of the text were missing this time.", "I could find only some of the words.")
	case feedback.IssueInsertion:
		return e.insertion(i)
	case feedback.IssuePause:
		between := "between " + w + " and " + e.word(i.More[0])
		return e.among("finding", "There was a long pause "+between+".", "You stopped for a while "+between+".", "I noticed a long break "+between+".")
	case feedback.IssueSlow:
		return e.among("finding", "You read very slowly this time.", "The pace was quite slow.", "You took a lot of time for each word.")
	case feedback.IssueFast:
		return e.among("finding", "You read very fast this time.", "The pace was very quick.", "You were in a hurry this time.")
	case feedback.IssueHesitant:
		if e.plan.Category == evaluation.CategoryWord {
			return e.among("finding", "The word came in small pieces this time.", "The word does not flow in one breath yet.")
		}
		return e.among("finding", "The words do not flow together yet.", "Your reading stopped and started a little.", "The rhythm was not quite steady yet.")
	default:
		return e.among("finding", "Your voice stayed on nearly one level.", "The melody of your voice can move more.", "Your voice can rise and fall more.")
	}
}

func (e english) soundFinding(i feedback.Issue) string {
	w, of := e.word(i.Word), e.of(i)
	s := e.sound(i) + e.at(i)
	if i.Heard == "" {
		as := ", as in " + quote(phones[i.Phone].example(i.Word.Text))
		return e.among("finding", fmt.Sprintf("In %s, %s%s, was not quite clear.", w, s, as), fmt.Sprintf("%s%s, needs a little more care.", capital(of), as),
			fmt.Sprintf("Let us work on %s%s.", of, as))
	}
	heard := e.like(i.Heard, i.Word.Text)
	return e.among("finding", fmt.Sprintf("In %s, %s sounded like %s.", w, s, heard), fmt.Sprintf("%s came out like %s.", capital(of), heard),
		fmt.Sprintf("When you said %s, %s was close to %s.", w, s, heard), fmt.Sprintf("Notice %s: I heard %s.", of, heard))
}

func (e english) hedge(i feedback.Issue) string {
	if !i.Approximate {
		return ""
	}
	return e.among("hedge", "This word is not in my dictionary, so I may be mistaken.", "I do not have this word in my dictionary, so this is a guess.",
		"My dictionary does not have this word, so I am not sure.")
}

func (e english) again(i feedback.Issue) string {
	if i.Kind != feedback.IssueSound || len(i.More) == 0 {
		return ""
	}
	w := e.word(i.More[0])
	return e.among("again", "The same happened in "+w+".", "I heard this in "+w+" too.", "It came back in "+w+".")
}

func (e english) advice(i feedback.Issue) string {
	switch i.Kind {
	case feedback.IssueSound:
		p := phones[i.Phone].en
		ways := []string{p.mouth, p.cue}
		if s, ok := findSubstitution(i.Phone, i.Heard); ok {
			fix := s.en
			if i.Place == feedback.PlaceEnd && voiceless[i.Phone] == i.Heard {
				fix = finalVoiceEnglish
			}
			ways = []string{fix, fix, p.mouth, p.cue} // what to change helps more than how the sound is made
		}
		return e.among("advice", ways...)
	case feedback.IssueWord, feedback.IssueReplaced:
		if i.Count > 0 {
			return e.among("advice", "Let your eyes rest on each word before you say it.", "Look at the word, then say just what you see.")
		}
		if i.Syllables > 1 {
			beats := number(i.Syllables) + " beats"
			return e.among("advice", "It has "+beats+": clap each one slowly, then join them.", "Say its "+beats+" one by one, then the whole word.",
				"Tap the table "+number(i.Syllables)+" times, once for each part of the word.")
		}
		return e.among("advice", "Say it sound by sound, then join the sounds.", "Stretch it: hold each sound for a moment, then join them.")
	case feedback.IssueUnfinished:
		return e.among("advice", "Keep recording until you have said the last word.", "Breathe in the middle, so that there is air left for the end.")
	case feedback.IssueOmission:
		return e.among("advice", "Give every word its own moment, also the short ones.", "Let your eyes rest on each word before you say it.")
	case feedback.IssuePartial:
		return e.among("advice", "Take a breath, start at the first word, and go on to the last.", "Move closer to the microphone and read to the end, at your own pace.")
	case feedback.IssueInsertion:
		return e.among("advice", "When you lose your place, wait quietly and go on from the next word.", "Look at the words ahead while you speak.")
	case feedback.IssuePause:
		return e.among("advice", "Look ahead and join the words in small groups.", "Try to say these words together in one breath.")
	case feedback.IssueSlow:
		return e.among("advice", "Join short words to the word that follows them.", "Read it once silently, so that your mouth knows what comes next.")
	case feedback.IssueFast:
		return e.among("advice", "Slow down a little and finish each word before the next.", "Give the vowels more time, above all in long words.")
	case feedback.IssueHesitant:
		if e.plan.Category == evaluation.CategoryWord {
			return e.among("advice", "Think of the whole word first, then say it without a stop.", "Keep your voice going from the first sound to the last.")
		}
		return e.among("advice", "Read it once silently, then speak in groups of two or three words.", "Choose where to breathe, and keep your voice going in between.")
	default:
		return e.among("advice", "Say the important words longer and a little higher.", "Let your voice go up on key words and down at the end.")
	}
}

func (e english) short(i feedback.Issue) string {
	if i.Kind == feedback.IssueSound {
		return capital(phones[i.Phone].en.short) + "."
	}
	return e.advice(i)
}

func (e english) second(i feedback.Issue, tip bool) string {
	w := e.word(i.Word)
	switch i.Kind {
	case feedback.IssueSound:
		of := e.of(i)
		if !tip {
			return e.among("second", "Next, look at "+of+".", "Later, work on "+of+" too.", capital(of)+" comes next.")
		}
		short := phones[i.Phone].en.short
		return e.among("second", fmt.Sprintf("Next, %s: %s.", of, short), fmt.Sprintf("Also, for %s, %s.", of, short), fmt.Sprintf("One more thing, %s: %s.", of, short))
	case feedback.IssueReplaced:
		if i.Count > 0 {
			return e.among("second", "Also, where the text has "+e.missing(i)+", I heard "+another(i.Count)+".")
		}
		return e.among("second", "Then say "+w+" again, slowly: I heard something quite different.", "I also could not recognize "+w+" yet.")
	case feedback.IssueUnfinished:
		return e.among("second", "I also did not hear the end, from "+w+" on.", "And the last part, from "+w+" on, got lost.")
	case feedback.IssuePartial:
		return e.among("second", "I also heard only a part of the text.", "Many words of the text were missing, too.")
	case feedback.IssueWord:
		return e.among("second", "Then say "+w+" slowly as well.", "Also give "+w+" more time.", "The next word to work on is "+w+".")
	case feedback.IssueOmission:
		missing := e.missing(i)
		return e.among("second", "I also did not hear "+missing+".", "And "+missing+" got lost.", "Please do not forget "+missing+".")
	case feedback.IssueInsertion:
		return e.insertion(i)
	case feedback.IssuePause:
		return e.among("second", "Also, join "+w+" and "+e.word(i.More[0])+" without a long pause.", "Try not to stop between "+w+" and "+e.word(i.More[0])+".")
	case feedback.IssueSlow:
		return e.among("second", "The pace was quite slow, too: you can go a little faster.", "The reading was also quite slow: a little more speed will help.")
	case feedback.IssueFast:
		return e.among("second", "Slow down a little, too.", "Also, take a little more time.")
	case feedback.IssueHesitant:
		return e.among("second", "Also, keep your voice going from word to word.", "Then try to join the words more smoothly.")
	case feedback.IssueFlat:
		return e.among("second", "And let your voice rise and fall more.", "Also, make the important words stronger.")
	default:
		return ""
	}
}

func (e english) insertion(i feedback.Issue) string {
	w := e.word(i.Word)
	switch {
	case i.Filler && i.Count > 1:
		return e.among("insertion", "I heard "+w+" and the like a few times: these extra sounds can go.", "There were some extra sounds like "+w+": a short silence is better.")
	case i.Again && i.Count > feedback.MaxAgain:
		return e.among("insertion", "I heard a few words twice in a row, from "+w+" on.", "From "+w+" on, a few words were said twice.")
	case i.Again:
		w = quote(said(i))
		return e.among("insertion", "I heard "+w+" twice in a row; once is enough.", "You said "+w+" twice; once is enough.")
	case i.Filler:
		return e.among("insertion", "I heard an extra "+w+": a short silence is better.", "There was an extra "+w+"; when you think, just wait quietly.")
	case i.Count > 1:
		return e.among("insertion", "I heard some extra words that the text does not have.", "A few words were added to the text.")
	case w == "":
		return e.among("insertion", "I heard an extra word that the text does not have.", "One word was added to the text.")
	default:
		return e.among("insertion", "I also heard "+w+", which the text does not have there.", "There was an extra "+w+" in your reading.")
	}
}

func (e english) next() string {
	w := e.word(e.plan.Next.Word)
	switch e.plan.Next.Kind {
	case feedback.NextContrast:
		return e.contrast(w)
	case feedback.NextWord:
		return e.sayAgain(w)
	case feedback.NextReread:
		return e.among("next", "Now read it again with a finger under each word.", "Record it again and point at every word as you say it.",
			"Now read it once more, one word at a time, and miss none.")
	case feedback.NextSmooth:
		if e.plan.Category == evaluation.CategoryWord {
			return e.among("next", "Now say it five times in one breath, then record it again.", "Whisper it, say it, then record it again without a stop.")
		}
		return e.among("next", "Now say it three times, each time with fewer stops.", "Mark two places to breathe, then record it again.", "Now hum the rhythm once and read it again.")
	case feedback.NextSlower:
		return e.among("next", "Now read it once at half speed, then record it again.", "Record it again and tap the table for each word.")
	case feedback.NextFaster:
		return e.among("next", "Now read it three times, a little faster each time.", "Say it twice for practice, then record it again with more pace.")
	case feedback.NextMelody:
		return e.among("next", "Choose the two most important words and make them stronger.", "Now read it again as if you tell good news.")
	case feedback.NextFinish:
		return e.among("next", "Now practise the part from "+w+" to the end, then read it all.", "Start at "+w+" and read to the end twice, then record everything.",
			"Now read it again, and stop the recording only after the last word.")
	default:
		return e.challenge()
	}
}

func (e english) contrast(w string) string {
	pair, own, ok := e.pairFor(e.plan.Issues[0])
	if !ok {
		return e.sayAgain(w)
	}
	a, b := quote(pair[0]), quote(pair[1])
	if own {
		return e.among("next", fmt.Sprintf("Now say %s and %s five times, then record it again.", a, b), fmt.Sprintf("Say %s, then %s: hear the difference? Then record it again.", a, b))
	}
	return e.among("next", fmt.Sprintf("Now say %s and %s five times, then %s again.", a, b, w), fmt.Sprintf("Practise %s and %s slowly, then say %s once more.", a, b, w),
		fmt.Sprintf("Try %s, %s, %s, and then %s.", a, b, a, w), fmt.Sprintf("Say %s, then %s: hear the difference? Now try %s.", a, b, w))
}

func (e english) sayAgain(w string) string {
	if e.plan.Category == evaluation.CategoryWord {
		return e.among("next", "Now say "+w+" slowly three times, then record it again.", "Say "+w+" in front of a mirror, then record it again.",
			"Listen to yourself while you say "+w+" three times.")
	}
	return e.among("next", "Now say "+w+" slowly three times, then read the text again.", "Say "+w+" in front of a mirror, then in the full text.",
		"Practise "+w+" alone first, then with the words around it.")
}

func (e english) challenge() string {
	if e.plan.Category == evaluation.CategoryWord {
		return e.among("next", "For a challenge, use this word in a sentence of your own.", "Next, choose a longer word.", "Now try a whole sentence with this word in it.",
			"Next time, say it as a question, then as an answer.")
	}
	return e.among("next", "For a challenge, say it again from memory.", "Next, try a longer text.", "As a next step, tell the same idea in your own words.",
		"Now read it again as if you tell it to a friend.", "Next time, choose a text that is a little harder.", "Now say it once happily and once with surprise.")
}

// word names a word: quoted, or by its number; empty for an added word that cannot be quoted.
func (e english) word(w feedback.WordRef) string {
	switch {
	case w.Text != "":
		return quote(w.Text)
	case w.Number > 0:
		return fmt.Sprintf("word %d", w.Number)
	default:
		return ""
	}
}

// sound names a sound in its word: "the th", "the first vowel".
func (e english) sound(i feedback.Issue) string {
	if l := phones[i.Phone].letters; l != "" {
		return "the " + l
	}
	switch i.Place {
	case feedback.PlaceStart:
		return "the first vowel"
	case feedback.PlaceEnd:
		return "the last vowel"
	case feedback.PlaceInside:
		if i.Nth < len(ordinals) {
			return "the " + ordinals[i.Nth] + " vowel"
		}
		return "a vowel in the middle"
	default:
		return "the vowel"
	}
}

// of names a sound with its word: `the th at the start of "think"`, `the first vowel in "apples"`.
func (e english) of(i feedback.Issue) string {
	if at := e.at(i); at != "" {
		return e.sound(i) + at + " of " + e.word(i.Word)
	}
	return e.sound(i) + " in " + e.word(i.Word)
}

// at says where a consonant is: " at the end", to be followed by the word.
func (e english) at(i feedback.Issue) string {
	if phones[i.Phone].letters == "" {
		return ""
	}
	switch i.Place {
	case feedback.PlaceStart:
		return " at the start"
	case feedback.PlaceEnd:
		return " at the end"
	default:
		return ""
	}
}

// like names a sound by an example: `the s in "see"`.
func (e english) like(arpabet, word string) string {
	p := phones[arpabet]
	name := "the vowel"
	if p.letters != "" {
		name = "the " + p.letters
	}
	return name + " in " + quote(p.example(word))
}

func (e english) missing(i feedback.Issue) string {
	w := e.word(i.Word)
	switch i.Count {
	case 1:
		return w
	case 2:
		return w + " and " + e.word(i.More[0])
	default:
		return fmt.Sprintf("%s and %s other words", w, number(i.Count-1))
	}
}

var ordinals = []string{"middle", "first", "second", "third", "fourth", "fifth", "sixth"}

func number(n int) string {
	words := []string{"no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"}
	if n < len(words) {
		return words[n]
	}
	return "many"
}

// another says what was heard for n words.
func another(n int) string {
	if n == 1 {
		return "another word"
	}
	return "other words"
}

func pronoun(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}

func quote(w string) string { return `"` + w + `"` }

// capital makes the first letter of a sentence a capital; a quoted word stays as it is.
func capital(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
