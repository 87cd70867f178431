package model

// explorer collects the successors of a state.
type explorer struct {
	size

	rules rules
	next  []successor
}

// successor is a state that may follow. A fault is a step that nobody may count on.
type successor struct {
	to    world
	step  step
	fault bool
}

func (x *explorer) may(to world, what string, worker, n int) {
	x.next = append(x.next, successor{to, step{what, int8(worker), int8(n)}, false})
}

func (x *explorer) fault(to world, what string, worker, n int) {
	x.next = append(x.next, successor{to, step{what, int8(worker), int8(n)}, true})
}

// successors lists all that may happen in a state.
func (x *explorer) successors(w world) []successor {
	x.next = x.next[:0]
	for i := range x.workers {
		x.lives(w, i)
		if w.workers[i].up {
			x.beats(w, i)
			x.reads(w, i)
			for s := range x.slots {
				x.delivers(w, i, s)
			}
		}
	}
	x.promotes(w)
	x.relays(w)
	x.keeps(w)
	x.loses(w)
	if x.nameless {
		for i := range x.next {
			x.next[i].to = x.next[i].to.ordered(x.workers)
		}
	}
	return x.next
}

// lives is what befalls a worker.
func (x *explorer) lives(w world, i int) {
	k := w.workers[i]
	others := 0
	for j, o := range w.workers {
		if j != i && o.up {
			others++
		}
	}
	if k.up && others > 0 {
		to := w
		to.workers[i].up, to.workers[i].slots = false, [maxSlots]delivery{}
		to.lapse(i)
		x.fault(to, "is killed", i, 0)
	}
	if k.lease == valid {
		to := w
		to.workers[i].lease = expired
		to.lapse(i)
		if k.up {
			x.fault(to, "does not renew its lease in time", i, 0)
		} else {
			x.may(to, "its lease runs out", i, 0)
		}
	}
}

// beats renews a lease. If all had run out at once, it was Redis that was away, and the table counts as new.
func (x *explorer) beats(w world, i int) {
	k := w.workers[i]
	if k.lease != valid || !k.held {
		to := w
		if k.lease == expired && !w.anyValid() {
			to.young = true
		}
		to.workers[i].lease, to.workers[i].held = valid, true
		x.may(to, "renews its lease", i, 0)
	}
	if x.rules.dropOthers && k.lease == valid && !w.young {
		to := w
		for e, at := range w.entries {
			if at >= pendingOf && w.workers[at-pendingOf].lease != valid {
				to.vanish(e, nowhere)
			}
		}
		if to != w {
			x.may(to, "removes dead consumers", i, 0)
		}
	}
}

// reads are the deliveries to a worker that has a slot free.
func (x *explorer) reads(w world, i int) {
	free := -1
	for s := range x.slots {
		if w.workers[i].slots[s].phase == none {
			free = s
		}
	}
	if free < 0 {
		return
	}
	for e, at := range w.entries {
		switch {
		case at == unread:
			x.deliver(w, i, free, e, "reads")
		case at == pendingOf+place(i):
			if !x.rules.noGhosts && !w.knows(i, e) {
				x.deliver(w, i, free, e, "finds a ghost")
			}
		case at >= pendingOf:
			x.claims(w, i, free, e, int(at-pendingOf))
		}
	}
}

// claims takes an entry over from another consumer.
func (x *explorer) claims(w world, i, free, e, from int) {
	dead := w.workers[from].lease != valid && !w.young
	if w.workers[i].lease != valid || !dead && !x.rules.claimByIdle {
		return
	}
	if w.workers[from].up && w.workers[from].held {
		w.breaks(takenFromLiving)
	}
	x.deliver(w, i, free, e, "takes over")
}

// deliver puts an entry into a worker's hands; or the reply is lost, and it is pending without anybody's knowledge.
func (x *explorer) deliver(w world, i, free, e int, what string) {
	to := w
	to.entries[e] = pendingOf + place(i)
	if !w.knows(i, e) {
		x.fault(to, what+", and the reply is lost", i, e)
	}
	to.workers[i].slots[free] = delivery{phase: got, entry: int8(e)}
	if to.inFlight(i, free) && !x.rules.noInFlight {
		to.workers[i].slots[free].phase = twin
	}
	x.may(to, what, i, e)
}

// knows reports whether a worker has an entry in hand.
func (w *world) knows(i, e int) bool {
	for _, s := range w.workers[i].slots {
		if s.phase != none && s.entry == int8(e) {
			return true
		}
	}
	return false
}

// inFlight reports whether another delivery of the worker has the job.
func (w *world) inFlight(i, but int) bool {
	for s, d := range w.workers[i].slots {
		if s != but && d.phase != none && d.phase != twin {
			return true
		}
	}
	return false
}

