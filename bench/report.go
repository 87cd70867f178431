package main

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"time"
)

//go:embed report.md.tmpl
var reportText string

// page is what the report's text needs. A table that was not measured is empty.
type page struct {
	Machine           machine
	Versions, Command string
	Durable           bool
	Runs              int
	Others            string // part of the processors that others had; empty if it is not known

	Contenders, Throughput, Pickup, Crash, Queued, Fairness, Flight, Path, PathCPU, Aims string
}

func (b *bench) report(m machine, args []string) (string, error) {
	t, err := template.New("report").Parse(reportText)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	others := ""
	if o := b.results.others(); o > 0 {
		others = percent(o)
	}
	err = t.Execute(&text, page{
		Machine: m, Versions: b.versions(m), Command: command(args), Durable: b.durable, Runs: b.runs, Others: others,
		Contenders: b.contendersTable(), Throughput: b.throughputTable(), Pickup: b.pickupTable(), Crash: b.crashTable(), Queued: b.queuedTable(),
		Fairness: b.fairnessTable(), Flight: b.flightTable(), Path: b.pathTable(), PathCPU: b.pathCPUTable(), Aims: b.aimsTable(),
	})
	return text.String(), err
}

// command is how the run is repeated; where its report goes is left out.
func command(args []string) string {
	rest := slices.Clone(args)
	if i := slices.Index(rest, "-out"); i >= 0 {
		rest = slices.Delete(rest, i, min(len(rest), i+2))
	}
	if len(rest) == 0 {
		return "make bench"
	}
	return fmt.Sprintf("make bench BENCHFLAGS=%q", strings.Join(rest, " "))
}

func (b *bench) versions(m machine) string {
	versions, list := moduleVersions(), slices.Clone(m.Versions)
	for _, k := range b.kinds {
		name := k.module[strings.LastIndexByte(k.module, '/')+1:] + " " + versions[k.module]
		if k.module != "" && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return strings.Join(list, ", ")
}

// table writes rows, the first of which is the head; the first column is text and the others are figures. A table without figures is
// empty.
func table(rows [][]string) string {
	if len(rows) < 2 {
		return ""
	}
	var t strings.Builder
	for i, row := range rows {
		t.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			t.WriteString("|---|" + strings.Repeat("---:|", len(row)-1) + "\n")
		}
	}
	return t.String()
}

func (b *bench) contendersTable() string {
	rows := [][]string{{"contender", "how it is set"}}
	for _, k := range b.kinds {
		rows = append(rows, []string{k.name, fmt.Sprintf("%s; %d slots", k.note, k.slots)})
	}
	return strings.Replace(table(rows), "---:|", "---|", 1)
}

func (b *bench) throughputTable() string {
	rows := [][]string{{"", "jobs/s", "lowest – highest", "times asynq", "CPU µs a job", "worker", "Redis", "PostgreSQL"}}
	parts := []func(cpu) time.Duration{
		cpu.total, func(c cpu) time.Duration { return c.worker }, func(c cpu) time.Duration { return c.redis },
		func(c cpu) time.Duration { return c.postgres },
	}
	for _, k := range b.kinds {
		speeds := b.results.speeds(k.name)
		if len(speeds) == 0 {
			continue
		}
		row := []string{k.name, count(median(speeds)), count(speeds[0]) + " – " + count(speeds[len(speeds)-1]), "–"}
		if ours, theirs, ok := b.versus(k.name, "asynq"); ok {
			row[3] = ratio(median(ours), median(theirs))
		}
		for _, part := range parts {
			row = append(row, micros(b.results.each(k.name, part)))
		}
		rows = append(rows, row)
	}
	return table(rows)
}

// versus are the throughputs of two contenders, if both were measured.
func (b *bench) versus(name, than string) (one, other []float64, ok bool) {
	one, other = b.results.speeds(name), b.results.speeds(than)
	return one, other, len(one) > 0 && len(other) > 0
}

func ratio(a, b float64) string { return fmt.Sprintf("%.1f", a/b) }

func (b *bench) pickupTable() string {
	rows := [][]string{{"", "p50 ms", "p95 ms", "p99 ms", "samples", "commands/s when idle"}}
	for _, k := range b.kinds {
		p := b.results.pickups[k.name]
		if p == nil {
			continue
		}
		slices.Sort(p.took)
		commands := "–"
		if p.commands >= 0 {
			commands = fmt.Sprintf("%.1f", p.commands)
		}
		rows = append(rows, []string{
			k.name, millis(quantile(p.took, 0.5)), millis(quantile(p.took, 0.95)), millis(quantile(p.took, 0.99)), count(float64(len(p.took))), commands,
		})
	}
	return table(rows)
}

func (b *bench) crashTable() string {
	if !slices.Contains(b.parts, partCrash) {
		return ""
	}
	rows := [][]string{{"", "median s", "longest s", "kills"}}
	for _, k := range b.kinds {
		took := b.results.crashes[k.name]
		row := []string{k.name, fmt.Sprintf("more than %.0f", b.crashTime.Seconds()), "–", "0"}
		if k.crash != "" {
			row = []string{k.name, k.crash, "–", "–"}
		}
		if len(took) > 0 {
			row = []string{k.name, seconds(median(took)), seconds(slices.Max(took)), count(float64(len(took)))}
		}
		rows = append(rows, row)
	}
	return table(rows)
}

