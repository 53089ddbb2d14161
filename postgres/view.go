package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// views is a place where views are kept: beside the log, or folded with it. Both are in the same tables. What is missing in the
// first after a crash is built again from the log, so its commits do not wait for a flush.
type views struct {
	db      *DB
	inline  bool
	waiting engine.Waiting
	asked   tableSQL
}

func startViews(s *views, db *DB, inline bool) {
	s.db, s.inline = db, inline
}

func (db *DB) place(inline bool) *views {
	if inline {
		return &db.inline
	}
	return &db.views
}

// storedView is a view as its row in the table of views says.
type storedView struct {
	id         int64
	inline     bool
	ref        deed.ViewRef
	fields     []string
	tables     string            // the statements that made its tables, in JSON
	parked     int               // keys
	dropped    deed.ChangeCursor // of the last tombstone dropped; zero: none
	checkpoint deed.Checkpoint
	position   deed.Position // of the checkpoint
	changed    bool          // by the transaction under way
}

const viewColumns = "view, inline, name, version, fields, tables, parked, dropped, dropped_key, " + markColumns

func (v *storedView) scan(row pgx.Row, more ...any) error {
	var fields [][]byte
	to := []any{&v.id, &v.inline, &v.ref.Name, &v.ref.Version, &fields, &v.tables, &v.parked, &v.dropped.Position, &v.dropped.Key}
	err := row.Scan(append(append(to, markFields(&v.checkpoint)...), more...)...)
	v.position = v.checkpoint.Position
	v.fields = v.fields[:0]
	for _, field := range fields {
		v.fields = append(v.fields, string(field))
	}
	return err
}

const findViewSQL = "SELECT " + viewColumns + " FROM @views WHERE log = $1 AND inline = $2 AND name = $3 AND version = $4"

