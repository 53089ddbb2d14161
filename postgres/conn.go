package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/deed-es/deed"
)

// noticed remembers that a connection was told of a commit which may be stored here and not on the standby that it was to wait
// for: the server says so with a warning, and not with an error.
func noticed(c *pgconn.PgConn, n *pgconn.Notice) {
	if n.Code == "01000" {
		c.CustomData()[uncertain] = n.Message
	}
}

const uncertain = "deed: uncertain"

// committed looks at what a COMMIT was answered: nil only where the transaction is stored for certain.
func committed(c *pgx.Conn, tag pgconn.CommandTag, err error) error {
	data := c.PgConn().CustomData()
	warning, warned := data[uncertain]
	delete(data, uncertain)
	switch {
	case err != nil:
		return err
	case warned:
		return fmt.Errorf("the server warned: %v", warning)
	case tag.String() != "COMMIT":
		return fmt.Errorf("the server answered the commit with %s", tag)
	}
	return nil
}

// The first statements of every transaction that writes: nothing of it depends on how the server, the database or the role is set
// up, but for a statement_timeout, which counts from before these. A synchronous_commit of remote_apply is more than on, and stays. Plans are kept: making one anew takes longer than all the rest. Who wants a lock gets it in the second, so that those
// behind it see all that was stored under the lock before.
const (
	beginSQL = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
	setSQL   = `SELECT set_config('plan_cache_mode', 'force_generic_plan', true), set_config('lock_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $2, true),
		set_config('synchronous_commit', CASE WHEN $3 AND current_setting('synchronous_commit') = 'remote_apply' THEN 'remote_apply' WHEN $3 THEN 'on' ELSE 'off' END, true)`
	lockSQL  = setSQL + ", pg_advisory_xact_lock($4)"
	shareSQL = setSQL + ", pg_advisory_xact_lock_shared($4)"
)

func queueBegin(b *pgx.Batch, flushed bool) {
	b.Queue(beginSQL)
	b.Queue(setSQL, setLockTimeout, setIdleTimeout, flushed)
}

func queueLock(b *pgx.Batch, lock int64, shared bool) {
	b.Queue(beginSQL)
	queueLockWithin(b, lock, shared)
}

// queueLockWithin has the settings made and the lock taken in a transaction that has begun.
func queueLockWithin(b *pgx.Batch, lock int64, shared bool) {
	sql := lockSQL
	if shared {
		sql = shareSQL
	}
	b.Queue(sql, setLockTimeout, setIdleTimeout, true, lock)
}

var setLockTimeout, setIdleTimeout = fmt.Sprint(lockTimeout.Milliseconds()), fmt.Sprint(idleTimeout.Milliseconds())

// change runs f in a transaction of its own and commits what f has queued, together with its last statements. It is not cut off
// where ctx ends: then the caller stops waiting and does not know. What f answers with a refusal is rolled back.
func (db *DB) change(ctx context.Context, flushed bool, f func(ctx context.Context, c *pgx.Conn, b *pgx.Batch) error) error {
	if err := db.writable(ctx); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
		defer cancel()
		done <- db.changeAgain(limited, flushed, f)
	}()
	select {
	case err := <-done:
		if err != nil && !isRefusal(err) && !errors.Is(err, deed.ErrUnknown) {
			return refused(db.said(context.WithoutCancel(ctx), err))
		}
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", deed.ErrUnknown, ctx.Err())
	}
}

// changeAgain tries again what can be: where the connection was lost before anything could be stored, and where the server picked
// this transaction to break a deadlock.
func (db *DB) changeAgain(ctx context.Context, flushed bool, f func(context.Context, *pgx.Conn, *pgx.Batch) error) (err error) {
	for range 4 {
		lost := false
		err = db.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
			err := db.changeOnce(ctx, c.Conn(), flushed, f)
			lost = c.Conn().IsClosed()
			return err
		})
		var server *pgconn.PgError
		again := errors.As(err, &server) && (server.Code == "40P01" || server.Code == "40001")
		switch {
		case err == nil, errors.Is(err, deed.ErrUnknown), !lost && !again:
			return err
		case lost:
			db.pool.Reset()
		}
	}
	return err
}