// delivers are the steps of a delivery.
func (x *explorer) delivers(w world, i, s int) {
	switch w.workers[i].slots[s].phase {
	case got:
		x.begins(w, i, s)
	case asked:
		x.takes(w, i, s)
	case begun:
		x.settles(w, i, s)
		to := w
		to.workers[i].slots[s].phase, to.workers[i].slots[s].kept = failed, false
		x.may(to, "its handler fails", i, s)
	case failed:
		x.frees(w, i, s)
	case acking:
		x.tells(w, i, s, nowhere, "acknowledges")
	case putOff, twin:
		x.tells(w, i, s, delayed, "puts the entry off")
	default:
	}
}

// begins takes the job if nobody has it, else asks whether its owner lives.
func (x *explorer) begins(w world, i, s int) {
	d := &w.workers[i].slots[s]
	switch {
	case w.job != open:
		d.phase = acking
		x.may(w, "finds the job settled", i, s)
	case w.owner < 0 || w.owner == int8(i):
		x.take(w, i, s)
	case x.alive(&w, int(w.owner)):
		if d.phase = putOff; x.rules.ackBusy {
			d.phase = acking
		}
		x.may(w, "finds the job busy", i, s)
	default:
		d.phase, d.seen, d.seenRun = asked, w.owner, true
		x.may(w, "sees that the owner is dead", i, s)
	}
}

func (x *explorer) alive(w *world, owner int) bool {
	switch {
	case x.rules.noAlive:
		return false
	case w.workers[owner].lease == valid:
		return true
	default:
		return w.young && !x.rules.noYouth
	}
}

// takes takes the job of an owner that was seen dead, unless somebody else was there in between.
func (x *explorer) takes(w world, i, s int) {
	d := &w.workers[i].slots[s]
	free := w.owner < 0 || w.owner == int8(i)
	if w.job == open && (free || w.owner == d.seen && (d.seenRun || x.rules.noSeenRun)) {
		x.take(w, i, s)
		return
	}
	*d = delivery{phase: got, entry: d.entry}
	x.may(w, "was too late", i, s)
}

// take begins the job: run + 1.
func (x *explorer) take(w world, i, s int) {
	for k := range w.workers {
		for n := range w.workers[k].slots {
			d := &w.workers[k].slots[n]
			if d.phase == begun && d.current && d.kept && w.workers[k].up {
				w.breaks(begunTwice)
			}
			d.current, d.seenRun = false, false
		}
	}
	w.owner = int8(i)
	d := &w.workers[i].slots[s]
	d.seen = 0
	unanswered := w
	unanswered.workers[i].slots[s].phase = got
	x.fault(unanswered, "begins, and the reply is lost", i, s)
	d.phase, d.current, d.kept = begun, true, w.workers[i].held
	x.may(w, "begins", i, s)
}

// settles records the result in one transaction.
func (x *explorer) settles(w world, i, s int) {
	d := &w.workers[i].slots[s]
	mine := d.current && w.owner == int8(i)
	write := mine && w.job == open
	if x.rules.noFence {
		write = w.job == open
	}
	if x.rules.noState {
		write = mine
	}
	if write {
		switch {
		case w.job == done:
			w.breaks(settledTwice)
		case w.job == cancelled:
			w.breaks(writtenAfterDelete)
		case !mine:
			w.breaks(writtenBySuperseded)
		}
		w.job = done
		x.fault(w, "settles, and the reply is lost", i, s)
	}
	repeated := d.current && w.job == done
	if d.phase = putOff; write || repeated || x.rules.ackLosers {
		d.phase = acking
	}
	d.current, d.kept = false, false
	x.may(w, "settles", i, s)
}

// frees gives the job up after a failed attempt, or for a drain.
func (x *explorer) frees(w world, i, s int) {
	d := &w.workers[i].slots[s]
	if mine := d.current && w.owner == int8(i); w.job == open && (mine || x.rules.noFence) {
		if !mine && w.owner >= 0 {
			w.breaks(writtenBySuperseded)
		}
		w.owner = -1
		x.fault(w, "frees the job, and the reply is lost", i, s)
	}
	d.phase, d.current, d.kept = putOff, false, false
	x.may(w, "frees the job", i, s)
}

// tells settles an entry with Redis, if it is still this worker's.
func (x *explorer) tells(w world, i, s int, outcome place, what string) {
	if e := w.workers[i].slots[s].entry; e >= 0 {
		at := w.entries[e]
		if at >= pendingOf && at != pendingOf+place(i) && x.rules.ackAnybody {
			w.breaks(changedAnothers)
			at = pendingOf + place(i)
		}
		if at == pendingOf+place(i) {
			w.vanish(int(e), outcome)
			x.fault(w, what+", and the reply is lost", i, s)
		}
	}
	w.workers[i].slots[s] = delivery{}
	x.may(w, what, i, s)
}

