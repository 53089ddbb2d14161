package sqlite

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// views is a place where views are kept: their own database with its own writer, or the log's. What is missing in the first
// after a power cut is built again from the log, so its commits do not flush.
type views struct {
	db      *DB
	writer  *writer // nil: ReadOnly
	readers *pool
	ledger  *viewLedger
	waiting engine.Waiting
}

func startViews(s *views, db *DB) {
	s.db = db
	s.ledger = &viewLedger{waiting: &s.waiting, clock: db.clock}
}

// openViews opens the views' own database.
func (db *DB) openViews(f file) error {
	s := &db.views
	keep := keptViews()
	if f.readOnly {
		s.readers = newPool(4, func() (*conn, error) {
			if _, err := os.Stat(f.path); err != nil {
				return nil, err
			}
			c, err := f.openReader()
			if err == nil {
				if err = keep.mustBeThere(c); err != nil {
					c.close()
				}
			}
			return c, err
		})
		return nil
	}
	w, readers, err := openSide(f, keep)
	if err != nil {
		return err
	}
	s.readers = readers
	if err := s.ledger.reload(w.conn); err != nil {
		w.conn.close()
		return err
	}
	w.ledger, w.log, w.observing, w.store = s.ledger, db.logger, &db.observing, "views"
	s.writer = w
	go w.run()
	return nil
}

func (s *views) submitView(ctx context.Context, t task, size int) error {
	if s.writer == nil {
		if err := s.db.usable(ctx); err != nil {
			return err
		}
		return deed.ErrReadOnly
	}
	return s.writer.Do(ctx, t, size)
}

// OpenView makes what spec needs where it is missing. See deed.ViewStore.
func (s *views) OpenView(ctx context.Context, spec deed.ViewSpec) (deed.Checkpoint, error) {
	spec, err := engine.OwnViewSpec(spec)
	if err != nil {
		return deed.Checkpoint{}, err
	}
	t := &openView{l: s.ledger, spec: spec}
	if err := s.submitView(ctx, t, 0); err != nil {
		return deed.Checkpoint{}, err
	}
	return t.checkpoint, nil
}

type openView struct {
	l          *viewLedger
	spec       deed.ViewSpec
	checkpoint deed.Checkpoint
}

func (t *openView) apply(c *conn) (refusal, failure error) {
	t.checkpoint = deed.Checkpoint{}
	v, err := t.l.view(c, t.spec.ViewRef)
	if err != nil {
		return fail(err)
	}
	tables, err := tablesText(t.spec.Tables)
	if err != nil {
		return fail(err)
	}
	if v != nil && slices.Equal(v.fields, t.spec.Index) && v.tables == tables {
		q := c.query("SELECT log, incarnation, position, last, last_id FROM views WHERE id = ?")
		q.int(v.id)
		if q.step() {
			t.checkpoint = checkpointAt(&q, 0)
		}
		return nil, q.end()
	}
	if v != nil {
		if err := t.l.drop(c, t.spec.ViewRef, v); err != nil {
			return fail(err)
		}
	}
	if err := t.l.create(c, &t.spec, tables); err != nil {
		return fail(err)
	}
	refusal, failure = t.l.views[t.spec.ViewRef].makeTables(c, t.spec.Tables)
	if refusal != nil {
		if err := t.l.drop(c, t.spec.ViewRef, t.l.views[t.spec.ViewRef]); err != nil {
			return fail(err)
		}
	}
	return refusal, failure
}

func (l *viewLedger) create(c *conn, spec *deed.ViewSpec, tables string) error {
	fields, err := json.Marshal(append([]string{}, spec.Index...))
	if err != nil {
		return err
	}
	q := c.query(`INSERT INTO views (name, version, fields, tables, parked, dropped, dropped_key, log, incarnation, position, last, last_id)
		VALUES (?, ?, ?, ?, 0, 0, '', '', 0, 0, 0, '')`)
	q.text(spec.Name)
	q.int(int64(spec.Version))
	q.text(string(fields))
	q.text(tables)
	if err := q.exec(); err != nil {
		return err
	}
	v := &storedView{id: c.LastInsertRowID(), fields: spec.Index, tables: tables}
	v.upsert = v.upsertSQL()
	if err := c.Exec(createTable(v)); err != nil {
		return err
	}
	l.views[spec.ViewRef] = v
	l.changed = append(l.changed, spec.ViewRef)
	return nil
}

