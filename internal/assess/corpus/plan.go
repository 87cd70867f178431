package corpus

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"

	"oktalk/internal/assess/offline/lexicon"
	"oktalk/internal/evaluation"
)

// shares says how many recordings of each sort a voice makes. Speakers as they are say more than their shifted copies, and flite,
// which is near enough to people to be a judge, more than espeak-ng.
type shares struct {
	right, rightByLexicon, rightByPhones int
	byLexicon, byPhones, byMnemonics     int // for each pair
	random, several                      int
	omission                             int // for each position
	extra                                int // for each of insertion, repetition, hesitation
	otherWord, otherText, otherSingle    int
	conditions, harmless                 int // for each condition: so many right readings, and at least as many with a wrong phone
}

func sharesOf(v Voice) shares {
	switch {
	case v.Program == ESpeak:
		return shares{right: 14, byMnemonics: 1, several: 4, omission: 1, extra: 1, otherWord: 3, otherText: 4, otherSingle: 2}
	case v.Shift != 1:
		return shares{
			right: 12, rightByLexicon: 6, rightByPhones: 6, byLexicon: 1, random: 4, several: 6,
			omission: 2, extra: 2, otherWord: 2, otherText: 4, otherSingle: 2, conditions: 2, harmless: 1,
		}
	default:
		return shares{
			right: 24, rightByLexicon: 12, rightByPhones: 12, byLexicon: 2, byPhones: 1, random: 10, several: 16,
			omission: 4, extra: 5, otherWord: 6, otherText: 8, otherSingle: 4, conditions: 5, harmless: 2,
		}
	}
}

// Plan lists the recordings of a corpus: the same for the same seed, programs and dictionary. It asks both programs how they say the
// words of the texts.
func (m *Maker) Plan(ctx context.Context, seed uint64) ([]Recording, error) {
	return m.plan(ctx, seed, Voices())
}

// PlanForFit lists recordings in which all voices of flite, those of [HeldOut] too, and those of espeak-ng that are for tuning read the texts of
// [Tuning], for weights that are judged by speakers who had no part in them; see [Maker.Plan].
func (m *Maker) PlanForFit(ctx context.Context, seed uint64) ([]Recording, error) {
	voices := slices.DeleteFunc(Voices(), func(v Voice) bool { return v.Program != Flite && v.Split != Tuning })
	for i := range voices {
		voices[i].Split = Tuning
	}
	return m.plan(ctx, seed, voices)
}

func (m *Maker) plan(ctx context.Context, seed uint64, voices []Voice) ([]Recording, error) {
	var words, speakers []string
	for _, split := range []Split{Tuning, HeldOut} {
		for _, text := range texts[split] {
			words = append(words, keys(text)...)
		}
	}
	words = slices.Compact(slices.Sorted(slices.Values(append(words, extraWords...))))
	for _, v := range Voices() {
		if v.Program == ESpeak {
			speakers = append(speakers, v.Speaker)
		}
	}
	said, err := m.sayWords(ctx, words, speakers)
	if err != nil {
		return nil, err
	}
	p := &planner{seed: seed, said: said, right: m.cfg.Dictionary.Lookup, ids: map[string]int{}, known: map[string][]slot{}}
	for _, v := range voices {
		p.plan(v)
	}
	return p.all, nil
}

// keys are the words of a text as dictionaries write them.
func keys(text string) []string {
	words := evaluation.TextWords(text)
	for i, w := range words {
		words[i] = strings.ToLower(w)
	}
	return words
}

type planner struct {
	seed  uint64
	said  map[string]spoken
	right func(word string) []lexicon.Pronunciation
	ids   map[string]int // how many recordings have an ID that starts so
	known map[string][]slot
	all   []Recording
}

// draw is a source of chance of its own for each sort of recordings of a voice, so that more of one sort do not change the others.
func (p *planner) draw(v Voice, sort string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(v.Name() + "/" + sort)) // a hash takes everything
	return rand.New(rand.NewPCG(p.seed, h.Sum64()))
}

// plan adds a voice's recordings.
func (p *planner) plan(v Voice) {
	first := len(p.all)
	n := sharesOf(v)
	p.planRight(v, n)
	for _, pair := range pairs {
		p.planPair(v, pair, n)
	}
	p.planRandom(v, n.random)
	p.planSeveral(v, n.several)
	p.planWords(v, n)
	p.planConditions(v, p.all[first:], n)
}

