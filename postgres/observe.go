package postgres

import (
	"runtime/debug"
	"time"

	"github.com/deed-es/deed"
)

// groupTold is a group that is being written while somebody wants to be told.
type groupTold struct {
	observer deed.Observer
	group    deed.Group
	since    time.Time
	flushing bool
}

// observe begins to tell of a group; nil if nobody wants to know.
func (db *DB) observe(store string, batches int) *groupTold {
	o := db.observer.Load()
	if o == nil || *o == nil {
		return nil
	}
	return &groupTold{observer: *o, group: deed.Group{Store: store, Batches: batches}, since: time.Now()}
}

// flush says that all is looked up and decided, and the statements that store it begin, with their commit.
func (t *groupTold) flush(events int) {
	if t == nil {
		return
	}
	t.group.Events, t.group.Write, t.flushing = events, time.Since(t.since), true
	t.since = time.Now()
}

// told tells how the group ended. An observer that panics hurts nobody but itself.
func (db *DB) told(t *groupTold, err error) {
	if t == nil {
		return
	}
	defer func() {
		if r := recover(); r != nil && !db.appalled.Swap(true) {
			panicked := &deed.PanicError{Value: r, Stack: debug.Stack()}
			db.logger.Error("an observer panicked, which is said once", "error", panicked, "stack", string(panicked.Stack))
		}
	}()
	t.end(err)
}

func (t *groupTold) end(err error) {
	if since := time.Since(t.since); t.flushing {
		t.group.Flush = since
	} else {
		t.group.Write = since
	}
	if t.group.Err = err; err != nil {
		t.group.Events = 0
	}
	t.observer.Wrote(t.group)
}
