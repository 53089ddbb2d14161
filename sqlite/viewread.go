package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// Row returns a row and the view's position, read together. See deed.ViewStore.
func (s *views) Row(ctx context.Context, view deed.ViewRef, key string) (row deed.Row, at deed.Position, err error) {
	err = s.lookViews(ctx, view, func(c *conn, v *storedView) error {
		at = v.position
		found := false
		if row, found, err = v.row(c, key); err != nil {
			return err
		}
		one := []deed.Row{row}
		one[0].Key = key
		if err := v.mark(c, one); err != nil {
			return err
		}
		if row = one[0]; !found {
			err = fmt.Errorf("row %q of view %s: %w", key, view.Name, deed.ErrNotFound)
		}
		return err
	})
	return row, at, err
}

func (v *storedView) row(c *conn, key string) (row deed.Row, found bool, err error) {
	q := c.query("SELECT key, data, position FROM " + v.table() + " WHERE key = ? AND removed IS NULL")
	q.text(key)
	if found = q.step(); found {
		row = scanRow(&q)
	}
	return row, found, q.end()
}

func scanRow(q *query) deed.Row {
	return deed.Row{Key: q.s.ColumnText(0), Data: q.s.ColumnBlob(1, []byte{}), Position: deed.Position(q.s.ColumnInt64(2))}
}

// Rows returns the rows of these keys that exist. See deed.ViewStore.
func (s *views) Rows(ctx context.Context, view deed.ViewRef, keys []string) (map[string]deed.Row, error) {
	rows := make(map[string]deed.Row, len(keys))
	err := s.lookViews(ctx, view, func(c *conn, v *storedView) error { return v.rows(c, keys, rows) })
	if err != nil {
		return nil, err
	}
	return rows, nil
}

func (v *storedView) rows(c *conn, keys []string, rows map[string]deed.Row) error {
	for _, key := range keys {
		row, found, err := v.row(c, key)
		if err != nil {
			return err
		}
		if found {
			rows[key] = row
		}
	}
	return nil
}

// Changes returns changed rows after a cursor, removed ones with nil Data. See deed.ViewStore. A limit of 0 is none.
//
// The zero cursor is before all rows; who starts there knows of no rows and misses no tombstones.
func (s *views) Changes(ctx context.Context, view deed.ViewRef, after deed.ChangeCursor, limit int) (rows []deed.Row, at deed.Position, err error) {
	if err := engine.ValidLimit(limit); err != nil {
		return nil, 0, err
	}
	err = s.lookViews(ctx, view, func(c *conn, v *storedView) error {
		at = v.position
		if after != (deed.ChangeCursor{}) && isBehind(v.dropped, after) {
			return fmt.Errorf("changes of view %s after %d: %w", view.Name, after.Position, deed.ErrCursor)
		}
		sql := "SELECT key, data, position, removed IS NOT NULL FROM " + v.table() + " WHERE position > ? ORDER BY position, key LIMIT ?"
		if after.Key != "" {
			sql = "SELECT key, data, position, removed IS NOT NULL FROM " + v.table() + " WHERE (position, key) > (?, ?) ORDER BY position, key LIMIT ?"
		}
		q := c.query(sql)
		q.int(int64(after.Position))
		if after.Key != "" {
			q.text(after.Key)
		}
		q.int(orAll(limit))
		for q.step() {
			row := scanRow(&q)
			if q.s.ColumnBool(3) {
				row.Data = nil
			}
			rows = append(rows, row)
		}
		return q.end()
	})
	return rows, at, err
}

// isBehind tells whether a row's place in the changes is behind a cursor.
func isBehind(place, cursor deed.ChangeCursor) bool {
	if place.Position != cursor.Position {
		return place.Position > cursor.Position
	}
	return cursor.Key != "" && place.Key > cursor.Key
}

// ListRows returns the rows that query selects and the view's position, read together. See deed.ViewStore. A limit of 0 is
// none. Values are ordered nil, false, true, numbers, texts by their bytes; equal ones by key.
func (s *views) ListRows(ctx context.Context, view deed.ViewRef, query deed.RowQuery) (rows []deed.Row, at deed.Position, err error) {
	if err := engine.ValidLimit(query.Limit); err != nil {
		return nil, 0, err
	}
	err = s.lookViews(ctx, view, func(c *conn, v *storedView) error {
		at = v.position
		rows, err = v.listRows(c, &query)
		return err
	})
	return rows, at, err
}

func (v *storedView) listRows(c *conn, query *deed.RowQuery) (rows []deed.Row, err error) {
	l, err := v.list(query)
	if err != nil {
		return nil, err
	}
	for _, stretch := range l.stretches() {
		if rows, err = l.read(c, stretch, rows); err != nil {
			return nil, err
		}
	}
	return rows, v.mark(c, rows)
}

