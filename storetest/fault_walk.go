package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/deed-es/deed"
)

// faultWalk is one run of the work under one fault.
type faultWalk struct {
	*testing.T
	ctx    context.Context
	open   OpenFaulty
	config Config
	fault  Fault
	faults Faults
	struck <-chan struct{}
	store  faultyStore

	answers []*answer
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

func newFaultWalk(t *testing.T, open OpenFaulty, fault Fault, n int) *faultWalk {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	w := &faultWalk{T: t, ctx: ctx, open: open, fault: fault, config: Config{Dir: t.TempDir(), Clock: newHandClock()}}
	w.openStore()
	w.append(put("order-0", 0, "first"), false)
	w.struck = w.faults.Spoil(n, fault)
	return w
}

func (w *faultWalk) openStore() {
	w.Helper()
	store, faults, err := w.open(w.T, w.config)
	if err != nil {
		w.Fatalf("open: %v", err)
	}
	views, ok := store.(faultyStore)
	if !ok {
		w.Fatalf("%T is no deed.ViewStore", store)
	}
	w.store, w.faults = views, faults
}

func (w *faultWalk) run() {
	w.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.work()
	}()
	select {
	case <-done:
	case <-w.struck:
	}
	select {
	case <-w.struck:
		w.spoilt = true
	default:
	}
	if w.fault == Die && w.spoilt { // a writer that cannot go on keeps its callers waiting until it is closed
		_ = closeStore(w.store)
		<-done
		w.faults.Mend()
		w.openStore()
	}
	<-done
	w.faults.Mend()
	w.check()
	if err := closeStore(w.store); err != nil {
		w.Errorf("close: %v", err)
	}
}

// work uses the store in most ways there are to write to it. Appends do not hang on each other, so that one that fails does
// not refuse the next.
func (w *faultWalk) work() {
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
	switch {
	case errors.Is(a.err, deed.ErrUnknown):
		w.unknown++
	case a.err != nil && !wrong:
		w.refused++
	}
}

// check looks at what is there once the fault has passed, tries again what was not acknowledged, and looks again.
func (w *faultWalk) check() {
	w.Helper()
	if w.ctx.Err() != nil {
		w.Fatalf("the work did not end in %v", patience)
	}
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
		if a.err == nil || a.wrong {
			continue
		}
		if _, err := w.store.Append(w.ctx, a.batch); err != nil {
			w.Errorf("append %s, which got %v, gets %v when it is tried again", describe(a.batch), a.err, err)
		}
	}
	places = w.places()
	for _, a := range w.answers {
		if _, there := w.stands(a, places); there == a.wrong {
			w.Errorf("append %s is there in the end: %v", describe(a.batch), there)
		}
	}
	if err := w.project(); err != nil {
		w.Errorf("project: %v", err)
	}
	w.compareView()
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

// The walk's view has for each stream the ids of its events.
func (w *faultWalk) view() deed.ViewSpec {
	return deed.ViewSpec{ViewRef: deed.ViewRef{Name: "faults", Version: 1}, Log: w.store.Info()}
}

func (w *faultWalk) project() error {
	from, err := w.store.OpenView(w.ctx, w.view())
	if err != nil {
		return err
	}
	for r, err := range w.store.Read(w.ctx, deed.Query{After: from.Position}) {
		if err != nil {
			return err
		}
		row, _, err := w.store.Row(w.ctx, w.view().ViewRef, string(r.Stream))
		if err != nil && !errors.Is(err, deed.ErrNotFound) {
			return err
		}
		row, err = foldIDs(row, &r)
		if err != nil {
			return err
		}
		to := deed.Checkpoint{Log: from.Log, Incarnation: w.store.Info().Incarnation, Position: r.Position, Last: r.Position, LastID: r.ID}
		err = w.store.CommitView(w.ctx, deed.ViewCommit{
			View: w.view().ViewRef, From: from.Position, Checkpoint: to, Rows: []deed.RowChange{{Row: row}},
		})
		if err != nil {
			return err
		}
		from = to
	}
	return nil
}

func foldIDs(row deed.Row, r *deed.Record) (deed.Row, error) {
	var ids []string
	if row.Data != nil {
		if err := json.Unmarshal(row.Data, &ids); err != nil {
			return row, err
		}
	}
	data, err := json.Marshal(append(ids, r.ID))
	return deed.Row{Key: string(r.Stream), Data: data, Position: r.Position}, err
}

func (w *faultWalk) compareView() {
	w.Helper()
	log, err := collect(w.ctx, w.store, deed.Query{})
	if err != nil {
		w.Fatalf("read: %v", err)
	}
	want := map[string]deed.Row{}
	for i := range log {
		key := string(log[i].Stream)
		if want[key], err = foldIDs(want[key], &log[i]); err != nil {
			w.Fatalf("fold: %v", err)
		}
	}
	rows, at, err := w.store.ListRows(w.ctx, w.view().ViewRef, deed.RowQuery{})
	if err != nil {
		w.Fatalf("list: %v", err)
	}
	got := map[string]deed.Row{}
	for _, row := range rows {
		got[row.Key] = row
	}
	if at != log[len(log)-1].Position || fmt.Sprint(got) != fmt.Sprint(want) {
		w.Errorf("at %d the view is %v, and the fold %v", at, got, want)
	}
}
