package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/deed-es/deed"
)

// RunViews checks a deed.ViewStore. The same dir opens the same store again; what open returns also has Close() error.
func RunViews(t *testing.T, open func(t *testing.T, dir string) deed.ViewStore) {
	for _, c := range viewCases() {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			c.run(newViewBed(t, func(dir string) deed.ViewStore { return open(t, dir) }))
		})
	}
}

type viewCase struct {
	sentence string
	run      func(b *viewBed)
}

// viewBed is for views what bed is for the log.
type viewBed struct {
	tester
	ctx   context.Context
	dir   string
	open  func(dir string) deed.ViewStore
	views deed.ViewStore
	log   deed.LogInfo
}

func newViewBed(t tester, open func(dir string) deed.ViewStore) *viewBed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	b := &viewBed{tester: t, ctx: ctx, dir: t.TempDir(), open: open, log: deed.LogInfo{ID: "log-1", Incarnation: 1}}
	b.views = open(b.dir)
	t.Cleanup(func() {
		cancel()
		if b.views != nil {
			b.close()
		}
	})
	return b
}

func (b *viewBed) close() {
	b.Helper()
	views := b.views
	b.views = nil
	if err := closeStore(views); err != nil {
		b.Errorf("close: %v", err)
	}
}

func (b *viewBed) reopen() {
	b.Helper()
	b.close()
	b.views = b.open(b.dir)
}

// cart is the view that most cases use, with its indexes.
func (b *viewBed) cart() deed.ViewSpec {
	return deed.ViewSpec{ViewRef: deed.ViewRef{Name: "carts", Version: 1}, Index: []string{"status", "total"}, Log: b.log}
}

func (b *viewBed) make(spec deed.ViewSpec) deed.Checkpoint {
	b.Helper()
	checkpoint, err := b.views.OpenView(b.ctx, spec)
	if err != nil {
		b.Fatalf("open view %+v: %v", spec, err)
	}
	return checkpoint
}

func (b *viewBed) stepOf(view deed.ViewRef, from, to deed.Position, rows ...deed.RowChange) deed.ViewCommit {
	return deed.ViewCommit{View: view, From: from, Checkpoint: checkpointIn(b.log, to), Rows: rows}
}

func (b *viewBed) commit(view deed.ViewRef, from, to deed.Position, rows ...deed.RowChange) {
	b.Helper()
	if err := b.views.CommitView(b.ctx, b.stepOf(view, from, to, rows...)); err != nil {
		b.Fatalf("commit %v from %d to %d: %v", view, from, to, err)
	}
}

// row is a row of carts as it is to be.
func row(key string, p deed.Position, index ...any) deed.RowChange {
	return deed.RowChange{Row: deed.Row{Key: key, Position: p, Data: fmt.Appendf(nil, `{"at":%d}`, p)}, Index: index}
}

// gone is a row that is to be removed.
func gone(key string, p deed.Position) deed.RowChange {
	return deed.RowChange{Row: deed.Row{Key: key, Position: p}}
}

// has checks one row; a position of 0 says that there is none.
func (b *viewBed) has(view deed.ViewRef, key string, p, reached deed.Position) {
	b.Helper()
	r, at, err := b.views.Row(b.ctx, view, key)
	switch {
	case at != reached:
		b.Fatalf("row %s is read at %d, want %d", key, at, reached)
	case p == 0 && !errors.Is(err, deed.ErrNotFound):
		b.Fatalf("row %s: %+v, %v, want ErrNotFound", key, r, err)
	case p == 0:
		return
	case err != nil:
		b.Fatalf("row %s: %v", key, err)
	case r.Key != key || r.Position != p || string(r.Data) != fmt.Sprintf(`{"at":%d}`, p):
		b.Fatalf("row %s is %+v %s, want that of %d", key, r, r.Data, p)
	}
}

// list checks which keys q selects, in order.
func (b *viewBed) list(view deed.ViewRef, q deed.RowQuery, keys ...string) []deed.Row {
	b.Helper()
	if q.Limit == 0 {
		q.Limit = 1000
	}
	rows, _, err := b.views.ListRows(b.ctx, view, q)
	if err != nil {
		b.Fatalf("list %+v: %v", q, err)
	}
	if got := keysOf(rows); strings.Join(got, " ") != strings.Join(keys, " ") {
		b.Fatalf("list %+v is %v, want %v", q, got, keys)
	}
	return rows
}

func keysOf(rows []deed.Row) []string {
	var keys []string
	for _, r := range rows {
		keys = append(keys, r.Key)
	}
	return keys
}

// changes checks the changed rows after a cursor, each written key@position, with a ! where it was removed.
func (b *viewBed) changes(view deed.ViewRef, after deed.ChangeCursor, limit int, want ...string) []deed.Row {
	b.Helper()
	rows, _, err := b.views.Changes(b.ctx, view, after, limit)
	if err != nil {
		b.Fatalf("changes after %+v: %v", after, err)
	}
	var got []string
	for _, r := range rows {
		word := fmt.Sprint(r.Key, "@", r.Position)
		if r.Data == nil {
			word += "!"
		}
		got = append(got, word)
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		b.Fatalf("changes after %+v are %v, want %v", after, got, want)
	}
	return rows
}
