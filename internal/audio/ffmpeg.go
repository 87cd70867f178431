package audio

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"oktalk/internal/command"
)

// Config is how ffmpeg is found and bounded.
type Config struct {
	// FFmpegPath is the ffmpeg to run: a path, or a name that is searched for in PATH. Default ffmpeg.
	FFmpegPath string `env:"FFMPEG_PATH" envDefault:"ffmpeg"`
	// FFmpegProcesses is how many may run at once; further ones wait, but not longer than FFmpegTimeout. Default 0: one for each core.
	FFmpegProcesses int `env:"FFMPEG_PROCESSES" envDefault:"0"`
	// FFmpegTimeout is the wall time of one run. Default 10 s; a minute of audio takes less than one. 0 means 10 s too.
	FFmpegTimeout time.Duration `env:"FFMPEG_TIMEOUT" envDefault:"10s"`
	// TempDir is where private temporary files are made, which have no name there once they hold anything. Default empty: the
	// system's.
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

// errBusy is for a run that found no free slot in time.
var errBusy = errors.New("other runs of ffmpeg left no slot free in time")

// temporary makes a private file that holds data and has no name any more, so that nothing of a learner is left behind when this
// process is killed. The caller closes it.
func (f *ffmpeg) temporary(data []byte) (*os.File, error) {
	file, err := os.CreateTemp(f.tempDir, "oktalk-audio-") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("make a temporary file: %w", err)
	}
	if err = os.Remove(file.Name()); err == nil {
		_, err = file.WriteAt(data, 0)
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("write a temporary file: %w", err)
	}
	return file, nil
}

// job is one run of ffmpeg.
type job struct {
	args      []string
	files     []*os.File // see [command.FilePath]
	maxOutput int
	fileSize  int64 // bounds what it may write; negative for nothing
}

// run waits for a free slot and runs ffmpeg, quietly and on one thread.
func (f *ffmpeg) run(ctx context.Context, j job) ([]byte, error) {
	if err := f.enter(ctx); err != nil {
		return nil, err
	}
	defer func() { <-f.slots }()
	quiet := []string{"-nostdin", "-hide_banner", "-v", "error", "-threads", "1", "-filter_threads", "1"}
	return command.Run(ctx, command.Command{
		Path: f.path, Args: append(quiet, j.args...), Files: j.files, Timeout: f.timeout,
		CPU: ffmpegCPU, Memory: ffmpegMemory, FileSize: j.fileSize, MaxOutput: j.maxOutput,
	})
}

// enter takes a slot, for which it waits no longer than for a run.
func (f *ffmpeg) enter(ctx context.Context) error {
	timer := time.NewTimer(f.timeout)
	defer timer.Stop()
	select {
	case f.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return errBusy
	}
}

// ours reports whether a run failed for reasons that are not in the file: the caller may try again later.
func ours(err error) bool {
	for _, cause := range []error{errBusy, command.ErrTimeout, command.ErrKilled, command.ErrMissing, os.ErrPermission} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return false
}
