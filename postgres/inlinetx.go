package postgres

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
)

// InlineTx keeps rows in tables of the program's own, with its own SQL, in the transactions that store events: as soon as an append is
// acknowledged the rows are there, and what is rolled back leaves none. See DB.KeepInline.
type InlineTx[E deed.Event] struct {
	// Name is unique among the log's inline views.
	Name string
	// Version is raised when the rows are to be made anew from all events.
	Version int
	// Events is a value of every event that Write is called with; others are passed over.
	Events []E
	// Write writes what an event changes, in the order of positions. An error fails the append of that event, and no other; a panic is one. tx is lent
	// as in DB.InTx, with lock_timeout 10s and idle_in_transaction_session_timeout 1500ms: the log waits for Write, and so does everybody who appends.
	Write func(ctx context.Context, tx pgx.Tx, r deed.Recorded[E]) error
	// Reset empties the tables. It is called before the first event is written, and again where a raised Version begins anew.
	Reset func(ctx context.Context, tx pgx.Tx) error
	// Codec turns data back at the edge, as Config.Codec does; nil is none.
	Codec deed.Codec
}

// InlineWriter is an InlineTx.
type InlineWriter interface{ kept() (*kept, error) }

// KeepInline brings tables of the program's own up to where the log is, and keeps them there with every append of this handle, Append and
// InTx alike. It is to be called before the handle appends, and returns when that may begin.
//
// From the first time on the log is marked: a program that appends without having called this is refused, and so is this one until it is done, so that
// no event is ever passed over. A Version below the stored one is refused. To give the tables up, drop the mark with InlineViews().DropView.
func (db *DB) KeepInline(ctx context.Context, writers ...InlineWriter) error {
	for _, w := range writers {
		k, err := w.kept()
		if err == nil {
			err = db.keep(ctx, k)
		}
		if err != nil {
			return fmt.Errorf("inline tables: %w", err)
		}
	}
	return nil
}

// keptMark stands in the mark's row where a view's own tables stand: these are not deed's.
const keptMark = `"kept"`

// kept is an InlineTx of any events.
type kept struct {
	db    *DB
	ref   deed.ViewRef
	reset func(ctx context.Context, tx pgx.Tx) error
	// selects tells whether write is to be called with a record.
	selects func(r *deed.Record) bool
	write   func(ctx context.Context, tx pgx.Tx, r deed.Record) error
}

func (p InlineTx[E]) kept() (*kept, error) {
	var errs []error
	if p.Name == "" || deed.ValidID(p.Name) != nil {
		errs = append(errs, &deed.InvalidError{Field: "Name", Reason: "must be a valid id"})
	}
	if p.Version < 0 {
		errs = append(errs, &deed.InvalidError{Field: "Version", Reason: "must not be negative"})
	}
	if p.Write == nil || p.Reset == nil {
		errs = append(errs, &deed.InvalidError{Field: "Write", Reason: "must be there, and so must Reset"})
	}
	forms, err := formsOf(p.Events)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	return &kept{
		ref: deed.ViewRef{Name: p.Name, Version: p.Version}, reset: p.Reset,
		selects: func(r *deed.Record) bool { return forms[r.Type] != nil },
		write: func(ctx context.Context, tx pgx.Tx, r deed.Record) error {
			if p.Codec != nil {
				var err error
				if r, err = p.Codec.Decode(ctx, r); err != nil {
					return err
				}
			}
			e, err := decoded[E](forms, &r)
			if err != nil {
				return err
			}
			return p.Write(ctx, tx, deed.Recorded[E]{Event: e, Record: r})
		},
	}, nil
}

