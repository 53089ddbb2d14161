package sqlite

import (
	"context"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// OpenPart registers a part, or finds it. See deed.PartStore.
func (db *DB) OpenPart(ctx context.Context, spec deed.PartSpec) (deed.PartState, error) {
	if err := engine.ValidPart(spec); err != nil {
		return deed.PartState{}, err
	}
	if spec.Look {
		return db.lookAtPart(ctx, spec)
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

func (db *DB) lookAtPart(ctx context.Context, spec deed.PartSpec) (deed.PartState, error) {
	var part *engine.Part
	err := db.look(ctx, func(c *conn) error {
		row, found, err := readPart(c, spec.Name)
		if found {
			part = &row
		}
		return err
	})
	if err != nil {
		return deed.PartState{}, err
	}
	return engine.LookAt(part, spec)
}

func readPart(c *conn, name string) (row engine.Part, found bool, err error) {
	q := c.query("SELECT kind, version, start, live, log, incarnation, position, last, last_id FROM parts WHERE name = ?")
	q.text(name)
	if found = q.step(); found {
		s := q.s
		row.Kind, row.Version, row.Start = s.ColumnText(0), s.ColumnInt(1), deed.Position(s.ColumnInt64(2))
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

func writePart(c *conn, name string, row engine.Part) error {
	q := c.query(`INSERT OR REPLACE INTO parts (name, kind, version, start, live, log, incarnation, position, last, last_id)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	q.text(name)
	q.text(row.Kind)
	q.int(int64(row.Version))
	q.int(int64(row.Start))
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
	raised := false
	if found {
		raised, err = row.Open(t.spec)
	} else {
		row, err = engine.NewPart(t.spec)
	}
	if err != nil {
		return refuse(err)
	}
	if t.state = row.PartState; found && !raised {
		return nil, nil
	}
	if raised {
		q := c.query("DELETE FROM part_states WHERE part = ?")
		q.text(t.spec.Name)
		if err := q.exec(); err != nil {
			return fail(err)
		}
	}
	if err := writePart(c, t.spec.Name, row); err != nil {
		return fail(err)
	}
	return nil, nil
}

// CommitPart stores c in one transaction, flushed. See deed.PartStore.
func (db *DB) CommitPart(ctx context.Context, c deed.PartCommit) error {
	own, size, err := engine.OwnPartCommit(c)
	if err != nil {
		return err
	}
	return db.submit(ctx, &commitPart{own}, size)
}

// commitPart is a part's step.
type commitPart struct{ deed.PartCommit }

func (t *commitPart) apply(c *conn) (refusal, failure error) {
	row, found, err := readPart(c, t.Part)
	if err != nil {
		return fail(err)
	}
	part := &row
	if !found {
		part = nil
	}
	if err := part.Follows(&t.PartCommit); err != nil {
		return refuse(err)
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
	if err := engine.ValidLimit(limit); err != nil {
		return nil, err
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

// orAll is a limit for SQL: 0 is none.
func orAll(limit int) int64 {
	if limit == 0 {
		return -1
	}
	return int64(limit)
}
