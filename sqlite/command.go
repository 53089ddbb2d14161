package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// Outcome looks up what a command was answered. See deed.Engine.
func (db *DB) Outcome(ctx context.Context, ref deed.CommandRef) (receipt deed.Receipt, found bool, err error) {
	if err := db.usable(ctx); err != nil || ref.ID == "" {
		return receipt, false, err
	}
	err = db.readers.with(ctx, func(c *conn) error {
		receipt, found, err = outcome(c, ref)
		return err
	})
	return receipt, found, err
}

// outcome returns the first receipt of a command, marked Again, or ErrReused.
func outcome(c *conn, ref deed.CommandRef) (receipt deed.Receipt, found bool, err error) {
	q := c.query("SELECT hash, position, streams FROM commands WHERE id = ?")
	q.text(ref.ID)
	if found = q.step(); found {
		if q.s.ColumnText(0) != ref.Hash {
			q.bound(deed.ErrReused)
		}
		receipt.Again = true
		receipt.Position = deed.Position(q.s.ColumnInt64(1))
		receipt.Streams = engine.ParseStreams(q.s.ColumnText(2))
	}
	if err := q.end(); err != nil {
		return deed.Receipt{}, false, err
	}
	return receipt, found, nil
}

func insertCommand(c *conn, ref deed.CommandRef, receipt deed.Receipt, now int64) error {
	q := c.query("INSERT INTO commands (id, hash, time, position, streams) VALUES (?, ?, ?, ?, ?)")
	q.text(ref.ID)
	q.text(ref.Hash)
	q.int(now)
	q.int(int64(receipt.Position))
	q.text(engine.FormatStreams(receipt.Streams))
	return q.exec()
}

// A step of Forget looks at so many outcomes, so that appends do not wait for it.
const forgetStep = 500

// Forget removes outcomes stored before t, but for those of effects still pending, and of effects finished after t.
func (db *DB) Forget(ctx context.Context, t time.Time) error {
	step := &forgetTask{before: micros(t)}
	for !step.done {
		if err := db.submit(ctx, step, 0); err != nil {
			return err
		}
		step = &forgetTask{before: step.before, after: step.last, done: step.done}
	}
	return nil
}

// forgetTask removes what is to be forgotten among the next outcomes. They are in the order of time.
type forgetTask struct {
	before int64
	after  int64 // seq
	last   int64 // seq
	done   bool
}

func (t *forgetTask) apply(c *conn) (refusal, failure error) {
	q := c.query(`SELECT seq, time, coalesce(finished, time) < ?1
		AND NOT EXISTS (SELECT 1 FROM effects WHERE effects.id = commands.id)
		FROM commands WHERE seq > ?2 ORDER BY seq LIMIT ?3`)
	q.int(t.before)
	q.int(t.after)
	q.int(forgetStep)
	var gone []int64
	seen := 0
	t.done = false
	for q.step() {
		seen++
		t.last = q.s.ColumnInt64(0)
		if q.s.ColumnInt64(1) >= t.before {
			t.done = true
			break
		}
		if q.s.ColumnBool(2) {
			gone = append(gone, t.last)
		}
	}
	t.done = t.done || seen < forgetStep
	if err := q.end(); err != nil {
		return fail(err)
	}
	for _, seq := range gone {
		if err := c.run("DELETE FROM commands WHERE seq = ?", seq); err != nil {
			return fail(err)
		}
	}
	return nil, nil
}

// isRefusal tells deed's own answers from the failures of SQLite.
func isRefusal(err error) bool {
	var invalid *deed.InvalidError
	return errors.Is(err, deed.ErrReused) || errors.Is(err, deed.ErrConflict) || errors.Is(err, deed.ErrNotFound) || errors.As(err, &invalid)
}
