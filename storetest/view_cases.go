package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/deed-es/deed"
)

// viewCases are the promises of deed.ViewStore.
func viewCases() []viewCase {
	var cases []viewCase
	cases = append(cases, rowCases()...)
	cases = append(cases, listCases()...)
	cases = append(cases, changeCases()...)
	cases = append(cases, waitCases()...)
	cases = append(cases, viewParkCases()...)
	return append(cases, versionCases()...)
}

func rowCases() []viewCase {
	return []viewCase{
		{"a new view is empty, with the zero checkpoint", newViewIsEmpty},
		{"a view is found with the checkpoint of its last commit", viewIsFound},
		{"rows and checkpoint commit together and are read together", rowsCommit},
		{"a row is replaced, removed and made again", rowsAreReplaced},
		{"Rows returns the rows that exist", rowsOfKeys},
		{"a commit from another position is a conflict and stores nothing", commitFromElsewhere},
		{"of commits from the same position exactly one is stored", commitsContest},
		{"a commit may only move the checkpoint", commitMovesOnly},
		{"a view with another version is made anew, empty", otherVersionIsNew},
		{"a view with another index is made anew, empty", otherIndexIsNew},
		{"views do not see each other", viewsAreTheirOwn},
		{"a dropped view starts anew", droppedStartsAnew},
		{"views are there after the opening again", viewsOutliveReopen},
		{"a row and the view's position are read together, whatever commits", rowReadTogether},
		{"a list, its rows and the view's position are read together, whatever commits", listReadTogether},
	}
}

func newViewIsEmpty(b *viewBed) {
	spec := b.cart()
	for range 2 {
		if checkpoint := b.make(spec); checkpoint != (deed.Checkpoint{}) {
			b.Errorf("checkpoint of a new view is %+v", checkpoint)
		}
	}
	b.has(spec.ViewRef, "a", 0, 0)
	b.list(spec.ViewRef, deed.RowQuery{})
	b.changes(spec.ViewRef, deed.ChangeCursor{}, 10)
}

func viewIsFound(b *viewBed) {
	spec := b.cart()
	b.make(spec)
	step := b.stepOf(spec.ViewRef, 0, 7, row("a", 5, "open", int64(1)))
	if err := b.views.CommitView(b.ctx, step); err != nil {
		b.Fatalf("commit: %v", err)
	}
	if checkpoint := b.make(spec); checkpoint != step.Checkpoint {
		b.Errorf("checkpoint is %+v, want %+v", checkpoint, step.Checkpoint)
	}
	b.has(spec.ViewRef, "a", 5, 7)
}

func rowsCommit(b *viewBed) {
	spec := b.cart()
	b.make(spec)
	data := []string{`{"b":1, "a":2,"b":3}`, `"\u0000é<"`, `12345678901234567890.0`}
	step := b.stepOf(spec.ViewRef, 0, 9)
	for i, text := range data {
		change := row(fmt.Sprint("k é ", i), deed.Position(i+1), nil, nil)
		change.Data = []byte(text)
		step.Rows = append(step.Rows, change)
	}
	if err := b.views.CommitView(b.ctx, step); err != nil {
		b.Fatalf("commit: %v", err)
	}
	for i, text := range data {
		r, at, err := b.views.Row(b.ctx, spec.ViewRef, fmt.Sprint("k é ", i))
		if err != nil || at != 9 || string(r.Data) != text || r.Position != deed.Position(i+1) {
			b.Errorf("row is %+v %q at %d, %v, want %q", r, r.Data, at, err, text)
		}
	}
	b.has(spec.ViewRef, "k", 0, 9)
}

func rowsAreReplaced(b *viewBed) {
	view := b.cart().ViewRef
	b.make(b.cart())
	b.commit(view, 0, 2, row("a", 1, "open", int64(1)), row("b", 2, "open", int64(2)))
	b.commit(view, 2, 4, row("a", 3, "paid", int64(5)), gone("b", 4), gone("never", 4))
	b.has(view, "a", 3, 4)
	b.has(view, "b", 0, 4)
	b.has(view, "never", 0, 4)
	b.list(view, deed.RowQuery{Where: []deed.RowWhere{{Field: "status", Value: "open"}}})
	b.list(view, deed.RowQuery{Where: []deed.RowWhere{{Field: "status", Value: "paid"}}}, "a")
	b.commit(view, 4, 6, gone("a", 5), row("b", 6, "open", int64(9)))
	b.has(view, "a", 0, 6)
	b.has(view, "b", 6, 6)
	b.list(view, deed.RowQuery{Where: []deed.RowWhere{{Field: "status", Value: "open"}}}, "b")
}

