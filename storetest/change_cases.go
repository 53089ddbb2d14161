package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/deed-es/deed"
)

// changeCases are about Changes and tombstones.
func changeCases() []viewCase {
	return []viewCase{
		{"changes come in the order of position and key, each row once as it is last", changesInOrderOfPosition},
		{"removed rows are changes without data", removedAreChanges},
		{"a row removed that was never there is a change too", neverThereIsAChange},
		{"changes in pages after a cursor are all changes", changesInPages},
		{"a cursor without key is behind all rows of its position", cursorWithoutKey},
		{"tombstones of rows removed before a time can be dropped, others stay", tombstonesAreDropped},
		{"after that a cursor before a dropped tombstone is ErrCursor, and one behind is not", cursorBeforeDropped},
		{"a row made again keeps no tombstone", madeAgainHasNoTombstone},
	}
}

// Times that every clock lies between.
var (
	longAgo = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	farAway = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

func (b *viewBed) dropTombstones(t time.Time) {
	b.Helper()
	if err := b.views.DropTombstones(b.ctx, t); err != nil {
		b.Fatalf("drop tombstones before %v: %v", t, err)
	}
}

// changed is a view with rows that came, changed and went.
func (b *viewBed) changed() deed.ViewRef {
	b.Helper()
	view := b.cart().ViewRef
	b.make(b.cart())
	b.commit(view, 0, 3, row("d", 1, nil, nil), row("c", 1, nil, nil), row("b", 2, nil, nil), row("a", 3, nil, nil))
	b.commit(view, 3, 5, row("d", 4, nil, nil), gone("b", 5))
	b.commit(view, 5, 9, row("e", 7, nil, nil), row("f", 7, nil, nil), row("g", 7, nil, nil), gone("a", 8))
	return view
}

func changesInOrderOfPosition(b *viewBed) {
	view := b.changed()
	b.changes(view, deed.ChangeCursor{}, 100, "c@1", "d@4", "b@5!", "e@7", "f@7", "g@7", "a@8!")
	if _, at, err := b.views.Changes(b.ctx, view, deed.ChangeCursor{}, 1); at != 9 || err != nil {
		b.Errorf("changes are read at %d, %v, want 9", at, err)
	}
	b.commit(view, 9, 10, row("c", 10, nil, nil), row("b", 10, nil, nil))
	b.changes(view, deed.ChangeCursor{Position: 4}, 100, "e@7", "f@7", "g@7", "a@8!", "b@10", "c@10")
}

func removedAreChanges(b *viewBed) {
	view := b.changed()
	rows := b.changes(view, deed.ChangeCursor{Position: 7, Key: "g"}, 100, "a@8!")
	if r := rows[0]; r.Data != nil {
		b.Errorf("a removed row has data %q", r.Data)
	}
	rows = b.changes(view, deed.ChangeCursor{Position: 7, Key: "f"}, 1, "g@7")
	if r := rows[0]; string(r.Data) != `{"at":7}` {
		b.Errorf("a changed row has data %q", r.Data)
	}
}

// A view that is made anew may fold a row's beginning and its end in one step; who had the row before is told all the same.
func neverThereIsAChange(b *viewBed) {
	view := b.changed()
	b.commit(view, 9, 10, deed.RowChange{Row: deed.Row{Key: "z", Position: 10}})
	b.changes(view, deed.ChangeCursor{Position: 8}, 100, "z@10!")
}

func changesInPages(b *viewBed) {
	view := b.changed()
	for _, size := range []int{1, 2, 3, 7} {
		got, after := "", deed.ChangeCursor{}
		for {
			rows, _, err := b.views.Changes(b.ctx, view, after, size)
			if err != nil || len(rows) > size {
				b.Fatalf("%d changes after %+v: %v", len(rows), after, err)
			}
			if len(rows) == 0 {
				break
			}
			for _, r := range rows {
				got += r.Key
			}
			last := rows[len(rows)-1]
			after = deed.ChangeCursor{Position: last.Position, Key: last.Key}
		}
		if got != "cdbefga" {
			b.Errorf("in pages of %d the changes are %s", size, got)
		}
	}
}

func cursorWithoutKey(b *viewBed) {
	view := b.changed()
	b.changes(view, deed.ChangeCursor{Position: 6}, 100, "e@7", "f@7", "g@7", "a@8!")
	b.changes(view, deed.ChangeCursor{Position: 7}, 100, "a@8!")
	b.changes(view, deed.ChangeCursor{Position: 7, Key: "e"}, 100, "f@7", "g@7", "a@8!")
	b.changes(view, deed.ChangeCursor{Position: 9}, 100)
}

func tombstonesAreDropped(b *viewBed) {
	view := b.changed()
	b.dropTombstones(longAgo)
	b.changes(view, deed.ChangeCursor{Position: 1}, 100, "d@4", "b@5!", "e@7", "f@7", "g@7", "a@8!")
	b.dropTombstones(farAway)
	b.changes(view, deed.ChangeCursor{Position: 9}, 100)
	b.commit(view, 9, 12, gone("c", 11), row("b", 12, nil, nil))
	b.changes(view, deed.ChangeCursor{Position: 9}, 100, "c@11!", "b@12")
	b.list(view, deed.RowQuery{}, "b", "d", "e", "f", "g")
}

func cursorBeforeDropped(b *viewBed) {
	view := b.changed()
	b.dropTombstones(farAway)
	check := func() {
		for _, after := range []deed.ChangeCursor{{Position: 1}, {Position: 5}, {Position: 7}, {Position: 7, Key: "g"}} {
			if rows, _, err := b.views.Changes(b.ctx, view, after, 100); !errors.Is(err, deed.ErrCursor) {
				b.Errorf("changes after %+v: %d rows, %v, want ErrCursor", after, len(rows), err)
			}
		}
		b.changes(view, deed.ChangeCursor{Position: 8, Key: "a"}, 100)
		b.changes(view, deed.ChangeCursor{Position: 8}, 100)
	}
	check()
	b.reopen()
	b.make(b.cart())
	check()
}

func madeAgainHasNoTombstone(b *viewBed) {
	view := b.changed()
	b.commit(view, 9, 11, row("a", 10, nil, nil), row("b", 11, nil, nil))
	b.changes(view, deed.ChangeCursor{Position: 4}, 100, "e@7", "f@7", "g@7", "a@10", "b@11")
	b.dropTombstones(farAway)
	b.changes(view, deed.ChangeCursor{Position: 4}, 100, "e@7", "f@7", "g@7", "a@10", "b@11")
	b.has(view, "a", 10, 11)
}

// waitCases are about WaitView.
func waitCases() []viewCase {
	return []viewCase{
		{"waiting for what is reached returns at once, also when the context has ended", waitForReached},
		{"a waiter is woken by the commit that reaches its position", waiterIsWoken},
		{"a waiter that gives up gets the position reached and a BehindError", waiterGivesUp},
		{"a view that was never opened is at 0 and is waited for", waitForUnopened},
		{"commit by commit a waiter sees each at once", waiterKeepsPace},
	}
}

func waitForReached(b *viewBed) {
	view := b.cart().ViewRef
	b.make(b.cart())
	b.commit(view, 0, 7)
	ended, cancel := context.WithCancel(b.ctx)
	cancel()
	for _, ctx := range []context.Context{b.ctx, ended} {
		for _, reach := range []deed.Position{0, 5, 7} {
			if at, err := b.views.WaitView(ctx, view, reach); at != 7 || err != nil {
				b.Errorf("waiting for %d: %d, %v, want 7", reach, at, err)
			}
		}
	}
}

// waiting waits in the background.
func (b *viewBed) waiting(ctx context.Context, view deed.ViewRef, reach deed.Position) <-chan error {
	done := make(chan error, 1)
	go func() {
		at, err := b.views.WaitView(ctx, view, reach)
		if err == nil && at < reach {
			err = fmt.Errorf("waiting for %d ended at %d", reach, at)
		}
		done <- err
	}()
	return done
}

func waiterIsWoken(b *viewBed) {
	view := b.cart().ViewRef
	b.make(b.cart())
	for p := deed.Position(0); p < deed.Position(scaled(200)); p += 3 {
		second, third := b.waiting(b.ctx, view, p+2), b.waiting(b.ctx, view, p+3)
		for step := range deed.Position(3) {
			giveWay()
			b.commit(view, p+step, p+step+1)
		}
		for _, done := range []<-chan error{second, third} {
			if err := <-done; err != nil {
				b.Fatalf("%v", err)
			}
		}
	}
}

// giveWay lets goroutines that were just started come to where they wait. Nothing depends on it but how much is tried.
func giveWay() {
	for range 100 {
		runtime.Gosched()
	}
}

func waiterGivesUp(b *viewBed) {
	view := b.cart().ViewRef
	b.make(b.cart())
	b.commit(view, 0, 4)
	ctx, cancel := context.WithCancel(b.ctx)
	done := b.waiting(ctx, view, 6)
	b.commit(view, 4, 5)
	cancel()
	b.behind(<-done, view, 6, 5)
	at, err := b.views.WaitView(ctx, view, 6)
	b.behind(err, view, 6, 5)
	if at != 5 {
		b.Errorf("gave up at %d, want 5", at)
	}
}

func (b *viewBed) behind(err error, view deed.ViewRef, want, reached deed.Position) {
	b.Helper()
	var behind *deed.BehindError
	if !errors.As(err, &behind) || !errors.Is(err, deed.ErrBehind) {
		b.Fatalf("error is %v, want a *BehindError", err)
	}
	if *behind != (deed.BehindError{View: view.Name, Want: want, Reached: reached}) {
		b.Fatalf("error is %+v, want %s behind %d at %d", *behind, view.Name, want, reached)
	}
}

func waitForUnopened(b *viewBed) {
	view := b.cart().ViewRef
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	at, err := b.views.WaitView(ctx, view, 2)
	b.behind(err, view, 2, 0)
	if at != 0 {
		b.Errorf("a view that was never opened is at %d", at)
	}
	done := b.waiting(b.ctx, view, 2)
	b.make(b.cart())
	b.commit(view, 0, 2)
	if err := <-done; err != nil {
		b.Fatalf("%v", err)
	}
}

// waiterKeepsPace compares a waiter's pace with that of the commits alone. The bound is far above what a wake-up costs
// and far below what looking every 100 ms would.
func waiterKeepsPace(b *viewBed) {
	view := b.cart().ViewRef
	b.make(b.cart())
	const rounds = 100
	pace := func(from deed.Position, wait bool) time.Duration {
		begin := time.Now()
		for p := from; p < from+rounds; p++ {
			done := make(<-chan error)
			if wait {
				done = b.waiting(b.ctx, view, p+1)
			}
			giveWay()
			b.commit(view, p, p+1)
			if !wait {
				continue
			}
			if err := <-done; err != nil {
				b.Fatalf("%v", err)
			}
		}
		return time.Since(begin)
	}
	alone := pace(0, false)
	if waited := pace(rounds, true); waited > 10*alone+3*time.Second {
		b.Errorf("%d commits with a waiter took %v, without one %v", rounds, waited, alone)
	}
}
