package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"oktalk/internal/assess/calibrate"
	"oktalk/internal/assess/corpus"
	"oktalk/internal/assess/match"
	"oktalk/internal/assess/measure"
	"oktalk/internal/assess/offline"
	"oktalk/internal/evaluation"
)

// fitDiagnosis makes the diagnosis from generated recordings of all speakers reading the texts for tuning: those of so many seeds, each by
// flite also in a condition that is drawn.
func fitDiagnosis(ctx context.Context, getenv func(string) string, flags calibrateFlags, out, progress io.Writer) error {
	maker, err := newMaker(ctx, getenv, flags.folder)
	if err != nil {
		return err
	}
	assessor, err := newAssessor(getenv, &offline.Diagnosis{}) // for the evidence alone
	if err != nil {
		return err
	}
	var all []corpus.Recording
	for i := range flags.seeds {
		some, err := maker.PlanForFit(ctx, flags.seed+uint64(i))
		if err != nil {
			return err
		}
		all = append(all, diagnosisRecordings(some, flags.seed+uint64(i))...)
	}
	heard, err := listen(ctx, assessor, maker, all, progress)
	if err != nil {
		return err
	}
	fitted, err := calibrate.FitDiagnosis(heard)
	if err != nil {
		return err
	}
	d := fitted.Diagnosis
	d.MadeFrom = fmt.Sprintf("generated recordings, %d seeds from %d, all speakers of flite", flags.seeds, flags.seed)
	for speaker, other := range fitted.Without {
		other.MadeFrom = d.MadeFrom + " but " + speaker
	}
	if err := errors.Join(saveJSON(flags.diagnosis, d), saveJSON(flags.judges, fitted.Without)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "wrote %s: %d pairs from %d sounds of %d recordings, limit %.2f; and %s\n", flags.diagnosis, len(d.Pairs), len(heard), len(all), d.Limit, flags.judges)
	return err
}

func saveJSON(path string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(path, breakLines(data), 0o644)
}

// breakLines puts each pair on a line.
func breakLines(data []byte) []byte {
	s := strings.NewReplacer(`],"`, "],\n\"", `{"`, "{\n\"", `]}`, "]\n}", `"pairs":`, "\n\"pairs\":").Replace(string(data))
	return []byte(s + "\n")
}

// cleanForHard is how many clean recordings there are for each in another condition. With one each, F1 is 0.005 lower in clean ones and 0.003
// higher in the others.
const cleanForHard = 4

// diagnosisRecordings keeps clean recordings of which each phone is known, and adds those in other conditions.
func diagnosisRecordings(all []corpus.Recording, seed uint64) []corpus.Recording {
	rng := rand.New(rand.NewPCG(seed, 2))
	hard := []corpus.Condition{corpus.White20, corpus.White15, corpus.Babble20, corpus.Babble15, corpus.Room, corpus.Telephone}
	var out []corpus.Recording
	for i, r := range all {
		if r.Condition != corpus.Clean || !measure.Phonetic(r.Kind) || r.Voice.Program == corpus.ESpeak && r.Kind != corpus.Right {
			continue
		}
		out = append(out, r)
		if r.Voice.Program == corpus.Flite && i%cleanForHard == 0 {
			out = append(out, r.Under(hard[rng.IntN(len(hard))], rng.Uint64()))
		}
	}
	return out
}

func listen(ctx context.Context, a *offline.Assessor, m *corpus.Maker, all []corpus.Recording, progress io.Writer) ([]calibrate.Heard, error) {
	parts := make([][]calibrate.Heard, len(all))
	var done atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range all {
		g.Go(func() error {
			r := &all[i]
			samples, _, err := m.Make(ctx, *r)
			if err != nil {
				return err
			}
			words, err := a.Evidence(ctx, samples, r.Text)
			if _, refused := errors.AsType[*evaluation.Refusal](err); err != nil && !refused {
				return fmt.Errorf("listen to %s: %w", r.ID, err)
			}
			parts[i] = label(r, words)
			if n := done.Add(1); n%200 == 0 {
				_, _ = fmt.Fprintf(progress, "%d of %d recordings\n", n, len(all))
			}
			return nil
		})
	}
	err := g.Wait()
	return slices.Concat(parts...), err
}

// label pairs evidence with what was said; words is empty when the recording was refused.
func label(r *corpus.Recording, words [][]offline.Evidence) []calibrate.Heard {
	var out []calibrate.Heard
	for i, evidence := range words {
		names := make([]string, len(evidence))
		for k := range evidence {
			names[k] = evidence[k].ARPAbet
		}
		for k, partner := range match.Phones(r.Words[i].Phones, names) {
			if partner == match.None || names[partner] != r.Words[i].Phones[k] {
				continue
			}
			h := calibrate.Heard{Evidence: evidence[partner], Speaker: r.Voice.Speaker, Clean: r.Condition == corpus.Clean && r.Voice.Program == corpus.Flite}
			for _, p := range r.Planted {
				if p.Word == i && p.Phone == k {
					h.Said = p.Spoken
				}
			}
			out = append(out, h)
		}
	}
	return out
}