// start begins a recording in which everything is right.
func (p *planner) start(v Voice, rng *rand.Rand, kind Kind, method Method, text string) *reading {
	words := evaluation.TextWords(text)
	r := &reading{
		Label:  Label{Voice: v, Text: text, Kind: kind, Method: method, Condition: Clean, Words: make([]Word, len(words))},
		said:   strings.Fields(text),
		recipe: recipe{Program: v.Program, Speaker: v.Speaker, Stretch: []float64{1, 1, 0.85, 1.25}[rng.IntN(4)], Shift: v.Shift, Condition: Clean},
	}
	for i, key := range keys(text) {
		r.Words[i] = Word{Text: words[i], Phones: p.said[key].phones()}
	}
	return r
}

// reading is a recording that is being planned.
type reading struct {
	Label
	said   []string // the words as they will be said, with punctuation
	recipe recipe
}

// add ends a recording. sort is for its ID.
func (p *planner) add(r *reading, sort string) {
	if r.recipe.Phones == "" {
		r.recipe.Said = strings.Join(r.said, " ")
	}
	name := fmt.Sprintf("%s/%s/%s", r.Voice.Name(), sort, r.Method)
	p.ids[name]++
	r.ID = fmt.Sprintf("%s/%d", name, p.ids[name])
	p.all = append(p.all, Recording{r.Label, r.recipe})
}

func (p *planner) planRight(v Voice, n shares) {
	for _, part := range []struct {
		method Method
		n      int
	}{{ByText, n.right}, {ByLexicon, n.rightByLexicon}, {ByPhones, n.rightByPhones}} {
		rng := p.draw(v, "right "+string(part.method))
		for _, text := range p.choose(rng, v, part.n, 1) {
			r := p.start(v, rng, Right, part.method, text)
			switch part.method {
			case ByLexicon:
				for _, i := range p.plantable(r) {
					s := p.said[strings.ToLower(r.Words[i].Text)]
					r.recipe.Lexicon = append(r.recipe.Lexicon, s.entry(strings.ToLower(r.Words[i].Text), s.raw))
				}
			case ByPhones:
				r.recipe.Phones = p.phoneString(r, nil)
			}
			p.add(r, "right")
		}
	}
}

// choose draws n texts of at least so many words, none twice as long as there are enough.
func (p *planner) choose(rng *rand.Rand, v Voice, n, least int) []string {
	var fit, out []string
	for _, text := range texts[v.Split] {
		if len(evaluation.TextWords(text)) >= least {
			fit = append(fit, text)
		}
	}
	for len(out) < n {
		rng.Shuffle(len(fit), func(i, j int) { fit[i], fit[j] = fit[j], fit[i] })
		out = append(out, fit[:min(n-len(out), len(fit))]...)
	}
	return out
}

// plantable lists the words of a text that can get other phones: said once, without an apostrophe.
func (p *planner) plantable(r *reading) []int {
	all := keys(r.Text)
	var out []int
	for i, w := range all {
		twice := slices.Contains(all[:i], w) || slices.Contains(all[i+1:], w)
		if !twice && !strings.Contains(w, "'") && w != "a" {
			out = append(out, i)
		}
	}
	return out
}

// slots finds where a pair can be planted in a text.
func (p *planner) slots(r *reading, pair pair) []Planted {
	var out []Planted
	for _, i := range p.plantable(r) {
		phones := r.Words[i].Phones
		for k, phone := range phones {
			if phone == pair.from && (!pair.last || k == len(phones)-1) {
				planted := Planted{Word: i, Phone: k, Canonical: phone, Spoken: pair.to}
				if !p.alsoRight(r.Words[i], planted) && p.sayable(r, planted) {
					out = append(out, planted)
				}
			}
		}
	}
	return out
}

// alsoRight reports whether a word with a planted phone is still a pronunciation of it.
func (p *planner) alsoRight(w Word, planted Planted) bool {
	phones := slices.Clone(w.Phones)
	phones[planted.Phone] = planted.Spoken
	return slices.ContainsFunc(p.right(strings.ToLower(w.Text)), func(known lexicon.Pronunciation) bool { return slices.Equal(known, phones) })
}

