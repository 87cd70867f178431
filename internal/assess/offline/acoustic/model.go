package acoustic

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Sizes that the model's features have and this package is written for.
const (
	// CepstrumSize is the number of cepstra of a frame.
	CepstrumSize = 13
	// FeatureSize is the number of features of a frame: cepstra, first and second differences.
	FeatureSize = streams * CepstrumSize
	// States is the number of states of a phone.
	States = 3

	streams = 3
)

// maxFileBytes bounds a model file; the largest of pocketsphinx-en-us has 3 MB.
const maxFileBytes = 64 << 20

// Phone is the number of a phone in its model.
type Phone uint8

// Transitions are the logarithms of the probabilities of staying in each state of a phone and of going on from it to the
// next; Leave of the last state leaves the phone. There are no other ways, so a phone lasts at least [States] frames.
type Transitions struct {
	Stay, Leave [States]float32
}

// Never is the logarithm of the probability of what cannot happen. It is finite so that sums stay comparable.
const Never = float32(-1e20)

// Model is an acoustic model. It does not change after Load and is safe for concurrent use.
type Model struct {
	frontEnd    *frontEnd
	definition  *definition
	transitions []Transitions // by transition matrix
	gaussians   *gaussians
	mixtures    *mixtures
	covariance  [CepstrumSize][CepstrumSize]float64 // of all cepstra
}

// Load reads the model in a folder: mdef, means, variances, sendump, transition_matrices and feat.params.
func Load(dir string) (*Model, error) { return Read(os.DirFS(dir)) }

// Read reads a model from the files at the root of fsys. A file that is missing, cut short, damaged or of a kind this
// package does not know is an error naming the file.
func Read(fsys fs.FS) (*Model, error) {
	files := map[string][]byte{}
	for _, name := range []string{"feat.params", "mdef", "means", "variances", "sendump", "transition_matrices"} {
		data, err := readFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		files[name] = data
	}
	params, err := parseParams(files["feat.params"])
	if err != nil {
		return nil, fmt.Errorf("parse feat.params: %w", err)
	}
	m := &Model{frontEnd: newFrontEnd(params, 1)}
	if m.definition, err = parseDefinition(files["mdef"]); err != nil {
		return nil, fmt.Errorf("parse mdef: %w", err)
	}
	if m.transitions, err = parseTransitions(files["transition_matrices"]); err != nil {
		return nil, fmt.Errorf("parse transition_matrices: %w", err)
	}
	if m.gaussians, err = parseGaussians(files["means"], files["variances"]); err != nil {
		return nil, err
	}
	if m.mixtures, err = parseMixtures(files["sendump"], m.gaussians.densities, m.definition.totalSenones); err != nil {
		return nil, fmt.Errorf("parse sendump: %w", err)
	}
	m.covariance = m.gaussians.covariance()
	return m, m.check()
}

// check compares what the files say about one another.
func (m *Model) check() error {
	if n := len(m.definition.names); n != m.gaussians.codebooks {
		return fmt.Errorf("mdef has %d phones, means %d codebooks: not a phonetically tied model", n, m.gaussians.codebooks)
	}
	for p, t := range m.definition.transition {
		if t >= len(m.transitions) {
			return fmt.Errorf("mdef: phone %s has transition matrix %d of %d", m.definition.names[p], t, len(m.transitions))
		}
	}
	return nil
}

func readFile(fsys fs.FS, name string) (data []byte, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err = io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(data) > maxFileBytes {
		err = fmt.Errorf("larger than %d MB", maxFileBytes>>20)
	}
	return data, err
}

// Phones is the number of phones, fillers and silence included; they are numbered from 0.
func (m *Model) Phones() int { return len(m.definition.names) }

// Name is the model's name of a phone: ARPAbet without stress, SIL, or a filler such as +NSN+ (noise).
func (m *Model) Name(p Phone) string { return m.definition.names[p] }

// Phone finds a phone by name.
func (m *Model) Phone(name string) (Phone, bool) {
	p, ok := m.definition.ids[name]
	return p, ok
}

// Silence is the silence phone.
func (m *Model) Silence() Phone { return m.definition.silence }

// Filler reports whether a phone is silence or a noise rather than a sound of the language.
func (m *Model) Filler(p Phone) bool {
	return p == m.definition.silence || m.definition.names[p][0] == '+'
}

// Senones is the number of senones, the length of a frame's scores.
func (m *Model) Senones() int { return m.definition.senoneCount() }

// SenonesOf gives the senones of a phone's states.
func (m *Model) SenonesOf(p Phone) [States]uint16 { return m.definition.senones[p] }

// TransitionsOf gives the transitions of a phone.
func (m *Model) TransitionsOf(p Phone) *Transitions {
	return &m.transitions[m.definition.transition[p]]
}
