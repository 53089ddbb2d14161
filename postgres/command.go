package postgres

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// outcome is what a command was answered.
type outcome struct {
	hash    []byte
	receipt deed.Receipt
}

// stored is an outcome on its way.
type stored struct {
	ref     deed.CommandRef
	receipt deed.Receipt
}

func (o *outcome) scan(row pgx.Row, id *string) error {
	var streams string
	err := row.Scan(id, &o.hash, &o.receipt.Position, &streams)
	o.receipt.Streams = engine.ParseStreams(streams)
	return err
}

// answer is the first receipt, marked Again, or ErrReused.
func (o outcome) answer(ref deed.CommandRef) (deed.Receipt, error) {
	if !bytes.Equal(o.hash, []byte(ref.Hash)) {
		return deed.Receipt{}, deed.ErrReused
	}
	receipt := o.receipt
	receipt.Streams = slices.Clone(receipt.Streams)
	receipt.Again = true
	return receipt, nil
}

// Outcome looks up what a command was answered. See deed.Engine.
func (db *DB) Outcome(ctx context.Context, ref deed.CommandRef) (receipt deed.Receipt, found bool, err error) {
	if err := db.usable(ctx); err != nil || orNone(ref.ID) == "" {
		return receipt, false, err
	}
	var o outcome
	var awaits bool
	err = db.read(ctx, func(c *pgxpool.Conn) error {
		b := &pgx.Batch{}
		b.Queue("SELECT current_setting('synchronous_standby_names') <> ''").QueryRow(func(row pgx.Row) error { return row.Scan(&awaits) })
		b.Queue(db.tables.sql(outcomesSQL), db.log, []string{ref.ID}).QueryRow(func(row pgx.Row) error {
			var id string
			return o.scan(row, &id)
		})
		return c.SendBatch(ctx, b).Close()
	})
	switch {
	case isNone(err):
		return receipt, false, nil
	case err != nil:
		return receipt, false, err
	}
	if receipt, err = o.answer(ref); err == nil && awaits && !db.options.ReadOnly {
		err = db.awaitStandby(ctx)
	}
	return receipt, err == nil, err
}

// A step of Forget removes so many outcomes.
const forgetStep = 1000

// Forget removes outcomes stored before t, but for those of effects still pending, and of effects finished after t.
func (db *DB) Forget(ctx context.Context, t time.Time) error {
	for {
		var removed int64
		err := db.change(ctx, true, func(ctx context.Context, c *pgx.Conn, _ *pgx.Batch) error {
			tag, err := c.Exec(ctx, db.tables.sql(`DELETE FROM @commands WHERE log = $1 AND id IN (
				SELECT id FROM @commands c WHERE log = $1 AND time < $2 AND (finished IS NULL OR finished < $2)
				AND NOT EXISTS (SELECT FROM @effects e WHERE e.log = $1 AND e.id = c.id) ORDER BY time LIMIT $3)`), db.log, micros(t), forgetStep)
			removed = tag.RowsAffected()
			return err
		})
		if err != nil || removed < forgetStep {
			return err
		}
	}
}
