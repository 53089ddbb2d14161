package sqlite

import (
	"context"
	"fmt"
	"slices"

	"github.com/deed-es/deed"
)

// OpenPart registers a part, or finds it. See deed.PartStore.
func (db *DB) OpenPart(ctx context.Context, spec deed.PartSpec) (deed.PartState, error) {
	if err := validPart(spec); err != nil {
		return deed.PartState{}, err
	}
	t := &openPart{spec: spec}
	if spec.From != nil {
		from := *spec.From
		t.spec.From = &from
	}
	err := db.submit(ctx, t, 0)
	if err != nil {
		return deed.PartState{}, err
	}
	return t.state, nil
}

func validPart(spec deed.PartSpec) error {
	switch {
	case spec.Name == "" || deed.ValidID(spec.Name) != nil:
		return &deed.InvalidError{Field: "name", Reason: "a part needs a name that is a valid id"}
	case spec.Kind == "":
		return &deed.InvalidError{Field: "kind", Reason: "a part is a process or a reactor"}
	case spec.Version < 0:
		return &deed.InvalidError{Field: "version", Reason: "is not negative"}
	case spec.From != nil && *spec.From < 0:
		return &deed.InvalidError{Field: "from", Reason: "a position is not negative"}
	}
	return nil
}

// partRow is a part as stored.
type partRow struct {
	kind    string
	version int
	start   deed.Position
	deed.PartState
}

func readPart(c *conn, name string) (row partRow, found bool, err error) {
	q := c.query("SELECT kind, version, start, live, log, incarnation, position, last, last_id FROM parts WHERE name = ?")
	q.text(name)
	if found = q.step(); found {
		s := q.s
		row.kind, row.version, row.start = s.ColumnText(0), s.ColumnInt(1), deed.Position(s.ColumnInt64(2))
		row.Live = deed.Position(s.ColumnInt64(3))
		row.Checkpoint = checkpointAt(&q, 4)
	}
	return row, found, q.end()
}

// checkpointAt reads a checkpoint's five columns from col on.
func checkpointAt(q *query, col int) deed.Checkpoint {
	return deed.Checkpoint{
		Log: q.s.ColumnText(col), Incarnation: q.s.ColumnInt64(col + 1), Position: deed.Position(q.s.ColumnInt64(col + 2)),
		Last: deed.Position(q.s.ColumnInt64(col + 3)), LastID: q.s.ColumnText(col + 4),
	}
}

// checkpoint binds a checkpoint's five columns.
func (q *query) checkpoint(p deed.Checkpoint) {
	q.text(p.Log)
	q.int(p.Incarnation)
	q.int(int64(p.Position))
	q.int(int64(p.Last))
	q.text(p.LastID)
}

