package sqlite_test

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// A drive writes so much at once; a write that a power cut tears is torn there, or anywhere.
const sector = 512

// medium plays a machine's notes back and knows what is on the medium for certain and what was only on its way there.
type medium struct {
	rng    *rand.Rand
	played int
	inodes map[int]*inode
	dir    map[string]int    // the files that are found for certain
	links  map[string][]note // what was done to a name and not flushed, in order
}

type inode struct {
	data    []byte
	pending []note // writes and truncations, in order
}

func newMedium(rng *rand.Rand) *medium {
	return &medium{rng: rng, inodes: map[int]*inode{}, dir: map[string]int{}, links: map[string][]note{}}
}

// play goes on to a moment.
func (m *medium) play(notes []note, moment int) {
	for ; m.played < moment; m.played++ {
		m.playOne(notes[m.played])
	}
}

func (m *medium) playOne(n note) {
	switch n.kind {
	case noteCreate:
		m.inodes[n.inode] = &inode{}
		m.links[n.name] = append(m.links[n.name], n)
	case noteRemove:
		m.links[n.name] = append(m.links[n.name], n)
	case noteRename: // both names change, or neither: file systems that can lose power promise that
		for _, name := range []string{n.name, n.to} {
			relink(m.dir, m.links[name])
			delete(m.links, name)
		}
		m.links[n.to] = append(m.links[n.to], n)
	case noteFlushDir:
		for _, name := range slices.Sorted(maps.Keys(m.links)) {
			relink(m.dir, m.links[name])
		}
		clear(m.links)
	case noteWrite, noteTruncate:
		f := m.inodes[n.inode]
		f.pending = append(f.pending, n)
	case noteFlush:
		f := m.inodes[n.inode]
		for _, w := range f.pending {
			f.data = put(f.data, w)
		}
		f.pending = nil
	case noteFailedFlush: // the system takes these pages for clean from now on, as Linux does
		f := m.inodes[n.inode]
		f.data, f.pending = m.some(f.data, f.pending), nil
	}
}

// cut returns the files as they are found after the power fails now. It can be asked again, for another end of the same.
func (m *medium) cut() map[string][]byte {
	dir := maps.Clone(m.dir)
	for _, name := range slices.Sorted(maps.Keys(m.links)) {
		done := m.links[name]
		relink(dir, done[:m.rng.IntN(len(done)+1)])
	}
	files := map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(dir)) {
		f := m.inodes[dir[name]]
		files[name] = m.some(slices.Clone(f.data), f.pending)
	}
	return files
}

func relink(dir map[string]int, done []note) {
	for _, n := range done {
		switch n.kind {
		case noteCreate:
			dir[n.name] = n.inode
		case noteRemove:
			delete(dir, n.name)
		case noteRename:
			delete(dir, n.name)
			dir[n.to] = n.inode
		}
	}
}

// some does any subset of what was pending, and tears one of the writes.
func (m *medium) some(data []byte, pending []note) []byte {
	if len(pending) == 0 {
		return data
	}
	kept := make([]bool, len(pending))
	switch m.rng.IntN(6) {
	case 0: // nothing
	case 1: // everything
		for i := range kept {
			kept[i] = true
		}
	case 2: // the first of them, as if in order
		for i := range m.rng.IntN(len(kept) + 1) {
			kept[i] = true
		}
	case 3: // the last of them
		for i := m.rng.IntN(len(kept) + 1); i < len(kept); i++ {
			kept[i] = true
		}
	case 4: // all but one
		for i := range kept {
			kept[i] = true
		}
		kept[m.rng.IntN(len(kept))] = false
	default: // any
		for i := range kept {
			kept[i] = m.rng.IntN(2) == 0
		}
	}
	torn := -1
	if m.rng.IntN(4) > 0 {
		torn = m.rng.IntN(len(kept))
	}
	for i, n := range pending {
		switch {
		case i == torn && n.kind == noteWrite:
			data = m.tear(data, n)
		case kept[i]:
			data = put(data, n)
		}
	}
	return data
}

// tear writes a part of a write.
func (m *medium) tear(data []byte, w note) []byte {
	piece := func(from, to int) {
		data = put(data, note{kind: noteWrite, at: w.at + int64(from), data: w.data[from:to]})
	}
	size := len(w.data)
	switch m.rng.IntN(4) {
	case 0: // its first sectors
		piece(0, min(size, m.rng.IntN(size/sector+1)*sector))
	case 1: // its last sectors
		piece(min(size, m.rng.IntN(size/sector+1)*sector), size)
	case 2: // anywhere
		piece(0, m.rng.IntN(size+1))
	default: // some sectors; the file is as long as if all of it were there
		if end := w.at + int64(size); end > int64(len(data)) {
			data = put(data, note{kind: noteTruncate, at: end})
		}
		for from := 0; from < size; from += sector {
			if m.rng.IntN(2) == 0 {
				piece(from, min(size, from+sector))
			}
		}
	}
	return data
}

// put does a write or a truncation.
func put(data []byte, n note) []byte {
	end := n.at
	if n.kind == noteWrite {
		end += int64(len(n.data))
	}
	if grown := int(end) - len(data); grown > 0 {
		data = append(data, make([]byte, grown)...)
	}
	if n.kind == noteTruncate {
		return data[:end]
	}
	copy(data[n.at:], n.data)
	return data
}
