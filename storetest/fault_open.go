package storetest

import (
	"errors"
	"fmt"

	"github.com/deed-es/deed"
)

// fill makes a store that has something of everything.
func (w *faultWalk) fill() {
	w.Helper()
	w.open()
	w.append(put("order-0", 0, "first"), false)
	w.append(answering(put("order-1", 0, "a", "b"), "command", "hash"), false)
	w.step(1)
	w.step(2)
	if err := w.project(); err != nil {
		w.Errorf("project: %v", err)
	}
	w.append(put("order-2", 0, "c"), false)
	if w.refused+w.unknown > 0 {
		w.Fatalf("without a fault %d changes are refused and %d unknown", w.refused, w.unknown)
	}
}

// die has the process die in one of the next appends, or behind them where they make no such calls.
func (w *faultWalk) die() {
	w.Helper()
	w.spoil(Die, 1+w.nth%6, func() {
		for i := deed.Version(0); !w.hasStruck() && i < 10; i++ {
			w.append(put("order-3", i, fmt.Sprint("d", i)), false)
		}
	})
	if w.store != nil {
		w.close()
	}
}

// opening opens the store under the fault, again until it is open, and then looks for what was acknowledged.
func (w *faultWalk) opening() {
	w.Helper()
	w.struck, w.spoilt = w.faults.Spoil(w.nth, w.fault), false
	left := map[Fault]int{FailOnce: 1, FailThrice: 3, Die: 1}[w.fault] // each failure takes one of the spoilt calls at least
	for err := w.openSpoilt(); err != nil; err = w.openSpoilt() {
		if w.count(err); !w.spoilt || left == 0 {
			w.Fatalf("open: %v", err)
		}
		left--
	}
	w.faults.Mend()
	w.append(put("order-8", 0, "open"), false)
	if a := w.answers[len(w.answers)-1]; a.err != nil {
		w.Errorf("append when the store is open: %v", a.err)
	}
	w.check()
	w.close()
	w.open()
	w.check()
	w.close()
}

var errDied = errors.New("the process died")

// openSpoilt opens the store once. A process that dies meanwhile has not opened it, and is started again.
func (w *faultWalk) openSpoilt() error {
	w.Helper()
	err := w.tryOpen()
	died := w.fault == Die && !w.spoilt && w.hasStruck()
	w.spoilt = w.hasStruck()
	if !died {
		return err
	}
	if err == nil {
		w.close()
	}
	w.faults.Mend()
	return errDied
}
