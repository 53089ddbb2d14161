package sqlite

import (
	"slices"

	"github.com/deed-es/deed/internal/engine"
)

// kindsOf returns the numbers of the kinds of a category (empty: any) with one of the types (none: any), and whether these are
// all kinds there are.
func kindsOf(s *engine.Kinds, category string, types []string) (numbers []int64, all bool) {
	if category == "" && len(types) == 0 {
		return nil, true
	}
	for i, k := range s.After(0) {
		if (category == "" || k.Category == category) && (len(types) == 0 || slices.Contains(types, k.Type)) {
			numbers = append(numbers, int64(i)+1)
		}
	}
	return numbers, len(numbers) == s.Len()
}

// moreKinds returns s with what the database has beyond it.
func moreKinds(c *conn, s *engine.Kinds) (*engine.Kinds, error) {
	q := c.query("SELECT category, type, schema, content_type FROM kinds WHERE id > ? ORDER BY id")
	q.int(int64(s.Len()))
	var more []engine.Kind
	for q.step() {
		more = append(more, engine.Kind{
			Category: q.s.ColumnText(0), Type: q.s.ColumnText(1), Schema: q.s.ColumnInt(2), ContentType: q.s.ColumnText(3),
		})
	}
	return s.Add(more...), q.end()
}

func insertKind(c *conn, number int64, k engine.Kind) error {
	q := c.query("INSERT INTO kinds (id, category, type, schema, content_type) VALUES (?, ?, ?, ?, ?)")
	q.int(number)
	q.text(k.Category)
	q.text(k.Type)
	q.int(int64(k.Schema))
	q.text(k.ContentType)
	return q.exec()
}
