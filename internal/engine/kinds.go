package engine

import (
	"maps"
	"slices"

	"github.com/deed-es/deed"
)

// Kind is what many events of a log share. Its number, from 1, stands in the event's row and is indexed, which makes reading a
// category or a type cheap without an index over words.
type Kind struct {
	Category    string
	Type        string
	ContentType string
	Schema      int
}

// KindOf is a record's kind.
func KindOf(r *deed.Record) Kind {
	return Kind{Category: r.Stream.Category(), Type: r.Type, ContentType: r.ContentType, Schema: r.Schema}
}

// Name says of which kind a record is.
func (k *Kind) Name(r *deed.Record) {
	r.Type, r.Schema, r.ContentType = k.Type, k.Schema, k.ContentType
}

// Kinds are all kinds up to some moment. They are not changed once others see them.
type Kinds struct {
	list    []Kind // kind n is at n-1
	numbers map[Kind]int
}

// Add returns the kinds with more behind all others.
func (s *Kinds) Add(more ...Kind) *Kinds {
	if len(more) == 0 {
		return s
	}
	next := &Kinds{list: append(slices.Clip(s.list), more...), numbers: maps.Clone(s.numbers)}
	if next.numbers == nil {
		next.numbers = make(map[Kind]int)
	}
	for i, k := range more {
		next.numbers[k] = len(s.list) + i + 1
	}
	return next
}

// Len is how many there are, and so the highest number.
func (s *Kinds) Len() int { return len(s.list) }

// After are the kinds whose numbers are above n, in order.
func (s *Kinds) After(n int) []Kind { return s.list[n:] }

// Get returns the kind of a number, or nil.
func (s *Kinds) Get(number int) *Kind {
	if number < 1 || number > len(s.list) {
		return nil
	}
	return &s.list[number-1]
}

// Number is that of a kind; 0 if it is not among them.
func (s *Kinds) Number(k Kind) int { return s.numbers[k] }
