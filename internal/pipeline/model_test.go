package pipeline_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// This file explores every state of a small model of leases, take-over, begin and settle: one job, two workers, and everything
// that can go wrong between any two steps. A worker may be killed once, frozen past its lease and woken at any time, replies
// may be lost, and Redis may be wiped once. In every state that can be reached
//
//   - the job is settled at most once;
//   - nobody begins it while a worker that holds its lease is working on it;
//   - it can still come to its end, settled and with no entry left, without anything else going wrong.
//
// Variants that leave out one rule of the protocol must break one of these.

// rules are the rules of the protocol; the zero value is the protocol as it is.
type rules struct {
	noFence     bool // settle without looking at the run
	noAlive     bool // begin without asking whether the owner lives
	noYouth     bool // take a missing lease for death although the table is new
	eagerDelete bool // remove dead consumers with what they hold
	noGhosts    bool // do not look for entries that were delivered without an answer
	ackLosers   bool // acknowledge the entry of a run that was superseded
}

type place int8

const (
	nowhere place = iota
	unread
	pendingOfA // and of worker b: pendingOfA + 1
	pendingOfB
	delayed
)

type phase int8

const (
	idle  phase = iota
	got         // holds an entry
	begun       // works on the job
	ended       // has settled it, or found that it need not
)

// worker is a worker process.
type worker struct {
	dead, frozen, lease bool
	phase               phase
	entry               int8 // that it holds
	run                 int8 // that it began
}

// world is a state of the model. It is comparable: a key of the set of states that were seen.
type world struct {
	entries       [2]place
	young         bool // the table of leases is new
	workers       [2]worker
	run, owner    int8 // of the job in the database; owner -1: none
	settled       int8 // times
	wiped, killed bool
	twice         bool // begun while a living owner worked on it
}

func start() world {
	w := world{owner: -1}
	w.entries[0] = unread
	return w
}

func (w world) done() bool {
	return w.settled == 1 && w.entries == [2]place{}
}

// broken says which promise a state breaks, if any.
func (w world) broken() string {
	switch {
	case w.settled > 1:
		return "settled twice"
	case w.twice:
		return "begun while its owner lives"
	default:
		return ""
	}
}

// step is a change that may happen. A fault is one that nobody may count on.
type step struct {
	name  string
	fault bool
	to    world
}

// faults are the names of steps, after a worker's, that nobody may count on.
var faults = []string{"is killed", "is frozen", "is wiped", "the reply is lost"}

// next lists all that may happen in a state.
func (w world) next(r rules) []step {
	var steps []step
	add := func(name string, change func(*world)) {
		to := w
		change(&to)
		fault := slices.ContainsFunc(faults, func(f string) bool { return strings.HasSuffix(name, f) })
		steps = append(steps, step{name, fault, to})
	}
	for i := range w.workers {
		w.faults(i, add)
		if k := w.workers[i]; !k.dead && !k.frozen {
			w.leases(i, r, add)
			w.reads(i, r, add)
			w.works(i, r, add)
		}
	}
	for e, at := range w.entries {
		if at == delayed {
			add("promote", func(w *world) { w.entries[e] = unread })
		}
	}
	if w.young && w.leasesRenewed() {
		add("the table of leases gets older", func(w *world) { w.young = false })
	}
	if !w.wiped {
		add("redis is wiped", func(w *world) {
			w.wiped, w.young, w.entries = true, true, [2]place{}
			w.workers[0].lease, w.workers[1].lease = false, false
		})
	}
	if w.wiped && w.settled == 0 && w.entries == [2]place{} {
		add("the job is added again", func(w *world) { w.entries[1] = unread })
	}
	return steps
}

// leasesRenewed reports whether all workers that can have registered: that takes them a beat, which is shorter than a lease.
func (w world) leasesRenewed() bool {
	for _, k := range w.workers {
		if !k.dead && !k.frozen && !k.lease {
			return false
		}
	}
	return true
}

// faults are what befalls a worker.
func (w world) faults(i int, add func(string, func(*world))) {
	k := w.workers[i]
	name := string(rune('a' + i))
	if !k.dead && !w.killed {
		add(name+" is killed", func(w *world) { w.killed = true; w.workers[i].dead = true })
	}
	if !k.dead && !k.frozen {
		add(name+" is frozen", func(w *world) { w.workers[i].frozen = true })
	}
	if !k.dead && k.frozen {
		add(name+" goes on", func(w *world) { w.workers[i].frozen = false })
	}
	if (k.dead || k.frozen) && k.lease {
		add(name+"'s lease runs out", func(w *world) { w.workers[i].lease = false })
	}
}

// leases are the beats of a worker.
func (w world) leases(i int, r rules, add func(string, func(*world))) {
	name, other := string(rune('a'+i)), 1-i
	add(name+" renews its lease", func(w *world) { w.workers[i].lease = true })
	if r.eagerDelete && w.workers[i].lease && !w.young && !w.workers[other].lease {
		add(name+" removes the other consumer", func(w *world) {
			for e := range w.entries {
				if w.entries[e] == pendingOfA+place(other) {
					w.entries[e] = nowhere
				}
			}
		})
	}
}

