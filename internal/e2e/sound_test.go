package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// say has flite read a text.
func say(t *testing.T, voice, text string) []byte {
	t.Helper()
	return flite(t, "-voice", voice, "-t", text)
}

// sayPhones has flite speak exactly these phones.
func sayPhones(t *testing.T, phones string) []byte {
	t.Helper()
	return flite(t, "-voice", "slt", "-p", phones)
}

func flite(t *testing.T, args ...string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "a.wav")
	sh(t, "flite", append(args, "-o", file)...)
	return contents(t, file)
}

// convert has ffmpeg turn a WAV into another format.
func convert(t *testing.T, wav []byte, name string, args ...string) []byte {
	t.Helper()
	in, out := filepath.Join(t.TempDir(), "in.wav"), filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(in, wav, 0o600); err != nil {
		t.Fatal(err)
	}
	sh(t, "ffmpeg", append(append([]string{"-v", "error", "-nostdin", "-i", in}, args...), out)...)
	return contents(t, out)
}

// generate has ffmpeg make a sound from a description, as 16 kHz WAV.
func generate(t *testing.T, lavfi string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "a.wav")
	sh(t, "ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", lavfi, "-ar", "16000", "-ac", "1", out)
	return contents(t, out)
}

func sh(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v (make setup installs it)\n%s", name, args, err, out)
	}
}

func contents(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
