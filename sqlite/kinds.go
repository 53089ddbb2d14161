package sqlite

import (
	"maps"
	"slices"

	"github.com/deed-es/deed"
)

// kind is what many events share. Its number, from 1, stands in the event's row and is indexed, which makes reading a
// category or a type cheap without an index over words.
type kind struct {
	category    string
	name        string // the event type
	contentType string
	schema      int
}

// kindSet is all kinds up to some moment. It is not changed once others see it.
type kindSet struct {
	list    []kind // kind n is at n-1
	numbers map[kind]int64
}

// add returns the set with more behind all others.
func (s *kindSet) add(more ...kind) *kindSet {
	if len(more) == 0 {
		return s
	}
	next := &kindSet{list: append(slices.Clip(s.list), more...), numbers: maps.Clone(s.numbers)}
	if next.numbers == nil {
		next.numbers = make(map[kind]int64)
	}
	for i, k := range more {
		next.numbers[k] = int64(len(s.list) + i + 1)
	}
	return next
}

func (s *kindSet) has(number int64) bool { return number >= 1 && number <= int64(len(s.list)) }

// of returns the numbers of the kinds of a category (empty: any) with one of the types (none: any), and whether these are
// all kinds there are.
func (s *kindSet) of(category string, types []string) (numbers []int64, all bool) {
	if category == "" && len(types) == 0 {
		return nil, true
	}
	for i := range s.list {
		k := &s.list[i]
		if (category == "" || k.category == category) && (len(types) == 0 || slices.Contains(types, k.name)) {
			numbers = append(numbers, int64(i)+1)
		}
	}
	return numbers, len(numbers) == len(s.list)
}

func kindOf(r *deed.Record) kind {
	return kind{category: r.Stream.Category(), name: r.Type, contentType: r.ContentType, schema: r.Schema}
}

// moreKinds returns s with what the database has beyond it.
func moreKinds(c *conn, s *kindSet) (*kindSet, error) {
	q := c.query("SELECT category, type, schema, content_type FROM kinds WHERE id > ? ORDER BY id")
	q.int(int64(len(s.list)))
	var more []kind
	for q.step() {
		more = append(more, kind{
			category: q.s.ColumnText(0), name: q.s.ColumnText(1), schema: q.s.ColumnInt(2), contentType: q.s.ColumnText(3),
		})
	}
	return s.add(more...), q.end()
}

func insertKind(c *conn, number int64, k kind) error {
	q := c.query("INSERT INTO kinds (id, category, type, schema, content_type) VALUES (?, ?, ?, ?, ?)")
	q.int(number)
	q.text(k.category)
	q.text(k.name)
	q.int(int64(k.schema))
	q.text(k.contentType)
	return q.exec()
}
