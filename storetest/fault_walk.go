package storetest

import (
	"context"
	"errors"

	"github.com/deed-es/deed"
)

// faultWalk is one run of a piece of work under one fault.
type faultWalk struct {
	tester
	ctx    context.Context
	fault  Fault
	nth    int // call is spoiled
	faults Faults
	reopen func() (deed.Engine, error)
	struck <-chan struct{}
	store  faultyStore // nil: not open

	log     deed.LogInfo // as it was when the store was first open
	answers []*answer
	part    faultPart
	clock   *handClock

	spoilt  bool
	unknown int
	refused int
}

type faultyStore interface {
	deed.Engine
	deed.ViewStore
}

// answer is an append and how it ended.
type answer struct {
	batch   deed.Batch
	receipt deed.Receipt
	err     error // nil: acknowledged
	wrong   bool  // to be refused in any case
}

func newFaultWalk(t tester, open func(Config) (Faults, func() (deed.Engine, error)), fault Fault, n int) *faultWalk {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	w := &faultWalk{tester: t, ctx: ctx, fault: fault, nth: n, clock: newHandClock()}
	w.faults, w.reopen = open(Config{Dir: t.TempDir(), Clock: w.clock})
	t.Cleanup(func() {
		cancel()
		if w.store != nil {
			_ = closeStore(w.store)
		}
	})
	return w
}

func (w *faultWalk) open() {
	w.Helper()
	if err := w.tryOpen(); err != nil {
		w.Fatalf("open: %v", err)
	}
}

// tryOpen opens the store, which is the same log each time.
func (w *faultWalk) tryOpen() error {
	w.Helper()
	store, err := w.reopen()
	if err != nil {
		return err
	}
	views, ok := store.(faultyStore)
	if !ok {
		w.Fatalf("%T is no deed.ViewStore", store)
	}
	w.store = views
	if info := views.Info(); w.log == (deed.LogInfo{}) {
		w.log = info
	} else if info != w.log {
		w.Errorf("the log is %+v, and was %+v", info, w.log)
	}
	return nil
}

func (w *faultWalk) close() {
	w.Helper()
	store := w.store
	w.store = nil
	if err := closeStore(store); err != nil {
		w.Errorf("close: %v", err)
	}
}

// using does work under the fault, with a store that is open.
func (w *faultWalk) using(work func()) {
	w.Helper()
	w.open()
	w.append(put("order-0", 0, "first"), false)
	w.under(w.fault, w.nth, work)
	w.check()
	w.close()
}

// under does work while the n-th call is spoiled, and leaves a store that is open and has no faults any more.
func (w *faultWalk) under(fault Fault, n int, work func()) {
	w.Helper()
	if w.spoil(fault, n, work); w.store == nil {
		w.open()
	}
}

// spoil does work while the n-th call is spoiled. It leaves a store without faults, closed if its process died.
func (w *faultWalk) spoil(fault Fault, n int, work func()) {
	w.Helper()
	w.struck = w.faults.Spoil(n, fault)
	done := make(chan struct{})
	go func() {
		defer close(done)
		work()
	}()
	select {
	case <-done:
	case <-w.struck:
	}
	w.spoilt = w.hasStruck()
	if fault == Die && w.spoilt { // a writer that cannot go on keeps its callers waiting until it is closed
		_ = closeStore(w.store)
		<-done
		w.store = nil
	}
	<-done
	w.faults.Mend()
	if w.ctx.Err() != nil {
		w.Fatalf("the work did not end in %v", patience)
	}
}

func (w *faultWalk) hasStruck() bool {
	select {
	case <-w.struck:
		return true
	default:
		return false
	}
}

// appendAndProject appends in most ways there are. The appends do not hang on each other, so that one that fails does not
// refuse the next.
func (w *faultWalk) appendAndProject() {
	w.append(put("order-1", 0, "a", "b"), false)
	w.append(batch(write("order-2", 0, "c"), write("order-3", 0, "d", "e")), false)
	_ = w.project()
	w.append(put("order-0", 7, "never"), true)
	w.append(answering(put("order-4", 0, "f"), "command", "hash"), false)
	w.append(under(of("order-5", 0, event("g", "tag:g")), without(0, tagged("tag:g"))), false)
	w.append(under(put("order-6", 0, "neither"), without(0, tagged("no:tag")), at("order-0", 5)), true)
	w.append(of("order-7", 0, sized("h", 20_000)), false)
	_ = w.project()
}

func (w *faultWalk) append(b deed.Batch, wrong bool) {
	a := &answer{batch: b, wrong: wrong}
	w.answers = append(w.answers, a)
	a.receipt, a.err = w.store.Append(w.ctx, b)
	if !wrong {
		w.count(a.err)
	}
}

func (w *faultWalk) count(err error) {
	switch {
	case errors.Is(err, deed.ErrUnknown):
		w.unknown++
	case err != nil:
		w.refused++
	}
}

// check looks at what is there once the fault has passed, tries again what was asked for, and looks again.
func (w *faultWalk) check() {
	w.Helper()
	w.checkAppends()
	w.checkPart()
	if err := w.project(); err != nil {
		w.Errorf("project: %v", err)
	}
	w.compareView()
}

func (w *faultWalk) checkAppends() {
	w.Helper()
	places := w.places()
	for _, a := range w.answers {
		last, there := w.stands(a, places)
		switch {
		case a.err == nil && (!there || last != a.receipt.Position):
			w.Errorf("append %s was acknowledged at %d and ends at %d", describe(a.batch), a.receipt.Position, last)
		case a.err != nil && !errors.Is(a.err, deed.ErrUnknown) && there:
			w.Errorf("append %s was refused (%v) and is there", describe(a.batch), a.err)
		}
	}
	for _, a := range w.answers {
		if a.wrong {
			continue
		}
		receipt, err := w.store.Append(w.ctx, a.batch)
		unknown := errors.Is(a.err, deed.ErrUnknown) // what was unknown may have come to light since
		if err != nil || !unknown && receipt.Again != (a.err == nil) || a.err == nil && receipt.Position != a.receipt.Position {
			w.Errorf("append %s, which got %v, gets %+v and %v when it is tried again", describe(a.batch), a.err, receipt, err)
		}
		a.receipt, a.err = receipt, err
	}
	places = w.places()
	for _, a := range w.answers {
		if _, there := w.stands(a, places); there == a.wrong {
			w.Errorf("append %s is there in the end: %v", describe(a.batch), there)
		}
	}
}

// places returns where each event is; none is there twice.
func (w *faultWalk) places() map[string]deed.Position {
	w.Helper()
	log, err := collect(w.ctx, w.store, deed.Query{})
	if err != nil {
		w.Fatalf("read: %v", err)
	}
	places := map[string]deed.Position{}
	for _, r := range log {
		if places[r.ID] != 0 {
			w.Errorf("%s is there twice", brief(r))
		}
		places[r.ID] = r.Position
	}
	return places
}

// stands tells where an append ends and whether it is there, and fails if it is there in part.
func (w *faultWalk) stands(a *answer, places map[string]deed.Position) (last deed.Position, there bool) {
	w.Helper()
	found, events := 0, 0
	for _, write := range a.batch.Writes {
		for i := range write.Events {
			events++
			if at := places[write.Events[i].ID]; at != 0 {
				found++
				last = max(last, at)
			}
		}
	}
	if found != 0 && found != events {
		w.Errorf("of append %s %d events of %d are there", describe(a.batch), found, events)
	}
	return last, found == events
}