func (db *DB) keep(ctx context.Context, k *kept) error {
	k.db = db
	if err := db.markKept(ctx, k); err != nil {
		return fmt.Errorf("%s: %w", k.ref.Name, err)
	}
	for {
		there := make(chan bool, 8)
		err := db.change(ctx, true, func(ctx context.Context, c *pgx.Conn, _ *pgx.Batch) error {
			ended, err := k.step(ctx, c)
			select {
			case <-there: // of an attempt before
			default:
			}
			there <- ended
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", k.ref.Name, err)
		}
		if <-there {
			db.folds.keep(k.ref)
			return db.FoldInline(ctx, k.ref, k.fold)
		}
	}
}

// markKept makes the log's mark of the tables, under its lock: who appends later finds it.
func (db *DB) markKept(ctx context.Context, k *kept) error {
	return db.change(ctx, true, func(ctx context.Context, c *pgx.Conn, b *pgx.Batch) error {
		known, err := db.keptVersion(ctx, c, k.ref.Name)
		if err != nil || known == k.ref.Version {
			return err
		}
		if _, err := c.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", db.lock); err != nil {
			return err
		}
		if known, err = db.keptVersion(ctx, c, k.ref.Name); err != nil || known == k.ref.Version { // somebody else was first
			return err
		}
		if known > k.ref.Version {
			return fmt.Errorf("the log keeps version %d, made by a newer program, and this one has %d: use the newer program", known, k.ref.Version)
		}
		if err := lend(ctx, c, func(tx pgx.Tx) error { return k.reset(ctx, tx) }); err != nil {
			return fmt.Errorf("reset: %w", err)
		}
		b.Queue(db.tables.sql("DELETE FROM @views WHERE log = $1 AND inline AND name = $2"), db.log, k.ref.Name)
		b.Queue(db.tables.sql(`INSERT INTO @views (log, inline, name, version, fields, tables, parked, dropped, dropped_key, `+markColumns+`)
			VALUES ($1, true, $2, $3, '{}', $4, 0, 0, '', '', 0, 0, 0, '')`), db.log, k.ref.Name, k.ref.Version, keptMark)
		return nil
	})
}

// keptVersion is the version that the log's mark has, -1 if there is none.
func (db *DB) keptVersion(ctx context.Context, c *pgx.Conn, name string) (version int, err error) {
	var mark string
	err = c.QueryRow(ctx, db.tables.sql("SELECT version, tables FROM @views WHERE log = $1 AND inline AND name = $2 ORDER BY version DESC LIMIT 1"), db.log, name).Scan(&version, &mark)
	switch {
	case isNone(err):
		return -1, nil
	case err == nil && mark != keptMark:
		err = &deed.InvalidError{Field: "Name", Reason: "is that of an Inline projection"}
	}
	return version, err
}

// A step of catching up writes so many events.
const keptStep = 500

const keptUntilSQL = `SELECT coalesce((SELECT position FROM @events WHERE log = $1 AND position > $2 ORDER BY position OFFSET $3 LIMIT 1),
	greatest(head, (SELECT max(position) FROM @events WHERE log = $1))) FROM @logs WHERE log = $1`

// step writes what some of the events change that the tables lack, and tells whether they lack none. The log has no end while somebody may be
// storing something: each step has its lock.
func (k *kept) step(ctx context.Context, c *pgx.Conn) (ended bool, err error) {
	db := k.db
	if _, err := c.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", db.lock); err != nil {
		return false, err
	}
	g := &group{l: newLedger(db), c: c, inline: map[deed.ViewRef]*storedView{}}
	if g.l.kinds, err = db.moreKinds(ctx, c); err != nil {
		return false, err
	}
	v, err := db.inline.find(ctx, c, findViewSQL+" FOR UPDATE", k.ref)
	switch {
	case err != nil:
		return false, err
	case v == nil || v.tables != keptMark:
		return false, fmt.Errorf("version %d was given up, or taken over by another one, while it caught up", k.ref.Version)
	}
	g.inline[k.ref] = v
	var until deed.Position
	if err := c.QueryRow(ctx, db.tables.sql(keptUntilSQL), db.log, int64(v.position), keptStep-1).Scan(&until); err != nil {
		return false, err
	}
	if v.position >= until {
		return true, nil
	}
	records, err := g.between(ctx, v.position, until)
	if err == nil {
		_, err = k.fold(ctx, &inlineTx{g}, v.checkpoint, records, until)
	}
	return false, err
}

