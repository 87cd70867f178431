package model

import (
	"flag"
	"fmt"
	"strings"
	"testing"
)

// size is how large a model is, and what may go wrong in it.
type size struct {
	workers, slots int
	faults         int  // in all
	wipes          int  // of Redis, among them
	forgets        bool // Redis may lose single entries and deliveries
	nameless       bool // workers and entries have no names: fewer states, but ways to them are hard to read
}

func (n size) String() string {
	return fmt.Sprintf("%d workers with %d slots, %d faults", n.workers, n.slots, n.faults)
}

// report is what an exploration found: the promise that is broken first, if any, and the shortest way there.
type report struct {
	states, steps int
	broken        promise
	way           []string
}

func (r report) String() string {
	return r.broken.String() + " when:\n  " + strings.Join(r.way, "\n  ")
}

// origin is how a state was reached first.
type origin struct {
	from int32
	step step
}

// explore visits every state that can be reached, first all without faults, then those with one fault, and so on: what can follow with
// few faults can follow with more.
func explore(r rules, n size) report {
	x := &explorer{size: n, rules: r}
	v := &visited{index: map[world]int32{}}
	v.add(start(n.workers), origin{})
	type follower struct {
		to     world
		origin origin
	}
	var later []follower
	for layer, i := 0, int32(0); ; layer++ {
		for ; int(i) < len(v.states); i++ {
			if b := v.states[i].broken; b != kept {
				return report{len(v.states), len(v.from), b, v.way(i)}
			}
			for _, s := range x.successors(v.states[i]) {
				if !s.fault {
					v.from, v.to = append(v.from, i), append(v.to, v.add(s.to, origin{i, s.step}))
				} else if _, known := v.index[s.to]; !known && layer < n.faults {
					later = append(later, follower{s.to, origin{i, s.step}})
				}
			}
		}
		for j, ok := range v.saved() { // steps that are no faults stay inside what was visited
			if !ok {
				return report{len(v.states), len(v.from), lost, v.way(int32(j))}
			}
		}
		if len(later) == 0 {
			return report{len(v.states), len(v.from), kept, nil}
		}
		for _, f := range later {
			v.add(f.to, f.origin)
		}
		later = later[:0]
	}
}

// visited is the states that were reached and the steps between them that are no faults.
type visited struct {
	index    map[world]int32
	states   []world
	origins  []origin
	from, to []int32
}

func (v *visited) add(w world, o origin) int32 {
	if i, known := v.index[w]; known {
		return i
	}
	i := int32(len(v.states))
	v.index[w] = i
	v.states, v.origins = append(v.states, w), append(v.origins, o)
	return i
}

// way is the steps that led to a state.
func (v *visited) way(i int32) (names []string) {
	for ; i != 0; i = v.origins[i].from {
		names = append([]string{v.origins[i].step.String()}, names...)
	}
	return names
}

// saved marks the states from which the end can be reached.
func (v *visited) saved() []bool {
	states, from, to := v.states, v.from, v.to
	before := make([]int32, len(states)+1) // into, by state
	for _, j := range to {
		before[j+1]++
	}
	for i := range states {
		before[i+1] += before[i]
	}
	into, at := make([]int32, len(to)), append([]int32(nil), before...)
	for k, j := range to {
		into[at[j]] = from[k]
		at[j]++
	}
	ok := make([]bool, len(states))
	var todo []int32
	mark := func(i int32) {
		if !ok[i] {
			ok[i] = true
			todo = append(todo, i)
		}
	}
	for i := range states {
		if states[i].over() {
			mark(int32(i))
		}
	}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, j := range into[before[i]:before[i+1]] {
			mark(j)
		}
	}
	return ok
}

// deep explores with one fault more: about ten times the states.
var deep = flag.Bool("deep", false, "explore with one fault more")

