package lexicon

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

func pack(t testing.TB, dictionary, patterns string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := fmt.Fprintf(z, "%x\n%s", sha256.Sum256([]byte(dictionary)), patterns); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const few = "banana B AH N AE N AH\ncat K AE T\nimport IH M P AO R T\nabout AH B AW T\n"

func parseFew(t testing.TB) *Dictionary {
	t.Helper()
	d, err := ParseDictionary([]byte(few), func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestReadStress(t *testing.T) {
	t.Parallel()
	d := parseFew(t)
	if err := d.readStress(pack(t, few, "010\n?\n01\n")); err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]string{"banana": "B AH0 N AE1 N AH0", "cat": "K AE T", "import": "IH M P AO R T", "about": "AH0 B AW1 T"} {
		if got := strings.Join(d.lookupStressed(word)[0], " "); got != want {
			t.Errorf("%s is %q, want %q", word, got, want)
		}
	}
	if got := strings.Join(d.Lookup("banana")[0], " "); got != "B AH N AE N AH" {
		t.Errorf("Lookup(banana) = %q, want no stress", got)
	}
	for patterns, want := range map[string]string{"010\n": "ends before", "0100\n?\n01\n": "3 vowels", "0x0\n?\n01\n": "3 vowels"} {
		if err := parseFew(t).readStress(pack(t, few, patterns)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("readStress(%q) = %v, want %q", patterns, err, want)
		}
	}
	if err := parseFew(t).readStress(pack(t, few+" ", "")); !errors.Is(err, ErrOtherDictionary) {
		t.Errorf("readStress() for another dictionary = %v, want ErrOtherDictionary", err)
	}
}

// The stress that comes with the program is that of the dictionary that make setup installs.
func TestLoadStress(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("/usr/share/pocketsphinx/model/en-us/cmudict-en-us.dict")
	if err != nil {
		t.Fatalf("%v; the Debian package pocketsphinx-en-us has it (make setup installs it)", err)
	}
	d, err := ParseDictionary(data, func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	if err := d.LoadStress(); err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]string{
		"photograph": "F OW1 T AH0 G R AE2 F", "photography": "F AH0 T AA1 G R AH0 F IY0", "university": "Y UW2 N AH0 V ER1 S AH0 T IY0",
		"below": "B IH0 L OW1", "every": "EH1 V ER0 IY0", "import": "IH M P AO R T", "weekend": "W IY K EH N D", "dog": "D AO G",
	} {
		if got := strings.Join(d.lookupStressed(word)[0], " "); got != want {
			t.Errorf("%s is %q, want %q", word, got, want)
		}
	}
}

// FuzzReadStress checks that any patterns are read or refused, and never break a word.
func FuzzReadStress(f *testing.F) {
	for _, s := range []string{"010\n?\n01\n", "", "?\n?\n?", "2\n\n\n", "010\n01\n01\n99"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, patterns string) {
		d := parseFew(t)
		if err := d.readStress(pack(t, few, patterns)); err != nil {
			return
		}
		for _, p := range d.lookupStressed("banana") {
			if len(p) != 6 {
				t.Errorf("banana is %q", p)
			}
		}
	})
}

// BenchmarkLoadStress is a part of starting the assessor.
func BenchmarkLoadStress(b *testing.B) {
	data, err := os.ReadFile("/usr/share/pocketsphinx/model/en-us/cmudict-en-us.dict")
	if err != nil {
		b.Fatal(err)
	}
	d, err := ParseDictionary(data, func(string) bool { return true })
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := d.LoadStress(); err != nil {
			b.Fatal(err)
		}
	}
}
