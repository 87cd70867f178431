package offline_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"oktalk/internal/evaluation"
)

// frameMS is the distance of two frames of both programs.
const frameMS = 10

// PocketSphinx aligns the same phones on the same recordings: it gets a dictionary in which each phone is a word and a
// grammar that is the sequence of phones the assessor chose. It uses triphones, the assessor does not.
func TestBoundariesAgreeWithPocketSphinx(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("pocketsphinx_batch"); errors.Is(err, exec.ErrNotFound) {
		t.Skip("pocketsphinx_batch, which only this test needs, is not installed: apt-get install pocketsphinx")
	}
	texts := []string{
		"my brother works in a large hospital near the river", "there are seven children playing in the garden", "he put the red umbrella behind the yellow door",
		"the judge measured the usual treasure with pleasure", "could you please tell me the way to the station",
	}
	dir := t.TempDir()
	ours := map[string][]boundary{}
	for _, voice := range voices {
		for i, text := range texts {
			id := voice + strconv.Itoa(i)
			recording := join(silence(0.15), flite(t, voice, text), silence(0.15))
			for k := range recording {
				recording[k] += int16(k*7919%5 - 2) // PocketSphinx takes digital silence for anything
			}
			ours[id] = boundaries(assess(t, recording, text))
			writeUtterance(t, dir, id, recording, ours[id])
		}
	}
	theirs := align(t, dir, ours)
	all, near := 0, 0
	for id, want := range theirs {
		if len(want) != len(ours[id]) {
			t.Errorf("%s has %d phones, PocketSphinx %d", id, len(ours[id]), len(want))
			continue
		}
		for i := range want {
			all++
			if d := want[i].frame - ours[id][i].frame; d >= -20/frameMS && d <= 20/frameMS {
				near++
			}
		}
	}
	t.Logf("%d of %d boundaries (%.1f %%) within 20 ms of PocketSphinx'", near, all, 100*float64(near)/float64(all))
	if len(theirs) != len(ours) || near*100 < all*95 {
		t.Errorf("%d of %d recordings aligned, %d of %d boundaries within 20 ms, want 95 %%", len(theirs), len(ours), near, all)
	}
}

// boundary is where a phone starts.
type boundary struct {
	phone string
	frame int
}

func boundaries(a *evaluation.Assessment) []boundary {
	var bs []boundary
	for _, w := range a.Words {
		for _, p := range w.Phonemes {
			bs = append(bs, boundary{p.ARPAbet, int(p.Offset.Milliseconds()) / frameMS})
		}
	}
	return bs
}

func writeUtterance(t *testing.T, dir, id string, recording []int16, phones []boundary) {
	t.Helper()
	var raw bytes.Buffer
	if err := binary.Write(&raw, binary.LittleEndian, recording); err != nil {
		t.Fatal(err)
	}
	grammar := fmt.Sprintf("FSG_BEGIN g\nNUM_STATES %d\nSTART_STATE 0\nFINAL_STATE %d\n", len(phones)+1, len(phones))
	for i, p := range phones {
		grammar += fmt.Sprintf("TRANSITION %d %d 1.0 x%s\n", i, i+1, p.phone)
	}
	write(t, filepath.Join(dir, id+".raw"), raw.String())
	write(t, filepath.Join(dir, id+".fsg"), grammar+"FSG_END\n")
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// align runs PocketSphinx over all utterances of a folder.
func align(t *testing.T, dir string, utterances map[string][]boundary) map[string][]boundary {
	t.Helper()
	var ids, words []string
	for id, bs := range utterances {
		ids = append(ids, id)
		for _, b := range bs {
			words = append(words, fmt.Sprintf("x%s %s", b.phone, b.phone))
		}
	}
	slices.Sort(words)
	file := func(name string) string { return filepath.Join(dir, name) }
	write(t, file("ctl"), strings.Join(ids, "\n")+"\n")
	write(t, file("dict"), strings.Join(slices.Compact(words), "\n")+"\n")
	model := filepath.Join(config().ModelDir, "en-us")
	command(t, "pocketsphinx_batch", "-hmm", model, "-fdict", filepath.Join(model, "noisedict"), "-dict", file("dict"), "-ctl", file("ctl"), "-fsgctl", file("ctl"),
		"-fsgdir", dir, "-fsgext", ".fsg", "-cepdir", dir, "-cepext", ".raw", "-adcin", "yes", "-hypseg", file("segments"), "-cmn", "batch",
		"-remove_silence", "no", "-bestpath", "no", "-beam", "1e-300", "-pbeam", "1e-300", "-wbeam", "1e-300", "-maxhmmpf", "-1",
		"-silprob", "0.1", "-wip", "1", "-lw", "1", "-logfn", file("log"))
	segments, err := os.ReadFile(file("segments"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]boundary{}
	for line := range strings.Lines(string(segments)) {
		id, bs := parseSegments(line)
		found[id] = bs
	}
	return found
}

// parseSegments reads a line of -hypseg: "id S n T n A n L n", then for each word its first frame, two scores and name.
func parseSegments(line string) (id string, bs []boundary) {
	fields := strings.Fields(line)
	if len(fields) < 9 {
		return "", nil
	}
	for rest := fields[9:]; len(rest) >= 4; rest = rest[4:] {
		frame, err := strconv.Atoi(rest[0])
		phone, ok := strings.CutPrefix(rest[3], "x")
		if err == nil && ok {
			bs = append(bs, boundary{phone, frame})
		}
	}
	return fields[0], bs
}