// What the protocol itself must keep, without the sweep that finds what it lost.
var sizes = []size{
	{workers: 2, slots: 2, faults: 2, wipes: 1, nameless: true},
	{workers: 3, slots: 1, faults: 2, wipes: 1, nameless: true},
	{workers: 2, slots: 1, faults: 2, wipes: 2, nameless: true},
}

func TestProtocolKeepsItsPromises(t *testing.T) {
	t.Parallel()
	for _, n := range sizes {
		if *deep {
			n.faults++
		}
		t.Run(n.String(), func(t *testing.T) {
			t.Parallel()
			r := explore(rules{noSweep: true}, n)
			if r.broken != kept {
				t.Errorf("the job is %v", r)
			}
			if r.states < 10_000 {
				t.Errorf("only %d states were explored: the model does not move", r.states)
			}
			t.Logf("%d states, %d steps", r.states, r.steps)
		})
	}
}

// With the sweep, the promises hold also when Redis forgets single entries.
func TestSweepFindsWhatRedisForgot(t *testing.T) {
	t.Parallel()
	n := size{workers: 2, slots: 1, faults: 2, wipes: 2, forgets: true, nameless: true}
	if *deep {
		n.faults++
	}
	r := explore(rules{}, n)
	if r.broken != kept {
		t.Errorf("the job is %v", r)
	}
	t.Logf("%d states, %d steps", r.states, r.steps)
}

func TestBrokenProtocolsAreFoundOut(t *testing.T) {
	t.Parallel()
	one := size{workers: 2, slots: 1, faults: 2, wipes: 1}
	two := size{workers: 2, slots: 2, faults: 2, wipes: 1}
	twice, forgets := one, one
	twice.wipes, forgets.forgets = 2, true
	for _, c := range []struct {
		name  string
		rules rules // without the sweep, which finds lost jobs whatever lost them
		size  size
		want  promise
	}{
		{"settle without a fence", rules{noFence: true}, one, writtenBySuperseded},
		{"settle whatever the job's state is", rules{noState: true}, one, settledTwice},
		{"begin without asking for the owner", rules{noAlive: true}, one, begunTwice},
		{"take a job that was seen without its run", rules{noSeenRun: true}, one, begunTwice},
		{"believe a new table of leases", rules{noYouth: true}, one, begunTwice},
		{"believe it and rebuild without waiting", rules{noYouth: true, eagerWait: true}, one, begunTwice},
		{"begin again what is in flight here", rules{noInFlight: true}, two, begunTwice},
		{"take over by idle time", rules{claimByIdle: true}, one, takenFromLiving},
		{"settle entries of others", rules{ackAnybody: true}, one, changedAnothers},
		{"remove consumers with what they hold", rules{dropOthers: true}, one, lost},
		{"do not look for ghosts", rules{noGhosts: true}, one, lost},
		{"acknowledge what was superseded", rules{ackLosers: true}, one, lost},
		{"acknowledge what is busy", rules{ackBusy: true}, one, lost},
		{"write the marker first", rules{markerFirst: true}, one, lost},
		{"delete the outbox row first", rules{rowFirst: true}, one, lost},
		{"do not rebuild", rules{noRebuild: true}, one, lost},
		{"no sweep, and Redis forgets an entry", rules{}, forgets, lost},
		{"write the marker blindly, and a wipe while Redis is rebuilt", rules{markerBlind: true}, twice, lost},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.rules.noSweep = true
			r := explore(c.rules, c.size)
			if r.broken != c.want {
				t.Errorf("the job is %v, want %v to be found", r.broken, c.want)
			}
			t.Logf("after %d states it is %v", r.states, r)
		})
	}
}

// Rebuilding without waiting breaks no promise as long as a missing lease in a new table counts as held: the wait saves deliveries
// that would find their job busy.
func TestWaitBeforeRebuildIsASecondDefence(t *testing.T) {
	t.Parallel()
	if r := explore(rules{eagerWait: true, noSweep: true}, size{workers: 2, slots: 1, faults: 2, wipes: 1, nameless: true}); r.broken != kept {
		t.Errorf("the job is %v", r)
	}
}