func (b *bench) queuedTable() string {
	rows := [][]string{{"", "Redis, bytes", "PostgreSQL, bytes"}}
	for _, k := range b.kinds {
		memory, inMemory := b.results.memory[k.name]
		disk, onDisk := b.results.disk[k.name]
		if inMemory || onDisk {
			rows = append(rows, []string{k.name, orNothing(inMemory, count(memory)), orNothing(onDisk, count(disk))})
		}
	}
	return table(rows)
}

func (b *bench) fairnessTable() string {
	rows := [][]string{{"", "others wait, p95 ms", "in job times", "others get", "flooder gets"}}
	for _, k := range b.kinds {
		f, ok := b.results.fairness[k.name]
		if !ok {
			continue
		}
		more := ""
		if f.atLeast {
			more = "more than "
		}
		rows = append(rows, []string{
			k.name, more + count(float64(f.wait.Milliseconds())), more + fmt.Sprintf("%.2f", jobTimes(f)), percent(f.others), percent(f.flooder),
		})
	}
	return table(rows)
}

func jobTimes(f fairness) float64 { return f.wait.Seconds() / floodJob.Seconds() }

func (b *bench) flightTable() string {
	rows := [][]string{{"", "with 10 000 in flight, ms", "with none, ms"}}
	for _, name := range []string{"OKTalk", "asynq", textbook} {
		if f, ok := b.results.flights[name]; ok {
			rows = append(rows, []string{name, millis(f.busy), millis(f.idle)})
		}
	}
	return table(rows)
}

// aimsTable holds ours against what it is built for.
func (b *bench) aimsTable() string {
	const ours = "OKTalk"
	rows := [][]string{{"aim", "measured", ""}}
	aim := func(what, measured string, met bool) {
		verdict := "missed"
		if met {
			verdict = "met"
		}
		rows = append(rows, []string{what, measured, verdict})
	}
	r := b.results
	for _, rival := range []struct {
		name  string
		times float64
	}{{"asynq", 8}, {"River tuned", 5}} {
		if mine, theirs, ok := b.versus(ours, rival.name); ok {
			aim(fmt.Sprintf("%.0f times the throughput of %s", rival.times, rival.name), fmt.Sprintf("%s; of the best turns %s; %s times less CPU time a job",
				ratio(median(mine), median(theirs)), ratio(mine[len(mine)-1], theirs[len(theirs)-1]),
				ratio(float64(r.each(rival.name, cpu.total)), float64(r.each(ours, cpu.total)))), median(mine) >= rival.times*median(theirs))
		}
	}
	if p := r.pickups[ours]; p != nil {
		slices.Sort(p.took)
		p50, p99 := quantile(p.took, 0.5), quantile(p.took, 0.99)
		aim("pickup p50 of at most 0.6 ms", millis(p50)+" ms"+b.bare(0.5), p50 <= 600*time.Microsecond)
		aim("pickup p99 of at most 5 ms", millis(p99)+" ms"+b.bare(0.99), p99 <= 5*time.Millisecond)
		aim("at most 2 commands a second from an idle worker", fmt.Sprintf("%.1f", p.commands), p.commands <= 2)
	}
	if took := r.crashes[ours]; len(took) > 0 {
		aim("a killed worker's job runs again within 6 s", seconds(slices.Max(took))+" s", slices.Max(took) <= 6*time.Second)
	}
	if size, ok := r.memory[ours]; ok {
		aim("at most 250 bytes for a queued job", count(size), size <= 250)
	}
	if f, ok := r.fairness[ours]; ok {
		aim("others wait at most a quarter of a job's time, p95", fmt.Sprintf("%.2f", jobTimes(f)), jobTimes(f) <= 0.25)
		aim("a flooder still gets 40 %", percent(f.flooder), f.flooder >= 0.4)
	}
	if len(r.path) > 0 {
		p99 := quantile(r.path[0].done, 0.99)
		aim(fmt.Sprintf("whole path: done p99 of at most 50 ms at %d evaluations a second", pathRate), millis(p99)+" ms", p99 <= 50*time.Millisecond && r.path[0].failed == 0)
	}
	return table(rows)
}

// bare tells how the bare loop picks up, which is what the machine lets a reader do.
func (b *bench) bare(q float64) string {
	p := b.results.pickups["bare loop"]
	if p == nil || len(p.took) == 0 {
		return ""
	}
	slices.Sort(p.took)
	return ", the bare loop " + millis(quantile(p.took, q))
}

func orNothing(ok bool, s string) string {
	if !ok {
		return "–"
	}
	return s
}

// count writes a whole number in groups of three digits.
func count(v float64) string {
	digits := fmt.Sprintf("%.0f", v)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + " " + digits[i:]
	}
	return digits
}

func percent(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()) }

// millis writes milliseconds with two digits that count, at least.
func millis(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms >= 100:
		return fmt.Sprintf("%.0f", ms)
	case ms >= 10:
		return fmt.Sprintf("%.1f", ms)
	default:
		return fmt.Sprintf("%.2f", ms)
	}
}

func micros(d time.Duration) string {
	us := float64(d) / float64(time.Microsecond)
	if us < 0.05 {
		return "–"
	}
	return fmt.Sprintf("%.1f", us)
}