func (l *viewLedger) drop(c *conn, ref deed.ViewRef, v *storedView) error {
	for _, sql := range []string{"DELETE FROM views WHERE id = ?", "DELETE FROM view_parked WHERE view = ?"} {
		if err := c.run(sql, v.id); err != nil {
			return err
		}
	}
	if err := c.Exec("DROP TABLE " + v.table()); err != nil {
		return err
	}
	if v.tables != "" {
		if err := v.dropTables(c); err != nil {
			return err
		}
	}
	delete(l.views, ref)
	l.changed = append(l.changed, ref)
	return nil
}

// DropView removes the view's rows and checkpoint. See deed.ViewStore.
func (s *views) DropView(ctx context.Context, view deed.ViewRef) error {
	return s.submitView(ctx, &dropView{l: s.ledger, ref: view}, 0)
}

type dropView struct {
	l   *viewLedger
	ref deed.ViewRef
}

func (t *dropView) apply(c *conn) (refusal, failure error) {
	v, err := t.l.view(c, t.ref)
	if err != nil || v == nil {
		return nil, err
	}
	return nil, t.l.drop(c, t.ref, v)
}

// CommitView stores rows and checkpoint in one transaction and then wakes who waits. See deed.ViewStore.
func (s *views) CommitView(ctx context.Context, c deed.ViewCommit) error {
	own, size, err := engine.OwnViewCommit(c)
	if err != nil {
		return err
	}
	return s.submitView(ctx, &commitView{l: s.ledger, ViewCommit: own}, size)
}

// commitView is a projection's step.
type commitView struct {
	l *viewLedger
	deed.ViewCommit
}

func (t *commitView) apply(c *conn) (refusal, failure error) {
	v, err := t.l.view(c, t.View)
	if err != nil {
		return fail(err)
	}
	if err := v.follows(&t.ViewCommit); err != nil {
		return refuse(err)
	}
	if refusal, failure := v.execute(c, t.Statements); refusal != nil || failure != nil {
		return refusal, failure
	}
	for i := range t.Rows {
		if err := v.write(c, &t.Rows[i], t.l.now); err != nil {
			return fail(err)
		}
	}
	if err := v.park(c, t.Parked); err != nil {
		return fail(err)
	}
	q := c.query("UPDATE views SET log = ?, incarnation = ?, position = ?, last = ?, last_id = ? WHERE id = ?")
	q.checkpoint(t.Checkpoint)
	q.int(v.id)
	if err := q.exec(); err != nil {
		return fail(err)
	}
	v.position = t.Checkpoint.Position
	t.l.changed = append(t.l.changed, t.View)
	return nil, nil
}

// follows checks that a step follows where the view is; one that is not there is nil.
func (v *storedView) follows(c *deed.ViewCommit) error {
	if v == nil {
		return engine.FollowsView(c, false, 0, nil)
	}
	return engine.FollowsView(c, true, v.position, v.fields)
}

// DropTombstones removes the tombstones of rows that were removed before t. See deed.ViewStore.
func (s *views) DropTombstones(ctx context.Context, t time.Time) error {
	for {
		step := &dropTombstones{l: s.ledger, before: micros(t)}
		if err := s.submitView(ctx, step, 0); err != nil || !step.more {
			return err
		}
	}
}

// A step of DropTombstones removes so many of a view, so that projections do not wait for it.
const tombstoneStep = 1000

type dropTombstones struct {
	l      *viewLedger
	before int64
	more   bool
}

func (t *dropTombstones) apply(c *conn) (refusal, failure error) {
	t.more = false
	if _, err := t.l.view(c, deed.ViewRef{}); err != nil { // reads the views again where that is due
		return fail(err)
	}
	for _, v := range t.l.views {
		n, err := v.dropTombstones(c, t.before, tombstoneStep)
		if err != nil {
			return fail(err)
		}
		t.more = t.more || n == tombstoneStep
	}
	return nil, nil
}