// promotes adds delayed entries again, under another id.
func (x *explorer) promotes(w world) {
	for e, at := range w.entries {
		if at == delayed {
			to := w
			to.entries[e] = unread
			x.may(to, "promote", -1, e)
		}
	}
}

// relays sends the outbox row: it reads the job, adds an entry, deletes the row. A relay that dies leaves the row.
func (x *explorer) relays(w world) {
	to := w
	switch w.relay {
	case relayIdle:
		if !w.outbox {
			return
		}
		if w.job != open {
			to.outbox = false
			x.may(to, "the relay drops the row", -1, 0)
			return
		}
		to.relay = relayLoaded
		to.outbox = !x.rules.rowFirst
		x.may(to, "the relay reads the row", -1, 0)
		return
	case relayLoaded:
		if e := w.room(); e >= 0 {
			to.entries[e], to.relay = unread, relaySent
			x.may(to, "the relay adds an entry", -1, e)
		}
	case relaySent:
		to.relay, to.outbox = relayIdle, false
		x.may(to, "the relay deletes the row", -1, 0)
	}
	to = w
	to.relay = relayIdle
	x.fault(to, "the relay dies", -1, 0)
}

// keeps is housekeeping: it waits until all that live have registered, leaves a draft of the marker, adds the open job and replaces the
// draft by the marker if it is still there.
func (x *explorer) keeps(w world) {
	if w.young && w.registered() {
		to := w
		to.young = false
		to.unregistered()
		x.passes(w, to, "a lease's time passes")
	}
	if !x.rules.noSweep && w.marker && w.job == open && !w.outbox && w.relay == relayIdle && w.entries == [maxEntries]place{} {
		to := w
		to.outbox = true
		x.may(to, "the sweep finds the job lost", -1, 0)
	}
	to := w
	switch w.keeper {
	case keeperIdle:
		if !w.marker && !x.rules.noRebuild {
			if to.keeper = keeperWaiting; x.rules.eagerWait {
				to.keeper, to.draft = keeperReady, true
			}
			x.may(to, "the rebuilder finds the marker gone", -1, 0)
		}
		return
	case keeperWaiting:
		to.keeper, to.draft = keeperReady, true
		to.unregistered()
		x.passes(w, to, "the rebuilder has waited a lease and leaves its draft")
	case keeperReady:
		if x.rules.markerFirst {
			to.marker, to.keeper = true, keeperHalf
			x.may(to, "the rebuilder writes the marker", -1, 0)
		} else {
			x.rebuilds(w, keeperHalf)
		}
	case keeperHalf:
		if x.rules.markerFirst {
			x.rebuilds(w, keeperIdle)
		} else {
			to.marker, to.draft, to.keeper = w.draft || x.rules.markerBlind, false, keeperIdle
			x.may(to, "the rebuilder replaces its draft, if it is there, by the marker", -1, 0)
		}
	}
	to = w
	to.keeper = keeperIdle
	x.fault(to, "the rebuilder dies", -1, 0)
}

// registered reports whether anybody has beaten since the table is new.
func (w *world) registered() bool {
	for _, k := range w.workers {
		if k.lease != missing {
			return true
		}
	}
	return false
}

// passes lets the time of a lease pass. Workers that are up register in that time, unless they are frozen or cut off.
func (x *explorer) passes(w, to world, what string) {
	for _, k := range w.workers {
		if k.up && k.held && k.lease != valid {
			x.fault(to, what+", and somebody has not registered", -1, 0)
			return
		}
	}
	x.may(to, what, -1, 0)
}

// rebuilds adds the job if it is open.
func (x *explorer) rebuilds(w world, then keeperPhase) {
	w.keeper = then
	if w.job != open {
		x.may(w, "the rebuilder finds nothing to add", -1, 0)
		return
	}
	if e := w.room(); e >= 0 {
		w.entries[e] = unread
		x.may(w, "the rebuilder adds the job", -1, e)
	}
}

// loses is what Redis loses, and DELETE.
func (x *explorer) loses(w world) {
	if w.job == open {
		to := w
		to.job = cancelled
		x.fault(to, "DELETE", -1, 0)
	}
	if w.wiped < int8(x.wipes) {
		x.wipe(w)
	}
	if !x.forgets {
		return
	}
	for e, at := range w.entries {
		if at == nowhere {
			continue
		}
		to := w
		to.vanish(e, nowhere)
		x.fault(to, "redis forgets an entry", -1, e)
		if at >= pendingOf {
			to = w
			to.entries[e] = unread
			x.fault(to, "redis forgets a delivery", -1, e)
		}
	}
}

// wipe empties Redis.
func (x *explorer) wipe(w world) {
	to := w
	for e := range w.entries {
		to.vanish(e, nowhere)
	}
	for i := range x.workers {
		to.workers[i].lease = missing
	}
	to.young, to.marker, to.draft = true, false, false
	to.wiped++
	x.fault(to, "redis is wiped", -1, 0)
}
