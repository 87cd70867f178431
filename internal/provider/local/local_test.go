package local_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"oktalk/internal/evaluation"
	"oktalk/internal/provider/local"
)

// TestTurns does not run more programs at once than there are cores, and blames a wait that is too long on the machine.
func TestTurns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "voice")
	// Each run says that it began and waits until it is told to end.
	script := "#!/bin/sh\n: > " + dir + "/began.$$\nwhile [ ! -e " + dir + "/end ]; do sleep 0.01; done\n"
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	patient, err := local.Find(path, "VOICE_PATH", "voice", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	none := func(string, string) []string { return nil }
	n := runtime.GOMAXPROCS(0)
	ended := make(chan error)
	for range n {
		go func() {
			_, _, err := patient.Speak(t.Context(), "hello", none)
			ended <- err
		}()
	}
	began := func() int {
		files, err := filepath.Glob(dir + "/began.*")
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	for deadline := time.Now().Add(30 * time.Second); began() < n; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d runs began", began(), n)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := patient.Speak(ctx, "hello", none); !errors.Is(err, context.Canceled) {
		t.Errorf("one more, cancelled: %v", err)
	}
	if n := began(); n != runtime.GOMAXPROCS(0) {
		t.Errorf("%d runs at once, want one a core", n)
	}
	if err := os.WriteFile(dir+"/end", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range n {
		if err := <-ended; err == nil || errors.Is(err, evaluation.ErrUnavailable) { // it wrote no audio
			t.Errorf("a run that wrote nothing: %v", err)
		}
	}
}

func ExampleProgram_Speak() {
	p, err := local.Find("flite", "FLITE_PATH", "flite", 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	c, _, err := p.Speak(context.Background(), "hello\n", func(in, out string) []string { return []string{"-f", in, "-o", out} })
	fmt.Println(c.Duration() > 0, err)
	// Output: true <nil>
}
