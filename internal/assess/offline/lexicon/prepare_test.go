package lexicon_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/assess/offline/lexicon"
)

// prepared is a pronouncer that wants to know its words beforehand.
type prepared struct {
	letters
	told, asked []string
}

func (p *prepared) Prepare(_ context.Context, words []string) { p.told = append(p.told, words...) }

func (p *prepared) Pronounce(ctx context.Context, word string) ([][]string, error) {
	p.asked = append(p.asked, word)
	return p.letters.Pronounce(ctx, word)
}

// TestWordsArePrepared tells the pronouncer all words it will be asked for, and no others.
func TestWordsArePrepared(t *testing.T) {
	t.Parallel()
	p := &prepared{}
	if _, err := lexicon.New(dictionary(t), p, anyPhone).Words(t.Context(), "I like zorble's apples, COVID and 5 well-gleeped wixels; zorble"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p.asked, p.told); diff != "" || len(p.told) < 4 {
		t.Errorf("told beforehand (-asked +told):\n%s", diff)
	}
	one := &prepared{}
	if _, err := lexicon.New(dictionary(t), one, anyPhone).Words(t.Context(), "I like zorble"); err != nil || len(one.told) != 0 || len(one.asked) != 1 {
		t.Errorf("one unknown word: told %q, asked %q, %v, want it asked alone", one.told, one.asked, err)
	}
}