func rowsOfKeys(b *viewBed) {
	view := b.cart().ViewRef
	b.make(b.cart())
	var changes []deed.RowChange
	keys := []string{"never"}
	for i := range 300 {
		keys = append(keys, fmt.Sprint("k", i))
		changes = append(changes, row(keys[i+1], deed.Position(i+1), "open", int64(i)))
	}
	b.commit(view, 0, 300, changes...)
	b.commit(view, 300, 301, gone("k7", 301))
	rows, err := b.views.Rows(b.ctx, view, keys)
	if err != nil || len(rows) != 299 {
		b.Fatalf("%d rows, %v, want 299", len(rows), err)
	}
	for key, r := range rows {
		if r.Key != key || key != fmt.Sprint("k", r.Position-1) {
			b.Errorf("row %s is %+v", key, r)
		}
	}
	if rows, err := b.views.Rows(b.ctx, view, nil); err != nil || len(rows) != 0 {
		b.Errorf("rows of no keys: %v, %v", rows, err)
	}
}

func commitFromElsewhere(b *viewBed) {
	view := b.cart().ViewRef
	b.make(b.cart())
	b.commit(view, 0, 5, row("a", 5, "open", int64(1)))
	for _, from := range []deed.Position{0, 4, 6, 9} {
		err := b.views.CommitView(b.ctx, b.stepOf(view, from, 9, row("b", 9, "open", int64(1)), gone("a", 9)))
		if !errors.Is(err, deed.ErrConflict) {
			b.Errorf("commit from %d: %v, want ErrConflict", from, err)
		}
		b.has(view, "a", 5, 5)
		b.has(view, "b", 0, 5)
		b.changes(view, deed.ChangeCursor{}, 10, "a@5")
	}
	if checkpoint := b.make(b.cart()); checkpoint != checkpointIn(b.log, 5) {
		b.Errorf("checkpoint is %+v", checkpoint)
	}
}

func commitsContest(b *viewBed) {
	view := b.cart().ViewRef
	b.make(b.cart())
	bed := &bed{tester: b.tester}
	for round := range scaled(40) {
		var won atomic.Int32
		bed.crowd(8, func(i int) error {
			from := deed.Position(round)
			err := b.views.CommitView(b.ctx, b.stepOf(view, from, from+1, row(fmt.Sprint(round, ".", i), from+1, "open", int64(i))))
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, deed.ErrConflict) {
				return err
			}
			return nil
		})
		rows, _, err := b.views.ListRows(b.ctx, view, deed.RowQuery{Limit: 1000})
		if won.Load() != 1 || err != nil || len(rows) != round+1 {
			b.Fatalf("round %d: %d commits won, and there are %d rows, %v", round, won.Load(), len(rows), err)
		}
	}
}

func commitMovesOnly(b *viewBed) {
	view := b.cart().ViewRef
	b.make(b.cart())
	b.commit(view, 0, 3, row("a", 2, "open", int64(1)))
	b.commit(view, 3, 8)
	b.has(view, "a", 2, 8)
	b.changes(view, deed.ChangeCursor{}, 10, "a@2")
}

func otherVersionIsNew(b *viewBed) {
	spec := b.cart()
	b.make(spec)
	b.commit(spec.ViewRef, 0, 5, row("a", 5, "open", int64(1)))
	spec.Version = 2
	if checkpoint := b.make(spec); checkpoint != (deed.Checkpoint{}) {
		b.Errorf("checkpoint of another version is %+v", checkpoint)
	}
	b.has(spec.ViewRef, "a", 0, 0)
	b.list(spec.ViewRef, deed.RowQuery{})
	b.commit(spec.ViewRef, 0, 3, row("a", 3, "open", int64(1)))
	b.has(spec.ViewRef, "a", 3, 3)
}

func otherIndexIsNew(b *viewBed) {
	spec := b.cart()
	b.make(spec)
	b.commit(spec.ViewRef, 0, 5, row("a", 5, "open", int64(1)))
	spec.Index = []string{"status"}
	if checkpoint := b.make(spec); checkpoint != (deed.Checkpoint{}) {
		b.Errorf("checkpoint of another index is %+v", checkpoint)
	}
	b.has(spec.ViewRef, "a", 0, 0)
	b.commit(spec.ViewRef, 0, 3, row("b", 3, "open"))
	b.list(spec.ViewRef, deed.RowQuery{Order: "status"}, "b")
	b.reopen()
	if checkpoint := b.make(spec); checkpoint.Position != 3 {
		b.Errorf("found again it stands at %+v", checkpoint)
	}
}

