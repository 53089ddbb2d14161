package sqlite

import (
	"context"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// Parked records are kept in a table whose rows have an owner: a part's name, or a view's number.
type parkedIn struct {
	table, owner string
}

var (
	parkedParts = parkedIn{"parked", "part"}
	parkedViews = parkedIn{"view_parked", "view"}
)

// write applies the changes of an owner, in order; bind binds the owner.
func (p parkedIn) write(c *conn, bind func(*query), changes []deed.ParkChange) error {
	for i := range changes {
		change := &changes[i]
		if change.Until > 0 {
			q := c.query("DELETE FROM " + p.table + " WHERE " + p.owner + " = ? AND key = ? AND position <= ?")
			bind(&q)
			q.text(change.Key)
			q.int(int64(change.Until))
			if err := q.exec(); err != nil {
				return err
			}
		}
		for _, r := range change.Records {
			q := c.query("INSERT INTO " + p.table + " (" + p.owner + ", key, position, time, error, folded) VALUES (?, ?, ?, ?, ?, ?)" +
				" ON CONFLICT DO UPDATE SET time = excluded.time, error = excluded.error")
			bind(&q)
			q.text(change.Key)
			q.int(int64(r.Position))
			q.int(micros(r.Time))
			q.text(r.Error)
			q.bool(r.Folded)
			if err := q.exec(); err != nil {
				return err
			}
		}
	}
	return nil
}

// keys lists the parked keys of an owner. The record of a key is the first that failed.
func (p parkedIn) keys(c *conn, bind func(*query), after string, limit int) (keys []deed.ParkedKey, err error) {
	q := c.query("SELECT key, min(CASE WHEN error <> '' THEN position END), min(position), count(*) FROM " + p.table +
		" WHERE " + p.owner + " = ? AND key > ? GROUP BY key ORDER BY key LIMIT ?")
	bind(&q)
	q.text(after)
	q.int(orAll(limit))
	for q.step() {
		k := deed.ParkedKey{Key: q.s.ColumnText(0), Records: q.s.ColumnInt(3)}
		k.Position = deed.Position(q.s.ColumnInt64(1))
		if k.Position == 0 {
			k.Position = deed.Position(q.s.ColumnInt64(2))
		}
		keys = append(keys, k)
	}
	if err := q.end(); err != nil {
		return nil, err
	}
	for i := range keys {
		records, err := p.records(c, bind, keys[i].Key, keys[i].Position-1, 1)
		if err != nil {
			return nil, err
		}
		keys[i].ParkedRecord = records[0]
	}
	return keys, nil
}

// records lists what is parked of a key.
func (p parkedIn) records(c *conn, bind func(*query), key string, after deed.Position, limit int) (records []deed.ParkedRecord, err error) {
	q := c.query("SELECT position, time, error, folded FROM " + p.table +
		" WHERE " + p.owner + " = ? AND key = ? AND position > ? ORDER BY position LIMIT ?")
	bind(&q)
	q.text(key)
	q.int(int64(after))
	q.int(orAll(limit))
	for q.step() {
		records = append(records, deed.ParkedRecord{
			Position: deed.Position(q.s.ColumnInt64(0)), Time: timeOf(q.s.ColumnInt64(1)), Error: q.s.ColumnText(2), Folded: q.s.ColumnBool(3),
		})
	}
	return records, q.end()
}

// PartParked lists the parked keys of a part. See deed.PartStore. A limit of 0 is none.
func (db *DB) PartParked(ctx context.Context, part, after string, limit int) (keys []deed.ParkedKey, err error) {
	if err := engine.ValidLimit(limit); err != nil {
		return nil, err
	}
	err = db.look(ctx, func(c *conn) error {
		keys, err = parkedParts.keys(c, func(q *query) { q.text(part) }, after, limit)
		return err
	})
	return keys, err
}

// PartParkedRecords lists what is parked of a key. See deed.PartStore. A limit of 0 is none.
func (db *DB) PartParkedRecords(ctx context.Context, part, key string, after deed.Position, limit int) (records []deed.ParkedRecord, err error) {
	if err := engine.ValidLimit(limit); err != nil {
		return nil, err
	}
	err = db.look(ctx, func(c *conn) error {
		records, err = parkedParts.records(c, func(q *query) { q.text(part) }, key, after, limit)
		return err
	})
	return records, err
}

// ViewParked lists the parked keys of a view. See deed.ViewStore. A limit of 0 is none.
func (s *views) ViewParked(ctx context.Context, view deed.ViewRef, after string, limit int) (keys []deed.ParkedKey, err error) {
	err = s.lookViews(ctx, view, func(c *conn, v *storedView) error {
		keys, err = v.parkedKeys(c, after, limit)
		return err
	})
	return keys, err
}

// ViewParkedRecords lists what is parked of a key. See deed.ViewStore. A limit of 0 is none.
func (s *views) ViewParkedRecords(ctx context.Context, view deed.ViewRef, key string, after deed.Position, limit int) (records []deed.ParkedRecord, err error) {
	err = s.lookViews(ctx, view, func(c *conn, v *storedView) error {
		records, err = v.parkedRecords(c, key, after, limit)
		return err
	})
	return records, err
}

func (v *storedView) parkedKeys(c *conn, after string, limit int) ([]deed.ParkedKey, error) {
	if err := engine.ValidLimit(limit); err != nil {
		return nil, err
	}
	if v.parked == 0 {
		return nil, nil
	}
	return parkedViews.keys(c, v.bind, after, limit)
}

func (v *storedView) parkedRecords(c *conn, key string, after deed.Position, limit int) ([]deed.ParkedRecord, error) {
	if err := engine.ValidLimit(limit); err != nil {
		return nil, err
	}
	if v.parked == 0 {
		return nil, nil
	}
	return parkedViews.records(c, v.bind, key, after, limit)
}

// bind binds the view as the owner of what is parked.
func (v *storedView) bind(q *query) { q.int(v.id) }

// park applies changes to what is parked, and counts the keys anew.
func (v *storedView) park(c *conn, changes []deed.ParkChange) error {
	if len(changes) == 0 {
		return nil
	}
	if err := parkedViews.write(c, v.bind, changes); err != nil {
		return err
	}
	n, err := c.number("SELECT count(DISTINCT key) FROM view_parked WHERE view = ?", v.id)
	if err != nil {
		return err
	}
	v.parked = int(n)
	return c.run("UPDATE views SET parked = ? WHERE id = ?", n, v.id)
}

// mark says of rows that are read which of them lack something. Where the keys of a stream are not known, all do.
func (v *storedView) mark(c *conn, rows []deed.Row) error {
	if v.parked == 0 {
		return nil
	}
	all, err := c.number("SELECT min(position) FROM view_parked WHERE view = ? AND key >= '/' AND key < '0'", v.id)
	if err != nil {
		return err
	}
	for i := range rows {
		q := c.query("SELECT min(position) FROM view_parked WHERE view = ? AND key = ?")
		q.int(v.id)
		q.text(rows[i].Key)
		own := int64(0)
		if q.step() {
			own = q.s.ColumnInt64(0)
		}
		if err := q.end(); err != nil {
			return err
		}
		if own == 0 || all > 0 && all < own {
			own = all
		}
		rows[i].Parked = deed.Position(own)
	}
	return nil
}