// find returns a view, or nil.
func (s *views) find(ctx context.Context, q querier, sql string, ref deed.ViewRef) (*storedView, error) {
	v := &storedView{}
	err := v.scan(q.QueryRow(ctx, s.db.tables.sql(sql), s.db.log, s.inline, ref.Name, ref.Version))
	if isNone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

// change runs f in a transaction, wakes who waits, and tells other processes.
func (s *views) change(ctx context.Context, ref deed.ViewRef, f func(context.Context, *pgx.Conn, *pgx.Batch) (deed.Position, error)) error {
	reached := make(chan deed.Position, 1)
	told := s.db.observing.Begin("views", 1)
	err := s.db.change(ctx, s.inline, func(ctx context.Context, c *pgx.Conn, b *pgx.Batch) error {
		position, err := f(ctx, c, b)
		select {
		case <-reached: // of an attempt before
		default:
		}
		reached <- position
		return err
	})
	if err == nil {
		s.waiting.Reached(ref, <-reached)
		s.db.teller.tell()
	}
	if !isRefusal(err) {
		told.End(err, s.db.logger)
	}
	return err
}

// OpenView makes what spec needs where it is missing. See deed.ViewStore.
func (s *views) OpenView(ctx context.Context, spec deed.ViewSpec) (deed.Checkpoint, error) {
	spec, err := engine.OwnViewSpec(spec)
	if err != nil {
		return deed.Checkpoint{}, err
	}
	if s.inline && len(spec.Tables) > 0 {
		return deed.Checkpoint{}, &deed.InvalidError{Field: "tables", Reason: "a view that is folded with the log keeps rows, and no tables of its own"}
	}
	found := make(chan deed.Checkpoint, 8)
	err = s.change(ctx, spec.ViewRef, func(ctx context.Context, c *pgx.Conn, _ *pgx.Batch) (deed.Position, error) {
		at, err := s.open(ctx, c, &spec)
		select {
		case <-found:
		default:
		}
		found <- at
		return at.Position, err
	})
	if err != nil {
		return deed.Checkpoint{}, err
	}
	return <-found, nil
}

func (s *views) open(ctx context.Context, c *pgx.Conn, spec *deed.ViewSpec) (deed.Checkpoint, error) {
	tables, err := tablesText(spec.Tables)
	if err != nil {
		return deed.Checkpoint{}, err
	}
	for {
		v, err := s.find(ctx, c, findViewSQL+" FOR UPDATE", spec.ViewRef)
		if err != nil {
			return deed.Checkpoint{}, err
		}
		if v != nil && v.tables == keptMark {
			return deed.Checkpoint{}, &deed.InvalidError{Field: "name", Reason: "is that of tables of the program's own; see KeepInline"}
		}
		if v != nil && slices.Equal(v.fields, spec.Index) && v.tables == tables {
			return v.checkpoint, nil
		}
		if v != nil {
			if err := s.drop(ctx, c, v); err != nil {
				return deed.Checkpoint{}, err
			}
		}
		made, err := s.insert(ctx, c, spec, tables)
		if isNone(err) { // somebody else was first
			continue
		}
		if err == nil {
			err = s.makeTables(ctx, c, made, spec.Tables)
		}
		return deed.Checkpoint{}, err
	}
}

func (s *views) insert(ctx context.Context, c *pgx.Conn, spec *deed.ViewSpec, tables string) (*storedView, error) {
	fields := make([][]byte, len(spec.Index))
	for i, field := range spec.Index {
		fields[i] = []byte(field)
	}
	v := &storedView{tables: tables}
	err := c.QueryRow(ctx, s.db.tables.sql(`INSERT INTO @views (log, inline, name, version, fields, tables, parked, dropped, dropped_key, `+markColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, 0, 0, '', '', 0, 0, 0, '') ON CONFLICT DO NOTHING RETURNING view`),
		s.db.log, s.inline, spec.Name, spec.Version, fields, tables).Scan(&v.id)
	return v, err
}

func (s *views) drop(ctx context.Context, c *pgx.Conn, v *storedView) error {
	if err := s.dropTables(ctx, c, v); err != nil {
		return err
	}
	b := &pgx.Batch{}
	for _, table := range []string{"@views", "@view_rows", "@view_values", "@view_parked"} {
		b.Queue(s.db.tables.sql("DELETE FROM "+table+" WHERE view = $1"), v.id)
	}
	return c.SendBatch(ctx, b).Close()
}

// DropView removes the view's rows and checkpoint. See deed.ViewStore.
func (s *views) DropView(ctx context.Context, view deed.ViewRef) error {
	return s.change(ctx, view, func(ctx context.Context, c *pgx.Conn, _ *pgx.Batch) (deed.Position, error) {
		v, err := s.find(ctx, c, findViewSQL+" FOR UPDATE", view)
		if err != nil || v == nil {
			return 0, err
		}
		return 0, s.drop(ctx, c, v)
	})
}

// CommitView stores rows and checkpoint in one transaction and then wakes who waits. See deed.ViewStore.
func (s *views) CommitView(ctx context.Context, c deed.ViewCommit) error {
	t, _, err := engine.OwnViewCommit(c)
	if err != nil {
		return err
	}
	if s.inline && len(t.Statements) > 0 {
		return errInlineStatements()
	}
	return s.change(ctx, c.View, func(ctx context.Context, c *pgx.Conn, b *pgx.Batch) (deed.Position, error) {
		v, err := s.find(ctx, s.db.under(t.Lease, c), findViewSQL+" FOR UPDATE", t.View)
		if err == nil {
			err = s.db.queueView(b, v, &t)
		}
		if err == nil {
			err = s.execute(ctx, c, v, t.Statements)
		}
		return t.Checkpoint.Position, err
	})
}

func errInlineStatements() error {
	return &deed.InvalidError{Field: "statements", Reason: "a view that is folded with the log keeps rows, and no tables of its own"}
}

// follows checks that a step follows where the view is; one that is not there is nil.
func (v *storedView) follows(c *deed.ViewCommit) error {
	if v == nil {
		return engine.FollowsView(c, false, 0, nil)
	}
	return engine.FollowsView(c, true, v.position, v.fields)
}

// queueView has the statements of a step, if the view is where it was made from.
func (db *DB) queueView(b *pgx.Batch, v *storedView, t *deed.ViewCommit) error {
	if err := v.follows(t); err != nil {
		return err
	}
	db.queueRows(b, v, t.Rows)
	parked := ""
	if len(t.Parked) > 0 {
		db.viewParking(v).queue(b, t.Parked)
		parked = ", parked = (SELECT count(DISTINCT key) FROM @view_parked WHERE view = $1)"
	}
	b.Queue(db.tables.sql("UPDATE @views SET ("+markColumns+") = ($2, $3, $4, $5, $6)"+parked+" WHERE view = $1"),
		append([]any{v.id}, markValues(t.Checkpoint)...)...)
	v.checkpoint, v.position, v.changed = t.Checkpoint, t.Checkpoint.Position, true
	return nil
}

const (
	upsertRowsSQL = `INSERT INTO @view_rows (view, removed, key, position, data) SELECT $1, NULL, * FROM unnest($2::text[], $3::bigint[], $4::bytea[])
		ON CONFLICT (view, key) DO UPDATE SET position = excluded.position, removed = NULL, data = excluded.data`
	// A row that was never there leaves a tombstone too: a client of the view as it was before it was made anew may have it.
	removeRowsSQL = `INSERT INTO @view_rows (view, removed, key, position) SELECT $1, $2, * FROM unnest($3::text[], $4::bigint[])
		ON CONFLICT (view, key) DO UPDATE SET position = excluded.position, removed = excluded.removed, data = NULL`
	upsertValuesSQL = `INSERT INTO @view_values AS v (view, field, key, value) SELECT $1, * FROM unnest($2::smallint[], $3::text[], $4::bytea[])
		ON CONFLICT (view, key, field) DO UPDATE SET value = excluded.value WHERE v.value <> excluded.value`
	removeValuesSQL = "DELETE FROM @view_values WHERE view = $1 AND key = $2"
)

func (db *DB) queueRows(b *pgx.Batch, v *storedView, rows []deed.RowChange) {
	var keys, gone, valueKeys []string
	var at, goneAt []int64
	var data, values [][]byte
	var fields []int16
	for i := range rows {
		row := &rows[i]
		if row.Data == nil {
			gone, goneAt = append(gone, row.Key), append(goneAt, int64(row.Position))
			continue
		}
		keys, at, data = append(keys, row.Key), append(at, int64(row.Position)), append(data, row.Data)
		for f, value := range row.Index {
			fields, valueKeys, values = append(fields, int16(f+1)), append(valueKeys, row.Key), append(values, indexValue(value))
		}
	}
	if len(keys) > 0 {
		b.Queue(db.tables.sql(upsertRowsSQL), v.id, keys, at, data)
	}
	if len(values) > 0 {
		b.Queue(db.tables.sql(upsertValuesSQL), v.id, fields, valueKeys, values)
	}
	if len(gone) > 0 {
		b.Queue(db.tables.sql(removeRowsSQL), v.id, micros(db.clock.Now()), gone, goneAt)
		for _, key := range gone {
			b.Queue(db.tables.sql(removeValuesSQL), v.id, key)
		}
	}
}

// A step of DropTombstones removes so many of a view, so that projections do not wait for it.
const tombstoneStep = 1000

// DropTombstones removes the tombstones of rows that were removed before t. See deed.ViewStore.
func (s *views) DropTombstones(ctx context.Context, t time.Time) error {
	db := s.db
	refs, err := s.list(ctx)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		for more := true; more; {
			counted := make(chan int, 8)
			err := db.change(ctx, s.inline, func(ctx context.Context, c *pgx.Conn, _ *pgx.Batch) error {
				n, err := s.dropSome(ctx, c, ref, micros(t))
				select {
				case <-counted:
				default:
				}
				counted <- n
				return err
			})
			if err != nil {
				return err
			}
			more = <-counted == tombstoneStep
		}
	}
	return nil
}

// dropSome removes some tombstones of a view, and remembers the last of their places.
func (s *views) dropSome(ctx context.Context, c *pgx.Conn, ref deed.ViewRef, before int64) (int, error) {
	v, err := s.find(ctx, c, findViewSQL+" FOR UPDATE", ref)
	if err != nil || v == nil {
		return 0, err
	}
	sql := s.db.tables.sql(`DELETE FROM @view_rows WHERE view = $1 AND removed IS NOT NULL AND key IN
		(SELECT key FROM @view_rows WHERE view = $1 AND removed < $2 ORDER BY removed LIMIT $3) RETURNING position, key`)
	gone, err := collectFrom(ctx, c, sql, []any{v.id, before, tombstoneStep}, func(row pgx.Row) (place deed.ChangeCursor, err error) {
		err = row.Scan(&place.Position, &place.Key)
		return place, err
	})
	if err != nil || len(gone) == 0 {
		return 0, err
	}
	for _, place := range gone {
		if place.Position > v.dropped.Position || place.Position == v.dropped.Position && place.Key > v.dropped.Key {
			v.dropped = place
		}
	}
	_, err = c.Exec(ctx, s.db.tables.sql("UPDATE @views SET dropped = $2, dropped_key = $3 WHERE view = $1"), v.id, int64(v.dropped.Position), v.dropped.Key)
	return len(gone), err
}

// list returns the views that are kept here.
func (s *views) list(ctx context.Context) ([]deed.ViewRef, error) {
	sql := s.db.tables.sql("SELECT name, version FROM @views WHERE log = $1 AND inline = $2 ORDER BY name, version")
	return collect(ctx, s.db, sql, []any{s.db.log, s.inline}, func(row pgx.Row) (ref deed.ViewRef, err error) {
		err = row.Scan(&ref.Name, &ref.Version)
		return ref, err
	})
}