func writePart(c *conn, name string, row partRow) error {
	q := c.query(`INSERT OR REPLACE INTO parts (name, kind, version, start, live, log, incarnation, position, last, last_id)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	q.text(name)
	q.text(row.kind)
	q.int(int64(row.version))
	q.int(int64(row.start))
	q.int(int64(row.Live))
	q.checkpoint(row.Checkpoint)
	return q.exec()
}

type openPart struct {
	spec  deed.PartSpec
	state deed.PartState
}

func (t *openPart) apply(c *conn) (refusal, failure error) {
	row, found, err := readPart(c, t.spec.Name)
	if err != nil {
		return fail(err)
	}
	begin := deed.Checkpoint{Log: t.spec.Log.ID, Incarnation: t.spec.Log.Incarnation}
	switch {
	case !found && t.spec.From == nil:
		return refuse(fmt.Errorf("part %s is not known and says not where to start: %w", t.spec.Name, deed.ErrNotFound))
	case !found:
		row = partRow{kind: t.spec.Kind, version: t.spec.Version, start: *t.spec.From}
		begin.Position = row.start
		row.Checkpoint, row.Live = begin, row.start
	case row.kind != t.spec.Kind:
		return refuse(&deed.InvalidError{Field: "kind", Reason: fmt.Sprintf("part %s is known as a %s, not a %s", t.spec.Name, row.kind, t.spec.Kind)})
	case t.spec.Version < row.version:
		return refuse(&deed.InvalidError{Field: "version", Reason: fmt.Sprintf("part %s is stored with version %d, later than %d", t.spec.Name, row.version, t.spec.Version)})
	case t.spec.Version == row.version:
		t.state = row.PartState
		return nil, nil
	default: // raised: refolded silently up to where it was
		q := c.query("DELETE FROM part_states WHERE part = ?")
		q.text(t.spec.Name)
		if err := q.exec(); err != nil {
			return fail(err)
		}
		row.version = t.spec.Version
		row.Live = max(row.Live, row.Checkpoint.Position)
		begin.Position = row.start
		row.Checkpoint = begin
	}
	t.state = row.PartState
	if err := writePart(c, t.spec.Name, row); err != nil {
		return fail(err)
	}
	return nil, nil
}

// CommitPart stores c in one transaction, flushed. See deed.PartStore.
func (db *DB) CommitPart(ctx context.Context, c deed.PartCommit) error {
	if err := validCommit(&c); err != nil {
		return err
	}
	t, size := newCommitPart(c)
	return db.submit(ctx, t, size)
}

func validCommit(c *deed.PartCommit) error {
	if c.Checkpoint.Position < c.From {
		return &deed.InvalidError{Field: "checkpoint", Reason: "a part does not go back"}
	}
	for _, e := range c.Effects {
		if e.Put == nil {
			continue
		}
		switch {
		case e.Put.ID == "":
			return &deed.InvalidError{Field: "id", Reason: "an effect needs an id"}
		case e.Put.Part != c.Part:
			return &deed.InvalidError{Field: "part", Reason: fmt.Sprintf("an effect of %q is not %q's to put", e.Put.Part, c.Part)}
		}
	}
	return nil
}

// commitPart is a part's step. It owns its bytes.
type commitPart struct{ deed.PartCommit }

func newCommitPart(c deed.PartCommit) (*commitPart, int) {
	size := 0
	own := &commitPart{c}
	own.States = make([]deed.StateChange, len(c.States))
	for i, s := range c.States {
		size += len(s.Data)
		s.Data = keep(s.Data)
		own.States[i] = s
	}
	own.Effects = make([]deed.EffectChange, len(c.Effects))
	for i, e := range c.Effects {
		if e.Put != nil {
			put := *e.Put
			put.Command = keep(put.Command)
			size += len(put.Command)
			e.Put = &put
		}
		own.Effects[i] = e
	}
	own.Parked = cloneParked(c.Parked)
	return own, size
}

func cloneParked(changes []deed.ParkChange) []deed.ParkChange {
	own := slices.Clone(changes)
	for i := range own {
		own[i].Records = slices.Clone(own[i].Records)
	}
	return own
}

// keep copies b; nil stays nil and empty stays empty.
func keep(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append(make([]byte, 0, len(b)), b...)
}

func (t *commitPart) apply(c *conn) (refusal, failure error) {
	row, found, err := readPart(c, t.Part)
	switch {
	case err != nil:
		return fail(err)
	case !found:
		return refuse(fmt.Errorf("part %s was never opened: %w (%w)", t.Part, deed.ErrNotFound, deed.ErrConflict))
	case row.version != t.Version:
		return refuse(fmt.Errorf("part %s has version %d, not %d: %w", t.Part, row.version, t.Version, deed.ErrConflict))
	case row.Checkpoint.Position != t.From:
		return refuse(fmt.Errorf("part %s is at position %d, not %d: %w", t.Part, row.Checkpoint.Position, t.From, deed.ErrConflict))
	}
	for i := range t.States {
		if err := writeState(c, t.Part, &t.States[i]); err != nil {
			return fail(err)
		}
	}
	for i := range t.Effects {
		if err := writeEffect(c, t.Part, &t.Effects[i]); err != nil {
			return fail(err)
		}
	}
	if err := parkedParts.write(c, func(q *query) { q.text(t.Part) }, t.Parked); err != nil {
		return fail(err)
	}
	q := c.query("UPDATE parts SET log = ?, incarnation = ?, position = ?, last = ?, last_id = ? WHERE name = ?")
	q.checkpoint(t.Checkpoint)
	q.text(t.Part)
	if err := q.exec(); err != nil {
		return fail(err)
	}
	return nil, nil
}

func writeState(c *conn, part string, s *deed.StateChange) error {
	if s.Data == nil {
		q := c.query("DELETE FROM part_states WHERE part = ? AND key = ?")
		q.text(part)
		q.text(s.Key)
		return q.exec()
	}
	q := c.query(`INSERT INTO part_states (part, key, position, data) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET position = excluded.position, data = excluded.data`)
	q.text(part)
	q.text(s.Key)
	q.int(int64(s.Position))
	q.blob(s.Data)
	return q.exec()
}

// States returns the stored states of these keys. See deed.PartStore.
func (db *DB) States(ctx context.Context, part string, keys []string) (map[string][]byte, error) {
	states := make(map[string][]byte, len(keys))
	err := db.look(ctx, func(c *conn) error {
		for _, key := range keys {
			q := c.query("SELECT data FROM part_states WHERE part = ? AND key = ?")
			q.text(part)
			q.text(key)
			if q.step() {
				states[key] = q.s.ColumnBlob(0, []byte{})
			}
			if err := q.end(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return states, nil
}

// PartStates lists a part's states in the order of their keys. See deed.PartStore. A limit of 0 is none.
func (db *DB) PartStates(ctx context.Context, part, after string, limit int) (states []deed.StateChange, err error) {
	if limit < 0 {
		return nil, errLimit()
	}
	err = db.look(ctx, func(c *conn) error {
		q := c.query("SELECT key, data, position FROM part_states WHERE part = ? AND key > ? ORDER BY key LIMIT ?")
		q.text(part)
		q.text(after)
		q.int(orAll(limit))
		for q.step() {
			states = append(states, deed.StateChange{
				Key: q.s.ColumnText(0), Data: q.s.ColumnBlob(1, []byte{}), Position: deed.Position(q.s.ColumnInt64(2)),
			})
		}
		return q.end()
	})
	return states, err
}

// look reads from the log's database in one transaction.
func (db *DB) look(ctx context.Context, f func(*conn) error) error {
	if err := db.usable(ctx); err != nil {
		return err
	}
	return db.readers.with(ctx, func(c *conn) error {
		return c.within(ctx, func() error { return f(c) })
	})
}

func errLimit() error { return &deed.InvalidError{Field: "limit", Reason: "is not negative"} }

// orAll is a limit for SQL: 0 is none.
func orAll(limit int) int64 {
	if limit == 0 {
		return -1
	}
	return int64(limit)
}
