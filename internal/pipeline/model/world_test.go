package model

import "fmt"

// rules are the rules of the protocol that a variant leaves out; the zero value is the protocol as it is.
type rules struct {
	noFence     bool // settle and free a job without looking at the run
	noState     bool // settle without looking at the job's state
	noAlive     bool // begin without asking whether the owner lives
	noSeenRun   bool // take a job from an owner that was dead, without looking whether it began anew since
	noYouth     bool // take a missing lease for death although the table of leases is new
	noInFlight  bool // begin a job that this process has in flight already
	claimByIdle bool // take over what has been pending for long, whether its owner lives or not
	ackAnybody  bool // settle an entry without looking whose it is
	dropOthers  bool // remove dead consumers with what they hold
	noGhosts    bool // do not look for entries that were delivered without an answer
	ackLosers   bool // acknowledge the entry of a run that was superseded
	ackBusy     bool // acknowledge the entry of a job whose owner lives
	eagerWait   bool // rebuild without waiting a lease
	markerFirst bool // write the marker before the jobs are added
	markerBlind bool // write it without looking whether the draft is still there
	rowFirst    bool // delete the outbox row before its entry is added
	noRebuild   bool // do not look for lost markers
	noSweep     bool // do not look for open jobs without an entry
}

// Sizes of the model.
const (
	maxWorkers = 3
	maxSlots   = 2 // entries that a worker has in hand at a time
	maxEntries = 2 // entries of the job at a time
)

// place is where an entry is.
type place int8

const (
	nowhere place = iota
	unread
	delayed
	pendingOf // of the first worker; of others: pendingOf + i
)

// phase is how far a delivery is.
type phase int8

const (
	none   phase = iota
	got          // begins next
	asked        // saw that the owner is dead, takes the job next
	begun        // works, then settles
	failed       // its handler failed: frees the job next
	acking       // settles the entry for good
	putOff       // settles the entry and adds it again, later
	twin         // the same, of an entry whose job is in flight here; the process does not count it as such
)

// delivery is an entry in a worker's hands.
type delivery struct {
	phase   phase
	entry   int8 // -1: it is gone, a call about it changes nothing
	current bool // its run is the job's
	kept    bool // its worker kept its lease since it began, by the worker's own clock
	seen    int8 // asked: the owner that it saw dead
	seenRun bool // asked: and the job was not begun since
}

// lease is what Redis knows of a worker.
type lease int8

const (
	missing lease = iota // never registered, or forgotten with everything else
	valid
	expired
)

// worker is a process. One that is frozen or cut off is one that takes no steps for a while; its lease may run out meanwhile.
type worker struct {
	up    bool
	lease lease
	held  bool // it renewed its lease less than a lease ago, whatever Redis knows
	slots [maxSlots]delivery
}

// Job states.
const (
	open int8 = iota
	done
	cancelled
)

// relayPhase and keeperPhase are how far the relay and the rebuilder are.
type (
	relayPhase  int8
	keeperPhase int8
)

const (
	relayIdle relayPhase = iota
	relayLoaded
	relaySent
)

const (
	keeperIdle keeperPhase = iota
	keeperWaiting
	keeperReady
	keeperHalf // one of its two steps is done: jobs added, or, in a variant, the marker written
)

// promise is one that a state breaks.
type promise int8

const (
	kept promise = iota
	settledTwice
	writtenAfterDelete
	writtenBySuperseded
	begunTwice
	takenFromLiving
	changedAnothers
	lost // no way leads to the end
)

func (p promise) String() string {
	return [...]string{
		"kept", "settled twice", "written after delete", "written by a superseded delivery", "begun while its owner lives",
		"taken from a living consumer", "an entry of another consumer is changed", "lost",
	}[p]
}

// world is a state of the model: everything that exists of one job. It is comparable, a key of the set of states that were seen.
type world struct {
	// Redis
	entries [maxEntries]place
	young   bool // the table of leases is younger than a lease
	marker  bool
	draft   bool // the rebuilder's, in the marker's place
	// PostgreSQL
	job    int8
	owner  int8 // -1: none
	outbox bool
	// processes
	workers [maxWorkers]worker
	relay   relayPhase
	keeper  keeperPhase

	wiped  int8 // times
	broken promise
}

// start is a job that was just created, workers that hold their leases, and a Redis that is whole.
func start(workers int) world {
	w := world{owner: -1, outbox: true, marker: true}
	for i := range workers {
		w.workers[i] = worker{up: true, lease: valid, held: true}
	}
	return w
}

// over reports whether all is done that has to be.
func (w *world) over() bool {
	if w.job == open || w.outbox || w.relay != relayIdle {
		return false
	}
	for _, e := range w.entries {
		if e != nowhere {
			return false
		}
	}
	for _, k := range w.workers {
		for _, s := range k.slots {
			if s.phase != none {
				return false
			}
		}
	}
	return true
}

func (w *world) breaks(p promise) {
	if w.broken == kept {
		w.broken = p
	}
}

// unregistered forgets the leases of workers that Redis does not know, since the time of one has passed.
func (w *world) unregistered() {
	for i := range w.workers {
		if w.workers[i].lease != valid {
			w.lapse(i)
		}
	}
}

func (w *world) lapse(i int) {
	w.workers[i].held = false
	for s := range w.workers[i].slots {
		w.workers[i].slots[s].kept = false
	}
}

// vanish ends an entry's id: calls about it change nothing from now on.
func (w *world) vanish(e int, to place) {
	w.entries[e] = to
	for i := range w.workers {
		for s := range w.workers[i].slots {
			if w.workers[i].slots[s].entry == int8(e) {
				w.workers[i].slots[s].entry = -1
			}
		}
	}
}

// room is a place for another entry; -1 when there is none.
func (w *world) room() int {
	for e, at := range w.entries {
		if at == nowhere {
			return e
		}
	}
	return -1
}

func (w *world) anyValid() bool {
	for _, k := range w.workers {
		if k.lease == valid {
			return true
		}
	}
	return false
}

// step names a change: what happened, to which worker and which of its deliveries or entries.
type step struct {
	what      string
	worker, n int8
}

func (s step) String() string {
	if s.worker < 0 {
		return s.what
	}
	return fmt.Sprintf("%c%d: %s", 'a'+s.worker, s.n, s.what)
}