// reads are the deliveries to an idle worker.
func (w world) reads(i int, r rules, add func(string, func(*world))) {
	name, k, mine, others := string(rune('a'+i)), w.workers[i], pendingOfA+place(i), pendingOfA+place(1-i)
	if k.phase != idle {
		return
	}
	take := func(e int) func(*world) {
		return func(w *world) {
			w.entries[e] = mine
			w.workers[i].phase, w.workers[i].entry = got, int8(e)
		}
	}
	for e, at := range w.entries {
		switch {
		case at == unread && k.lease:
			add(name+" reads", take(e))
			add(name+" reads and the reply is lost", func(w *world) { w.entries[e] = mine })
		case at == others && k.lease && !w.young && !w.workers[1-i].lease:
			add(name+" takes over", take(e))
		case at == mine && !r.noGhosts:
			add(name+" finds a ghost", take(e))
		}
	}
}

// works are the steps of a delivery.
func (w world) works(i int, r rules, add func(string, func(*world))) {
	name, k, mine := string(rune('a'+i)), w.workers[i], pendingOfA+place(i)
	switch k.phase {
	case got:
		add(name+" begins", func(w *world) { w.begin(i, r) })
	case begun:
		add(name+" settles", func(w *world) {
			if r.noFence || w.settled == 0 && w.run == k.run {
				w.settled++
				w.owner = -1
				w.workers[i].phase = ended
				return
			}
			if w.workers[i].phase = ended; !r.ackLosers {
				w.delay(i)
			}
		})
	case ended:
		add(name+" acknowledges", func(w *world) {
			if w.entries[k.entry] == mine {
				w.entries[k.entry] = nowhere
			}
			w.workers[i].phase = idle
		})
	}
}

// delay puts the worker's entry off, if it is still the worker's.
func (w *world) delay(i int) {
	k := &w.workers[i]
	if w.entries[k.entry] == pendingOfA+place(i) {
		w.entries[k.entry] = delayed
	}
	k.phase = idle
}

// begin takes the job, or finds that it is settled, or that its owner lives: then the entry is delayed.
func (w *world) begin(i int, r rules) {
	k, other := &w.workers[i], w.workers[1-i]
	if w.settled > 0 {
		k.phase = ended
		return
	}
	alive := w.owner == int8(1-i) && (other.lease || w.young && !r.noYouth)
	if alive && !r.noAlive {
		w.delay(i)
		return
	}
	// One that is up and has not registered again since the wipe lives as well; a frozen one without a lease is as good as dead.
	lives := !other.dead && (other.lease || !other.frozen && w.young)
	if w.owner == int8(1-i) && other.phase == begun && other.run == w.run && lives {
		w.twice = true
	}
	w.run++
	w.owner, k.run, k.phase = int8(i), w.run, begun
}

// mostRuns bounds the model: with the faults it has, this many runs show all there is.
const mostRuns = 5

// explore visits every state. It returns how many there are, and the way to a state that breaks a promise, if there is one.
func explore(r rules) (states int, why string, way []string) {
	type origin struct {
		from world
		name string
	}
	first := start()
	seen := map[world]origin{first: {}}
	before := map[world][]world{}
	queue := []world{first}
	path := func(w world) (names []string) {
		for w != first {
			o := seen[w]
			names = append([]string{o.name}, names...)
			w = o.from
		}
		return names
	}
	var done []world
	for i := 0; i < len(queue); i++ {
		w := queue[i]
		if why := w.broken(); why != "" {
			return len(seen), why, path(w)
		}
		if w.done() {
			done = append(done, w)
		}
		for _, s := range w.next(r) {
			if s.to.run > mostRuns {
				continue
			}
			if !s.fault {
				before[s.to] = append(before[s.to], w)
			}
			if _, ok := seen[s.to]; !ok {
				seen[s.to] = origin{w, s.name}
				queue = append(queue, s.to)
			}
		}
	}
	saved := map[world]bool{} // states from which the end can be reached
	for len(done) > 0 {
		w := done[0]
		done = done[1:]
		if saved[w] {
			continue
		}
		saved[w] = true
		done = append(done, before[w]...)
	}
	for _, w := range queue {
		if !saved[w] && w.run < mostRuns-1 {
			return len(seen), "lost", path(w)
		}
	}
	return len(seen), "", nil
}

func TestProtocolKeepsItsPromises(t *testing.T) {
	t.Parallel()
	states, why, way := explore(rules{})
	if why != "" {
		t.Errorf("the job is %s when:\n  %s", why, strings.Join(way, "\n  "))
	}
	if states < 1000 {
		t.Errorf("only %d states were explored: the model does not move", states)
	}
	t.Logf("%d states", states)
}

func TestBrokenProtocolsAreFoundOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rules rules
		want  string
	}{
		"settle without a fence":               {rules{noFence: true}, "settled twice"},
		"begin without asking for the owner":   {rules{noAlive: true}, "begun while its owner lives"},
		"believe a new table of leases":        {rules{noYouth: true}, "begun while its owner lives"},
		"remove consumers with what they hold": {rules{eagerDelete: true}, "lost"},
		"do not look for ghosts":               {rules{noGhosts: true}, "lost"},
		"acknowledge what was superseded":      {rules{ackLosers: true}, "lost"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, why, way := explore(c.rules)
			if why != c.want {
				t.Errorf("the job is %q, want %q to be found", why, c.want)
			}
			t.Log(fmt.Sprintf("%s when:\n  ", why) + strings.Join(way, "\n  "))
		})
	}
}
