package postgres

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
)

// marker moves the head of a log in the order Parallel: to the last position up to which all is stored or never will be. One process
// at a time does that, under a lease in the log's row, which lapses when it has nothing to do.
//
// It reads which value the sequence has given out last, and then who has the log's lock. Who takes the lock later gets later values. So
// once none of those has it any more, nothing at or below that value can come to be stored. What is true of a log stays true, so a
// marker that was paused and comes back does no harm; and the head is only ever moved forward.
type marker struct {
	db     *DB
	kicked chan struct{} // there may be something to do
	hurry  chan struct{} // somebody waits for it
	mine   atomic.Bool   // this process was the last that moved the head
	c      *pgx.Conn     // nil: lost, or not opened yet
}

const (
	// So long a process that does not move the head keeps others from it.
	markerLasts = 2 * time.Second
	// Between two moves that nobody here waits for lies so much time.
	markerRests = 2 * time.Millisecond
	// Who has the lock is looked at again after such times.
	holdersFirst = 200 * time.Microsecond
	holdersLast  = 20 * time.Millisecond
)

func newMarker(db *DB) *marker {
	return &marker{db: db, kicked: make(chan struct{}, 1), hurry: make(chan struct{}, 1)}
}

func (m *marker) kick() { poke(m.kicked) }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run works until the store is closed. Where nobody kicks, it looks every now and then.
func (m *marker) run() {
	defer m.close()
	for failed := false; ; {
		select {
		case <-m.db.stopped.Done():
			return
		case <-m.hurry:
		case <-m.kicked:
		case <-time.After(m.pause()):
		}
		if !m.db.parallel.Load() {
			continue
		}
		ctx, cancel := context.WithTimeout(m.db.stopped, writeTimeout)
		err := m.move(ctx)
		cancel()
		if err != nil {
			m.drop()
		}
		if err != nil && !failed && m.db.usable(context.Background()) == nil {
			m.db.logger.Warn("could not move the log's head", "log", m.db.options.Log, "error", err)
		}
		failed = err != nil
		m.rest()
	}
}

// pause is how long this process waits to be told. Who moves the head is asked to by others, where it can hear them; the rest only see
// whether it lives.
func (m *marker) pause() time.Duration {
	switch {
	case !m.mine.Load():
		return markerLasts / 2
	case m.db.watch.listening.Load():
		return watchEvery
	}
	return pollEvery
}

// rest waits a little, unless somebody waits for the head to move.
func (m *marker) rest() {
	select {
	case <-m.hurry:
		m.kick()
	case <-m.db.stopped.Done():
	case <-time.After(markerRests):
	}
}

// candidate is how far the head may be moved once none of the holders has the log's lock any more.
type candidate struct {
	until   int64
	base    int64
	holders []string
}

const (
	// The sequence's row is read under its lock: SELECT last_value may see a value that is not given out yet.
	lookSQL = `SELECT l.head, coalesce(e.stored, 0), l.base, l.base + coalesce(pg_sequence_last_value('@positions'::regclass), 0),
			coalesce(l.publisher = $2, false), l.publisher IS NOT NULL AND l.publishing > ` + now + `
		FROM @logs l, (SELECT max(position) AS stored FROM @events WHERE log = $1) e WHERE l.log = $1`

	// Prepared transactions keep their locks, and their names here (since 14.1).
	holdersSQL = `SELECT coalesce(array_agg(virtualtransaction), '{}') FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
		AND classid::bigint = $1 AND objid::bigint = $2 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`

	moveSQL = `UPDATE @logs SET head = e.stored, mark = e.stored, time = greatest(time, $6), publisher = $2, publishing = ` + now + ` + $3
		FROM (SELECT max(position) AS stored FROM @events WHERE log = $1 AND position <= $4) e
		WHERE log = $1 AND base = $5 AND head < e.stored AND ` + mayPublish + ` RETURNING head`

	claimSQL = "UPDATE @logs SET publisher = $2, publishing = " + now + " + $3 WHERE log = $1 AND base IS NOT NULL AND " + mayPublish

	// The parameter is the process.
	mayPublish = "(publisher = $2 OR publisher IS NULL OR publishing <= " + now + ")"
)