// fold writes what records change and moves the mark, in the transaction of a group.
func (k *kept) fold(ctx context.Context, tx deed.ViewTx, from deed.Checkpoint, records []deed.Record, to deed.Position) (stopped bool, err error) {
	if err := k.writeAll(ctx, tx.(*inlineTx).g.c, records); err != nil {
		return false, err
	}
	at := deed.Checkpoint{Log: k.db.info.ID, Incarnation: k.db.info.Incarnation, Position: to, Last: from.Last, LastID: from.LastID}
	if n := len(records); n > 0 {
		at.Last, at.LastID = records[n-1].Position, records[n-1].ID
	}
	return false, tx.CommitView(ctx, deed.ViewCommit{View: k.ref, From: from.Position, Checkpoint: at})
}

func (k *kept) writeAll(ctx context.Context, c *pgx.Conn, records []deed.Record) error {
	var mine []deed.Record
	for i := range records {
		if k.selects(&records[i]) {
			mine = append(mine, records[i])
		}
	}
	if len(mine) == 0 {
		return nil
	}
	return lend(ctx, c, func(tx pgx.Tx) error {
		for _, r := range mine {
			if err := k.write(ctx, tx, r); err != nil {
				return fmt.Errorf("%s at position %d: %w", r.Type, r.Position, err)
			}
		}
		return nil
	})
}

const (
	lendSQL     = "SAVEPOINT deed_lent"
	takeBackSQL = "SET CONSTRAINTS ALL IMMEDIATE; RELEASE SAVEPOINT deed_lent"
)

// lend has somebody's function do statements in a transaction of ours. What it leaves undone, open, or failed is an error, and so is its panic.
func lend(ctx context.Context, c *pgx.Conn, f func(tx pgx.Tx) error) (err error) {
	tx, err := c.BeginTx(ctx, pgx.TxOptions{BeginQuery: lendSQL, CommitQuery: takeBackSQL})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil { // nobody can use it any more
			limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
			defer cancel()
			_ = tx.Rollback(limited)
		}
	}()
	if err := guarded(func() error { return f(&lentTx{Tx: tx}) }); err != nil {
		return ofOne(err)
	}
	return takeBack(ctx, c, tx)
}

// takeBack ends what was lent.
func takeBack(ctx context.Context, c *pgx.Conn, tx pgx.Tx) error {
	if c.PgConn().IsBusy() {
		return errors.New("a result that was asked for in the transaction is still open: close its rows before returning")
	}
	err := tx.Commit(ctx) // of the savepoint
	switch {
	case hasCode(err, "3B001", "25P01"):
		return fmt.Errorf("the transaction was ended before its events were stored: what was done in it may be stored, and they are not: %w", ofOne(err))
	case hasCode(err, "25P02"):
		return fmt.Errorf("a statement of the transaction has failed, and nothing of it can be stored: %w", ofOne(err))
	}
	return err
}

// guarded makes a panic an error.
func guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &deed.PanicError{Value: r, Stack: debug.Stack()}
		}
	}()
	return f()
}

// ofOne hides the codes of what is one append's fault, and would be taken for everybody's: a statement after one that failed, and one that took
// too long.
func ofOne(err error) error {
	if hasCode(err, "25", "57014") {
		return errors.New(err.Error())
	}
	return err
}

// folds is how the inline views of a log are folded here: by the writer, and by who appends past it, one at a time.
type folds struct {
	sync.Mutex
	running sync.Mutex // while some are
	by      map[deed.ViewRef]deed.InlineFold
	own     map[deed.ViewRef]bool       // views that are not deed's
	stopped map[deed.ViewRef]inlineStop // views that their folds have stopped, and where; guarded by running
}

func newFolds() *folds {
	return &folds{by: map[deed.ViewRef]deed.InlineFold{}, own: map[deed.ViewRef]bool{}, stopped: map[deed.ViewRef]inlineStop{}}
}

func (f *folds) of(ref deed.ViewRef) deed.InlineFold {
	f.Lock()
	defer f.Unlock()
	return f.by[ref]
}

func (f *folds) set(ref deed.ViewRef, fold deed.InlineFold) {
	f.running.Lock()
	defer f.running.Unlock()
	f.Lock()
	defer f.Unlock()
	f.by[ref] = fold
	delete(f.stopped, ref)
}

func (f *folds) keep(ref deed.ViewRef) {
	f.Lock()
	defer f.Unlock()
	f.own[ref] = true
}

func (f *folds) keeps(ref deed.ViewRef) bool {
	f.Lock()
	defer f.Unlock()
	return f.own[ref]
}
