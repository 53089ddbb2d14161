package deed_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// demand is who writes to accounts and reads what they wrote, by the view's name, until it is told to end.
type demand struct {
	t       testing.TB
	service *deed.Service
	seen    [4]atomic.Pointer[deposit] // of each account
	reads   atomic.Int64
	ctx     context.Context
	running sync.WaitGroup
	end     context.CancelFunc
}

// deposit is what an account has had, and where.
type deposit struct {
	n  int
	at deed.Position
}

// demands opens some accounts, and has them written to and read from then on.
func demands(t testing.TB, s *running) *demand {
	d := &demand{t: t}
	for i := range d.seen {
		d.seen[i].Store(&deposit{1, s.send(accounts.Send(fmt.Sprint(i), open{"ann"})).Position})
	}
	d.begin(s)
	return d
}

// begin has a service be asked.
func (d *demand) begin(s *running) {
	d.service = s.Service
	d.ctx = bounded(d.t)
	var writing context.Context
	writing, d.end = context.WithCancel(d.ctx)
	d.running.Go(func() { d.write(writing) })
	for i := range d.seen {
		d.running.Go(func() { d.read(writing, i) })
	}
	d.t.Cleanup(d.stop)
}

// stop ends it, without giving up anything that is asked already.
func (d *demand) stop() {
	d.end()
	d.running.Wait()
}

// more waits until so many more questions were answered.
func (d *demand) more(n int64) {
	for from := d.reads.Load(); d.reads.Load() < from+n && d.ctx.Err() == nil && !d.t.Failed(); {
		runtime.Gosched()
	}
}

func (d *demand) write(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i = (i + 1) % len(d.seen) {
		receipt, err := d.service.Dispatch(d.ctx, deed.Stream("account", fmt.Sprint(i)), "pay", []byte(`{"amount":1}`))
		if err != nil {
			d.t.Errorf("write: %v", err)
			return
		}
		d.seen[i].Store(&deposit{d.seen[i].Load().n + 1, receipt.Position})
	}
}

// read complains where there is no answer, or one that is older than what was written.
func (d *demand) read(ctx context.Context, i int) {
	key := fmt.Sprint(i)
	for ctx.Err() == nil && !d.t.Failed() {
		w := d.seen[i].Load()
		views := d.service.Views()
		row, at, err := views.Get(d.ctx, "tallies", key, w.at)
		if err != nil {
			d.t.Errorf("get: %v", err)
			return
		}
		var v count
		if err := deed.DecodeJSON(row.Row, &v); err != nil || v.N < w.n || at < w.at {
			d.t.Errorf("the row is %+v at %d, %v, want what was written: %+v", v, at, err, *w)
		}
		rows, err := views.List(d.ctx, "tallies", nil, deed.Page{}, w.at)
		if err != nil || rows.Position < w.at || len(rows.Rows) <= i {
			d.t.Errorf("the list is %+v, %v, want one at %d or later", rows, err, w.at)
			return
		}
		if err := deed.DecodeJSON(rows.Rows[i].Row, &v); err != nil || v.N < w.n {
			d.t.Errorf("the list has %+v, %v, want what was written: %+v", v, err, *w)
		}
		if _, _, err := views.Get(d.ctx, "tallies", key, 0); err != nil {
			d.t.Errorf("get at any position: %v", err)
		}
		d.reads.Add(1)
	}
}

// Switching there and back fails no question, and none is answered with less than it asked for.
func TestSwitchingUnderLoad(t *testing.T) {
	db, _ := memory(t)
	cut := tallies(2)
	cut.Partitions = 3
	s := start(t, db, accounts, tallies(1), cut)
	d := demands(t, s)
	d.more(5)
	times := 10
	if testing.Short() {
		times = 4
	}
	for i := range times {
		s.switchTo(2 - i%2)
		d.more(5)
	}
	d.stop()
	s.settle()
	c, err := s.Views().Compare(bounded(t), "tallies", 1, 2, 0)
	must(t, err)
	want(t, "rows that differ in what was counted", c.Different, len(d.seen)) // in By
}

// A new version that takes the place of the old one, which is dropped, fails no question.
func TestSupersedingUnderLoad(t *testing.T) {
	db, _ := memory(t)
	s := start(t, db, accounts, tallies(1))
	d := demands(t, s)
	for version := 2; version <= 5; version++ {
		d.more(5)
		d.stop()
		s.stop()
		s = start(t, db, accounts, tallies(version))
		d.begin(s)
		for !t.Failed() && !isAlone(t, db, version) {
			d.more(1)
		}
		s.isRead(version, false)
	}
	d.stop()
}

func isAlone(t testing.TB, db *sqlite.DB, version int) bool {
	refs, err := db.ListViews(bounded(t))
	must(t, err)
	return len(refs) == 1 && refs[0] == tallyRef(version)
}
