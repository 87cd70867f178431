package acoustic

import (
	"errors"
	"fmt"
	"math"
)

// definition is what mdef says about the phones without context.
type definition struct {
	names        []string
	ids          map[string]Phone
	silence      Phone
	senones      [][States]uint16 // by phone
	codebook     []uint8          // by senone: the phone whose Gaussians it weighs
	transition   []int            // by phone: its transition matrix
	totalSenones int              // with those of triphones, as sendump has them
	triphones    triphones
}

func (d *definition) senoneCount() int { return len(d.codebook) }

// parseDefinition reads a binary mdef of version 1: phones, the tree that finds triphones, for each phone and triphone its
// senone sequence, and those sequences.
func parseDefinition(data []byte) (*definition, error) {
	r := &reader{data: data}
	if magic := string(r.take(4)); r.err == nil && magic != "BMDF" {
		return nil, fmt.Errorf("starts with %q, expected \"BMDF\" (the binary form, little-endian)", magic)
	}
	r.count("version", 1, 1)
	r.take(r.int32()) // description of the format
	phones := r.count("number of phones", 1, 200)
	all := r.count("number of triphones", phones, 1<<24)
	r.count("number of states", States, States)
	senones := r.count("number of context-independent senones", 1, States*phones)
	total := r.count("number of senones", senones, math.MaxUint16)
	r.count("number of transition matrices", 1, math.MaxUint8)
	sequences := r.count("number of senone sequences", 1, 1<<24)
	r.count("size of context", 0, 3)
	tree := r.count("size of the triphone tree", 0, 1<<24)
	silence := r.count("silence phone", 0, phones-1)
	d := &definition{
		ids: make(map[string]Phone, phones), silence: Phone(silence), senones: make([][States]uint16, phones),
		codebook: make([]uint8, senones), transition: make([]int, phones), totalSenones: total,
	}
	d.readNames(r, phones)
	branches := r.take(tree * branchSize)
	entries := r.take(all * entrySize)
	r.count("length of the sequences", sequences*States, sequences*States)
	table := r.take(sequences * States * 2)
	if r.err != nil {
		return nil, r.err
	}
	if err := d.readPhones(entries, table); err != nil {
		return nil, err
	}
	d.triphones = triphones{branches, entries, table}
	return d, d.triphones.check(phones, total)
}

// readNames reads the names of the phones and what pads them to a multiple of four bytes.
func (d *definition) readNames(r *reader, n int) {
	size := 0
	for p := range n {
		name := r.cString()
		if _, ok := d.ids[name]; r.err == nil && (ok || name == "") {
			r.err = fmt.Errorf("phone %d has the name %q of another or none", p, name)
		}
		d.names, d.ids[name] = append(d.names, name), Phone(p)
		size += len(name) + 1
	}
	r.take((4 - size%4) % 4)
}

// readPhones takes each phone's transition matrix and senones from its entry and from the table of sequences.
func (d *definition) readPhones(entries, table []byte) error {
	rows, owned := &reader{data: entries}, make([]bool, len(d.codebook))
	for p := range d.names {
		sequence := rows.count("senone sequence", 0, len(table)/(States*2)-1)
		d.transition[p] = rows.count("transition matrix", 0, math.MaxUint8)
		rows.take(4)
		if rows.err != nil {
			return rows.err
		}
		for s := range States {
			at := (sequence*States + s) * 2
			senone := int(table[at]) | int(table[at+1])<<8
			if senone >= len(d.codebook) || owned[senone] {
				return fmt.Errorf("phone %s: senone %d is not its own", d.names[p], senone)
			}
			owned[senone] = true
			d.senones[p][s], d.codebook[senone] = uint16(senone), uint8(p)
		}
	}
	for _, ok := range owned {
		if !ok {
			return errors.New("a senone belongs to no phone")
		}
	}
	return nil
}
