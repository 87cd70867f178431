package corpus

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"oktalk/internal/assess/offline/lexicon"
	"oktalk/internal/audio"
	"oktalk/internal/command"
)

// Rate is the sample rate of all recordings, in Hz.
const Rate = 16_000

// peak is the largest amplitude of every recording in [Clean] condition, of 1: 7 dB below full scale, so that 6 dB more does not clip.
const peak = 0.45

// madeBy is part of every hash. It changes when the same recipe comes to mean another recording.
const madeBy = "1"

// recipe is all that a recording depends on.
type recipe struct {
	Program   Program
	Speaker   string
	Said      string   // text for the program; empty when Phones is set
	Phones    string   // flite's phones of the whole
	Lexicon   []string // entries for flite's dictionary
	Stretch   float64  // how much slower than usual
	Shift     float64
	Condition Condition
	Noise     uint64 // seed of the condition
}

// Config says where a [Maker] finds and keeps things.
type Config struct {
	// Dir is the folder of recordings that were made before; it is made when it is missing. Empty: nothing is kept.
	Dir string
	// Dictionary says which pronunciations are right, so that none of them is planted as a mistake. It must not be nil.
	Dictionary *lexicon.Dictionary
}

// Maker makes recordings. It is safe for concurrent use.
type Maker struct {
	cfg      Config
	paths    map[Program]string
	versions map[Program]string

	babble     sync.Mutex
	background []float64 // guarded by babble; nil until it is needed
}

