package postgres

import (
	"context"
	"maps"
	"slices"

	"github.com/deed-es/deed"
)

// kind is what many events of a log share. Its number, from 1, stands in the event's row and is indexed, which makes reading a
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
	numbers map[kind]int32
}

// add returns the set with more behind all others.
func (s *kindSet) add(more ...kind) *kindSet {
	if len(more) == 0 {
		return s
	}
	next := &kindSet{list: append(slices.Clip(s.list), more...), numbers: maps.Clone(s.numbers)}
	if next.numbers == nil {
		next.numbers = make(map[kind]int32)
	}
	for i, k := range more {
		next.numbers[k] = int32(len(s.list) + i + 1)
	}
	return next
}

func (s *kindSet) has(number int32) bool { return number >= 1 && int(number) <= len(s.list) }

func kindOf(r *deed.Record) kind {
	return kind{category: r.Stream.Category(), name: r.Type, contentType: r.ContentType, schema: r.Schema}
}

// moreKinds makes the kinds known that others have stored since.
func (db *DB) moreKinds(ctx context.Context, q querier) (*kindSet, error) {
	known := db.kinds.Load()
	rows, err := q.Query(ctx, db.tables.sql("SELECT category, type, schema, content_type FROM @kinds WHERE log = $1 AND id > $2 ORDER BY id"), db.log, len(known.list))
	if err != nil {
		return nil, err
	}
	var more []kind
	for rows.Next() {
		var k kind
		if err := rows.Scan(&k.category, &k.name, &k.schema, &k.contentType); err != nil {
			return nil, err
		}
		more = append(more, k)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return db.learnKinds(known.add(more...)), nil
}

// learnKinds makes kinds known that are stored, and returns all that are. Of two sets one begins with the other.
func (db *DB) learnKinds(learnt *kindSet) *kindSet {
	for {
		known := db.kinds.Load()
		if len(known.list) >= len(learnt.list) {
			return known
		}
		if db.kinds.CompareAndSwap(known, learnt) {
			return learnt
		}
	}
}
