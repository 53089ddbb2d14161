package sqlite

import (
	"fmt"
	"math"
	"strings"

	"github.com/deed-es/deed"
)

// A view's table has its rows, and as tombstones, with NULL for data, those that were removed. Index fields are columns
// without a type, so that values keep theirs: f0, f1 and so on.

func (v *storedView) table() string { return fmt.Sprintf("view_%d", v.id) }

// columns is ", f0, f1" with something before each name.
func (v *storedView) columns(format string) string {
	var b strings.Builder
	for i := range v.fields {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func createTable(v *storedView) string {
	table := v.table()
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE %s (key TEXT NOT NULL UNIQUE, position INTEGER NOT NULL, removed INTEGER%s, data BLOB);\n", table, v.columns(", f%d"))
	fmt.Fprintf(&b, "CREATE INDEX %s_position ON %s (position, key);\n", table, table)
	fmt.Fprintf(&b, "CREATE INDEX %s_removed ON %s (removed) WHERE removed IS NOT NULL;\n", table, table)
	for i := range v.fields {
		fmt.Fprintf(&b, "CREATE INDEX %s_f%d ON %s (f%d, key) WHERE removed IS NULL;\n", table, i, table, i)
	}
	return b.String()
}

// write stores a row, or turns it into a tombstone. A row that was never there leaves one too: a client of the view as it was
// before it was made anew may have it.
func (v *storedView) write(c *conn, row *deed.RowChange, now int64) error {
	if row.Data == nil {
		q := c.query("INSERT INTO " + v.table() + " (key, position, removed) VALUES (?, ?, ?)" +
			" ON CONFLICT (key) DO UPDATE SET position = excluded.position, removed = excluded.removed, data = NULL" + v.columns(", f%d = NULL"))
		q.text(row.Key)
		q.int(int64(row.Position))
		q.int(now)
		return q.exec()
	}
	q := c.query(v.upsert)
	q.text(row.Key)
	q.int(int64(row.Position))
	q.blob(row.Data)
	for _, value := range row.Index {
		q.value(value)
	}
	return q.exec()
}

func (v *storedView) upsertSQL() string {
	return "INSERT INTO " + v.table() + " (key, position, data" + v.columns(", f%d") + ") VALUES (?, ?, ?" + strings.Repeat(", ?", len(v.fields)) +
		") ON CONFLICT (key) DO UPDATE SET position = excluded.position, removed = NULL, data = excluded.data" + v.columns(", f%[1]d = excluded.f%[1]d")
}

// The places of false and true among numbers: no JSON number is there, so that true is not 1, and nil < bool < number < text.
const (
	falseNumber = -math.MaxFloat64
	trueNumber  = -math.MaxFloat64 / 2
)

// value binds an index value so that SQLite orders and compares it as it is.
func (q *query) value(value any) {
	switch v := value.(type) {
	case int64:
		q.int(v)
	case float64:
		q.float(v)
	case string:
		q.text(v)
	case bool:
		if v {
			q.float(trueNumber)
		} else {
			q.float(falseNumber)
		}
	default:
		q.null()
	}
}

// dropTombstones removes at most limit tombstones of rows removed before a time, and remembers the last of their places.
func (v *storedView) dropTombstones(c *conn, before int64, limit int) (int, error) {
	q := c.query("SELECT rowid, position, key FROM " + v.table() + " WHERE removed < ? ORDER BY removed LIMIT ?")
	q.int(before)
	q.int(int64(limit))
	var rows []int64
	last := v.dropped
	for q.step() {
		rows = append(rows, q.s.ColumnInt64(0))
		place := deed.ChangeCursor{Position: deed.Position(q.s.ColumnInt64(1)), Key: q.s.ColumnText(2)}
		if place.Position > last.Position || place.Position == last.Position && place.Key > last.Key {
			last = place
		}
	}
	if err := q.end(); err != nil || len(rows) == 0 {
		return 0, err
	}
	for _, row := range rows {
		if err := c.run("DELETE FROM "+v.table()+" WHERE rowid = ?", row); err != nil {
			return 0, err
		}
	}
	v.dropped = last
	q = c.query("UPDATE views SET dropped = ?, dropped_key = ? WHERE id = ?")
	q.int(int64(last.Position))
	q.text(last.Key)
	q.int(v.id)
	return len(rows), q.exec()
}