func (db *DB) changeOnce(ctx context.Context, c *pgx.Conn, flushed bool, f func(context.Context, *pgx.Conn, *pgx.Batch) error) error {
	first := &pgx.Batch{}
	queueBegin(first, flushed)
	err := c.SendBatch(ctx, first).Close()
	last := &pgx.Batch{}
	if err == nil {
		err = f(ctx, c, last)
	}
	if err != nil {
		rollback(ctx, c)
		return err
	}
	return commit(ctx, c, last)
}

// commit sends what is queued with the COMMIT behind it. deed.ErrUnknown where it may be stored all the same. The rows that the
// statement before the COMMIT returned are counted.
func commit(ctx context.Context, c *pgx.Conn, b *pgx.Batch) error {
	_, err := commitCounted(ctx, c, b)
	return err
}

func commitCounted(ctx context.Context, c *pgx.Conn, b *pgx.Batch) (int64, error) {
	rows, failure := commitOrFail(ctx, c, b)
	if failure != nil && !errors.Is(failure, deed.ErrUnknown) {
		rollback(ctx, c)
	}
	return rows, failure
}

// commitOrFail is commitCounted, but that a transaction which is certain not to be committed stays open.
func commitOrFail(ctx context.Context, c *pgx.Conn, b *pgx.Batch) (int64, error) {
	statements := b.Len()
	b.Queue("COMMIT")
	results := c.SendBatch(ctx, b)
	rows, failure := rowsOf(results, statements)
	if failure == nil {
		delete(c.PgConn().CustomData(), uncertain) // what a trigger may have warned of says nothing about the commit
		tag, err := results.Exec()
		if err = committed(c, tag, err); err != nil {
			_ = results.Close()
			rollback(ctx, c)
			return 0, fmt.Errorf("%w: %w", deed.ErrUnknown, err)
		}
	}
	if err := results.Close(); failure == nil && err != nil {
		failure = err
	}
	switch {
	case failure == nil:
		return rows, nil
	case isEnded(c):
		return 0, fmt.Errorf("%w: %w", deed.ErrUnknown, failure)
	}
	return 0, failure
}

// isEnded tells that there is no transaction any more, or no connection.
func isEnded(c *pgx.Conn) bool { return c.IsClosed() || c.PgConn().TxStatus() == 'I' }

// rowsOf takes the results of so many statements, and returns how many rows the last one had, or the first error.
func rowsOf(results pgx.BatchResults, statements int) (rows int64, failure error) {
	for range statements {
		tag, err := results.Exec()
		if err != nil && failure == nil {
			failure = err
		}
		rows = tag.RowsAffected()
	}
	return rows, failure
}

// executed is rowsOf for a batch that ends with them.
func executed(results pgx.BatchResults, statements int) (int64, error) {
	rows, failure := rowsOf(results, statements)
	if err := results.Close(); failure == nil {
		failure = err
	}
	return rows, failure
}

// rollback ends the transaction, and tells whether it is gone for certain: where there is no transaction any more, or no
// connection, that is not known.
func rollback(ctx context.Context, c *pgx.Conn) bool {
	if isEnded(c) {
		return false
	}
	if _, err := c.PgConn().Exec(ctx, "ROLLBACK").ReadAll(); err != nil {
		_ = c.Close(ctx)
	}
	return true // it cannot be committed any more
}

// isRefusal tells deed's own answers from the failures of the database.
func isRefusal(err error) bool {
	var invalid *deed.InvalidError
	return errors.Is(err, deed.ErrReused) || errors.Is(err, deed.ErrConflict) || errors.Is(err, deed.ErrNotFound) ||
		errors.Is(err, deed.ErrFenced) || errors.As(err, &invalid) || errors.As(err, new(*deed.StatementError))
}

// isNone tells that a query gave no row where it was to give one.
func isNone(err error) bool { return errors.Is(err, pgx.ErrNoRows) }
