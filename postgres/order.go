package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/deed-es/deed"
)

// Order is how the groups of a log's processes are stored: it stands in the log's row.
type Order string

const (
	// Serial has one group stored at a time. Positions have no gaps, and are readable once the group is stored.
	Serial Order = "serial"
	// Parallel has groups without checks stored at the same time, by all processes. Positions have gaps, and are readable once all
	// before them are stored, or never will be. A group with a check is stored alone, and so are all of a log with inline views.
	Parallel Order = "parallel"
)

func (o Order) known() bool { return o == Serial || o == Parallel }

func (o Order) unknown() error {
	return fmt.Errorf("the log is appended to in the order %q, which this program does not know", string(o))
}

// Order is the order that the log is appended to in, from the next append of any process on.
func (db *DB) Order(ctx context.Context) (order Order, err error) {
	err = db.read(ctx, func(c *pgxpool.Conn) error {
		return c.QueryRow(ctx, db.tables.sql("SELECT appending FROM @logs WHERE log = $1"), db.log).Scan(&order)
	})
	return order, err
}

// SetOrder has the log appended to in another order. It may be done while processes append: a group under way is stored before, or
// is begun again after. To set appending in the log's row with SQL is the same, only that the log follows with the next append.
func (db *DB) SetOrder(ctx context.Context, order Order) error {
	if !order.known() {
		return &deed.InvalidError{Field: "order", Reason: fmt.Sprintf("must be %s or %s", Serial, Parallel)}
	}
	err := db.change(ctx, true, func(ctx context.Context, c *pgx.Conn, b *pgx.Batch) error {
		b.Queue("SELECT pg_advisory_xact_lock($1)", db.lock)
		b.Queue(db.tables.sql("UPDATE @logs SET appending = $2 WHERE log = $1"), db.log, string(order))
		b.Queue(db.tables.sql(settleSQL), db.log)
		return nil
	})
	if err == nil {
		db.parallel.Store(order == Parallel)
		db.teller.tell()
	}
	return err
}

// settleSQL makes the log's row what its order wants, under the log's lock: nothing is under way, so the head is the last position
// stored. In parallel, positions go on from there with the sequence's next value, whatever that is.
const settleSQL = `UPDATE @logs SET (head, mark, base) = (SELECT h.head, CASE WHEN appending = 'parallel' THEN h.head END,
			CASE WHEN appending = 'parallel' THEN h.head - coalesce(pg_sequence_last_value('@positions'::regclass), 0) END
		FROM (SELECT greatest(head, (SELECT max(position) FROM @events WHERE log = $1)) AS head) h)
	WHERE log = $1 AND (appending = 'parallel') = (base IS NULL)`

// settle makes the log's row what its order wants, where somebody has changed that with SQL.
func (w *writer) settle(ctx context.Context) error {
	if err := w.connect(ctx); err != nil { // it may have been lost since the log's row was read
		return err
	}
	b := &pgx.Batch{}
	queueLock(b, w.db.lock, false)
	b.Queue(w.db.tables.sql(settleSQL), w.db.log)
	if err := w.c.SendBatch(ctx, b).Close(); err != nil {
		w.undo(ctx)
		return err
	}
	err := commit(ctx, w.c, &pgx.Batch{})
	if errors.Is(err, deed.ErrUnknown) {
		w.drop()
	} else if w.c.IsClosed() {
		w.c = nil
	}
	return err
}

// endsOfLog is how far a log is.
type endsOfLog struct {
	head     deed.Position // the last that may be read
	stored   deed.Position // the last that is stored; parallel: what is before it may be under way
	parallel bool
}

const headSQL = `SELECT head, CASE WHEN base IS NULL THEN head ELSE greatest(head, (SELECT max(position) FROM @events WHERE log = $1)) END, base IS NOT NULL
	FROM @logs WHERE log = $1`

func (e *endsOfLog) scan(row pgx.Row) error { return row.Scan(&e.head, &e.stored, &e.parallel) }

// saw takes in how far the log is.
func (db *DB) saw(e endsOfLog) {
	db.parallel.Store(e.parallel)
	db.advance(e.head)
}

// Head is the last position that may be read; 0 in an empty log. What is acknowledged before is not behind it.
func (db *DB) Head(ctx context.Context) (deed.Position, error) {
	var ends endsOfLog
	err := db.read(ctx, func(c *pgxpool.Conn) (err error) {
		ends, err = db.readEnds(ctx, c)
		return err
	})
	if err != nil {
		return 0, err
	}
	db.saw(ends)
	if !db.isHidden(ends) {
		return ends.head, nil
	}
	err = db.untilShown(ctx, ends.stored)
	return deed.Position(db.head.Load()), err
}

func (db *DB) readEnds(ctx context.Context, q querier) (ends endsOfLog, err error) {
	err = ends.scan(q.QueryRow(ctx, db.tables.sql(headSQL), db.log))
	return ends, err
}

// isHidden tells whether there is something that may be acknowledged and must not be read yet. Who only reads takes the log as it is
// shown: a standby is behind anyway, and there may be nobody left who shows more.
func (db *DB) isHidden(e endsOfLog) bool { return e.stored > e.head && !db.options.ReadOnly }

// untilShown waits until a position that is stored may be read, which takes as long as the groups that began before it.
func (db *DB) untilShown(ctx context.Context, p deed.Position) error {
	limited, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	for {
		news := db.news.Next("") // before the head is looked at, so that nothing is missed
		if deed.Position(db.head.Load()) >= p {
			db.news.Done(news)
			return nil
		}
		poke(db.marker.hurry)
		err := db.wait(limited, news.Come)
		db.news.Done(news)
		switch {
		case err == nil:
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			return fmt.Errorf("%w: an append at position %d or before has not ended yet", deed.ErrBusy, p)
		default:
			return err
		}
	}
}