// sayable reports whether the method can say a planted phone.
func (p *planner) sayable(r *reading, planted Planted) bool {
	if r.Method != ByMnemonics {
		return true
	}
	n := 0
	for _, phone := range r.Words[planted.Word].Phones {
		if phone == planted.Canonical {
			n++
		}
	}
	_, ok := p.said[strings.ToLower(r.Words[planted.Word].Text)].mnemonic(r.Voice.Speaker, planted.Canonical, planted.Spoken)
	return ok && n == 1
}

// plant puts phones into a reading.
func (p *planner) plant(r *reading, planted ...Planted) {
	r.Planted = planted
	switch r.Method {
	case ByPhones:
		r.recipe.Phones = p.phoneString(r, planted)
	case ByMnemonics:
		for _, x := range planted {
			word, _ := p.said[strings.ToLower(r.Words[x.Word].Text)].mnemonic(r.Voice.Speaker, x.Canonical, x.Spoken)
			r.said[x.Word] = word + trailing(r.said[x.Word])
		}
	default:
		for _, i := range plantedWords(planted) {
			key := strings.ToLower(r.Words[i].Text)
			r.recipe.Lexicon = append(r.recipe.Lexicon, p.said[key].entry(key, replaced(p.said[key].raw, i, planted)))
		}
	}
}

// plantedWords lists the words with something planted, each once.
func plantedWords(planted []Planted) []int {
	var out []int
	for _, x := range planted {
		if !slices.Contains(out, x.Word) {
			out = append(out, x.Word)
		}
	}
	return out
}

// A reading with mistakes has one in so many of its phones wrong, so that with the right readings it is about 7 in 100 of all, which is
// what a learner has for whom a phone is right with a probability of 93 %. A word of longWord phones and more may have two, not side by
// side.
const (
	phonesPerMistake = 12
	longWord         = 6
)

// plantMore plants phones into a reading and adds others until there are enough. Each pair for which there is room is as likely.
func (p *planner) plantMore(r *reading, rng *rand.Rand, planted ...Planted) {
	phones := 0
	for _, w := range r.Words {
		phones += len(w.Phones)
	}
	wanted := (phones + phonesPerMistake/2) / phonesPerMistake
	for _, i := range rng.Perm(len(pairs)) {
		if len(planted) >= wanted {
			break
		}
		room := slices.DeleteFunc(p.slots(r, pairs[i]), func(x Planted) bool { return !p.fits(r, x, planted) })
		if len(room) > 0 {
			planted = append(planted, room[rng.IntN(len(room))])
		}
	}
	p.plant(r, planted...)
}

// fits reports whether a phone can be planted beside others.
func (p *planner) fits(r *reading, x Planted, others []Planted) bool {
	phones := slices.Clone(r.Words[x.Word].Phones)
	inWord := 0
	for _, y := range others {
		if y.Word != x.Word {
			continue
		}
		if inWord++; inWord > 1 || len(phones) < longWord || r.Method == ByMnemonics || max(x.Phone-y.Phone, y.Phone-x.Phone) < 2 {
			return false
		}
		phones[y.Phone] = y.Spoken
	}
	return !p.alsoRight(Word{r.Words[x.Word].Text, phones}, x)
}

// trailing is a word's punctuation.
func trailing(word string) string {
	return word[len(strings.TrimRight(word, ",.;:!?")):]
}

// replaced is a word's phones as flite writes them, with those planted in it.
func replaced(raw []string, word int, planted []Planted) []string {
	raw = slices.Clone(raw)
	for _, x := range planted {
		if x.Word == word {
			raw[x.Phone] = strings.ToLower(x.Spoken)
		}
	}
	return raw
}

// phoneString is a whole text in flite's phones, with pauses where there is punctuation.
func (p *planner) phoneString(r *reading, planted []Planted) string {
	phones := []string{"pau"}
	for i, w := range r.Words {
		phones = append(phones, replaced(p.said[strings.ToLower(w.Text)].raw, i, planted)...)
		if trailing(r.said[i]) != "" && i < len(r.Words)-1 {
			phones = append(phones, "pau")
		}
	}
	return strings.Join(append(phones, "pau"), " ")
}

func (p *planner) planPair(v Voice, pair pair, n shares) {
	for _, part := range []struct {
		method Method
		n      int
	}{{ByLexicon, n.byLexicon}, {ByPhones, n.byPhones}, {ByMnemonics, n.byMnemonics}} {
		sort := pair.from + "-" + pair.to
		rng := p.draw(v, sort+" "+string(part.method))
		for range part.n {
			if r, x, ok := p.drawSlot(v, rng, part.method, pair); ok {
				p.plantMore(r, rng, x)
				p.add(r, sort)
			}
		}
	}
}

