package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"

	"oktalk/internal/client"
	"oktalk/internal/evaluation"
)

// screen prints for a person.
type screen struct {
	w        io.Writer
	colour   bool
	terminal bool // a line can be drawn over
	drawn    bool // an unfinished progress line is there
}

// newScreen finds out what w can show: colour on a terminal unless NO_COLOR is set (no-color.org), or with FORCE_COLOR anywhere.
func newScreen(w io.Writer, getenv func(string) string) *screen {
	f, ok := w.(*os.File)
	terminal := ok && isatty.IsTerminal(f.Fd())
	return &screen{w: w, terminal: terminal, colour: (terminal || getenv("FORCE_COLOR") != "") && getenv("NO_COLOR") == ""}
}

// printf prints below an unfinished progress line. A person's terminal that went away is nothing to report.
func (s *screen) printf(format string, args ...any) {
	if s.drawn {
		_, _ = fmt.Fprintln(s.w)
		s.drawn = false
	}
	_, _ = fmt.Fprintf(s.w, format, args...)
}

// The colours, as SGR parameters (ECMA-48).
const (
	bold   = "1"
	faint  = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (s *screen) paint(code, text string) string {
	if !s.colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// byScore paints a text as good, fair or weak.
func (s *screen) byScore(score int, text string) string {
	switch {
	case score >= 80:
		return s.paint(green, text)
	case score >= 60:
		return s.paint(yellow, text)
	default:
		return s.paint(red, text)
	}
}

const barWidth = 30

// progress draws how far an evaluation is: over the last line on a terminal, as a new line elsewhere.
func (s *screen) progress(v evaluation.View) {
	line := fmt.Sprintf("[%s%s] %3d %%  %s", strings.Repeat("█", v.Progress.Percent*barWidth/100),
		strings.Repeat("░", barWidth-v.Progress.Percent*barWidth/100), v.Progress.Percent, standing(v))
	if !s.terminal {
		s.printf("%s\n", line)
		return
	}
	_, _ = fmt.Fprint(s.w, "\r\x1b[K"+line)
	s.drawn = true
}

// standing says in a few words what is going on.
func standing(v evaluation.View) string {
	switch {
	case v.Progress.WaitingFor != nil:
		return fmt.Sprintf("%s (waiting for %s)", deref(v.Progress.Stage), *v.Progress.WaitingFor)
	case v.Progress.Stage != nil:
		return string(*v.Progress.Stage)
	}
	return string(v.Status)
}

// scores prints what was measured, the words in colour and the sounds of the weak ones.
func (s *screen) scores(v evaluation.View) {
	if v.Scores == nil || v.Words == nil {
		return
	}
	sc := v.Scores
	prosody := "not measured"
	if sc.Prosody != nil {
		prosody = fmt.Sprint(*sc.Prosody)
	}
	s.printf("\n%s  overall %s   accuracy %d   fluency %d   integrity %d   prosody %s\n\n", s.paint(bold, "level "+string(deref(v.Level))),
		s.byScore(sc.Overall, fmt.Sprint(sc.Overall)), sc.Accuracy, sc.Fluency, sc.Integrity, prosody)
	var words []string
	for _, w := range *v.Words {
		words = append(words, s.word(w))
	}
	s.printf("  %s\n\n", strings.Join(words, " "))
	for _, w := range *v.Words {
		if w.Error == evaluation.WordMispronunciation || w.Score != nil && *w.Score < 80 && w.Error == evaluation.WordCorrect {
			s.printf("  %-14s %3d  %s\n", w.Text, deref(w.Score), s.phonemes(w.Phonemes))
		}
		if meant, heard := stresses(w.Syllables); heard != meant {
			s.printf("  %-14s stress heard on %s, meant on %s\n", w.Text, heard, meant)
		}
	}
}

// stresses are the syllables that are meant to bear the main stress of a word and that were heard to; both empty when one is not known.
func stresses(syllables []evaluation.SyllableView) (meant, heard string) {
	for _, s := range syllables {
		if deref(s.Stress) == evaluation.StressPrimary {
			meant = s.IPA
		}
		if deref(s.HeardStress) == evaluation.StressPrimary {
			heard = s.IPA
		}
	}
	if meant == "" || heard == "" {
		return "", ""
	}
	return meant, heard
}

func (s *screen) word(w evaluation.WordView) string {
	switch w.Error {
	case evaluation.WordOmission:
		return s.paint(red, "("+w.Text+": left out)")
	case evaluation.WordInsertion:
		return s.paint(faint, "(+"+w.Text+")")
	case evaluation.WordMispronunciation:
		return s.byScore(deref(w.Score), "*"+w.Text+"*")
	}
	return s.byScore(deref(w.Score), w.Text)
}

func (s *screen) phonemes(list []evaluation.PhonemeView) string {
	var sounds []string
	for _, p := range list {
		sound := fmt.Sprintf("%s %d", p.IPA, p.Score)
		if p.Heard != nil {
			sound += fmt.Sprintf(" (heard %s)", evaluation.IPA(*p.Heard))
		}
		sounds = append(sounds, s.byScore(p.Score, sound))
	}
	return strings.Join(sounds, "  ")
}

// outcome prints the coaching text and what went otherwise than intended.
func (s *screen) outcome(v evaluation.View) {
	if v.Feedback.Text != nil {
		s.printf("\n%s\n\n", *v.Feedback.Text)
	}
	for _, d := range v.Degraded {
		s.printf("%s\n", s.paint(yellow, fmt.Sprintf("%s: %s (%s)", d.Artifact, d.Message, d.State)))
	}
	if v.Error != nil {
		s.printf("%s\n", s.paint(red, v.Error.Detail))
	}
}

// audioOf lists the audio that an evaluation has, other than the recording.
func audioOf(v evaluation.View) []client.Audio {
	var list []client.Audio
	if v.Feedback.AudioURL != nil {
		list = append(list, client.FeedbackAudio)
	}
	if v.Demo.AudioURL != nil {
		list = append(list, client.DemoAudio)
	}
	if v.Demo.ContrastAudioURL != nil {
		list = append(list, client.ContrastAudio)
	}
	return list
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
