package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/deed-es/deed"
)

// InTx stores the batch that f returns in one transaction with the statements that f has done: both are there, or neither is. The
// batch is judged by the same rules as Append's. The log's lock is taken last, when f has returned, so that it is not kept while f
// works; the lock of a row that f has changed is kept until the end.
//
// Where f returns an error, that is the answer; where the batch is refused, the refusal is; and in both cases nothing is stored. A batch
// that was stored before (its command is known, or its events all stand already) gets the first receipt, marked Again, and what f has done
// this time is rolled back: it was stored the first time. With ErrUnknown either both are stored or neither is, and to call InTx again with
// the same ids tells. A batch with nothing but checks stores what f has done, if they hold.
//
// InTx calls f once. Where the server ends a deadlock with an error (40P01), or cannot serialize (40001), that is the answer, and the caller
// decides whether to call again. The transaction is READ COMMITTED. Constraints that are deferred are checked when f has returned.
//
// In f, tx can be used but not ended: Commit and Rollback answer with an error, Begin makes a savepoint, and Conn returns nil. What f sets is to
// be SET LOCAL. It must not use tx after it has returned, nor call InTx, which may wait for the very connection that the caller has. Statements
// of f have lock_timeout 10s and idle_in_transaction_session_timeout 1min unless f sets others. A pool has connections for so many at once as it has in
// all, less two; others wait.
func (db *DB) InTx(ctx context.Context, f func(tx pgx.Tx) (deed.Batch, error)) (deed.Receipt, error) {
	if err := db.writable(ctx); err != nil {
		return deed.Receipt{}, err
	}
	leave, err := db.guests.enter(ctx, db.closed)
	if err != nil {
		return deed.Receipt{}, err
	}
	defer leave()
	g, err := db.invite(ctx)
	if err != nil {
		return deed.Receipt{}, refused(db.said(ctx, err))
	}
	defer g.leave(ctx)
	b, err := f(&lentTx{Tx: g.tx})
	if err != nil {
		return deed.Receipt{}, err
	}
	if err := b.Validate(db.limits); err != nil {
		return deed.Receipt{}, err
	}
	if err := db.usable(ctx); err != nil {
		return deed.Receipt{}, err
	}
	return g.append(ctx, b)
}

// guests bounds how many transactions of others are open at once: what the log itself needs of the pool is left to it.
type guests chan struct{}

// So many of the pool's connections are not lent, where it has more.
const notLent = 2

func newGuests(connections int32) guests { return make(guests, max(1, int(connections)-notLent)) }

