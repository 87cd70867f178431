package plaintext_test

import (
	"fmt"
	"testing"
	"unicode/utf8"

	"oktalk/internal/evaluation"
	"oktalk/internal/plaintext"
)

func ExampleOf() {
	fmt.Println(plaintext.Of("ﬁve co\u00adoperative ａｐｐｌｅｓ"))
	// Output: five cooperative apples
}

func TestOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"I like apples.":              "I like apples.",
		"ﬁsh, ﬂag, oﬀer, aﬃrm":        "fish, flag, offer, affirm",
		"soft\u00adhyphen":            "softhyphen",
		"zero\u200bwidth\u2060\ufeff": "zerowidth",
		"\u200eleft\u200f":            "left",
		"no\u00a0break\u202fspace":    "no break space",
		"Ｉ　ｌｉｋｅ　１２　ａｐｐｌｅｓ！":           "I like 12 apples!",
		"cafe\u0301":                  "café",
		"𝐛𝐨𝐥𝐝":                        "bold",
		"½ a mile… “yes” 20°":         "½ a mile… “yes” 20°",
		"bell\a":                      "bell\a",
		"":                            "",
	} {
		if got := plaintext.Of(text); got != want {
			t.Errorf("Of(%q) = %q, want %q", text, got, want)
		}
	}
}

// The plain form is its own plain form, and has as many words: scores of words belong to the words as written.
func FuzzOf(f *testing.F) {
	f.Add("I like ﬁsh\u00ad…\u200b ａ")
	f.Add("a \u200b b\u00a0c")
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		plain := plaintext.Of(text)
		if again := plaintext.Of(plain); again != plain {
			t.Errorf("Of(%q) = %q, and of that %q", text, plain, again)
		}
		_, err := evaluation.CheckText(plain, "en-US")
		if a, b := len(evaluation.TextWords(text)), len(evaluation.TextWords(plain)); err == nil && a != b {
			t.Errorf("%q has %d words, its plain form %q has %d", text, a, plain, b)
		}
	})
}
