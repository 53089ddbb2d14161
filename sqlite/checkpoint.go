package sqlite

import (
	"errors"
	"runtime/debug"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/deed-es/deed"
)

const (
	// From so many pages on in the WAL, what is in it is moved into the database, and again after as many more.
	checkpointPages = 1000
	// With so many times as many, readers are kept back between two pages, so that the WAL can start anew; otherwise many
	// that take turns, each for a moment only, would keep it growing for ever.
	restartFactor = 4
	// So long those that are at it are waited for: a page takes far less. A reader of another program that takes longer lets
	// the WAL grow on.
	restartPatience = 100 * time.Millisecond
)

// walSize follows the size of a connection's WAL.
type walSize struct {
	every int // checkpointPages, or fewer for a test
	pages int // after the last commit
	next  int // when to checkpoint again
}

// watchWAL has the connection tell the size of its WAL, and leaves checkpoints to the writer, which makes them after it
// has answered.
func (c *conn) watchWAL() {
	c.WALHook(func(_ *sqlite3.Conn, _ string, pages int) error {
		if pages < c.wal.pages { // started anew
			c.wal.next = c.wal.every
		}
		c.wal.pages = pages
		return nil
	})
}

// checkpoint moves the WAL into the database when it is due. What it cannot do now is done after a later group; nothing
// that was acknowledged depends on it.
func (w *writer) checkpoint() {
	c := w.conn
	if c == nil || c.wal.pages < max(c.wal.next, c.wal.every) {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			w.log.Error("a checkpoint failed", "store", w.store, "error", &deed.PanicError{Value: r, Stack: debug.Stack()})
			w.abandon()
		}
	}()
	mode := sqlite3.CHECKPOINT_PASSIVE
	if c.wal.pages >= restartFactor*c.wal.every {
		mode = sqlite3.CHECKPOINT_RESTART
		defer w.readers.pause(restartPatience)()
		_ = c.BusyTimeout(restartPatience)
	}
	_, _, err := c.WALCheckpoint("main", mode)
	_ = c.BusyTimeout(busyTimeout)
	c.wal.next = c.wal.pages + c.wal.every
	if err != nil && !errors.Is(err, sqlite3.BUSY) {
		w.log.Warn("a checkpoint failed", "store", w.store, "error", explained(err))
		w.abandon() // what a failed flush leaves is settled when the database is opened again
	}
}
