package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"

	"github.com/caarlos0/env/v11"
	"github.com/spf13/cobra"

	"oktalk/internal/assess/corpus"
	"oktalk/internal/assess/lts"
	"oktalk/internal/assess/measure"
	"oktalk/internal/assess/offline"
	"oktalk/internal/assess/offline/lexicon"
)

// corpusFlags say which generated recordings to use.
type corpusFlags struct {
	seed   uint64
	folder string
}

func (f *corpusFlags) add(cmd *cobra.Command) {
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "draws the recordings; the same seed gives the same ones")
	cmd.Flags().StringVar(&f.folder, "recordings", filepath.Join("dist", "speech"), "folder that keeps the recordings, about 250 MB")
}

func newSpeechReportCommand(getenv func(string) string) *cobra.Command {
	var flags corpusFlags
	var out string
	cmd := &cobra.Command{
		Use:   "speech-report",
		Short: "Measure the offline assessor on generated recordings with known mistakes",
		Long: `speech-report makes some 3200 recordings with flite and espeak-ng, lets the offline assessor
score them and writes what it found and what it missed: a page of tables, and drawings in a
folder beside it. The first run takes some minutes; the recordings are kept for the next.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			maker, err := newMaker(cmd.Context(), getenv, flags.folder)
			if err != nil {
				return err
			}
			panel, err := newPanel(getenv)
			if err != nil {
				return err
			}
			all, err := maker.Plan(cmd.Context(), flags.seed)
			if err != nil {
				return err
			}
			report, err := measureSpeech(cmd.Context(), maker, panel, all, measure.About{
				Command: "oktalk speech-report", Seed: flags.seed, Folder: stem(out),
				Programs: []string{string(corpus.Flite) + ": " + maker.Version(corpus.Flite), string(corpus.ESpeak) + ": " + maker.Version(corpus.ESpeak)},
			}, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return writeReport(report, out)
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&out, "out", filepath.Join("docs", "speech-report.md"), "file to write; the drawings go into a folder of the same name")
	return cmd
}

// newMaker prepares what makes recordings.
func newMaker(ctx context.Context, getenv func(string) string, folder string) (*corpus.Maker, error) {
	cfg, err := assessorConfig(getenv)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(cfg.ModelDir, "cmudict-en-us.dict"))
	if err != nil {
		return nil, fmt.Errorf("no dictionary: install the Debian package pocketsphinx-en-us (make setup does): %w", err)
	}
	dictionary, err := lexicon.ParseDictionary(data, func(string) bool { return true })
	if err != nil {
		return nil, err
	}
	return corpus.NewMaker(ctx, corpus.Config{Dir: folder, Dictionary: dictionary})
}

// newPanel gives each speaker the assessor whose diagnosis was fitted to the others alone, and other voices the one that is built in.
func newPanel(getenv func(string) string) (measure.Panel, error) {
	diagnoses, err := measure.Diagnoses()
	if err != nil {
		return nil, err
	}
	builtIn, err := newAssessor(getenv, nil)
	if err != nil {
		return nil, err
	}
	assessors := map[string]*offline.Assessor{}
	for speaker, d := range diagnoses {
		if assessors[speaker], err = newAssessor(getenv, d); err != nil {
			return nil, err
		}
	}
	return func(v corpus.Voice) measure.Assessor {
		if a := assessors[v.Speaker]; a != nil {
			return a
		}
		return builtIn
	}, nil
}

// newAssessor is the offline assessor of ASSESSOR_MODEL_DIR with a worker for each core and a diagnosis, nil for the one that is built
// in. Nothing is refused for being slow.
func newAssessor(getenv func(string) string, d *offline.Diagnosis) (*offline.Assessor, error) {
	cfg, err := assessorConfig(getenv)
	if err != nil {
		return nil, err
	}
	cfg.Timeout, cfg.Queue, cfg.Diagnosis = 0, 2*runtime.GOMAXPROCS(0), d
	log := slog.New(slog.DiscardHandler)
	return offline.New(cfg, lts.New(log), log)
}

func assessorConfig(getenv func(string) string) (offline.Config, error) {
	vars := map[string]string{}
	if dir := getenv("ASSESSOR_MODEL_DIR"); dir != "" {
		vars["ASSESSOR_MODEL_DIR"] = dir
	}
	cfg, err := env.ParseAsWithOptions[offline.Config](env.Options{Environment: vars})
	if err != nil {
		return cfg, fmt.Errorf("settings: %w", err)
	}
	return cfg, nil
}

// timedRecordings is how many recordings give the times: about a quarter of a minute.
const timedRecordings = 100

func measureSpeech(ctx context.Context, m *corpus.Maker, panel measure.Panel, all []corpus.Recording, about measure.About, progress io.Writer) (measure.Report, error) {
	outcomes, err := measure.Run(ctx, panel, m, all, progress)
	if err != nil {
		return measure.Report{}, err
	}
	_, _ = fmt.Fprintf(progress, "timing %d recordings\n", timedRecordings)
	if about.Timings, err = measure.Time(ctx, panel, m, all, timedRecordings); err != nil {
		return measure.Report{}, err
	}
	return measure.New(about, outcomes)
}

// stem is a file's name without what follows the dot.
func stem(file string) string {
	base := filepath.Base(file)
	return base[:len(base)-len(filepath.Ext(base))]
}

func writeReport(r measure.Report, out string) error {
	folder := filepath.Join(filepath.Dir(out), stem(out))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, drawing := range r.Drawings {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(drawing), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(out, []byte(r.Markdown), 0o644)
}