// slot is a place in a text where a phone can be planted.
type slot struct {
	text    string
	planted Planted
}

// drawSlot draws a place for a pair from all texts.
func (p *planner) drawSlot(v Voice, rng *rand.Rand, method Method, pair pair) (*reading, Planted, bool) {
	all := p.allSlots(v, method, pair)
	if len(all) == 0 {
		return nil, Planted{}, false
	}
	s := all[rng.IntN(len(all))]
	return p.start(v, rng, Substitution, method, s.text), s.planted, true
}

// allSlots finds the places for a pair in all texts of a voice. They are the same for all voices of flite in a split.
func (p *planner) allSlots(v Voice, method Method, pair pair) []slot {
	key := fmt.Sprint(v.Split, method, pair)
	if v.Program == ESpeak {
		key += v.Speaker
	}
	all, ok := p.known[key]
	if ok {
		return all
	}
	for _, text := range texts[v.Split] {
		if len(keys(text)) < 2 { // a word alone is soon another word
			continue
		}
		for _, x := range p.slots(p.start(v, p.draw(v, ""), Substitution, method, text), pair) {
			all = append(all, slot{text, x})
		}
	}
	p.known[key] = all
	return all
}

var (
	vowels     = strings.Fields("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW")
	consonants = strings.Fields("B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH")
)

func (p *planner) planRandom(v Voice, n int) {
	rng := p.draw(v, "random")
	for i := range n {
		from, to := p.drawPhones(rng)
		method := []Method{ByLexicon, ByPhones}[i%2]
		if r, x, ok := p.drawSlot(v, rng, method, pair{from: from, to: to}); ok {
			x.Random = true
			p.plantMore(r, rng, x)
			p.add(r, "random")
		}
	}
}

// drawPhones draws two phones of a class.
func (p *planner) drawPhones(rng *rand.Rand) (from, to string) {
	class := [][]string{vowels, consonants}[rng.IntN(2)]
	i := rng.IntN(len(class))
	return class[i], class[(i+1+rng.IntN(len(class)-1))%len(class)]
}

// planSeveral plants two to six mistakes in as many words.
func (p *planner) planSeveral(v Voice, n int) {
	rng := p.draw(v, "several")
	method := ByLexicon
	if v.Program == ESpeak {
		method = ByMnemonics
	}
	for i, text := range p.choose(rng, v, n, 6) {
		r := p.start(v, rng, Several, method, text)
		byWord := map[int][]Planted{}
		for _, pair := range pairs {
			for _, x := range p.slots(r, pair) {
				byWord[x.Word] = append(byWord[x.Word], x)
			}
		}
		var all []Planted
		for _, w := range rng.Perm(len(r.Words)) {
			if options := byWord[w]; len(options) > 0 && len(all) < 2+i%5 {
				all = append(all, options[rng.IntN(len(options))])
			}
		}
		p.plant(r, all...)
		p.add(r, "several")
	}
}

// planConditions adds copies in other conditions: the same readings in each, so that conditions compare.
func (p *planner) planConditions(v Voice, clean []Recording, n shares) {
	for _, part := range []struct {
		conditions   []Condition
		right, wrong int
	}{{Hard(), n.conditions, 2 * n.conditions}, {Harmless(), n.harmless, n.harmless}} {
		rng := p.draw(v, "conditions "+string(part.conditions[0]))
		some := draw(rng, only(clean, Right, ByText), part.right)
		some = append(some, draw(rng, only(clean, Substitution, ByLexicon), part.wrong)...)
		for _, c := range part.conditions {
			p.copies(c, rng, some)
		}
	}
}

func draw(rng *rand.Rand, of []Recording, n int) []Recording {
	out := make([]Recording, 0, n)
	for _, i := range rng.Perm(len(of))[:min(n, len(of))] {
		out = append(out, of[i])
	}
	return out
}

func only(all []Recording, kind Kind, method Method) []Recording {
	var out []Recording
	for _, r := range all {
		if r.Kind == kind && r.Method == method && len(r.Words) > 1 {
			out = append(out, r)
		}
	}
	return out
}

// copies adds recordings in another condition.
func (p *planner) copies(c Condition, rng *rand.Rand, of []Recording) {
	for _, r := range of {
		p.all = append(p.all, r.Under(c, rng.Uint64()))
	}
}
