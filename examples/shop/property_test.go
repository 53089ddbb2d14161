package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/sqlite"
)

var (
	walksWanted = flag.Int("walks", 0, "how many random histories each property test of the shop makes; 0: a few")
	firstSeed   = flag.Uint64("random", 1, "`seed` of the first of them, the next ones are counted up")
)

// walks runs a test for each seed.
func walks(t *testing.T, few int, test func(t *testing.T, seed uint64)) {
	if *walksWanted > 0 {
		few = *walksWanted
	}
	for i := range uint64(few) {
		seed := *firstSeed + i
		t.Run(fmt.Sprint("random=", seed), func(t *testing.T) { test(t, seed) })
	}
}

// Whatever several people ask of the shop at once, sensible or not, in whatever order, and repeated: what is in the log is
// what the blueprint allows, all adds up once nothing is left to do, and every view is what a model makes of the log.
func TestNoHistoryBreaksTheShop(t *testing.T) {
	walks(t, 3, func(t *testing.T, seed uint64) {
		w := newWalk(t, seed)
		stop := w.runs()
		w.through(rounds(40, 10))
		w.settle()
		w.check()
		w.post.check(t, w.records())
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// The views of a random history are lost, and made anew from the log: they are the same, byte for byte.
func TestViewsMadeAnewAreTheSame(t *testing.T) {
	walks(t, 1, func(t *testing.T, seed uint64) {
		path := filepath.Join(t.TempDir(), "shop.db")
		w := openWalk(t, path, seed)
		stop := w.runs()
		w.through(rounds(30, 10))
		w.settle()
		w.check()
		before, end := w.rows(), len(w.records())
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		lost, err := filepath.Glob(filepath.Join(filepath.Dir(path), "shop-views.db*"))
		if err != nil || len(lost) == 0 {
			t.Fatal("there are no views to lose", err)
		}
		for _, name := range lost {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}

		w = openWalk(t, path, seed)
		stop = w.runs()
		w.settle()
		if now := len(w.records()); now != end {
			t.Errorf("the log had %d events, and has %d", end, now)
		}
		after := w.rows()
		for view, rows := range before {
			if len(rows) == 0 {
				t.Errorf("the view %s was empty", view)
			}
			for key, row := range rows {
				if after[view][key] != row {
					t.Errorf("view %s, row %s:\n was %+v\n  is %+v", view, key, row, after[view][key])
				}
			}
			if len(after[view]) != len(rows) {
				t.Errorf("view %s had %d rows, and has %d", view, len(rows), len(after[view]))
			}
		}
		w.check()
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// The two ways to put the shop together for these tests make the same shop: the program's, and the one with a mailer, rates
// and a clock of the test's own.
func TestWalksAreThroughTheWholeShop(t *testing.T) {
	program := openWalk(t, filepath.Join(t.TempDir(), "shop.db"), 0)
	own := newWalk(t, 0)
	if !reflect.DeepEqual(own.service.Model(), program.service.Model()) {
		t.Errorf("got %+v\nwant %+v", own.service.Model(), program.service.Model())
	}
	if err := errors.Join(own.store.Close(), program.store.Close()); err != nil {
		t.Error(err)
	}
}

// openWalk opens the shop as the program does, but for the clock.
func openWalk(t *testing.T, path string, seed uint64) *walk {
	t.Helper()
	o, err := parse(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	clock := deedtest.NewClock(deedtest.Start)
	db, err := sqlite.Open(path, &sqlite.Options{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	s, err := newShop(stores{db, db}, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &walk{t: t, seed: seed, clock: clock, store: db, service: s.service, ordering: s.ordering}
}
