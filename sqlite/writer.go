package sqlite

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// ledger is what a writer keeps in memory of what it has written. Only the writer's goroutine calls it.
type ledger interface {
	// begin says that a group's transaction began, after a commit or a rollback.
	begin()
	// finish does what is to be done once the group's tasks are done, before the commit.
	finish(c *conn) error
	// commit says that the group is stored; what it wrote is made known.
	commit()
	// events is how many events the group has stored so far.
	events() int
	// rollback says that nothing of the group is there.
	rollback()
	// reload reads anew what is stored; after a failure nothing remembered is to be trusted.
	reload(c *conn) error
}

// task is one caller's work, done inside the transaction of a group.
type task interface {
	// apply does the work. A refusal is the caller's own answer and has left nothing behind in the transaction; a failure
	// is a statement's, after which the transaction is rolled back.
	apply(c *conn) (refusal, failure error)
}

// job is a task on its way through a queue.
type job = engine.Job[task]

// writer is the one goroutine that writes to a database. It takes everything that waits, stores it in one transaction
// with one flush, and answers each caller.
type writer struct {
	*engine.Queue[task]
	ledger    ledger
	log       *slog.Logger
	store     string // what it is called to observers
	observing *engine.Observing
	open      func() (*conn, error) // a new connection after a failure; nil: the connection is all there is
	there     func() error          // whether the files are where they were when they were opened
	readers   *pool                 // who reads beside it
	known     sync.Mutex            // held while a group is committed and made known
	shared    *pool                 // in memory: the connection is borrowed from here for each group
	conn      *conn
	ended     chan struct{}
	stop      chan struct{}
}

func newWriter(l ledger, log *slog.Logger) *writer {
	return &writer{Queue: engine.NewQueue[task](), ledger: l, log: log, there: func() error { return nil }, ended: make(chan struct{}), stop: make(chan struct{})}
}

// run works until the queue is closed.
func (w *writer) run() {
	defer close(w.ended)
	var group []*job
	for {
		if group = w.Next(group); group == nil {
			break
		}
		w.write(group)
		clear(group)
		w.checkpoint()
	}
	if w.shared == nil {
		w.conn.close()
	}
}

// close answers who waits with ErrClosed and returns when the group under way is done.
func (w *writer) close() {
	close(w.stop)
	w.Close()
	<-w.ended
}

// write stores a group and answers it. A group whose statement fails and is known to be rolled back is tried again in
// halves, down to the offender.
func (w *writer) write(group []*job) {
	if w.conn == nil && !w.recover() {
		engine.AnswerAll(group, deed.ErrClosed)
		return
	}
	release := w.borrow()
	failure, unknown := w.attempt(group)
	if unknown {
		w.abandon()
	}
	release()
	if failure == nil {
		return
	}
	log := w.log.With("store", w.store, "batches", len(group), "error", failure)
	var panicked *deed.PanicError
	if errors.As(failure, &panicked) {
		log = log.With("stack", string(panicked.Stack))
	}
	var before *beginError
	switch {
	case unknown:
		log.Error("a commit failed; its outcome is unknown")
		engine.AnswerAll(group, fmt.Errorf("%w: %w", deed.ErrUnknown, failure))
	case errors.As(failure, &before):
		log.Error("a transaction could not begin")
		engine.AnswerAll(group, failure)
	case len(group) == 1:
		log.Error("a write failed and was rolled back")
		engine.AnswerAll(group, failure)
	default:
		half := len(group) / 2
		w.write(group[:half])
		w.write(group[half:])
	}
}

// beginError is a transaction that could not begin: no batch of the group is to blame.
type beginError struct{ err error }

func (e *beginError) Error() string { return "begin: " + e.err.Error() }

// Unwrap returns what went wrong; deed.ErrBusy too where somebody else has the right to write.
func (e *beginError) Unwrap() []error {
	if errors.Is(e.err, sqlite3.BUSY) {
		return []error{deed.ErrBusy, e.err}
	}
	return []error{e.err}
}

// attempt runs the group's transaction once. With a failure nobody is answered; unknown tells that the transaction may be
// stored all the same.
func (w *writer) attempt(group []*job) (failure error, unknown bool) {
	begun, committing, told := false, false, w.observing.Begin(w.store, len(group))
	defer func() {
		if r := recover(); r != nil { // the clock, a codec under an inline projection, or SQLite, which ran out of memory
			failure, unknown = &deed.PanicError{Value: r, Stack: debug.Stack()}, committing
			if !begun {
				failure = &beginError{failure}
			}
			w.abandon()
		}
		failure = explained(failure)
		told.End(failure, w.log)
	}()
	c := w.conn
	if err := c.query("BEGIN IMMEDIATE").exec(); err != nil {
		w.undo(c)
		return &beginError{err}, false
	}
	w.ledger.begin()
	begun = true
	for _, j := range group {
		refusal, err := j.Task.apply(c)
		if err != nil {
			w.undo(c)
			return err, false
		}
		j.Err = refusal
	}
	err := w.ledger.finish(c)
	if err == nil {
		err = w.there()
	}
	if err != nil {
		w.undo(c)
		return err, false
	}
	committing = true
	told.Flush(w.ledger.events())
	if err := w.commit(c); err != nil {
		return err, true
	}
	for _, j := range group {
		j.Answer()
	}
	return nil, false
}

// commit makes the group durable and known, as one thing to who looks while holding known.
func (w *writer) commit(c *conn) error {
	w.known.Lock()
	defer w.known.Unlock()
	if err := c.query("COMMIT").exec(); err != nil {
		return err
	}
	w.ledger.commit()
	return nil
}

// borrow takes the connection from the readers, where it is theirs too, and returns how to give it back.
func (w *writer) borrow() (release func()) {
	if w.shared == nil {
		return func() {}
	}
	w.shared.slots <- struct{}{}
	return func() { <-w.shared.slots }
}

// undo rolls back. A connection that cannot is given up; its transaction was not committed in any case.
func (w *writer) undo(c *conn) {
	if !c.GetAutocommit() {
		if err := c.query("ROLLBACK").exec(); err != nil || !c.GetAutocommit() {
			w.abandon()
			return
		}
	}
	w.ledger.rollback()
}

// abandon gives the connection up, so that the next group opens a new one and reads what is stored.
func (w *writer) abandon() {
	if w.open == nil { // in memory: there is no other, and nothing that was not committed is kept
		if !w.conn.GetAutocommit() {
			_ = w.conn.query("ROLLBACK").exec()
		}
		if err := w.ledger.reload(w.conn); err != nil {
			w.log.Error("could not read the log again", "store", w.store, "error", err)
		}
		return
	}
	w.conn.close()
	w.conn = nil
	w.ledger.rollback()
}

// recover opens a new connection, however long that takes, unless the store is closed before.
func (w *writer) recover() bool {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		c, err := w.open()
		if err == nil {
			if err = w.ledger.reload(c); err == nil {
				w.conn = c
				return true
			}
			c.close()
		}
		w.log.Error("could not open the database again", "store", w.store, "error", explained(err))
		select {
		case <-w.stop:
			return false
		case <-time.After(pause):
		}
	}
}

// refuse is a task's answer that leaves nothing behind.
func refuse(err error) (refusal, failure error) { return err, nil }

// fail is a statement's failure.
func fail(err error) (refusal, failure error) {
	if err == nil {
		err = errors.New("failed without an error")
	}
	return nil, err
}