// NewMaker finds flite and espeak-ng. The error says how to install what is missing.
func NewMaker(ctx context.Context, cfg Config) (*Maker, error) {
	m := &Maker{cfg: cfg, paths: map[Program]string{}, versions: map[Program]string{}}
	var errs []error
	for p, setting := range map[Program]string{Flite: "PATH", ESpeak: "PATH"} {
		path, err := command.Find(string(p), setting, string(p))
		m.paths[p] = path
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for p := range m.paths {
		out, _ := m.program(ctx, p, "", maxPrinted, "--version") // flite prints its version and fails
		m.versions[p] = version(string(out))
	}
	if cfg.Dir == "" {
		return m, ctx.Err()
	}
	return m, os.MkdirAll(cfg.Dir, 0o755)
}

// version finds the line with a version number in what a program says of itself.
func version(out string) string {
	for line := range strings.Lines(out) {
		if strings.ContainsAny(line, "0123456789") && !strings.Contains(line, "Copyright") {
			text, _, _ := strings.Cut(strings.TrimSpace(line), "  ")
			return strings.TrimPrefix(text, "version: ")
		}
	}
	return "unknown"
}

// Version is what a program says of its version.
func (m *Maker) Version(p Program) string { return m.versions[p] }

// Make gives the samples of a recording, from the folder when it was made before. made reports whether it had to be made.
func (m *Maker) Make(ctx context.Context, r Recording) (samples []int16, made bool, err error) {
	path, err := m.path(r.recipe)
	if err != nil {
		return nil, false, err
	}
	if m.cfg.Dir != "" {
		if samples, err = load(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return samples, false, err
		}
	}
	if samples, err = m.make(ctx, r.recipe); err != nil {
		return nil, true, fmt.Errorf("make %s: %w", r.ID, err)
	}
	if m.cfg.Dir != "" {
		err = store(path, samples)
	}
	return samples, true, err
}

// path is where a recording lies: a name made from everything that it depends on.
func (m *Maker) path(r recipe) (string, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	h := sha256.Sum256([]byte(madeBy + m.versions[Flite] + m.versions[ESpeak] + string(data)))
	name := hex.EncodeToString(h[:16])
	return filepath.Join(m.cfg.Dir, name[:2], name+".s16le"), nil
}

func load(path string) ([]int16, error) {
	data, err := os.ReadFile(path)
	samples := make([]int16, len(data)/2)
	for i := range samples {
		samples[i] = int16(binary.LittleEndian.Uint16(data[2*i:]))
	}
	return samples, err
}

// store writes a file under a name of its own first, so that nobody finds half of it.
func store(path string, samples []int16) error {
	data := make([]byte, 0, 2*len(samples))
	for _, s := range samples {
		data = binary.LittleEndian.AppendUint16(data, uint16(s))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "part-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// make speaks and applies the condition.
func (m *Maker) make(ctx context.Context, r recipe) ([]int16, error) {
	clip, err := m.speak(ctx, r)
	if err != nil {
		return nil, err
	}
	speech := normalize(clip.Samples)
	if r.Condition.noisy() && r.Condition.babbling() {
		background, err := m.talk(ctx)
		if err != nil {
			return nil, err
		}
		return toSamples(r.Condition.apply(speech, r.Noise, background)), nil
	}
	return toSamples(r.Condition.apply(speech, r.Noise, nil)), nil
}

// maxWAV is far more than the longest text takes.
const maxWAV = 16 << 20

// speak runs the synthesizer. A shifted voice speaks slower by its shift and is played faster by it.
func (m *Maker) speak(ctx context.Context, r recipe) (audio.Clip, error) {
	var wav []byte
	var err error
	if r.Program == ESpeak {
		speed := strconv.Itoa(int(math.Round(espeakSpeed / (r.Stretch * r.Shift))))
		wav, err = m.program(ctx, ESpeak, r.Said, maxWAV, "-v", r.Speaker, "-s", speed, "--stdin", "--stdout")
	} else {
		wav, err = m.program(ctx, Flite, strings.Join(r.Lexicon, "\n")+"\n", maxWAV, append(r.fliteArgs(), "-o", "/dev/stdout")...)
	}
	if err != nil {
		return audio.Clip{}, err
	}
	clip, err := audio.ParseWAV(wav)
	if err != nil {
		return audio.Clip{}, fmt.Errorf("read the audio of %s: %w", r.Program, err)
	}
	if len(clip.Samples) == 0 {
		return audio.Clip{}, fmt.Errorf("%s said nothing", r.Program)
	}
	clip.Rate = int(math.Round(float64(clip.Rate) * r.Shift))
	return clip.Resample(Rate), nil
}

// espeakSpeed is espeak-ng's usual speed, in words a minute.
const espeakSpeed = 165

func (r recipe) fliteArgs() []string {
	args := []string{"-voice", r.Speaker, "--setf", "duration_stretch=" + strconv.FormatFloat(r.Stretch*r.Shift, 'f', 4, 64)}
	if len(r.Lexicon) > 0 {
		args = append(args, "-add_lex", "/dev/stdin")
	}
	if r.Phones != "" {
		return append(args, "-p", r.Phones)
	}
	return append(args, "-t", r.Said)
}

// talk is several people speaking at once: speech-shaped noise for the background.
func (m *Maker) talk(ctx context.Context) ([]float64, error) {
	m.babble.Lock()
	defer m.babble.Unlock()
	if m.background != nil {
		return m.background, nil
	}
	var mixed []float64
	for i, speaker := range []string{"slt", "rms", "awb", "kal16", "slt", "rms"} {
		clip, err := m.speak(ctx, recipe{Program: Flite, Speaker: speaker, Said: babble[i%len(babble)], Stretch: 1, Shift: []float64{1, 0.9, 1.1}[i/2]})
		if err != nil {
			return nil, fmt.Errorf("make the background: %w", err)
		}
		voice := normalize(clip.Samples)
		if mixed == nil {
			mixed = make([]float64, len(voice))
		}
		for k := range mixed {
			mixed[k] += voice[(k+i*7919)%len(voice)]
		}
	}
	m.background = mixed
	return mixed, nil
}

// normalize scales samples so that the largest is [peak].
func normalize(samples []int16) []float64 {
	most := 1.0
	for _, s := range samples {
		most = max(most, math.Abs(float64(s)))
	}
	out := make([]float64, len(samples))
	for i, s := range samples {
		out[i] = float64(s) / most * peak
	}
	return out
}

// toSamples rounds to 16 bits; what lies beyond full scale is held at it.
func toSamples(speech []float64) []int16 {
	out := make([]int16, len(speech))
	for i, x := range speech {
		out[i] = int16(min(32767, max(-32768, math.Round(x*32768))))
	}
	return out
}
