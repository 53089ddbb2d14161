package sqlite

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// writeEffect removes the pending effects with the change's key and name, then adds the new one.
func writeEffect(c *conn, part string, e *deed.EffectChange) error {
	if e.Name != "" {
		q := c.query("DELETE FROM effects WHERE part = ? AND key = ? AND name = ?")
		q.text(part)
		q.text(e.Key)
		q.text(e.Name)
		if err := q.exec(); err != nil {
			return err
		}
	}
	if e.Put == nil {
		return nil
	}
	p := e.Put
	q := c.query(`INSERT INTO effects (` + effectColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO NOTHING`)
	q.text(p.ID)
	q.text(p.Part)
	q.text(p.Key)
	q.text(p.Name)
	q.int(int64(p.Position))
	q.int(int64(p.Place))
	q.int(micros(p.Due))
	q.text(p.Kind)
	q.text(string(p.Stream))
	q.text(p.CommandType)
	q.text(p.Correlation)
	q.text(p.Causation)
	q.text(p.Trace)
	q.orNull(p.Command)
	return q.exec()
}

const effectColumns = "id, part, key, name, position, place, due, kind, stream, command_type, correlation, causation, trace, command"

func scanEffect(q *query) deed.PendingEffect {
	s := q.s
	return deed.PendingEffect{
		ID: s.ColumnText(0), Part: s.ColumnText(1), Key: s.ColumnText(2), Name: s.ColumnText(3),
		Position: deed.Position(s.ColumnInt64(4)), Place: s.ColumnInt(5), Due: timeOf(s.ColumnInt64(6)),
		Kind: s.ColumnText(7), Stream: deed.StreamID(s.ColumnText(8)), CommandType: s.ColumnText(9),
		Correlation: s.ColumnText(10), Causation: s.ColumnText(11), Trace: s.ColumnText(12), Command: q.bytes(13),
	}
}

// Effects returns pending effects in the order of (Due, Position, Place, ID). See deed.PartStore. A limit of 0 is none.
func (db *DB) Effects(ctx context.Context, query deed.EffectQuery) (effects []deed.PendingEffect, err error) {
	if err := engine.ValidLimit(query.Limit); err != nil {
		return nil, err
	}
	if len(query.Parts) == 0 {
		return nil, db.usable(ctx)
	}
	sql := "SELECT " + effectColumns + " FROM effects WHERE "
	if query.Key == "" { // in the order of the index over all parts
		sql += "+part IN " + places(len(query.Parts))
	} else {
		sql += "key = ? AND part IN " + places(len(query.Parts))
	}
	if !query.Due.IsZero() {
		sql += " AND due <= ?"
	}
	if query.After != nil {
		sql += " AND (due, position, place, id) > (?, ?, ?, ?)"
	}
	sql += " ORDER BY due, position, place, id LIMIT ?"
	err = db.look(ctx, func(c *conn) error {
		q := c.query(sql)
		if query.Key != "" {
			q.text(query.Key)
		}
		q.words(query.Parts)
		if !query.Due.IsZero() {
			q.int(micros(query.Due))
		}
		if a := query.After; a != nil {
			q.int(micros(a.Due))
			q.int(int64(a.Position))
			q.int(int64(a.Place))
			q.text(a.ID)
		}
		q.int(orAll(query.Limit))
		for q.step() {
			effects = append(effects, scanEffect(&q))
		}
		return q.end()
	})
	return effects, err
}

// NextDue returns when the first of the parts' effects falls due after t. See deed.PartStore.
func (db *DB) NextDue(ctx context.Context, parts []string, t time.Time) (due time.Time, found bool, err error) {
	if len(parts) == 0 {
		return due, false, db.usable(ctx)
	}
	err = db.look(ctx, func(c *conn) error {
		q := c.query("SELECT due FROM effects WHERE due > ? AND +part IN " + places(len(parts)) + " ORDER BY due LIMIT 1")
		q.int(micros(t))
		q.words(parts)
		if found = q.step(); found {
			due = timeOf(q.s.ColumnInt64(0))
		}
		return q.end()
	})
	return due, found, err
}

// FinishEffects removes pending effects, flushed. See deed.PartStore.
func (db *DB) FinishEffects(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return db.usable(ctx)
	}
	return db.submit(ctx, &finishEffects{l: db.ledger, ids: slices.Clone(ids)}, 0)
}

type finishEffects struct {
	l   *logLedger
	ids []string
}

func (t *finishEffects) apply(c *conn) (refusal, failure error) {
	for _, id := range t.ids {
		q := c.query("DELETE FROM effects WHERE id = ?")
		q.text(id)
		if err := q.exec(); err != nil {
			return fail(err)
		}
		if c.Changes() == 0 {
			continue
		}
		q = c.query("UPDATE commands SET finished = ? WHERE id = ?")
		q.int(t.l.now)
		q.text(id)
		if err := q.exec(); err != nil {
			return fail(err)
		}
	}
	return nil, nil
}

// places is a list of n parameters for SQL.
func places(n int) string { return "(" + strings.Repeat("?, ", n-1) + "?)" }

func (q *query) words(words []string) {
	for _, w := range words {
		q.text(w)
	}
}
