package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"oktalk/internal/assess/calibrate"
	"oktalk/internal/assess/calibration"
	"oktalk/internal/assess/corpus"
	"oktalk/internal/assess/measure"
	"oktalk/internal/assess/offline"
)

type calibrateFlags struct {
	corpusFlags
	labelled, out string
	diagnosis     string
	judges        string
	seeds         int
	wrongShare    float64
}

func newCalibrateCommand(getenv func(string) string) *cobra.Command {
	var flags calibrateFlags
	cmd := &cobra.Command{
		Use:   "calibrate",
		Short: "Fit the offline assessor's scores of sounds to labelled recordings",
		Long: `calibrate scores recordings of which is known how good each sound is, prints how the
assessor's scores go with that, and writes a calibration: a curve from its scores of sounds
to those of the labels, which keeps their order. ASSESSOR_CALIBRATION=FILE makes the API
use it.

With --labelled it reads recordings that teachers scored, from a folder as the corpus
speechocean762 has it: WAVE, train, test and resource/scores.json. The curve is fitted to train,
if there is one, and shown on test. Without, it makes recordings with planted mistakes, and
uses the voices that are meant for tuning.

With --diagnosis it writes something else: how the assessor decides from the evidence which sound
was said for another, fitted to such recordings of all speakers with several seeds, and to --judges the
same without each speaker in turn, for measurements by voices that had no part in what is measured.`,
		Example: "  oktalk calibrate\n  oktalk calibrate --labelled ~/speechocean762 --out calibration.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if flags.diagnosis != "" {
				return fitDiagnosis(cmd.Context(), getenv, flags, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			c, err := runCalibrate(cmd.Context(), getenv, flags, cmd.OutOrStdout(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Dir(flags.out), 0o755); err != nil {
				return err
			}
			if err := c.Save(flags.out); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "\nwrote %s\n", flags.out)
			return err
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&flags.labelled, "labelled", "", "folder of recordings that teachers scored (default: recordings are made)")
	cmd.Flags().StringVar(&flags.out, "out", filepath.Join("dist", "calibration.json"), "file to write")
	cmd.Flags().StringVar(&flags.diagnosis, "diagnosis", "", "file to write the diagnosis to, internal/assess/offline/diagnosis.json to build it in")
	cmd.Flags().StringVar(&flags.judges, "judges", filepath.Join("internal", "assess", "measure", "diagnoses.json"), "file to write the diagnoses without each speaker to")
	cmd.Flags().IntVar(&flags.seeds, "seeds", 3, "how many seeds, from --seed on, the diagnosis is fitted to")
	cmd.Flags().Float64Var(&flags.wrongShare, "wrong-share", 0.1, "share of wrong sounds to take for usual, when recordings are made")
	return cmd
}

func runCalibrate(ctx context.Context, getenv func(string) string, flags calibrateFlags, out, progress io.Writer) (calibration.Calibration, error) {
	if flags.labelled != "" {
		return calibrateLabelled(ctx, getenv, flags.labelled, out, progress)
	}
	return calibrateMade(ctx, getenv, flags, out, progress)
}

// calibrateMade fits to generated recordings of the tuning voices, without noise: those of flite, which are near people's.
func calibrateMade(ctx context.Context, getenv func(string) string, flags calibrateFlags, out, progress io.Writer) (calibration.Calibration, error) {
	maker, err := newMaker(ctx, getenv, flags.folder)
	if err != nil {
		return calibration.Calibration{}, err
	}
	panel, err := newPanel(getenv)
	if err != nil {
		return calibration.Calibration{}, err
	}
	all, err := maker.Plan(ctx, flags.seed)
	if err != nil {
		return calibration.Calibration{}, err
	}
	all = slices.DeleteFunc(all, func(r corpus.Recording) bool {
		return r.Voice.Split != corpus.Tuning || r.Voice.Program != corpus.Flite || r.Condition != corpus.Clean || !measure.Phonetic(r.Kind)
	})
	outcomes, err := measure.Run(ctx, panel, maker, all, progress)
	if err != nil {
		return calibration.Calibration{}, err
	}
	var samples []calibrate.Sample
	for i := range outcomes {
		for _, p := range measure.Phones(&outcomes[i]) {
			if p.Scored {
				s := calibrate.Sample{Score: float64(p.Score), Label: 1}
				if p.Planted != nil {
					s.Label = 0
				}
				samples = append(samples, s)
			}
		}
	}
	c, err := calibrate.Fit(samples, flags.wrongShare)
	if err != nil {
		return c, err
	}
	c.Assessor, c.Recordings = offline.Name, len(all)
	c.MadeFrom = fmt.Sprintf("generated recordings, seed %d, tuning voices of flite", flags.seed)
	return c, printCurve(out, c)
}

func calibrateLabelled(ctx context.Context, getenv func(string) string, dir string, out, progress io.Writer) (calibration.Calibration, error) {
	folder, err := os.OpenRoot(dir)
	if err != nil {
		return calibration.Calibration{}, err
	}
	defer func() { _ = folder.Close() }()
	all, err := calibrate.ReadSpeechOcean(folder.FS())
	if err != nil {
		return calibration.Calibration{}, fmt.Errorf("read the labels in %s: %w", dir, err)
	}
	assessor, err := newAssessor(getenv, nil)
	if err != nil {
		return calibration.Calibration{}, err
	}
	var c calibration.Calibration
	for _, split := range []string{"train", "test"} {
		some := slices.DeleteFunc(slices.Clone(all), func(u calibrate.Utterance) bool { return u.Split != split })
		if len(some) == 0 {
			continue
		}
		_, _ = fmt.Fprintf(out, "%s: ", split) // a printing error comes again below
		compared, err := calibrate.Compare(ctx, assessor, folder.FS(), some, func(done int) {
			if done%100 == 0 {
				_, _ = fmt.Fprintf(progress, "%s: %d of %d recordings scored\n", split, done, len(some))
			}
		})
		if err != nil {
			return c, err
		}
		if err := compared.Write(out); err != nil {
			return c, err
		}
		if c.PhoneSlope == 0 { // train, or test when there is no train
			if c, err = calibrate.Fit(compared.Samples(), 0); err != nil {
				return c, err
			}
			c.Assessor, c.Recordings = offline.Name, compared.Recordings
			c.MadeFrom = fmt.Sprintf("%s of %s", split, filepath.Base(filepath.Clean(dir)))
		}
		plain := calibration.Calibration{PhoneSlope: 1}
		_, _ = fmt.Fprintf(out, "labels of sounds surprise by %.3f bits, calibrated by %.3f\n\n", calibrate.Surprise(plain, compared.Samples()), calibrate.Surprise(c, compared.Samples()))
	}
	return c, printCurve(out, c)
}

// printCurve shows what becomes of scores.
func printCurve(w io.Writer, c calibration.Calibration) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(t, "slope %.3f, offset %.3f, from %d sounds of %d recordings\n\n", c.PhoneSlope, c.PhoneOffset, c.Phones, c.Recordings) // Flush returns the first error
	_, _ = fmt.Fprintln(t, "SCORE\tCALIBRATED")
	for score := 10; score <= 90; score += 20 {
		_, _ = fmt.Fprintf(t, "%d\t%.0f\n", score, c.Apply(float64(score)))
	}
	return t.Flush()
}
