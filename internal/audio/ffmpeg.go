package audio

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"oktalk/internal/command"
)

// Config is how ffmpeg is found and bounded.
type Config struct {
	// FFmpegPath is the ffmpeg to run: a path, or a name that is searched for in PATH. Default ffmpeg.
	FFmpegPath string `env:"FFMPEG_PATH" envDefault:"ffmpeg"`
	// FFmpegProcesses is how many may run at once; further ones wait. Default 0: one for each core.
	FFmpegProcesses int `env:"FFMPEG_PROCESSES" envDefault:"0"`
	// FFmpegTimeout is the wall time of one run. Default 10 s; a minute of audio takes less than one. 0 means 10 s too.
	FFmpegTimeout time.Duration `env:"FFMPEG_TIMEOUT" envDefault:"10s"`
	// TempDir is where private temporary files are made. Default empty: the system's.
	TempDir string `env:"AUDIO_TEMP_DIR"`
}

const (
	defaultTimeout = 10 * time.Second
	// ffmpegCPU is the CPU time of one run: a minute of Opus takes 0.5 s on one slow core. What needs twenty times as much was
	// made to.
	ffmpegCPU = 10 * time.Second
	// ffmpegMemory is its address space. Debian's ffmpeg maps 300 MB before it reads anything.
	ffmpegMemory = 1 << 30
)

// ffmpeg runs ffmpeg with a bound on how many run at once.
type ffmpeg struct {
	path    string
	timeout time.Duration
	tempDir string
	slots   chan struct{}
}

func newFFmpeg(cfg Config) (*ffmpeg, error) {
	name := cfg.FFmpegPath
	if name == "" {
		name = "ffmpeg"
	}
	path, err := command.Find(name, "FFMPEG_PATH", "ffmpeg")
	if err != nil {
		return nil, err
	}
	f := &ffmpeg{path: path, timeout: cfg.FFmpegTimeout, tempDir: cfg.TempDir}
	if f.timeout <= 0 {
		f.timeout = defaultTimeout
	}
	n := cfg.FFmpegProcesses
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	f.slots = make(chan struct{}, n)
	return f, nil
}

// files is a run's private folder.
type files struct{ dir string }

func (f *ffmpeg) files() (files, error) {
	dir, err := os.MkdirTemp(f.tempDir, "oktalk-audio-") // mode 0700
	if err != nil {
		return files{}, fmt.Errorf("make a temporary folder: %w", err)
	}
	return files{dir}, nil
}

func (fs files) path(name string) string { return filepath.Join(fs.dir, name) }

func (fs files) write(name string, data []byte) error {
	return os.WriteFile(fs.path(name), data, 0o600)
}

func (fs files) remove() { _ = os.RemoveAll(fs.dir) }

// run waits for a free slot and runs ffmpeg, quietly and on one thread. fileSize bounds what it may write, negative for nothing.
func (f *ffmpeg) run(ctx context.Context, args []string, maxOutput int, fileSize int64) ([]byte, error) {
	select {
	case f.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-f.slots }()
	quiet := []string{"-nostdin", "-hide_banner", "-v", "error", "-threads", "1", "-filter_threads", "1"}
	return command.Run(ctx, command.Command{
		Path: f.path, Args: append(quiet, args...), Timeout: f.timeout,
		CPU: ffmpegCPU, Memory: ffmpegMemory, FileSize: fileSize, MaxOutput: maxOutput,
	})
}

// ours reports whether a run failed for reasons that are not in the file: the caller may try again later.
func ours(err error) bool {
	return errors.Is(err, command.ErrTimeout) || errors.Is(err, command.ErrMissing) || errors.Is(err, os.ErrPermission)
}
