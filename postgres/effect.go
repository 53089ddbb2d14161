package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

const effectColumns = "id, part, key, name, position, place, due, kind, stream, command_type, correlation, causation, trace, command"

// queueEffect removes the pending effects with the change's key and name, then adds the new one.
func (db *DB) queueEffect(b *pgx.Batch, part string, e *deed.EffectChange) {
	if e.Name != "" {
		b.Queue(db.tables.sql("DELETE FROM @effects WHERE log = $1 AND part = $2 AND key = $3 AND name = $4"), db.log, part, e.Key, e.Name)
	}
	if e.Put == nil {
		return
	}
	p := e.Put
	b.Queue(db.tables.sql("INSERT INTO @effects (log, "+effectColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT DO NOTHING"),
		db.log, p.ID, p.Part, p.Key, p.Name, int64(p.Position), p.Place, micros(p.Due), p.Kind, string(p.Stream), p.CommandType,
		p.Correlation, p.Causation, p.Trace, p.Command)
}

func scanEffect(row pgx.Row) (p deed.PendingEffect, err error) {
	var due int64
	err = row.Scan(&p.ID, &p.Part, &p.Key, &p.Name, &p.Position, &p.Place, &due, &p.Kind, &p.Stream, &p.CommandType,
		&p.Correlation, &p.Causation, &p.Trace, &p.Command)
	p.Due = timeOf(due)
	return p, err
}

// Effects returns pending effects in the order of (Due, Position, Place, ID). See deed.PartStore. A limit of 0 is none.
func (db *DB) Effects(ctx context.Context, query deed.EffectQuery) ([]deed.PendingEffect, error) {
	if err := engine.ValidLimit(query.Limit); err != nil {
		return nil, err
	}
	if len(query.Parts) == 0 {
		return nil, db.usable(ctx)
	}
	args := []any{db.log, query.Parts}
	arg := func(value any) string {
		args = append(args, value)
		return fmt.Sprint("$", len(args))
	}
	sql := "SELECT " + effectColumns + " FROM @effects WHERE log = $1 AND part = ANY ($2)"
	if query.Key != "" {
		sql += " AND key = " + arg(query.Key)
	}
	if !query.Due.IsZero() {
		sql += " AND due <= " + arg(micros(query.Due))
	}
	if a := query.After; a != nil {
		sql += " AND (due, position, place, id) > (" + arg(micros(a.Due)) + ", " + arg(int64(a.Position)) + ", " + arg(a.Place) + ", " + arg(a.ID) + ")"
	}
	sql += " ORDER BY due, position, place, id LIMIT " + arg(orAll(query.Limit)) + "::bigint"
	return collect(ctx, db, db.tables.fill(sql), args, scanEffect)
}

const nextDueSQL = `SELECT e.due FROM unnest($3::text[]) AS p (part)
	CROSS JOIN LATERAL (SELECT due FROM @effects WHERE log = $1 AND part = p.part AND due > $2 ORDER BY due LIMIT 1 OFFSET 0) e ORDER BY e.due LIMIT 1`

// NextDue returns when the first of the parts' effects falls due after t. See deed.PartStore.
func (db *DB) NextDue(ctx context.Context, parts []string, t time.Time) (due time.Time, found bool, err error) {
	if len(parts) == 0 {
		return due, false, db.usable(ctx)
	}
	all, err := collect(ctx, db, db.tables.sql(nextDueSQL), []any{db.log, micros(t), parts}, scanTime)
	if err != nil || len(all) == 0 {
		return due, false, err
	}
	return all[0], true, nil
}

func scanTime(row pgx.Row) (time.Time, error) {
	var at int64
	err := row.Scan(&at)
	return timeOf(at), err
}

// FinishEffects removes pending effects, flushed. See deed.PartStore.
func (db *DB) FinishEffects(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return db.usable(ctx)
	}
	ids = slices.Sorted(slices.Values(ids)) // in one order, so that nobody waits for each other
	return db.change(ctx, true, func(_ context.Context, _ *pgx.Conn, b *pgx.Batch) error {
		now := micros(db.clock.Now())
		for _, id := range ids {
			b.Queue(db.tables.sql(`WITH gone AS (DELETE FROM @effects WHERE log = $1 AND id = $2 RETURNING id)
				UPDATE @commands c SET finished = $3 WHERE c.log = $1 AND c.id = (SELECT id FROM gone)`), db.log, id, now)
		}
		return nil
	})
}