func viewsAreTheirOwn(b *viewBed) {
	carts, users := b.cart(), deed.ViewSpec{ViewRef: deed.ViewRef{Name: "users", Version: 1}, Log: b.log}
	b.make(carts)
	b.make(users)
	b.commit(carts.ViewRef, 0, 5, row("a", 5, "open", int64(1)))
	b.has(users.ViewRef, "a", 0, 0)
	b.commit(users.ViewRef, 0, 2, row("a", 1), row("b", 2))
	b.has(carts.ViewRef, "a", 5, 5)
	b.has(users.ViewRef, "a", 1, 2)
	b.list(users.ViewRef, deed.RowQuery{}, "a", "b")
	b.changes(users.ViewRef, deed.ChangeCursor{}, 10, "a@1", "b@2")
	if err := b.views.DropView(b.ctx, users.ViewRef); err != nil {
		b.Fatalf("drop: %v", err)
	}
	b.has(carts.ViewRef, "a", 5, 5)
}

func droppedStartsAnew(b *viewBed) {
	spec := b.cart()
	b.make(spec)
	b.commit(spec.ViewRef, 0, 5, row("a", 4, "open", int64(1)), row("b", 5, "open", int64(1)))
	b.commit(spec.ViewRef, 5, 6, gone("b", 6))
	if err := b.views.DropView(b.ctx, spec.ViewRef); err != nil {
		b.Fatalf("drop: %v", err)
	}
	if checkpoint := b.make(spec); checkpoint != (deed.Checkpoint{}) {
		b.Errorf("checkpoint of a dropped view is %+v", checkpoint)
	}
	b.has(spec.ViewRef, "a", 0, 0)
	b.changes(spec.ViewRef, deed.ChangeCursor{}, 10)
	b.commit(spec.ViewRef, 0, 1, row("c", 1, "open", int64(1)))
	b.list(spec.ViewRef, deed.RowQuery{}, "c")
}

func viewsOutliveReopen(b *viewBed) {
	spec := b.cart()
	b.make(spec)
	b.commit(spec.ViewRef, 0, 5, row("a", 4, "open", int64(1)), row("b", 5, nil, 2.5))
	b.commit(spec.ViewRef, 5, 6, gone("a", 6))
	b.reopen()
	if checkpoint := b.make(spec); checkpoint != checkpointIn(b.log, 6) {
		b.Errorf("checkpoint is %+v", checkpoint)
	}
	b.has(spec.ViewRef, "a", 0, 6)
	b.has(spec.ViewRef, "b", 5, 6)
	b.list(spec.ViewRef, deed.RowQuery{Where: []deed.RowWhere{{Field: "total", Value: 2.5}}}, "b")
	b.changes(spec.ViewRef, deed.ChangeCursor{}, 10, "b@5", "a@6!")
}

// while lets readers read as long as work goes on, and waits for all.
func (b *viewBed) while(work func() error, readers int, read func() error) {
	b.Helper()
	done := make(chan struct{})
	bed := &bed{tester: b.tester}
	bed.crowd(readers+1, func(i int) error {
		if i == 0 {
			defer close(done)
			return work()
		}
		for {
			if err := read(); err != nil {
				return err
			}
			select {
			case <-done:
				return nil
			default:
			}
		}
	})
}

// beating commits step after step, each of which sets rows a and b, and the view, to its own position.
func (b *viewBed) beating(view deed.ViewRef) func() error {
	return func() error {
		for i := range deed.Position(scaled(300)) {
			p := i + 1
			if err := b.views.CommitView(b.ctx, b.stepOf(view, i, p, row("a", p, "open", int64(p)), row("b", p, "open", int64(p)))); err != nil {
				return err
			}
		}
		return nil
	}
}

func rowReadTogether(b *viewBed) {
	view := b.cart().ViewRef
	b.make(b.cart())
	b.while(b.beating(view), 3, func() error {
		r, at, err := b.views.Row(b.ctx, view, "b")
		if at > 0 && (err != nil || r.Position != at || string(r.Data) != fmt.Sprintf(`{"at":%d}`, at)) {
			return fmt.Errorf("row %+v %s is read at %d, %w", r, r.Data, at, err)
		}
		return nil
	})
}

func listReadTogether(b *viewBed) {
	view := b.cart().ViewRef
	b.make(b.cart())
	b.while(b.beating(view), 3, func() error {
		listed, at, err := b.views.ListRows(b.ctx, view, deed.RowQuery{Order: "total", Limit: 10})
		changed, later, changesErr := b.views.Changes(b.ctx, view, deed.ChangeCursor{}, 10)
		if err != nil || changesErr != nil || later < at {
			return fmt.Errorf("list at %d: %w, changes at %d: %w", at, err, later, changesErr)
		}
		for _, r := range listed {
			if r.Position != at {
				return fmt.Errorf("row %+v is listed at %d", r, at)
			}
		}
		for _, r := range changed {
			if r.Position != later {
				return fmt.Errorf("row %+v is a change at %d", r, later)
			}
		}
		return nil
	})
}
