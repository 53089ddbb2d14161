package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
)

// Values longer than an index of the database takes are stored, told apart and ordered all the same.
func TestLongIndexValuesAreOrderedAndFound(t *testing.T) {
	t.Parallel()
	db := opened(t, &postgres.Options{Schema: fresh(t)})
	view := deed.ViewRef{Name: "notes", Version: 1}
	if _, err := db.OpenView(t.Context(), deed.ViewSpec{ViewRef: view, Index: []string{"text"}}); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("äx", 5000)
	values := []string{long[:900], long[:2000], long, long + "\x00", long + "a", long + "b", long + "ü"} // in order
	rows := make([]deed.RowChange, len(values))
	for i, v := range values {
		rows[i] = deed.RowChange{Row: deed.Row{Key: fmt.Sprint("k", len(values)-i), Data: []byte("{}"), Position: 1}, Index: []any{v}}
	}
	if err := db.CommitView(t.Context(), deed.ViewCommit{View: view, Checkpoint: deed.Checkpoint{Position: 1}, Rows: rows}); err != nil {
		t.Fatal(err)
	}
	for _, desc := range []bool{false, true} {
		var got, want []string
		for i := range values {
			want = append(want, rows[i].Key)
		}
		if desc {
			slices.Reverse(want)
		}
		q := deed.RowQuery{Order: "text", Desc: desc, Limit: 1}
		for {
			page, _, err := db.ListRows(t.Context(), view, q)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page[0].Key)
			i := slices.IndexFunc(rows, func(r deed.RowChange) bool { return r.Key == page[0].Key })
			q.After = &deed.RowCursor{Key: page[0].Key, Value: values[i]}
		}
		if !slices.Equal(got, want) {
			t.Errorf("desc %v: %v, want %v", desc, got, want)
		}
	}
	for i, v := range values {
		page, _, err := db.ListRows(t.Context(), view, deed.RowQuery{Where: []deed.RowWhere{{Field: "text", Value: v}}})
		if err != nil || len(page) != 1 || page[0].Key != rows[i].Key {
			t.Errorf("value %d is found as %v, %v", i, page, err)
		}
	}
}

// How far a view is, is said as it is now, also by a process that has nothing to do with the view and nobody who waits for it; and who has
// read that the view was made anew by another process waits for it again.
func TestAViewIsWhereAnotherProcessHasBroughtIt(t *testing.T) {
	t.Parallel()
	o := &postgres.Options{Schema: fresh(t)}
	one, other := opened(t, o), opened(t, o)
	view, key := deed.ViewRef{Name: "notes", Version: 1}, "k"
	commit := func(from, to deed.Position) {
		t.Helper()
		if _, err := one.OpenView(t.Context(), deed.ViewSpec{ViewRef: view}); err != nil {
			t.Fatal(err)
		}
		rows := []deed.RowChange{{Row: deed.Row{Key: key, Data: []byte("{}"), Position: to}}}
		if err := one.CommitView(t.Context(), deed.ViewCommit{View: view, From: from, Checkpoint: deed.Checkpoint{Position: to}, Rows: rows}); err != nil {
			t.Fatal(err)
		}
	}
	isAt := func(want deed.Position) {
		t.Helper()
		if at, err := other.WaitView(t.Context(), view, 0); at != want || err != nil {
			t.Errorf("the other process says %d, %v, want %d", at, err, want)
		}
	}
	commit(0, 3)
	isAt(3)
	commit(3, 7)
	isAt(7)
	if err := one.DropView(t.Context(), view); err != nil {
		t.Fatal(err)
	}
	commit(0, 2)
	if _, at, err := other.Row(t.Context(), view, key); at != 2 || err != nil {
		t.Fatalf("the row is read at %d, %v", at, err)
	}
	waited := make(chan deed.Position, 1)
	go func() {
		at, _ := other.WaitView(t.Context(), view, 5)
		waited <- at
	}()
	commit(2, 6)
	if at := <-waited; at != 6 {
		t.Errorf("who waited for 5 is told %d, want 6", at)
	}
	isAt(6)
}
