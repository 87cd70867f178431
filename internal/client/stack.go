package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrNoStack says that no running stack was found.
var ErrNoStack = errors.New("no running stack found: start one with make run, or name one with OKTALK_URL and OKTALK_KEY")

// StackFile is where a development stack says where it is, below the folder it was started in.
const StackFile = ".oktalk/dev.json"

// Stack is a development stack that is up, as it describes itself in [StackFile].
type Stack struct {
	URL         string `json:"url"`
	Key         string `json:"key"` // of the demo user
	DatabaseURL string `json:"database_url"`
	// Environment is where the other stores are, by the names of settings.
	Environment map[string]string `json:"environment"`
	Metrics     []string          `json:"metrics"` // URLs
	Processes   []struct {
		Name string `json:"name"`
		PID  int    `json:"pid"`
	} `json:"processes"`
}

// FindStack reads the description of a stack that was started in dir or in a folder above it. The error is [ErrNoStack] if
// there is none.
func FindStack(dir string) (Stack, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Stack{}, err
	}
	for {
		s, err := readStack(filepath.Join(dir, filepath.FromSlash(StackFile)))
		if !errors.Is(err, fs.ErrNotExist) {
			return s, err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return Stack{}, ErrNoStack
		}
		dir = parent
	}
}

func readStack(file string) (Stack, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return Stack{}, err
	}
	var s Stack
	if err := json.Unmarshal(b, &s); err != nil || s.URL == "" {
		return Stack{}, fmt.Errorf("%s is damaged: start the stack again", file)
	}
	return s, nil
}

// Find makes a client of the server that OKTALK_URL and OKTALK_KEY name, or else of the development stack that was started in
// dir or above.
func Find(getenv func(string) string, dir string) (*Client, error) {
	base, key := getenv("OKTALK_URL"), getenv("OKTALK_KEY")
	if base != "" && key == "" {
		return nil, errors.New("OKTALK_URL is set, and OKTALK_KEY is not: set it to an API key of that server")
	}
	if base == "" {
		s, err := FindStack(dir)
		if err != nil {
			return nil, err
		}
		base = s.URL
		if key == "" {
			key = s.Key
		}
	}
	return New(base, key)
}
