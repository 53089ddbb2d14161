package engine

import (
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/deed-es/deed"
)

// Observing is who wants to be told of the groups that are written.
type Observing struct {
	observer atomic.Pointer[deed.Observer]
	appalled atomic.Bool // an observer has panicked, which is logged once
}

// Observe sets who is told from now on.
func (o *Observing) Observe(observer deed.Observer) { o.observer.Store(&observer) }

// Told is a group that is being written while somebody wants to be told. A nil one does nothing.
type Told struct {
	observing *Observing
	observer  deed.Observer
	group     deed.Group
	since     time.Time
	flushing  bool
}

// Begin begins to tell of a group; nil if nobody wants to know.
func (o *Observing) Begin(store string, batches int) *Told {
	observer := o.observer.Load()
	if observer == nil || *observer == nil {
		return nil
	}
	return &Told{observing: o, observer: *observer, group: deed.Group{Store: store, Batches: batches}, since: time.Now()}
}

// Flush says that so many events are on their way, and that what is left is to make them durable.
func (t *Told) Flush(events int) {
	if t == nil {
		return
	}
	t.group.Events, t.group.Write, t.flushing = events, time.Since(t.since), true
	t.since = time.Now()
}

// End tells how the group ended. An observer that panics hurts nobody but itself.
func (t *Told) End(err error, log *slog.Logger) {
	if t == nil {
		return
	}
	defer func() {
		if r := recover(); r != nil && !t.observing.appalled.Swap(true) {
			panicked := &deed.PanicError{Value: r, Stack: debug.Stack()}
			log.Error("an observer panicked, which is said once", "error", panicked, "stack", string(panicked.Stack))
		}
	}()
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