// move moves the head once, if there is something to show and nobody else does it. All of it is one transaction, which does not
// outlive the server: after a crash the sequence may give out a value again that nobody has stored.
func (m *marker) move(ctx context.Context) error {
	if m.c == nil {
		c, err := pgx.ConnectConfig(ctx, m.db.config.ConnConfig.Copy())
		if err != nil {
			return err
		}
		m.c = c
	}
	defer rollback(ctx, m.c)
	c, due, err := m.look(ctx)
	if err != nil || !due {
		return err
	}
	if err := m.outlast(ctx, c.holders); err != nil {
		return err
	}
	head, err := m.publish(ctx, c)
	if err != nil {
		return err
	}
	if m.mine.Store(head > 0); head > 0 {
		m.db.advance(head)
		m.db.teller.tell()
	}
	return nil
}

// look finds out how far the head may be moved, and whether that is to be done here. The sequence is read before the locks.
func (m *marker) look(ctx context.Context) (c candidate, due bool, err error) {
	var head, stored deed.Position
	var base, until *int64
	var own, held bool
	b := &pgx.Batch{}
	queueBegin(b, false) // a head that a crash takes is found again
	queueBlock(b, m.db)
	b.Queue(m.db.tables.sql(lookSQL), m.db.log, m.db.teller.name).QueryRow(func(row pgx.Row) error {
		return row.Scan(&head, &stored, &base, &until, &own, &held)
	})
	b.Queue(endBlockSQL)
	m.queueHolders(b, &c.holders)
	if err := m.c.SendBatch(ctx, b).Close(); err != nil {
		return c, false, err
	}
	m.mine.Store(own)
	if base == nil {
		m.db.parallel.Store(false)
		return c, false, nil
	}
	m.db.advance(head)
	c.base, c.until = *base, *until
	return c, stored > head && (own || !held), nil
}

func (m *marker) queueHolders(b *pgx.Batch, into *[]string) {
	key := uint64(m.db.lock)
	b.Queue(holdersSQL, int64(key>>32), int64(key&0xffffffff)).QueryRow(func(row pgx.Row) error { return row.Scan(into) })
}

// outlast waits until none of the holders has the log's lock any more. Others are not kept from it.
func (m *marker) outlast(ctx context.Context, holders []string) error {
	claimed := time.Now()
	for pause := holdersFirst; len(holders) > 0; pause = min(2*pause, holdersLast) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the transactions %v still have the log's lock: %w", holders, ctx.Err())
		case <-time.After(pause):
		}
		if time.Since(claimed) > markerLasts/4 {
			claimed = time.Now()
			if err := m.claim(ctx); err != nil {
				return err
			}
		}
		var now []string
		b := &pgx.Batch{}
		m.queueHolders(b, &now)
		if err := m.c.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
		holders = slices.DeleteFunc(holders, func(h string) bool { return !slices.Contains(now, h) })
	}
	return nil
}

// claim keeps the lease while it takes long, past the transaction: that must not keep the log's row.
func (m *marker) claim(ctx context.Context) error {
	return m.db.change(ctx, false, func(_ context.Context, _ *pgx.Conn, b *pgx.Batch) error {
		b.Queue(m.db.tables.sql(claimSQL), m.db.log, m.db.teller.name, markerLasts.Microseconds())
		return nil
	})
}

// publish moves the head; to 0 where somebody else has done so, or has the lease.
func (m *marker) publish(ctx context.Context, c candidate) (head deed.Position, err error) {
	b := &pgx.Batch{}
	b.Queue(m.db.tables.sql(moveSQL), m.db.log, m.db.teller.name, markerLasts.Microseconds(), c.until, c.base, micros(m.db.clock.Now())).
		QueryRow(func(row pgx.Row) error {
			if err := row.Scan(&head); !isNone(err) {
				return err
			}
			return nil
		})
	b.Queue("COMMIT")
	return head, m.c.SendBatch(ctx, b).Close()
}

// close lets others move the head.
func (m *marker) close() {
	defer m.drop()
	if m.c == nil || !m.mine.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = m.move(ctx) // what was stored last
	b := &pgx.Batch{}
	queueBegin(b, false)
	b.Queue(m.db.tables.sql("UPDATE @logs SET publishing = 0 WHERE log = $1 AND publisher = $2"), m.db.log, m.db.teller.name)
	b.Queue("COMMIT")
	_ = m.c.SendBatch(ctx, b).Close()
}

func (m *marker) drop() {
	if m.c == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = m.c.Close(ctx)
	m.c = nil
	m.mine.Store(false)
}
