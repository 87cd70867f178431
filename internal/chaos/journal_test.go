package chaos

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// journal keeps when each worker handled which job, and what befell the workers.
type journal struct {
	mu       sync.Mutex
	runs     map[string][]*handling // by job
	open     map[string]*handling   // by worker, job and run: begun and not ended
	troubles []trouble
	races    []string // lines of the race detector
	panics   []string // lines of crashes
}

// handling is one call of a handler.
type handling struct {
	worker     string
	run        int64
	begin, end time.Time // end is zero while it runs
}

// trouble is a time in which a worker may have lost its lease. An empty worker means all.
type trouble struct {
	worker   string
	from, to time.Time
}

func newJournal() *journal {
	return &journal{runs: map[string][]*handling{}, open: map[string]*handling{}}
}

// read takes a line that a worker wrote; it reports whether the line was for the journal.
func (j *journal) read(worker, line string) bool {
	var what, job string
	var run, ns int64
	if n, _ := fmt.Sscanf(line, "run %s %s %d %d", &what, &job, &run, &ns); n == 4 {
		j.note(worker, what, job, run, time.Unix(0, ns))
		return true
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case strings.Contains(line, "DATA RACE"):
		j.races = append(j.races, worker+": "+line)
	case strings.HasPrefix(line, "panic:"), strings.HasPrefix(line, "fatal error:"):
		j.panics = append(j.panics, worker+": "+line)
	case strings.Contains(line, "lease had run out"), strings.Contains(line, "lease cannot be renewed"): // this machine was too slow
		now := time.Now()
		j.troubles = append(j.troubles, trouble{worker, now.Add(-10 * time.Second), now.Add(5 * time.Second)})
	}
	return false
}

func (j *journal) note(worker, what, job string, run int64, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	key := fmt.Sprint(worker, " ", job, " ", run)
	if what == "begin" {
		h := &handling{worker: worker, run: run, begin: at}
		j.runs[job] = append(j.runs[job], h)
		j.open[key] = h
		return
	}
	if h := j.open[key]; h != nil {
		h.end = at
		delete(j.open, key)
	}
}

// died ends all that a worker had in hand.
func (j *journal) died(worker string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for key, h := range j.open {
		if h.worker == worker {
			h.end = time.Now()
			delete(j.open, key)
		}
	}
}

// trouble notes that a worker may lose its lease from now on, and returns what to call when that is over. Runs that
// began in the time of a lease before it, or until a lease after it, are under suspicion.
func (j *journal) trouble(worker string) (over func()) {
	from := time.Now()
	return func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.troubles = append(j.troubles, trouble{worker, from, time.Now().Add(5 * time.Second)})
	}
}

// overlaps counts the pairs of runs of one job that were handled at the same time, and describes those for which there was no trouble.
func (j *journal) overlaps() (n int, unexplained []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for job, runs := range j.runs {
		for i, a := range runs {
			for _, b := range runs[i+1:] {
				first, second := a, b
				if second.begin.Before(first.begin) {
					first, second = b, a
				}
				if !first.end.IsZero() && !second.begin.Before(first.end) {
					continue
				}
				n++
				if !j.troubled(first, second) {
					unexplained = append(unexplained, fmt.Sprintf("%s: run %d of %s at %s, run %d of %s at %s", job, first.run, first.worker,
						first.begin.Format(time.StampMilli), second.run, second.worker, second.begin.Format(time.StampMilli)))
				}
			}
		}
	}
	return n, unexplained
}

// troubled reports whether the first worker may have lost its lease before the second began.
func (j *journal) troubled(first, second *handling) bool {
	for _, t := range j.troubles {
		if (t.worker == "" || t.worker == first.worker) && t.from.Before(second.begin) && t.to.After(first.begin) {
			return true
		}
	}
	return false
}

// counts returns how many runs were handled, and how many were cut short by a death.
func (j *journal) handled() (runs int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range j.runs {
		runs += len(r)
	}
	return runs
}