func (g guests) enter(ctx context.Context, closed <-chan struct{}) (leave func(), err error) {
	select {
	case g <- struct{}{}:
		return func() { <-g }, nil
	case <-closed:
		return nil, deed.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// guest is a transaction with statements of somebody else's.
type guest struct {
	db   *DB
	held *pgxpool.Conn
	c    *pgx.Conn
	tx   pgx.Tx
}

const (
	// Between two statements of f lies so much time at most, unless it says otherwise.
	guestIdle = "1min"

	// What f does stands behind a savepoint, so that it shows if f has ended the transaction.
	inviteSQL = beginSQL + "; SELECT set_config('lock_timeout', '%s', true), set_config('idle_in_transaction_session_timeout', '%s', true); SAVEPOINT deed_own"

	// Before the log's lock is taken all is done that may take its time, or fail.
	handSQL = "SET CONSTRAINTS ALL IMMEDIATE; RELEASE SAVEPOINT deed_own; SAVEPOINT deed_log"

	// With the transaction's part behind the savepoint the log's lock is given back.
	againSQL = "ROLLBACK TO SAVEPOINT deed_log"
)

// invite begins a transaction, on another connection where the first turns out to be lost.
func (db *DB) invite(ctx context.Context) (*guest, error) {
	for again := false; ; again = true {
		held, err := db.pool.Acquire(ctx)
		if err != nil {
			return nil, err
		}
		g := &guest{db: db, held: held, c: held.Conn()}
		o := pgx.TxOptions{BeginQuery: fmt.Sprintf(inviteSQL, setLockTimeout, guestIdle), CommitQuery: handSQL}
		if g.tx, err = g.c.BeginTx(ctx, o); err == nil {
			return g, nil
		}
		lost := g.c.IsClosed()
		g.leave(ctx)
		if !lost || again || ctx.Err() != nil {
			return nil, err
		}
		db.pool.Reset()
	}
}

// leave rolls back what is not stored, and gives the connection back.
func (g *guest) leave(ctx context.Context) {
	if g.held == nil { // it has left
		return
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
	defer cancel()
	rollback(limited, g.c)
	g.held.Release() // a connection that is still in a transaction is closed by that
	g.held = nil
}

// settleOwn ends f's part.
func (g *guest) settleOwn(ctx context.Context) error {
	return takeBack(ctx, g.c, g.tx)
}

// errDone is why nothing is stored of a batch that is there already.
var errDone = errors.New("stored before")

// append stores the batch, and f's part with it.
func (g *guest) append(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
	t := &appendTask{}
	t.Take(b)
	limited, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err := g.settleOwn(limited)
	if err == nil {
		err = g.attempt(limited, t)
	}
	switch {
	case err == nil:
		return t.Receipt, nil
	case errors.Is(err, errDone):
		g.leave(limited) // which gives the log's lock back, and the connection: there may be no other
		if err := g.db.awaitStandby(ctx); err != nil {
			return deed.Receipt{}, err
		}
		return t.Receipt, nil
	case isRefusal(err), errors.Is(err, deed.ErrUnknown):
		return deed.Receipt{}, err
	case ctx.Err() != nil: // before anything could be stored
		return deed.Receipt{}, ctx.Err()
	}
	g.db.logger.Error("a write failed and was rolled back", "log", g.db.options.Log, "batches", 1, "error", err)
	return deed.Receipt{}, refused(explain(err))
}

// attempt is the writer's attempt for a group of one, in a transaction that has begun already. What is not stored in one way is rolled back to
// the end of f's part, and so is the log's lock.
func (g *guest) attempt(ctx context.Context, t *appendTask) error {
	db := g.db
	parallel, separate, past, races := db.parallel.Load(), !t.shares(), false, 0
	for range 10 {
		how := alone
		if parallel && !separate {
			how = shared
		}
		err := g.once(ctx, t, how, parallel)
		switch {
		case errors.Is(err, errAlone):
			separate = true
		case errors.Is(err, errOrder):
			parallel = !parallel
		case errors.Is(err, errUnsettled):
			if err := g.again(ctx, err); err != nil {
				return err
			}
			if err := db.write(ctx, &lookTask{}, 0); err != nil { // the log's row is the writer's
				return err
			}
			parallel = db.parallel.Load()
			continue
		case errors.Is(err, errPastLock) && !past:
			past = true
		case !parallel && hasCode(err, "55P03", "57014") && g.isMistaken(ctx, err):
			parallel = true
			continue
		case how.isRaced(err):
			races++
			separate = races == sharedTries
		default:
			return err
		}
		if err := g.again(ctx, err); err != nil {
			return err
		}
	}
	return errPastLock
}

// isMistaken tells that the batch waited in vain to be alone, because nobody here knew that it need not be.
func (g *guest) isMistaken(ctx context.Context, err error) bool {
	return g.again(ctx, err) == nil && g.db.refresh() == nil && g.db.parallel.Load()
}

// again goes back to the end of f's part, or returns why what had to be done again cannot be.
func (g *guest) again(ctx context.Context, why error) error {
	if g.c.IsClosed() || g.c.PgConn().TxStatus() == 'I' {
		return why
	}
	if _, err := g.c.Exec(ctx, againSQL); err != nil {
		return errors.Join(why, err)
	}
	return nil
}

// once takes the log's lock, judges the batch, and stores it together with f's part. Whatever it returns but nil, and but ErrUnknown, it has
// stored nothing.
func (g *guest) once(ctx context.Context, t *appendTask, how way, parallel bool) (failure error) {
	told := g.db.observing.Begin("log", 1)
	defer func() {
		if !how.isAnotherWay(failure) && !isRefusal(failure) && !errors.Is(failure, errDone) {
			told.End(failure, g.db.logger)
		}
	}()
	gr, err := g.open(ctx, t, how, parallel)
	if err != nil {
		return err
	}
	refusal, err := t.apply(ctx, gr)
	switch {
	case err != nil:
		return err
	case refusal != nil:
		return refusal
	case t.Receipt.Again:
		return errDone
	}
	told.Flush(len(gr.records))
	if err := g.store(ctx, gr); err != nil {
		return err
	}
	gr.publish()
	return nil
}

// open takes the log's lock and looks up what the batch asks. It remembers nothing that a group before has found out.
func (g *guest) open(ctx context.Context, t *appendTask, how way, parallel bool) (*group, error) {
	l := newLedger(g.db)
	a := &asked{l: l, named: map[deed.StreamID]bool{}}
	t.ask(a)
	gr := &group{
		l: l, c: g.c, how: how, parallel: parallel, within: true, old: map[deed.StreamID]streamHead{},
		outcomes: map[string]outcome{}, matches: map[*deed.Check]deed.Position{}, inline: map[deed.ViewRef]*storedView{},
	}
	if err := gr.open(ctx, a); err != nil {
		if how.isAnotherWay(err) {
			return nil, err
		}
		return nil, &beginError{err}
	}
	if !parallel { // others may have stored that, and who waits for it has to be told
		g.db.advance(gr.before)
	}
	return gr, nil
}

// store is the writer's store, for a transaction that has more in it than the group.
func (g *guest) store(ctx context.Context, gr *group) error {
	b := &pgx.Batch{}
	if len(gr.records)+len(gr.commands) > 0 {
		if err := gr.queue(b); err != nil {
			return err
		}
	}
	if gr.folds() {
		if _, err := executed(g.c.SendBatch(ctx, b), b.Len()); err != nil {
			return pastLock(err)
		}
		if err := gr.fold(ctx); err != nil {
			return err
		}
		b = &pgx.Batch{}
	}
	_, err := commitOrFail(ctx, g.c, b)
	if errors.Is(err, deed.ErrUnknown) {
		g.drop()
	}
	return pastLock(err)
}

// pastLock says why a group's own statement failed, where its condition did not hold.
func pastLock(err error) error {
	if hasCode(err, "22012") {
		return fmt.Errorf("%w: %w", errPastLock, err)
	}
	return err
}

// drop gives the connection up: what it is in the middle of is not known.
func (g *guest) drop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = g.c.Close(ctx)
}

// lookTask has the log's writer look at the log's row, and make it what its order wants.
type lookTask struct{}

func (*lookTask) shares() bool { return true }

func (*lookTask) ask(a *asked) { a.must = true }

func (*lookTask) apply(context.Context, *group) (refusal, failure error) { return nil, nil }