// list is a RowQuery made ready for SQL.
type list struct {
	v     *storedView
	q     *deed.RowQuery
	where string
	args  []any
	order string // column; empty: by key
}

func (v *storedView) list(q *deed.RowQuery) (*list, error) {
	l := &list{v: v, q: q, where: "removed IS NULL"}
	for _, w := range q.Where {
		column, err := v.column(w.Field)
		if err == nil {
			err = engine.ValidValue(w.Value)
		}
		if err != nil {
			return nil, err
		}
		l.where += " AND " + column + " IS ?"
		l.args = append(l.args, w.Value)
	}
	if q.Order != "" {
		column, err := v.column(q.Order)
		if err != nil {
			return nil, err
		}
		l.order = column
	}
	if q.After != nil {
		if err := engine.ValidValue(q.After.Value); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (v *storedView) column(field string) (string, error) {
	i := slices.Index(v.fields, field)
	if i < 0 {
		return "", &deed.InvalidError{Field: field, Reason: "is not an index field of the view"}
	}
	return fmt.Sprintf("f%d", i), nil
}

// stretch is a part of a list that one range of an index gives: SQL does not compare NULL with what follows it.
type stretch struct {
	where string
	args  []any
}

func (l *list) stretches() []stretch {
	after, than := l.q.After, ">"
	if l.q.Desc {
		than = "<"
	}
	if l.order == "" {
		if after == nil {
			return []stretch{{}}
		}
		return []stretch{{" AND key " + than + " ?", []any{after.Key}}}
	}
	null := stretch{where: " AND " + l.order + " IS NULL"}
	values := stretch{where: " AND " + l.order + " IS NOT NULL"}
	if after != nil && after.Value == nil {
		null = stretch{null.where + " AND key " + than + " ?", []any{after.Key}}
	} else if after != nil {
		values = stretch{" AND (" + l.order + ", key) " + than + " (?, ?)", []any{after.Value, after.Key}}
	}
	switch {
	case after == nil && !l.q.Desc:
		return []stretch{null, values}
	case after == nil, after.Value != nil && l.q.Desc:
		return []stretch{values, null}
	case after.Value == nil && !l.q.Desc:
		return []stretch{null, values}
	case after.Value == nil:
		return []stretch{null}
	}
	return []stretch{values}
}

// read appends a stretch's rows.
func (l *list) read(c *conn, s stretch, rows []deed.Row) ([]deed.Row, error) {
	limit := l.q.Limit
	if limit > 0 {
		if limit -= len(rows); limit == 0 {
			return rows, nil
		}
	}
	order := "key"
	if l.order != "" {
		order = l.order + ", key"
	}
	if l.q.Desc {
		order = "key DESC"
		if l.order != "" {
			order = l.order + " DESC, key DESC"
		}
	}
	q := c.query("SELECT key, data, position FROM " + l.v.table() + " WHERE " + l.where + s.where + " ORDER BY " + order + " LIMIT ?")
	for _, arg := range l.args {
		q.value(arg)
	}
	for _, arg := range s.args {
		q.value(arg)
	}
	q.int(orAll(limit))
	for q.step() {
		rows = append(rows, scanRow(&q))
	}
	return rows, q.end()
}

// lookViews reads from the views' database: the view as it is, and then f, in one transaction.
func (s *views) lookViews(ctx context.Context, ref deed.ViewRef, f func(*conn, *storedView) error) error {
	if err := s.db.usable(ctx); err != nil {
		return err
	}
	var at deed.Position
	err := s.readers.with(ctx, func(c *conn) error {
		return c.within(ctx, func() error {
			v, err := findView(c, ref)
			if err != nil {
				return err
			}
			at = v.position
			return f(c, v)
		})
	})
	if s == &s.db.inline && s.writer != nil && at > deed.Position(s.db.head.Load()) {
		s.writer.known.Lock() // a group is stored that is not known yet: a view never seems further than the log
		defer s.writer.known.Unlock()
	}
	if s.db.options.ReadOnly && errors.Is(err, fs.ErrNotExist) {
		return errNoView(ref)
	}
	return err
}

func errNoView(ref deed.ViewRef) error {
	return fmt.Errorf("view %s/%d: %w", ref.Name, ref.Version, deed.ErrNotFound)
}

func findView(c *conn, ref deed.ViewRef) (*storedView, error) {
	q := c.query("SELECT " + viewColumns + " FROM views WHERE name = ? AND version = ?")
	q.text(ref.Name)
	q.int(int64(ref.Version))
	v, found := &storedView{}, q.step()
	if found {
		q.bound(v.scan(&q))
	}
	if err := q.end(); err != nil {
		return nil, err
	}
	if !found {
		return nil, errNoView(ref)
	}
	return v, nil
}
