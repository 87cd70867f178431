package model

// Workers, entries and slots have no names of their own: states that differ only in these are the same.

// ordered is w with its workers, entries and slots in an order that their names do not decide, but for ties. That leaves about a fifth of
// the states to visit with two workers, and a twelfth with three.
func (w world) ordered(workers int) world {
	var weights [maxWorkers]int
	names := [maxWorkers]int8{0, 1, 2}
	for i := range workers {
		weights[i] = w.weight(i)
		for j := i; j > 0 && weights[j] > weights[j-1]; j-- { // the heaviest first
			weights[j], weights[j-1] = weights[j-1], weights[j]
			names[j], names[j-1] = names[j-1], names[j]
		}
	}
	if names != [maxWorkers]int8{0, 1, 2} {
		w = w.renamed(names)
	}
	if w.entries[0] < w.entries[1] {
		w.swapEntries()
	}
	for i := range workers {
		if s := &w.workers[i].slots; s[0].weight() < s[1].weight() || s[0].weight() == s[1].weight() && s[0].entry < s[1].entry {
			s[0], s[1] = s[1], s[0]
		}
	}
	return w
}

// weight is a number for what a worker does and has, without names.
func (w *world) weight(i int) int {
	k := &w.workers[i]
	a, b := k.slots[0].weight(), k.slots[1].weight()
	n := max(a, b)<<16 | min(a, b)<<8 | bit(k.up)<<7 | bit(k.held)<<6 | int(k.lease)<<4 | bit(w.owner == int8(i))<<3
	for _, at := range w.entries {
		n += bit(at == pendingOf+place(i))
	}
	return n
}

func (d *delivery) weight() int {
	return int(d.phase)<<4 | bit(d.current)<<3 | bit(d.kept)<<2 | bit(d.seenRun)<<1 | bit(d.entry >= 0)
}

// renamed is the state with the worker names[i] in place i.
func (w *world) renamed(names [maxWorkers]int8) world {
	var places [maxWorkers]int8
	for i, name := range names {
		places[name] = int8(i)
	}
	to := *w
	for e, at := range w.entries {
		if at >= pendingOf {
			to.entries[e] = pendingOf + place(places[at-pendingOf])
		}
	}
	if w.owner >= 0 {
		to.owner = places[w.owner]
	}
	for i, name := range names {
		k := &to.workers[i]
		*k = w.workers[name]
		for s := range k.slots {
			if k.slots[s].phase == asked {
				k.slots[s].seen = places[k.slots[s].seen]
			}
		}
	}
	return to
}

func (w *world) swapEntries() {
	w.entries[0], w.entries[1] = w.entries[1], w.entries[0]
	for i := range w.workers {
		for s := range w.workers[i].slots {
			if d := &w.workers[i].slots[s]; d.phase != none && d.entry >= 0 {
				d.entry = 1 - d.entry
			}
		}
	}
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
