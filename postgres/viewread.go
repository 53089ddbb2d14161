package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// look reads a view as it is, and then with f what it holds, all as of one moment.
func (s *views) look(ctx context.Context, ref deed.ViewRef, f func(querier, *storedView) error) error {
	return s.db.read(ctx, func(c *pgxpool.Conn) error {
		v, since := &storedView{}, s.waiting.Since()
		b := &pgx.Batch{}
		b.Queue("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
		b.Queue(s.db.tables.sql(findViewSQL), s.db.log, s.inline, ref.Name, ref.Version).QueryRow(func(row pgx.Row) error { return v.scan(row) })
		err := c.SendBatch(ctx, b).Close()
		if err == nil || isNone(err) {
			s.waiting.Found(ref, v.position, since)
		}
		if err == nil {
			err = f(c, v)
		} else if isNone(err) {
			err = errNoView(ref)
		}
		rollback(ctx, c.Conn())
		return err
	})
}

func errNoView(ref deed.ViewRef) error {
	return fmt.Errorf("view %s/%d: %w", ref.Name, ref.Version, deed.ErrNotFound)
}

const oneRowSQL = `SELECT v.view, v.position, v.parked, r.data, coalesce(r.position, 0) FROM @views v LEFT JOIN @view_rows r
	ON r.view = v.view AND r.key = $5 AND r.removed IS NULL WHERE v.log = $1 AND v.inline = $2 AND v.name = $3 AND v.version = $4`

// Row returns a row and the view's position, read together. See deed.ViewStore.
func (s *views) Row(ctx context.Context, view deed.ViewRef, key string) (row deed.Row, at deed.Position, err error) {
	v, since := &storedView{ref: view}, s.waiting.Since()
	err = s.db.read(ctx, func(c *pgxpool.Conn) error {
		row = deed.Row{Key: key}
		return c.QueryRow(ctx, s.db.tables.sql(oneRowSQL), s.db.log, s.inline, view.Name, view.Version, orNone(key)).
			Scan(&v.id, &at, &v.parked, &row.Data, &row.Position)
	})
	if err == nil || isNone(err) {
		s.waiting.Found(view, at, since)
	}
	switch {
	case isNone(err):
		return deed.Row{}, 0, errNoView(view)
	case err != nil:
		return deed.Row{}, 0, err
	case v.parked > 0:
		return s.rowParked(ctx, view, key)
	}
	return row, at, missing(view, &row)
}

func missing(view deed.ViewRef, row *deed.Row) error {
	if row.Data == nil {
		return fmt.Errorf("row %q of view %s: %w", row.Key, view.Name, deed.ErrNotFound)
	}
	return nil
}

// rowParked is Row where something is parked, and perhaps of this row.
func (s *views) rowParked(ctx context.Context, view deed.ViewRef, key string) (row deed.Row, at deed.Position, err error) {
	err = s.look(ctx, view, func(q querier, v *storedView) error {
		at = v.position
		found, err := s.db.rows(ctx, q, v, []string{key})
		if err != nil {
			return err
		}
		one := []deed.Row{{Key: key}}
		if r, ok := found[key]; ok {
			one[0] = r
		}
		err = s.db.mark(ctx, q, v, one)
		row = one[0]
		return err
	})
	if err != nil {
		return deed.Row{}, 0, err
	}
	return row, at, missing(view, &row)
}

func scanRow(row pgx.Row) (r deed.Row, err error) {
	err = row.Scan(&r.Key, &r.Data, &r.Position)
	return r, err
}

// Rows returns the rows of these keys that exist. See deed.ViewStore.
func (s *views) Rows(ctx context.Context, view deed.ViewRef, keys []string) (rows map[string]deed.Row, err error) {
	err = s.look(ctx, view, func(q querier, v *storedView) error {
		rows, err = s.db.rows(ctx, q, v, keys)
		return err
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

func (db *DB) rows(ctx context.Context, q querier, v *storedView, keys []string) (map[string]deed.Row, error) {
	sql := db.tables.sql(`SELECT r.key, r.data, r.position FROM unnest($2::text[]) AS a (key)
		CROSS JOIN LATERAL (SELECT * FROM @view_rows r WHERE r.view = $1 AND r.key = a.key OFFSET 0) r WHERE r.removed IS NULL`)
	found, err := collectFrom(ctx, q, sql, []any{v.id, texts(keys)}, scanRow)
	if err != nil {
		return nil, err
	}
	rows := make(map[string]deed.Row, len(found))
	for _, r := range found {
		rows[r.Key] = r
	}
	return rows, nil
}

// Changes returns changed rows after a cursor, removed ones with nil Data. See deed.ViewStore. A limit of 0 is none.
//
// The zero cursor is before all rows; who starts there knows of no rows and misses no tombstones.
func (s *views) Changes(ctx context.Context, view deed.ViewRef, after deed.ChangeCursor, limit int) (rows []deed.Row, at deed.Position, err error) {
	if err := engine.ValidLimit(limit); err != nil {
		return nil, 0, err
	}
	err = s.look(ctx, view, func(q querier, v *storedView) error {
		at = v.position
		if after != (deed.ChangeCursor{}) && isBehind(v.dropped, after) {
			return fmt.Errorf("changes of view %s after %d: %w", view.Name, after.Position, deed.ErrCursor)
		}
		sql, args := "SELECT key, data, position FROM @view_rows WHERE view = $1 AND position > $2 ORDER BY position, key LIMIT $3", []any{v.id, int64(after.Position), orAll(limit)}
		if after.Key != "" {
			sql = "SELECT key, data, position FROM @view_rows WHERE view = $1 AND (position, key) > ($2, $4) ORDER BY position, key LIMIT $3"
			args = append(args, after.Key)
		}
		rows, err = collectFrom(ctx, q, s.db.tables.sql(sql), args, scanRow)
		return err
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
	err = s.look(ctx, view, func(q querier, v *storedView) error {
		at = v.position
		rows, err = s.db.listRows(ctx, q, v, &query)
		return err
	})
	return rows, at, err
}

func (db *DB) listRows(ctx context.Context, q querier, v *storedView, query *deed.RowQuery) ([]deed.Row, error) {
	if err := engine.ValidLimit(query.Limit); err != nil {
		return nil, err
	}
	sql, args, err := v.list(query)
	if err != nil {
		return nil, err
	}
	rows, err := collectFrom(ctx, q, db.tables.fill(sql), args, scanRow)
	if err != nil {
		return nil, err
	}
	return rows, db.mark(ctx, q, v, rows)
}

// list is a RowQuery as SQL. Values are looked for by how they begin, which is indexed, and then whole.
func (v *storedView) list(query *deed.RowQuery) (string, []any, error) {
	args := []any{v.id}
	arg := func(value any) string {
		args = append(args, value)
		return "$" + strconv.Itoa(len(args))
	}
	sql, where := "SELECT r.key, r.data, r.position FROM @view_rows r", " WHERE r.view = $1 AND r.removed IS NULL"
	for i, w := range query.Where {
		field, err := v.field(w.Field, w.Value)
		if err != nil {
			return "", nil, err
		}
		t, value := "w"+strconv.Itoa(i), arg(indexValue(w.Value))+"::bytea"
		sql += " JOIN @view_values " + t + " ON " + t + ".view = $1 AND " + t + ".key = r.key AND " + t + ".field = " + strconv.Itoa(field)
		where += " AND substr(" + t + ".value, 1, 1000) = substr(" + value + ", 1, 1000) AND " + t + ".value = " + value
	}
	than, desc := ">", ""
	if query.Desc {
		than, desc = "<", " DESC"
	}
	order := "r.key" + desc
	if query.Order != "" {
		field, err := v.field(query.Order, nil)
		if err != nil {
			return "", nil, err
		}
		sql += " JOIN @view_values o ON o.view = $1 AND o.key = r.key AND o.field = " + strconv.Itoa(field)
		order = "substr(o.value, 1, 1000)" + desc + ", o.value" + desc + ", o.key" + desc
	}
	switch after := query.After; {
	case after == nil:
	case query.Order == "":
		where += " AND r.key " + than + " " + arg(after.Key)
	default:
		if err := engine.ValidValue(after.Value); err != nil {
			return "", nil, err
		}
		value := arg(indexValue(after.Value)) + "::bytea"
		where += " AND (substr(o.value, 1, 1000), o.value, o.key) " + than + " (substr(" + value + ", 1, 1000), " + value + ", " + arg(after.Key) + ")"
	}
	sql += where + " ORDER BY " + order + " LIMIT " + arg(orAll(query.Limit)) + "::bigint"
	return sql, args, nil
}

// field returns the number of an index field.
func (v *storedView) field(name string, value any) (int, error) {
	i := slices.Index(v.fields, name)
	if i < 0 {
		return 0, &deed.InvalidError{Field: name, Reason: "is not an index field of the view"}
	}
	return i + 1, engine.ValidValue(value)
}

func (db *DB) viewParking(v *storedView) parking {
	return parking{&db.tables, "@view_parked", "view", "view = $1", []any{v.id}}
}

// ViewParked lists the parked keys of a view. See deed.ViewStore. A limit of 0 is none.
func (s *views) ViewParked(ctx context.Context, view deed.ViewRef, after string, limit int) (keys []deed.ParkedKey, err error) {
	err = s.look(ctx, view, func(q querier, v *storedView) error {
		keys, err = s.db.viewParking(v).keys(ctx, q, after, limit)
		return err
	})
	return keys, err
}

// ViewParkedRecords lists what is parked of a key. See deed.ViewStore. A limit of 0 is none.
func (s *views) ViewParkedRecords(ctx context.Context, view deed.ViewRef, key string, after deed.Position, limit int) (records []deed.ParkedRecord, err error) {
	err = s.look(ctx, view, func(q querier, v *storedView) error {
		records, err = s.db.viewParking(v).records(ctx, q, key, after, limit)
		return err
	})
	return records, err
}

// mark says of rows that are read which of them lack something. Where the keys of a stream are not known, all do.
func (db *DB) mark(ctx context.Context, q querier, v *storedView, rows []deed.Row) error {
	if v.parked == 0 || len(rows) == 0 {
		return nil
	}
	keys := make([]string, len(rows))
	for i := range rows {
		keys[i] = rows[i].Key
	}
	sql := db.tables.sql("SELECT key, NULL::bytea, min(position) FROM @view_parked WHERE view = $1 AND (key = ANY ($2) OR key >= '/' AND key < '0') GROUP BY key")
	first, err := collectFrom(ctx, q, sql, []any{v.id, keys}, scanRow)
	if err != nil {
		return err
	}
	all, own := deed.Position(0), map[string]deed.Position{}
	for _, p := range first {
		own[p.Key] = p.Position
		if p.Key[0] == '/' && (all == 0 || p.Position < all) {
			all = p.Position
		}
	}
	for i := range rows {
		at := own[rows[i].Key]
		if at == 0 || all > 0 && all < at {
			at = all
		}
		rows[i].Parked = at
	}
	return nil
}
